"""How near predicted numbers come, as one metric of the evaluate library, computed by SciPy and scikit-learn."""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

from ..vectors.word_tests import correlations

_DESCRIPTION = """\
Pearson's correlation of predictions and references, Spearman's of their ranks, and the mean squared error.
"""

_INPUTS = """
Args:
    predictions: the predicted numbers.
    references: the right ones.

Returns:
    A dictionary with `pearson` and `spearman`, between -1 and 1, and `mse`. Of numbers that are all the same there is
    no correlation: 0.

Examples:
    >>> from wordemb_hf.evaluation import RegressionMetrics
    >>> RegressionMetrics().compute(predictions=[1.0, 2.0, 4.0], references=[1.0, 2.0, 3.0])["spearman"]
    1.0
"""

_CITATION = """\
@article{virtanen2020scipy,
  title = {{SciPy} 1.0: Fundamental Algorithms for Scientific Computing in {Python}},
  author = {Virtanen, Pauli and others},
  journal = {Nature Methods},
  volume = {17},
  pages = {261--272},
  year = {2020}
}
"""


class RegressionMetrics(evaluate.Metric):
    """`pearson`, `spearman` and `mse` of one number per text, offline.

    Predictions are kept in memory, like those of `ClassificationMetrics`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"keep_in_memory": settings.get("num_process", 1) == 1, **settings})

    def _info(self) -> evaluate.MetricInfo:
        number = datasets.Value("float64")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": number, "references": number}),
            reference_urls=["https://docs.scipy.org/doc/scipy/reference/stats.html"],
        )

    def _compute(self, predictions: Sequence[float], references: Sequence[float]) -> dict[str, float]:
        import numpy as np
        from sklearn.metrics import mean_squared_error

        both = np.asarray(predictions), np.asarray(references)
        spearman, pearson = correlations(*both) if len(references) > 1 else (0.0, 0.0)
        return {"pearson": pearson, "spearman": spearman, "mse": float(mean_squared_error(references, predictions))}

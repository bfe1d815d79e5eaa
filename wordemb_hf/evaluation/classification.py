"""Accuracy and macro-averaged F1 as one metric of the evaluate library, computed by scikit-learn, offline."""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

_DESCRIPTION = """\
Accuracy: the share of texts whose label is right. Macro F1: the F1 of every label that occurs among predictions or \
references, averaged without weights, so that a rare label counts as much as a frequent one.
"""

_INPUTS = """
Args:
    predictions: the predicted label ids, integers.
    references: the right label ids, integers.

Returns:
    A dictionary with `accuracy` and `macro_f1`, each between 0 and 1.

Examples:
    >>> from wordemb_hf.evaluation import ClassificationMetrics
    >>> ClassificationMetrics().compute(predictions=[0, 1, 1, 1], references=[0, 0, 1, 1])["accuracy"]
    0.75
"""

_CITATION = """\
@article{pedregosa2011scikit,
  title = {Scikit-learn: Machine Learning in {Python}},
  author = {Pedregosa, Fabian and others},
  journal = {Journal of Machine Learning Research},
  volume = {12},
  pages = {2825--2830},
  year = {2011}
}
"""


class ClassificationMetrics(evaluate.Metric):
    """`accuracy` and `macro_f1` of one label per text.

    Everything that `evaluate.Metric` offers works (`add`, `add_batch`, `compute`, `evaluate.combine`), and nothing is
    downloaded. Predictions are kept in memory, so processes side by side cannot meet in a cache file; a distributed
    metric (`num_process` > 1) uses evaluate's files as usual. The arguments are those of `evaluate.Metric`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"keep_in_memory": settings.get("num_process", 1) == 1, **settings})

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}),
            reference_urls=["https://scikit-learn.org/stable/modules/model_evaluation.html"],
        )

    def _compute(self, predictions: Sequence[int], references: Sequence[int]) -> dict[str, float]:
        from sklearn.metrics import accuracy_score, f1_score

        return {
            "accuracy": float(accuracy_score(references, predictions)),
            "macro_f1": float(f1_score(references, predictions, average="macro", zero_division=0.0)),
        }

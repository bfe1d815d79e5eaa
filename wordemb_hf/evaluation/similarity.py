"""How well measured similarities agree with people's judgements, as one metric of the evaluate library."""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np

from ..vectors.word_tests import correlations

_DESCRIPTION = """\
Spearman's correlation tells whether pairs of words come in the same order, Pearson's whether they lie on a line. Both \
are between -1 and 1, and 0 where all predictions or all references are the same.
"""

_INPUTS = """
Args:
    predictions: the measured similarities, such as cosines of word vectors.
    references: people's judgements of the same pairs, on any scale.

Returns:
    A dictionary with `spearman` and `pearson`.

Examples:
    >>> from wordemb_hf.evaluation import SimilarityMetrics
    >>> SimilarityMetrics().compute(predictions=[0.1, 0.2, 0.9], references=[1, 5, 6])["spearman"]
    1.0
"""

_CITATION = """\
@article{hill2015simlex,
  title = {{SimLex-999}: Evaluating Semantic Models with (Genuine) Similarity Estimation},
  author = {Hill, Felix and Reichart, Roi and Korhonen, Anna},
  journal = {Computational Linguistics},
  volume = {41},
  number = {4},
  pages = {665--695},
  year = {2015}
}
"""


class SimilarityMetrics(evaluate.Metric):
    """`spearman` and `pearson` of measured similarities and judgements.

    Everything that `evaluate.Metric` offers works, and nothing is downloaded; predictions are kept in memory, as in
    `ClassificationMetrics`. `KeyedVectors.evaluate_word_pairs` reads a file of pairs and gives the same figures.
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
        )

    def _compute(self, predictions: Sequence[float], references: Sequence[float]) -> dict[str, float]:
        spearman, pearson = correlations(np.asarray(predictions), np.asarray(references))
        return {"spearman": spearman, "pearson": pearson}

"""How many analogies have the right answer, as one metric of the evaluate library."""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

_DESCRIPTION = """\
Accuracy: the share of the questions asked whose answer is the right word, capitals aside. Coverage: the share of the \
questions that could be asked.
"""

_INPUTS = """
Args:
    predictions: the answers, words; None for a question that could not be asked, since a word has no vector.
    references: the right words.

Returns:
    A dictionary with `accuracy` and `coverage`, each between 0 and 1.

Examples:
    >>> from wordemb_hf.evaluation import AnalogyMetrics
    >>> AnalogyMetrics().compute(predictions=["queen", "Rome", None], references=["queen", "Paris", "Oslo"])["accuracy"]
    0.5
"""

_CITATION = """\
@inproceedings{mikolov2013efficient,
  title = {Efficient Estimation of Word Representations in Vector Space},
  author = {Mikolov, Tomas and Chen, Kai and Corrado, Greg and Dean, Jeffrey},
  booktitle = {ICLR Workshop},
  year = {2013}
}
"""


class AnalogyMetrics(evaluate.Metric):
    """`accuracy` and `coverage` of answers to analogies.

    Everything that `evaluate.Metric` offers works, and nothing is downloaded; predictions are kept in memory, as in
    `ClassificationMetrics`. `KeyedVectors.evaluate_analogies` reads a file of questions and gives the same accuracy.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"keep_in_memory": settings.get("num_process", 1) == 1, **settings})

    def _info(self) -> evaluate.MetricInfo:
        word = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": word, "references": word}),
        )

    def _compute(self, predictions: Sequence[str | None], references: Sequence[str]) -> dict[str, float]:
        asked = [(given, right) for given, right in zip(predictions, references, strict=True) if given is not None]
        right = sum(given.upper() == wanted.upper() for given, wanted in asked)
        return {"accuracy": right / max(len(asked), 1), "coverage": len(asked) / max(len(references), 1)}

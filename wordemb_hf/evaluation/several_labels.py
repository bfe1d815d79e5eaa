"""F1 and exact match of texts with several labels as one metric of the evaluate library, computed by scikit-learn."""

import math
from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

_DESCRIPTION = """\
Micro F1: the F1 of all decisions, whether a text has a label, taken together. Macro F1: the F1 of every label that \
occurs among predictions or references, averaged without weights. Exact match (subset accuracy): the share of texts \
whose labels are all right and none too many.
"""

_INPUTS = """
Args:
    predictions: for each text a 1 for each label that it is given and a 0 for each other one, integers.
    references: the same of the right labels.

Returns:
    A dictionary with `micro_f1`, `macro_f1` and `exact_match`, each between 0 and 1; a macro F1 of no label is 0.

Examples:
    >>> from wordemb_hf.evaluation import MultiLabelMetrics
    >>> MultiLabelMetrics().compute(predictions=[[1, 0], [1, 1]], references=[[1, 0], [0, 1]])["exact_match"]
    0.5
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


class MultiLabelMetrics(evaluate.Metric):
    """`micro_f1`, `macro_f1` and `exact_match` of texts with several labels, offline.

    Predictions are kept in memory, like those of `ClassificationMetrics`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"keep_in_memory": settings.get("num_process", 1) == 1, **settings})

    def _info(self) -> evaluate.MetricInfo:
        marks = datasets.Sequence(datasets.Value("int64"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": marks, "references": marks}),
            reference_urls=["https://scikit-learn.org/stable/modules/model_evaluation.html"],
        )

    def _compute(self, predictions: Sequence[Sequence[int]], references: Sequence[Sequence[int]]) -> dict[str, float]:
        import numpy as np
        from sklearn.metrics import f1_score

        given, right = np.array(predictions), np.array(references)  # (texts, labels)
        # By columns of both: a table of one column would pass for single labels.
        labels = {"labels": [1]} if right.shape[1] == 1 else {}
        given, right = (given[:, 0], right[:, 0]) if labels else (given, right)
        micro = f1_score(right, given, average="micro", zero_division=0.0, **labels)
        macro = float(f1_score(right, given, average="macro", zero_division=np.nan, **labels))
        whole = given == right
        return {
            "micro_f1": float(micro),
            "macro_f1": 0.0 if math.isnan(macro) else macro,
            "exact_match": float((whole if labels else whole.all(1)).mean()),
        }

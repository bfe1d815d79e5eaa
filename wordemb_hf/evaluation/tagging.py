"""How well words are tagged, as one metric of the evaluate library: spans by seqeval, single tags by scikit-learn."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import datasets
import evaluate

from ..errors import UserError
from ..spans import mark_spans, parse_tag, spans_of

_DESCRIPTION = """\
Where tags mark spans (IOB, BMES, BIOES, BILOU): precision, recall and F1 of whole spans, micro-averaged; a span is \
right when its type and both of its ends are, and a sequence that the scheme forbids is read as conlleval reads it. \
Where tags mark single words (parts of speech): macro F1, the F1 of every tag averaged without weights. Accuracy: the \
share of words whose tag is right.
"""

_INPUTS = """
Args:
    predictions: for each sentence the predicted tags, strings.
    references: for each sentence the right tags.
    spans: whether tags mark spans; by default, the references tell.

Returns:
    A dictionary with `accuracy`; for spans `f1`, `precision` and `recall`, else `macro_f1`; and `types`: for each type
    of span, or each tag, its `f1`, `precision`, `recall`, and `support`, how many there are.

Examples:
    >>> from wordemb_hf.evaluation import TaggingMetrics
    >>> predictions, references = [["B-PER", "I-PER", "O", "B-LOC"]], [["B-PER", "I-PER", "O", "O"]]
    >>> TaggingMetrics().compute(predictions=predictions, references=references)["precision"]
    0.5
"""

_CITATION = """\
@inproceedings{tjong-kim-sang-buchholz-2000-introduction,
  title = {Introduction to the {CoNLL}-2000 Shared Task Chunking},
  author = {Tjong Kim Sang, Erik F. and Buchholz, Sabine},
  booktitle = {Fourth Conference on Computational Natural Language Learning},
  year = {2000}
}
"""


class TaggingMetrics(evaluate.Metric):
    """`f1`, `precision`, `recall` of spans or `macro_f1` of tags, `accuracy`, and the same for each type.

    Everything that `evaluate.Metric` offers works, and nothing is downloaded. Predictions are kept in memory, so
    processes side by side cannot meet in a cache file; a distributed metric (`num_process` > 1) uses evaluate's files
    as usual. The arguments are those of `evaluate.Metric`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"keep_in_memory": settings.get("num_process", 1) == 1, **settings})

    def _info(self) -> evaluate.MetricInfo:
        tags = datasets.Sequence(datasets.Value("string"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": tags, "references": tags}),
            reference_urls=["https://github.com/chakki-works/seqeval"],
        )

    def _compute(
        self, predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]], spans: bool | None = None
    ) -> dict[str, Any]:
        for number, (guessed, right) in enumerate(zip(predictions, references, strict=True)):
            if len(guessed) != len(right):
                raise UserError(f"sentence {number} has {len(right)} words, but {len(guessed)} predicted tags")
        flat = list(chain.from_iterable(references)), list(chain.from_iterable(predictions))
        spans = mark_spans(sorted(set(flat[0]))) if spans is None else spans
        accuracy = sum(right == guessed for right, guessed in zip(*flat, strict=True)) / max(len(flat[0]), 1)
        return {**(_of_spans(references, predictions) if spans else _of_tags(*flat)), "accuracy": accuracy}


def _of_spans(references: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]) -> dict[str, Any]:
    from seqeval.metrics.sequence_labeling import precision_recall_fscore_support

    right, guessed = ([[_plain(tag) for tag in row] for row in rows] for rows in (references, predictions))
    precision, recall, f1, _ = precision_recall_fscore_support(right, guessed, average="micro", zero_division=0)
    # seqeval gives the types without their names, sorted; it calls the type of `B` and `I` an underscore.
    types = sorted({span.type or "_" for rows in (right, guessed) for row in rows for span in spans_of(row)})
    columns = precision_recall_fscore_support(right, guessed, average=None, zero_division=0) if types else [()] * 4
    table = {type_: row for type_, row in _table(types, columns).items() if type_ != "_"}
    return {"f1": float(f1), "precision": float(precision), "recall": float(recall), "types": table}


def _of_tags(references: Sequence[str], predictions: Sequence[str]) -> dict[str, Any]:
    from sklearn.metrics import precision_recall_fscore_support

    tags = sorted({*references, *predictions})
    columns = precision_recall_fscore_support(references, predictions, labels=tags, average=None, zero_division=0)
    table = _table(tags, columns)
    return {"macro_f1": sum(row["f1"] for row in table.values()) / max(len(table), 1), "types": table}


def _table(names: Sequence[str], columns: Sequence[Any]) -> dict[str, dict[str, Any]]:
    return {
        name: {"f1": float(f1), "precision": float(precision), "recall": float(recall), "support": int(support)}
        for name, precision, recall, f1, support in zip(names, *columns, strict=True)
    }


def _plain(tag: str) -> str:
    """The tag in the scheme that seqeval reads, BIOES: it knows no M, L and U, nor `B_PER`."""
    part, type_ = parse_tag(tag)
    return f"{part}-{type_}" if type_ else part

"""Spans by the rules of conlleval, and the figures that count them."""

import random

import numpy as np
import pytest
from seqeval.metrics.sequence_labeling import get_entities
from wordemb_hf.modeling.tag_constraints import tag_constraints

from wordemb_hf.errors import UserError
from wordemb_hf.evaluation import TaggingMetrics, most_frequent_tags
from wordemb_hf.spans import continuation, mark_spans, parse_tag, spans_of

BIOES = {"M": "I", "L": "E", "U": "S", "W": "S"}


def random_tags(rng, parts="BI", types=("X", "Y-Z"), longest=8):
    tags = ["O", *(f"{part}-{type_}" for part in parts for type_ in types)]
    return rng.choices(tags, k=rng.randint(0, longest))


# --- spans ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", ["BI", "BMES", "BIES", "BILU", "BMEW"])
def test_spans_are_those_of_seqeval(parts):
    rng = random.Random(0)
    for _ in range(3000):
        tags = random_tags(rng, parts)
        plain = [BIOES.get(tag[0], tag[0]) + tag[1:] for tag in tags]
        assert spans_of(tags) == [(type_, start, last + 1) for type_, start, last in get_entities(plain)], tags


# The cases of conlleval.pl (Sang & Buchholz 2000): a chunk begins with B-, and where I- follows O or another type.
@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("", []),
        ("O O", []),
        ("B-NP I-NP O", [("NP", 0, 2)]),
        ("I-NP I-NP O I-NP", [("NP", 0, 2), ("NP", 3, 4)]),
        ("I-NP B-NP I-NP", [("NP", 0, 1), ("NP", 1, 3)]),
        ("B-PER I-ORG", [("PER", 0, 1), ("ORG", 1, 2)]),
        ("B-NP B-NP", [("NP", 0, 1), ("NP", 1, 2)]),
        ("B-X M-X E-X S-X B-X", [("X", 0, 3), ("X", 3, 4), ("X", 4, 5)]),
        ("E-X E-X O M-X E-X", [("X", 0, 1), ("X", 1, 2), ("X", 3, 5)]),
        ("B M E S B E", [("", 0, 3), ("", 3, 4), ("", 4, 6)]),
        ("B_PER I_PER", [("PER", 0, 2)]),
    ],
)
def test_spans_by_hand(tags, spans):
    assert spans_of(tags.split()) == spans


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("O B-X I-X", True),
        ("I-X O", True),
        ("B M E S", True),
        ("B I O", True),
        ("NOUN VERB X", False),
        ("O", False),
        ("B-X NN", False),
        ("S M", False),
    ],
)
def test_tags_that_mark_spans(labels, expected):
    assert mark_spans(labels.split()) is expected


def test_tags_are_read_as_a_crf_reads_them():
    """What a CRF may put side by side makes one span: `parse_tag` knows the parts that `tag_constraints` knows."""
    for part in "ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        known = tag_constraints(["O", f"{part}-X"]) is not None
        assert known is (parse_tag(f"{part}-X")[0] != "O"), part


@pytest.mark.parametrize(
    ("tag", "labels", "expected"),
    [
        ("B-X", "O B-X I-X", "I-X"),
        ("I-X", "O B-X I-X", "I-X"),
        ("O", "O B-X I-X", "O"),
        ("B-X", "O B-X B-Y I-Y", None),
        ("I-X", "O I-X", "I-X"),
        ("B-X", "O B-X M-X E-X S-X", None),
        ("S-X", "O B-X I-X E-X S-X", None),
        ("B", "B I O", "I"),
        ("NN", "NN VB", "NN"),
    ],
)
def test_what_a_further_piece_of_a_word_has(tag, labels, expected):
    assert continuation(tag, labels.split()) == expected


# --- figures ----------------------------------------------------------------------------------------------------------


def slow_figures(references, predictions):
    """Precision, recall and F1 of spans, counted one by one."""
    right = found = there = 0
    for reference, prediction in zip(references, predictions, strict=True):
        ours, theirs = spans_of(prediction), spans_of(reference)
        right += sum(span in theirs for span in ours)
        found, there = found + len(ours), there + len(theirs)
    precision, recall = right / max(found, 1), right / max(there, 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-12)


@pytest.mark.parametrize("parts", ["BI", "BMES"])
def test_figures_of_spans_equal_a_slow_count(parts):
    rng = random.Random(1)
    references = [random_tags(rng, parts) for _ in range(200)]
    predictions = [[tag if rng.random() < 0.7 else "O" for tag in tags] for tags in references]
    figures = TaggingMetrics().compute(predictions=predictions, references=references)
    assert (figures["precision"], figures["recall"], figures["f1"]) == pytest.approx(
        slow_figures(references, predictions)
    )
    flat = [pair for rows in zip(references, predictions, strict=True) for pair in zip(*rows, strict=True)]
    assert figures["accuracy"] == pytest.approx(np.mean([one == other for one, other in flat]))
    assert set(figures["types"]) == {"X", "Y-Z"}
    for type_, row in figures["types"].items():
        only = [[tag if parse_tag(tag)[1] == type_ else "O" for tag in tags] for tags in (*references, *predictions)]
        assert (row["precision"], row["recall"], row["f1"]) == pytest.approx(
            slow_figures(only[: len(references)], only[len(references) :])
        )
        assert row["support"] == sum(span.type == type_ for tags in references for span in spans_of(tags))


def test_figures_of_tags_by_hand():
    figures = TaggingMetrics().compute(predictions=[["N", "V"], ["N"]], references=[["N", "N"], ["V"]])
    # N: precision 1/2, recall 1/2; V: 0.
    assert (figures["accuracy"], figures["macro_f1"]) == pytest.approx((1 / 3, 1 / 4))
    assert figures["types"]["N"] == {"f1": 0.5, "precision": 0.5, "recall": 0.5, "support": 2}
    assert "f1" not in figures


def test_figures_of_odd_answers():
    metric = TaggingMetrics()
    nothing = metric.compute(predictions=[["O"]], references=[["O"]], spans=True)
    assert nothing == {"f1": 0.0, "precision": 0.0, "recall": 0.0, "types": {}, "accuracy": 1.0}
    segmented = metric.compute(predictions=[["B", "E", "S"]], references=[["B", "E", "S"]])
    assert (segmented["f1"], segmented["types"]) == (1.0, {})
    unseen = metric.compute(predictions=[["B-X", "O"]], references=[["B-X", "I-X"]])
    assert (unseen["f1"], unseen["accuracy"]) == (0.0, 0.5)
    with pytest.raises(UserError, match="sentence 1 has 2 words, but 1 predicted tags"):
        metric.compute(predictions=[["O"], ["O"]], references=[["O"], ["O", "O"]])


def test_the_floor_is_the_most_frequent_tag():
    tokens, tags = [["a", "a", "b"], ["a", "c"], ["d"]], [["X", "Y", "Y"], ["Y", "Z"], ["Z"]]
    assert most_frequent_tags(tokens, tags, [["a", "new"], [], ["b"]]) == [["Y", "Z"], [], ["Y"]]
    assert most_frequent_tags([["a", "a"]], [["X", "X"]], [["new"]]) == [["X"]]
    with pytest.raises(UserError, match="one tag per word, got 1 for 2"):
        most_frequent_tags([["a", "b"]], [["X"]], [])
    with pytest.raises(UserError, match="at least one word"):
        most_frequent_tags([[]], [[]], [["a"]])

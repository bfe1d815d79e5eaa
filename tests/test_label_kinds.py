"""Several labels and numbers: how they are read, what is refused, what is held out, and how they are measured."""

import json
import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from wordemb_hf.corpus import read_examples, read_splits
from wordemb_hf.errors import UserError
from wordemb_hf.evaluation import MultiLabelMetrics, RegressionMetrics
from wordemb_hf.jobs import check_losses, job_for_data, job_for_labels, job_for_model
from wordemb_hf.label_kinds import NUMBERS, SEVERAL_LABELS, names_of, problem_of_data


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def write_json(path, *labels):
    return write(
        path, "".join(json.dumps({"text": f"t{row}", "label": label}) + "\n" for row, label in enumerate(labels))
    )


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", "a|b\tone\n\ttwo\n b | c | b \tthree\n"),
        ("a.tsv", "text\tlabel\none\ta|b\ntwo\t\nthree\tb|c|b\n"),
        ("a.csv", 'label,text\n"a|b",one\n,two\nb|c,three\n'),
        (
            "a.jsonl",
            '{"text": "one", "label": ["a", "b"]}\n{"text": "two", "label": []}\n'
            '{"text": "three", "label": ["b", "c"]}\n',
        ),
    ],
    ids=["tsv", "tsv with a header", "csv", "jsonl"],
)
def test_several_labels_are_read(tmp_path, name, text):
    examples = read_examples(write(tmp_path / name, text), kind=SEVERAL_LABELS)
    assert examples.texts == ["one", "two", "three"]
    assert examples.labels == [["a", "b"], [], ["b", "c"]]
    assert names_of(examples) == ["a", "b", "c"]


def test_integers_are_names_in_order(tmp_path):
    assert names_of(read_examples(write_json(tmp_path / "a.jsonl", [10, 2], ["2"]), kind=SEVERAL_LABELS)) == ["2", "10"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.tsv", "a||b\tone\n", "line 1: label holds an empty name"),
        ("a.tsv", "a\tone\n|\ttwo\n", "line 2: label holds an empty name"),
        (
            "a.jsonl",
            '{"text": "x", "label": "a|b"}',
            "line 1: label must be an array of strings, as elsewhere, not a st",
        ),
        ("a.jsonl", '{"text": "x", "label": null}', "must be an array of strings, as elsewhere, not null"),
        ("a.jsonl", '{"text": "x", "label": ["a", 1.5]}', "must be a string or an integer, not a number"),
        ("a.jsonl", '{"text": "x", "label": [["a"]]}', "must be a string or an integer, not an array"),
        ("a.jsonl", '{"text": "x", "label": ["a", " "]}', "holds an empty name"),
        ("a.jsonl", '{"text": "x", "label": ["\\ud83d"]}', "half of a surrogate pair"),
    ],
)
def test_what_is_no_set_of_labels_is_refused(tmp_path, name, text, message):
    with pytest.raises(UserError, match=message.replace("|", r"\|")):
        read_examples(write(tmp_path / name, text), kind=SEVERAL_LABELS)


def test_numbers_are_read(tmp_path):
    path = write_json(tmp_path / "a.jsonl", 1, -2.5, "3e2", " .5 ")
    assert read_examples(path, kind=NUMBERS).labels == [1.0, -2.5, 300.0, 0.5]
    assert read_examples(write(tmp_path / "a.tsv", "-1.25\tone\n+7.\ttwo\n"), kind=NUMBERS).labels == [-1.25, 7.0]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('"good"', "line 2: label is 'good', but must be a finite number"),
        ("NaN", "label is 'nan', but must be a finite number"),
        ("-Infinity", "label is '-inf', but must be a finite number"),
        ('"inf"', "but must be a finite number"),
        ("1e31", "but must be a finite number"),
        ("1e999", "but must be a finite number"),
        ("1" + "0" * 400, "but must be a finite number"),
        ('"1_000"', "but must be a finite number"),
        ('"１"', "but must be a finite number"),
        ('""', "but must be a finite number"),
        ("true", "label must be a number, not a boolean"),
        ("[1]", "label must be a number, not an array"),
        ("null", "label must be a number, not null"),
    ],
)
def test_what_is_no_number_is_refused(tmp_path, value, message):
    path = write(tmp_path / "a.jsonl", f'{{"text": "x", "label": 1}}\n{{"text": "y", "label": {value}}}\n')
    with pytest.raises(UserError, match=message):
        read_examples(path, kind=NUMBERS)


@pytest.mark.parametrize(
    ("kind", "labels", "message"),
    [
        (SEVERAL_LABELS, [[], []], "no text in .* has a label"),
        (SEVERAL_LABELS, [["a", "b"], ["b", "a"]], "every text in .* has the same labels"),
        (NUMBERS, [2, 2.0], "every label in .* is 2: there is nothing to learn"),
    ],
)
def test_what_teaches_nothing_is_refused(tmp_path, kind, labels, message):
    with pytest.raises(UserError, match=message):
        read_splits(write_json(tmp_path / "a.jsonl", *labels), kind=kind)


def test_other_parts_have_no_new_labels(tmp_path):
    write_json(tmp_path / "train.jsonl", ["a"], [])
    write_json(tmp_path / "test.jsonl", ["a", "b"])
    with pytest.raises(UserError, match=r"the label 'b' in .*test.jsonl does not occur"):
        read_splits(tmp_path, kind=SEVERAL_LABELS)


def test_a_tenth_is_held_out_and_every_label_stays(tmp_path):
    labels = [["often"], ["often", "also"], []] * 30 + [["once", "often"]]
    path = write_json(tmp_path / "a.jsonl", *labels)
    parts = read_splits(path, kind=SEVERAL_LABELS, seed=1)
    assert (len(parts.train), len(parts.dev)) == (82, 9)
    assert names_of(parts.train) == ["also", "often", "once"]
    assert sorted(parts.train.texts + parts.dev.texts) == sorted(f"t{row}" for row in range(91))
    assert parts == read_splits(path, kind=SEVERAL_LABELS, seed=1) != read_splits(path, kind=SEVERAL_LABELS, seed=2)
    assert read_splits(path, kind=SEVERAL_LABELS, dev_fraction=0).dev is None


@pytest.mark.parametrize("count", [2, 3, 50])
def test_numbers_held_out_leave_two_that_differ(tmp_path, count):
    parts = read_splits(write_json(tmp_path / "a.jsonl", 1, *[0] * (count - 1)), kind=NUMBERS)
    assert len(set(parts.train.labels)) == 2
    assert len(parts.dev or ()) == {2: 0, 3: 1, 50: 5}[count]


# --- which problem it is ----------------------------------------------------------------------------------------------


def test_an_array_is_several_labels(tmp_path):
    several = write_json(tmp_path / "a.jsonl", ["a"], [])
    assert problem_of_data(several) == "multi_label_classification"
    assert job_for_data(several, None, "textcnn").problem_type == "multi_label_classification"
    for other in (write_json(tmp_path / "b.jsonl", "a", []), write(tmp_path / "c.tsv", "a|b\tx\n"), tmp_path / "none"):
        assert job_for_data(other, None, "textcnn").problem_type == "single_label_classification"
    write_json(tmp_path / "train.jsonl", [1])
    assert job_for_data(tmp_path, "classification", "bow").problem_type == "multi_label_classification"
    assert job_for_data(tmp_path, None, "bow", "regression").problem_type == "regression"


@pytest.mark.parametrize(
    ("task", "family", "problem", "message"),
    [
        ("tagging", "bilstm", "regression", "problem_type is regression, but tagging has none"),
        (None, "attention_seq2seq", "regression", "problem_type is regression, but seq2seq has none"),
        (
            None,
            "bow",
            "several",
            "problem_type is 'several', but must be one of single_label_classification, multi_label",
        ),
    ],
)
def test_a_problem_that_cannot_be_is_refused(tmp_path, task, family, problem, message):
    with pytest.raises(UserError, match=message):
        job_for_data(write(tmp_path / "a.tsv", "a\tx\n"), task, family, problem)


@pytest.mark.parametrize(
    ("problem", "weights", "smoothing", "message"),
    [
        ("single_label_classification", "even", 0.0, "class_weights is 'even', but must be balanced"),
        ("single_label_classification", None, 1.0, "label_smoothing is 1.0, but must be at least 0 and below 1"),
        ("single_label_classification", None, math.nan, "label_smoothing is nan"),
        ("multi_label_classification", None, 0.1, "label_smoothing is given, but a classifier by multi_label_class"),
        ("regression", "balanced", 0.0, "class_weights is given, but a regression model by regression has none"),
    ],
)
def test_a_loss_that_cannot_be_is_refused(tmp_path, problem, weights, smoothing, message):
    job = job_for_model("XForSequenceClassification", problem)
    with pytest.raises(UserError, match=message):
        check_losses(job, weights, smoothing)


def test_the_job_of_labels_that_were_read(tmp_path):
    for kind, labels, problem in (
        (SEVERAL_LABELS, [["a"], []], "multi_label_classification"),
        (NUMBERS, [1, 2], "regression"),
    ):
        part = read_examples(write_json(tmp_path / "a.jsonl", *labels), kind=kind)
        assert job_for_labels(part).problem_type == problem


# --- measures ---------------------------------------------------------------------------------------------------------


def test_several_labels_are_measured_as_scikit_learn_does():
    rng = np.random.default_rng(0)
    given, right = rng.integers(0, 2, (2, 40, 3))
    figures = MultiLabelMetrics().compute(predictions=given, references=right)
    assert figures["micro_f1"] == pytest.approx(f1_score(right, given, average="micro"))
    assert figures["macro_f1"] == pytest.approx(f1_score(right, given, average="macro"))
    assert figures["exact_match"] == pytest.approx(accuracy_score(right, given))


def test_a_label_that_never_occurs_does_not_count():
    given, right = [[1, 0, 0], [1, 1, 0]], [[1, 0, 0], [0, 1, 0]]
    figures = MultiLabelMetrics().compute(predictions=given, references=right)
    assert figures == {"micro_f1": pytest.approx(0.8), "macro_f1": pytest.approx((2 / 3 + 1) / 2), "exact_match": 0.5}
    nothing = MultiLabelMetrics().compute(predictions=[[0, 0]] * 2, references=[[0, 0]] * 2)
    assert nothing == {"micro_f1": 0.0, "macro_f1": 0.0, "exact_match": 1.0}


def test_one_label_is_measured_as_one_that_a_text_has():
    figures = MultiLabelMetrics().compute(predictions=[[1], [1], [0], [0]], references=[[1], [0], [0], [1]])
    assert figures == {"micro_f1": 0.5, "macro_f1": 0.5, "exact_match": 0.5}


def test_numbers_are_measured():
    figures = RegressionMetrics().compute(predictions=[1.0, 2.0, 4.0], references=[2.0, 4.0, 8.5])
    assert figures["spearman"] == pytest.approx(1.0)
    assert figures["pearson"] == pytest.approx(np.corrcoef([1, 2, 4], [2, 4, 8.5])[0, 1])
    assert figures["mse"] == pytest.approx((1 + 4 + 4.5**2) / 3)
    for constant in ([3.0], [3.0, 3.0]):
        figures = RegressionMetrics().compute(predictions=constant, references=constant)
        assert figures == {"pearson": 0.0, "spearman": 0.0, "mse": 0.0}

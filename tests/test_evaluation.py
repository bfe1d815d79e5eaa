"""Metrics against numbers computed by hand, and the classical baseline on texts that it must get right."""

import subprocess
import sys

import numpy as np
import pytest

from wordemb_hf.errors import UserError
from wordemb_hf.evaluation import AnalogyMetrics, ClassificationMetrics, SimilarityMetrics, tfidf_baseline

PREDICTIONS, REFERENCES = [0, 1, 1, 2, 2, 2], [0, 0, 1, 1, 2, 2]
# F1 of label 0: precision 1, recall 1/2; of 1: 1/2, 1/2; of 2: 2/3, 1.
EXPECTED = {"accuracy": 4 / 6, "macro_f1": (2 / 3 + 1 / 2 + 4 / 5) / 3}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    import socket

    def refuse(*arguments):
        raise AssertionError("a metric must not use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_the_package_is_light_until_a_metric_is_used():
    code = "import sys, wordemb_hf.evaluation as e; dir(e); sys.exit('evaluate' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_unknown_names_are_refused():
    import wordemb_hf.evaluation

    with pytest.raises(AttributeError, match="no attribute 'accuracy'"):
        wordemb_hf.evaluation.accuracy  # noqa: B018


def test_metrics_equal_hand_computed_numbers():
    metric = ClassificationMetrics()
    assert metric.compute(predictions=PREDICTIONS, references=REFERENCES) == pytest.approx(EXPECTED)
    # The same object again: nothing of the first time is left.
    assert metric.compute(predictions=[1], references=[1]) == {"accuracy": 1.0, "macro_f1": 1.0}
    assert all(type(value) is float for value in metric.compute(predictions=[0], references=[1]).values())


def test_a_label_that_is_never_predicted_counts_as_zero():
    figures = ClassificationMetrics().compute(predictions=[0, 0, 0, 0], references=[0, 0, 0, 1])
    assert figures == pytest.approx({"accuracy": 0.75, "macro_f1": (6 / 7) / 2})


def test_batches_of_arrays_and_tensors():
    torch = pytest.importorskip("torch")
    metric = ClassificationMetrics()
    metric.add_batch(predictions=np.array(PREDICTIONS[:2]), references=np.array(REFERENCES[:2]))
    metric.add_batch(predictions=torch.tensor(PREDICTIONS[2:5]), references=torch.tensor(REFERENCES[2:5]))
    metric.add(prediction=PREDICTIONS[5], reference=REFERENCES[5])
    assert metric.compute() == pytest.approx(EXPECTED)


def test_two_at_once_leave_no_file_and_do_not_meet(tmp_path):
    first, second = ClassificationMetrics(cache_dir=str(tmp_path)), ClassificationMetrics(cache_dir=str(tmp_path))
    first.add_batch(predictions=[0, 0], references=[0, 0])
    second.add_batch(predictions=[1, 1], references=[0, 0])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert (first.compute()["accuracy"], second.compute()["accuracy"]) == (1.0, 0.0)


def test_combines_with_others():
    import evaluate

    figures = evaluate.combine([ClassificationMetrics()]).compute(predictions=PREDICTIONS, references=REFERENCES)
    assert figures == pytest.approx(EXPECTED)


def test_different_lengths_are_refused():
    with pytest.raises(ValueError):
        ClassificationMetrics().compute(predictions=[0, 1], references=[0])


def test_baseline_reads_english_words_pairs_and_punctuation():
    texts = ["is it good ?", "is it bad ?", "it is good !", "it is bad !"] * 5
    assert tfidf_baseline(texts, ["ask", "ask", "say", "say"] * 5, ["was it fine ?", "it was fine !"]) == ["ask", "say"]
    texts = ["not good", "good", "not bad", "bad"] * 5
    assert tfidf_baseline(texts, ["-", "+", "+", "-"] * 5, texts[:4]) == ["-", "+", "+", "-"]


def test_baseline_reads_chinese_without_segmentation():
    texts = ["这本书很好看", "房间又脏又吵", "故事写得好", "服务太差了"] * 5
    found = tfidf_baseline(texts, ["好", "差"] * 10, ["这个故事好看", "房间太差"], language="zh")
    assert found == ["好", "差"]


def test_baseline_on_many_texts_and_on_none():
    texts = [f"word{i % 7} {'good' if i % 2 else 'bad'}" for i in range(1200)]
    labels = ["+" if i % 2 else "-" for i in range(1200)]
    assert tfidf_baseline(texts, labels, ["good", "bad"]) == ["+", "-"]
    assert tfidf_baseline(texts, labels, []) == []


@pytest.mark.parametrize(
    ("texts", "labels", "language", "named"),
    [
        (["a", "b"], ["x", "y"], "fr", "language"),
        (["a"], ["x", "y"], "en", "train_labels"),
        (["a", "b"], ["x", "x"], "en", "train_labels"),
        (["", " "], ["x", "y"], "en", "train_texts"),
    ],
)
def test_baseline_names_the_mistake(texts, labels, language, named):
    with pytest.raises(UserError, match=named):
        tfidf_baseline(texts, labels, ["a"], language=language)


def test_similarities_and_analogies_as_metrics():
    measured, wanted = [0.1, 0.2, 0.9, 0.4], [1, 5, 6, 5.5]
    figures = SimilarityMetrics().compute(predictions=measured, references=wanted)
    assert figures["spearman"] == 1.0
    assert figures["pearson"] == pytest.approx(np.corrcoef(measured, wanted)[0, 1])
    assert SimilarityMetrics().compute(predictions=[1, 1], references=[1, 2]) == {"spearman": 0.0, "pearson": 0.0}
    with pytest.raises(UserError, match="1 and 1 numbers have no correlation"):
        SimilarityMetrics().compute(predictions=[1], references=[1])
    answers = AnalogyMetrics().compute(predictions=["Queen", "rome", None], references=["queen", "Paris", "Oslo"])
    assert answers == {"accuracy": 0.5, "coverage": pytest.approx(2 / 3)}

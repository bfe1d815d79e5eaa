"""Several labels, numbers, weights of classes and smoothed labels, from data to answers, and against arithmetic."""

import ast
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.utils.class_weight import compute_class_weight
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
from wordemb_hf.modeling.configuration_bilstm import BiLSTMConfig
from wordemb_hf.modeling.configuration_transformer_seq2seq import TransformerSeq2SeqConfig
from wordemb_hf.modeling.modeling_bilstm import BiLSTMForSequenceClassification
from wordemb_hf.modeling.modeling_transformer_seq2seq import TransformerSeq2SeqForConditionalGeneration

import wordemb_hf
from wordemb_hf.batching import LazyBatches
from wordemb_hf.corpus import Examples
from wordemb_hf.errors import UserError
from wordemb_hf.model_card import read_card_facts
from wordemb_hf.pairs import Pairs
from wordemb_hf.tasks.classification import TextClassification
from wordemb_hf.tasks.seq2seq import TextPairs
from wordemb_hf.tasks.several_labels import MultiLabelClassification
from wordemb_hf.training import TrainingSettings, make_accelerator, train
from wordemb_hf.vocabulary import build_tokenizer

ROOT = Path(__file__).resolve().parent.parent
TOPICS = {"food": ["bread", "soup"], "sport": ["ball", "goal"], "music": ["song", "drum"]}
WORTH = {"awful": -3, "bad": -1, "fine": 1, "good": 2, "great": 3}
MULTI, NUMBER = "multi_label_classification", "regression"
SLOWER = ("textcnn", "bilstm", "rnn", "elmo", "transformer_encoder")
SIZES = (("train", 120), ("dev", 40), ("test", 40))


def topics(rng):
    labels = sorted(rng.sample(list(TOPICS), rng.choice([0, 1, 2, 3])))
    words = [*(rng.choice(TOPICS[label]) for label in labels), "and", "the"]
    rng.shuffle(words)
    return " ".join(words), labels


def prices(rng):
    words = rng.choices(list(WORTH), k=3)
    return " ".join(words), 50_000 + 10_000 * sum(WORTH[word] for word in words)


def write_parts(folder, make):
    folder.mkdir(exist_ok=True)
    rng = random.Random(0)
    for part, count in SIZES:
        rows = (make(rng) for _ in range(count))
        lines = (json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
        (folder / f"{part}.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """Data of several labels, a classifier that learnt them, and its figures."""
    folder = tmp_path_factory.mktemp("several")
    data = write_parts(folder / "topics", topics)
    measured = wordemb_hf.finetune(
        data, folder / "model", family="word2vec", epochs=12, learning_rate=0.1, patience=0, baseline=True
    )
    return data, folder / "model", measured


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    """Data of numbers, a model that learnt them, and its figures."""
    folder = tmp_path_factory.mktemp("numbers")
    data = write_parts(folder / "prices", prices)
    options = {"problem_type": NUMBER, "epochs": 12, "learning_rate": 0.1, "patience": 0, "baseline": True}
    return data, folder / "model", wordemb_hf.finetune(data, folder / "model", family="word2vec", **options)


def config_of(folder):
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))


def card_of(folder):
    return (folder / "README.md").read_text(encoding="utf-8")


def run_card(folder):
    """What the first example of a card prints, and what the card says it does."""
    code = re.findall(r"```python\n(.*?)```", card_of(folder), re.S)[0]
    code = re.sub(r"^repo = .*", f"repo = {str(folder)!r}", code, flags=re.M)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    return done.stdout.splitlines(), [line[2:] for line in code.splitlines() if line.startswith("# ")]


# --- several labels ---------------------------------------------------------------------------------------------------


def test_several_labels_are_learnt(several):
    _, folder, measured = several
    figures = measured["test"]
    assert figures["micro_f1"] > 0.95 and figures["exact_match"] > 0.9 and figures["baseline_micro_f1"] > 0.9
    assert set(figures) >= {"loss", "macro_f1", "baseline_macro_f1", "baseline_exact_match"}
    config = config_of(folder)
    assert config["problem_type"] == MULTI and list(config["label2id"]) == sorted(TOPICS)
    log = [json.loads(row) for row in (folder / "training_log.jsonl").read_text().splitlines()]
    best = max(row["eval_micro_f1"] for row in log if "eval_micro_f1" in row)
    assert measured["dev"]["micro_f1"] == pytest.approx(best)


def test_several_labels_are_answered(several):
    _, folder, _ = several
    texts = ["the bread and the drum", "the and", "ball soup song"]
    both, none, three = wordemb_hf.predict(str(folder), texts)
    assert {label["label"] for label in both["labels"]} == {"food", "music"} and none["labels"] == []
    assert len(three["labels"]) == 3 and min(label["score"] for label in three["labels"]) > 0.5
    assert len(wordemb_hf.predict(str(folder), texts[1:2], top=2)[0]["labels"]) == 2
    piped = pipeline("text-classification", model=str(folder))(texts, top_k=None)
    for answer, row in zip((both, none, three), piped, strict=True):
        expected = [(label["label"], pytest.approx(label["score"], abs=1e-5)) for label in row if label["score"] > 0.5]
        assert [(label["label"], label["score"]) for label in answer["labels"]] == expected


def test_no_label_is_shown_as_none(several, capsys):
    wordemb_hf.predict(str(several[1]), ["the and"])
    assert capsys.readouterr().out.endswith("–\tthe and\n")


def test_several_labels_are_evaluated(several, tmp_path):
    data, folder, measured = several
    expected = {name: value for name, value in measured["test"].items() if not name.startswith("baseline_")}
    assert wordemb_hf.evaluate(str(folder), data) == pytest.approx(expected, abs=1e-6)
    rows = [json.loads(line) for line in (data / "test.jsonl").read_text().splitlines()]
    table = tmp_path / "test.tsv"
    table.write_text("".join(f"{'|'.join(row['label'])}\t{row['text']}\n" for row in rows), encoding="utf-8")
    assert wordemb_hf.evaluate(str(folder), table) == pytest.approx(expected, abs=1e-6)
    table.write_text("war\tbread\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"the label 'war' in .*test\.tsv does not occur"):
        wordemb_hf.evaluate(str(folder), table)


def test_the_card_of_several_labels(several):
    _, folder, measured = several
    card = card_of(folder)
    assert "A small multi-label text classifier for English" in card and "decides about each by itself" in card
    assert "TF-IDF + logistic regression for each label" in card and "gets one of the labels" not in card
    assert f"| Micro F1 | {measured['dev']['micro_f1']:.4f} | {measured['test']['micro_f1']:.4f} |" in card
    assert "| problem\\_type |" in card or "| problem_type | multi_label_classification |" in card
    assert "decides about each" not in card_of(folder).split("## Limits")[0]
    assert read_card_facts(folder).problem_type == MULTI


@pytest.mark.slow
@pytest.mark.parametrize("name", ["several", "numbers"])
def test_the_card_says_what_its_code_prints(request, name):
    printed, said = run_card(request.getfixturevalue(name)[1])
    if name == "several":
        assert printed == said != []
    else:
        (printed,), (said,) = ast.literal_eval(printed[0]), ast.literal_eval(said[0])
        assert printed == {"label": "LABEL_0", "score": pytest.approx(said["score"], rel=1e-5)}


@pytest.mark.parametrize("suffix", [".html", ".png"])
@pytest.mark.parametrize("name", ["several", "numbers"])
def test_an_answer_is_explained(request, name, suffix, tmp_path):
    folder = request.getfixturevalue(name)[1]
    wordemb_hf.predict(str(folder), ["bread good ball"], explain=tmp_path / f"why{suffix}")
    assert (tmp_path / f"why{suffix}").stat().st_size > 500
    if suffix == ".html":
        page = (tmp_path / "why.html").read_text(encoding="utf-8")
        assert ("logarithm of its odds" in page) == (name == "several")


def test_a_table_is_read_by_bars_when_the_option_says_so(tmp_path):
    table = tmp_path / "topics.tsv"
    rows = ["food|music\tbread drum", "\tnothing", "food\tsoup", "music\tsong"] * 6
    table.write_text("\n".join(rows), encoding="utf-8")
    options = {"family": "bow", "epochs": 1, "settings": {"num_bigram_buckets": 0}}
    wordemb_hf.finetune(table, tmp_path / "several", problem_type=MULTI, **options)
    assert list(config_of(tmp_path / "several")["label2id"]) == ["food", "music"]
    with pytest.raises(UserError, match="line 2: the label is empty"):
        wordemb_hf.finetune(table, tmp_path / "one", **options)


def test_one_label_that_a_text_has_or_not(tmp_path):
    table = tmp_path / "spam.tsv"
    table.write_text("\n".join(["spam\tbuy now", "\thello there"] * 20), encoding="utf-8")
    options = {"family": "word2vec", "epochs": 8, "learning_rate": 0.1, "problem_type": MULTI, "baseline": True}
    measured = wordemb_hf.finetune(table, tmp_path / "model", **options)
    assert measured["dev"]["micro_f1"] == measured["dev"]["baseline_micro_f1"] == 1.0
    spam, ham = wordemb_hf.predict(str(tmp_path / "model"), ["buy now", "hello there"])
    assert [label["label"] for label in spam["labels"]] == ["spam"] and ham["labels"] == []


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_numbers_are_learnt_in_their_own_unit(numbers):
    _, folder, measured = numbers
    figures = measured["test"]
    assert figures["pearson"] > 0.97 and figures["spearman"] > 0.95 and figures["baseline_pearson"] > 0.9
    assert figures["loss"] == pytest.approx(figures["mse"], rel=1e-4)
    assert figures["mse"] < 0.1 * 1.2e9  # the variance of the prices
    config = config_of(folder)
    assert config["problem_type"] == NUMBER and list(config["label2id"]) == ["LABEL_0"]
    log = [json.loads(row) for row in (folder / "training_log.jsonl").read_text().splitlines()]
    assert measured["dev"]["loss"] == pytest.approx(
        min(row["eval_loss"] for row in log if "eval_loss" in row), rel=1e-5
    )


def test_numbers_are_answered_plainly(numbers, capsys):
    _, folder, _ = numbers
    texts = ["great great great", "awful awful awful"]
    good, bad = wordemb_hf.predict(str(folder), texts)
    assert good["value"] > 100_000 > 0 > bad["value"]
    assert f"{good['value']:.4g}\t{texts[0]}" in capsys.readouterr().out
    scores = [row["score"] for row in pipeline("text-classification", model=str(folder))(texts)]
    assert scores == pytest.approx([good["value"], bad["value"]], rel=1e-5)


def test_numbers_are_evaluated(numbers):
    data, folder, measured = numbers
    expected = {name: value for name, value in measured["test"].items() if not name.startswith("baseline_")}
    assert wordemb_hf.evaluate(str(folder), data) == pytest.approx(expected, rel=1e-5)


def test_the_card_of_numbers(numbers):
    _, folder, measured = numbers
    card = card_of(folder)
    assert "A small model that predicts a number from a text for English" in card and "**Labels**" not in card
    assert f"| Pearson | {measured['dev']['pearson']:.4f} | {measured['test']['pearson']:.4f} |" in card
    assert "TF-IDF + ridge regression" in card and "gets one of the labels" not in card


def test_a_regression_goes_on_where_another_one_ended(numbers, tmp_path):
    data, folder, measured = numbers
    options = {"model": str(folder), "family": "word2vec", "problem_type": NUMBER}
    again = wordemb_hf.finetune(data, tmp_path / "same", epochs=0, **options)
    assert again["test"]["mse"] == pytest.approx(measured["test"]["mse"], rel=1e-3)
    further = wordemb_hf.finetune(data, tmp_path / "further", epochs=1, learning_rate=1e-6, **options)
    assert further["test"]["mse"] == pytest.approx(measured["test"]["mse"], rel=1e-2)


def test_a_classifier_begins_anew_as_a_regression(several, numbers, tmp_path):
    options = {"model": str(several[1]), "family": "word2vec", "problem_type": NUMBER, "epochs": 0}
    wordemb_hf.finetune(numbers[0], tmp_path / "model", **options)
    (answer,) = wordemb_hf.predict(str(tmp_path / "model"), ["bread"])
    assert 0 < answer["value"] < 100_000  # near the mean, without any training


@pytest.mark.parametrize(
    "family",
    [
        "bow",
        *(pytest.param(name, marks=pytest.mark.slow) for name in SLOWER),
    ],
)
def test_every_family_learns_a_number(numbers, family, tmp_path):
    options = {"problem_type": NUMBER, "epochs": 5, "patience": 0, "batch_size": 8}
    measured = wordemb_hf.finetune(numbers[0], tmp_path / "model", family=family, **options)
    assert measured["test"]["mse"] < 0.5 * 1.2e9


def test_a_problem_is_no_setting(numbers, tmp_path):
    with pytest.raises(UserError, match="give it as --problem-type"):
        wordemb_hf.finetune(numbers[0], tmp_path / "model", settings={"problem_type": NUMBER})


# --- weights and smoothing --------------------------------------------------------------------------------------------

TEXTS = ["a b c", "b c", "c c a d", "d", "a d", "b", "c d a", "a a"]
LABELS = ["x", "x", "y", "x", "z", "x", "y", "x"]
IDS = {"x": 0, "y": 1, "z": 2}


class InOrder(TextClassification):
    """The texts as they stand, in batches of a size."""

    size = 4

    def epoch(self, number):
        rows = np.arange(len(self.encoded))
        return LazyBatches(np.split(rows, range(self.size, len(rows), self.size)), self.encoded.collate)


def small(problem_type=None, **fields):
    torch.manual_seed(0)
    sizes = {"vocab_size": 12, "embedding_size": 6, "hidden_size": 6, "num_labels": 3}
    config = BiLSTMConfig(**sizes, classifier_dropout=0.0, problem_type=problem_type, **fields)
    return BiLSTMForSequenceClassification(config).eval()


@pytest.fixture(scope="module")
def words():
    return build_tokenizer(TEXTS, min_count=1)


def test_weights_are_those_of_scikit_learn(words):
    task = TextClassification(words, Examples(TEXTS, LABELS, ""), IDS, class_weights="balanced")
    expected = compute_class_weight("balanced", classes=np.arange(3), y=[IDS[label] for label in LABELS])
    assert task._weights.tolist() == pytest.approx(expected.tolist())
    whole = task.encoded.collate(np.arange(8))
    assert float(task.items(whole)) == pytest.approx(8.0)  # all weigh what they would weigh without


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, "balanced"])
def test_the_loss_is_weighted_and_smoothed_and_keeps_what_a_family_adds(words, weights, smoothing):
    fields = {"pooling": "attention", "attention_penalty": 0.5, "num_attention_hops": 2}
    model = small(**{name: value for name, value in fields.items() if name in BiLSTMConfig().to_dict()})
    task = TextClassification(words, Examples(TEXTS, LABELS, ""), IDS, class_weights=weights, label_smoothing=smoothing)
    batch = task.encoded.collate(np.arange(5))
    plain, output = model(**batch), task.train_on(model, batch)
    weight = None if weights is None else task._weights
    expected = cross_entropy(plain.logits, batch["labels"], weight=weight, label_smoothing=smoothing)
    penalty = plain.loss - cross_entropy(plain.logits, batch["labels"])
    assert penalty.item() > 1e-4
    torch.testing.assert_close(output.loss, expected + penalty)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize(("size", "accumulation"), [(8, 1), (4, 2), (3, 3), (1, 8)])
def test_accumulated_weights_are_those_of_one_large_batch(words, smoothing, size, accumulation):
    examples = Examples(TEXTS, LABELS, "")
    task = InOrder(words, examples, IDS, class_weights="balanced", label_smoothing=smoothing)
    task.size = size
    expected = small()
    whole = task.encoded.collate(np.arange(8))
    ids = torch.tensor([IDS[label] for label in LABELS])
    loss = cross_entropy(expected(**whole).logits, ids, weight=task._weights, label_smoothing=smoothing)
    loss.backward()
    with torch.no_grad():
        for parameter in expected.parameters():
            parameter -= 0.5 * parameter.grad
    settings = TrainingSettings(1, 0.5, optimizer="sgd", schedule="constant", accumulation=accumulation)
    model = small()
    result = train(model, task, settings, make_accelerator(settings))
    assert result.history[-1]["loss"] == pytest.approx(float(loss), rel=1e-5)
    for one, other in zip(model.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_what_is_measured_is_plain(words):
    examples, accelerator = Examples(TEXTS, LABELS, ""), make_accelerator()
    plain = TextClassification(words, examples, IDS)
    changed = TextClassification(words, examples, IDS, class_weights="balanced", label_smoothing=0.3)
    model = small()
    assert plain.measure(model, accelerator) == changed.measure(model, accelerator)


def test_having_a_label_weighs_as_much_as_lacking_it(words):
    labels = [["x"], ["x", "y"], [], ["x"], ["x", "z"], ["x"], ["y"], ["x"]]
    task = MultiLabelClassification(words, Examples(TEXTS, labels, ""), IDS, class_weights="balanced")
    assert task._weights.tolist() == pytest.approx([2 / 6, 6 / 2, 7 / 1])
    model, batch = small(MULTI), task.encoded.collate(np.arange(6))
    loss = task.train_on(model, batch).loss
    marks = torch.tensor([[float(label in row) for label in IDS] for row in labels[:6]])
    expected = binary_cross_entropy_with_logits(model(**batch).logits, marks, pos_weight=task._weights)
    torch.testing.assert_close(loss, expected)
    assert task.items(batch) == 6


@pytest.mark.slow
def test_two_processes_weigh_as_one_does(tmp_path):
    rng = random.Random(0)
    labels = ["food"] * 24 + ["sport"] * 6 + ["music"] * 2
    rng.shuffle(labels)
    data = tmp_path / "train.tsv"
    data.write_text("".join(f"{label}\t{rng.choice(TOPICS[label])} and\n" for label in labels), encoding="utf-8")
    (tmp_path / "dev.tsv").write_text("food\tbread\nmusic\tdrum\n", encoding="utf-8")
    options = ["--data", data, "--dev", tmp_path / "dev.tsv", "--epochs", "3", "--set", "classifier_dropout=0"]
    options += [
        "--class-weights",
        "balanced",
        "--label-smoothing",
        "0.1",
        "--batch-size",
        "4",
        "--set",
        "num_filters=8",
    ]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    two = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    for name, launcher, further in (("one", [], ["--accumulation", "2"]), ("two", two, [])):
        command = [sys.executable, *launcher, ROOT / "scripts" / "finetune.py", *options, "--output", tmp_path / name]
        subprocess.run(list(map(str, [*command, *further])), check=True, env=environment, timeout=300)
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=1e-3, atol=1e-4)


def test_the_card_tells_of_weights_and_smoothing(tmp_path):
    data = tmp_path / "a.tsv"
    data.write_text("\n".join(["x\tone", "x\tone two", "y\tthree"] * 8), encoding="utf-8")
    options = {"family": "bow", "epochs": 1, "settings": {"num_bigram_buckets": 0}}
    wordemb_hf.finetune(data, tmp_path / "model", class_weights="balanced", label_smoothing=0.1, **options)
    settings = read_card_facts(tmp_path / "model").settings
    assert settings["class_weights"] == "balanced" and settings["label_smoothing"] == 0.1
    assert "class_weights" not in config_of(tmp_path / "model")


# --- seq2seq ----------------------------------------------------------------------------------------------------------


def test_a_writer_is_smoothed_in_training_alone(words):
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2, "vocab_size": len(words)}
    dropouts = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = TransformerSeq2SeqConfig(
        **sizes, **dropouts, bos_token_id=1, eos_token_id=1, decoder_start_token_id=1, pad_token_id=0
    )
    model = TransformerSeq2SeqForConditionalGeneration(config).eval()
    pairs = Pairs(TEXTS[:4], TEXTS[4:], "")
    batch = TextPairs(words, pairs).encoded.batches([np.arange(4)])[0]
    logits = model(**batch, logits_to_keep=0).logits.flatten(0, 1)
    for smoothing in (0.0, 0.1):
        expected = cross_entropy(logits, batch["labels"].flatten(), label_smoothing=smoothing)
        task = TextPairs(words, pairs, label_smoothing=smoothing)
        torch.testing.assert_close(task.train_on(model, batch).loss, expected)
        plain = cross_entropy(logits, batch["labels"].flatten())
        assert task.measure(model, make_accelerator(), max_new_tokens=2)["loss"] == pytest.approx(
            float(plain), rel=1e-4
        )


@pytest.mark.slow
@pytest.mark.parametrize("family", ["attention_seq2seq", "transformer_seq2seq"])
def test_a_smoothed_writer_is_trained(tmp_path, family):
    data = tmp_path / "pairs.tsv"
    data.write_text("\n".join(f"{text}\t{text}" for text in TEXTS), encoding="utf-8")
    sizes = {
        "attention_seq2seq": {"embedding_size": 8, "hidden_size": 8},
        "transformer_seq2seq": {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2},
    }[family]
    options = {"family": family, "settings": sizes, "epochs": 1, "batch_size": 8}
    losses = []
    for smoothing in (0.0, 0.5):
        folder = tmp_path / str(smoothing)
        measured = wordemb_hf.finetune(data, folder, label_smoothing=smoothing, **options)
        assert np.isfinite(measured["dev"]["loss"])
        losses.append(json.loads((folder / "training_log.jsonl").read_text().splitlines()[0])["loss"])
    assert losses[0] != losses[1]


def test_a_writer_has_no_weights_of_classes(tmp_path):
    data = tmp_path / "pairs.tsv"
    data.write_text("a\tb\n", encoding="utf-8")
    with pytest.raises(UserError, match="class_weights is given, but a seq2seq model has none"):
        wordemb_hf.finetune(data, tmp_path / "model", family="attention_seq2seq", class_weights="balanced")


# --- beside other models ----------------------------------------------------------------------------------------------


def test_transformers_itself_gives_the_same_loss(several):
    model = AutoModelForSequenceClassification.from_pretrained(several[1])
    tokenizer = AutoTokenizer.from_pretrained(several[1])
    batch = tokenizer(["bread drum and the", "the and"], return_tensors="pt", padding=True)
    marks = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    output = model(**batch, labels=marks)
    torch.testing.assert_close(output.loss, binary_cross_entropy_with_logits(output.logits, marks))
    assert output.loss.item() < 0.3


@pytest.mark.slow
def test_several_labels_are_compared(several, tmp_path):
    report = wordemb_hf.compare(several[0], tmp_path / "out", families="bow", seeds=1, epochs=2)
    assert report["failures"] == {} and report["choice"]["name"] == "bow"
    rows = {row["name"]: row for row in report["models"]}
    expected = several[2]["test"]["baseline_micro_f1"]
    assert rows["TF-IDF + logistic regression"]["test"]["mean"] == pytest.approx(expected)
    assert config_of(tmp_path / "out" / "bow")["problem_type"] == MULTI

"""A teacher and its student: the loss by hand, labels by their names, what is learned, what goes on and what is not."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
)

import wordemb_hf
from wordemb_hf.errors import UserError
from wordemb_hf.model_card import read_card_facts
from wordemb_hf.samples import folder as samples_folder
from wordemb_hf.steps import split
from wordemb_hf.tasks.distillation import DistilledClassification, distillation_loss
from wordemb_hf.teacher import Answers, Teaching, ask_teacher, columns_of, kept_beside, read_unlabelled
from wordemb_hf.training import make_accelerator

TOPICS = {"food": "bread soup apple cheese", "music": "song piano drum concert", "sport": "ball goal team race"}
WORDS = " ".join(TOPICS.values()).split()
SMALL = {"family": "word2vec", "settings": {"hidden_size": 16}, "learning_rate": 0.03, "epochs": 8, "patience": 0}


def texts(count, seed):
    """Texts mostly of one topic, with words of others, so that no single label tells all."""
    rng, made = random.Random(seed), []
    for _ in range(count):
        own = rng.choice(list(TOPICS.values())).split()
        made.append(" ".join(rng.choice(own if rng.random() < 0.6 else WORDS) for _ in range(rng.randint(3, 7))))
    return made


def label_of(text):
    return max(sorted(TOPICS), key=lambda label: sum(word in TOPICS[label].split() for word in text.split()))


def write(path, rows, wrong=0.0):
    """Labelled texts, a share of them with any label."""
    rng = random.Random(0)
    labels = [rng.choice(sorted(TOPICS)) if rng.random() < wrong else label_of(text) for text in rows]
    path.write_text("".join(f"{label}\t{text}\n" for label, text in zip(labels, rows, strict=True)), encoding="utf-8")


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A BERT of another library with a tokenizer of its own, its labels the other way round and one more."""
    folder = tmp_path_factory.mktemp("teachers") / "bert"
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = ["input_ids", "token_type_ids", "attention_mask"]
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=names, **special)
    id2label = dict(enumerate(["other", *sorted(TOPICS, reverse=True)]))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=12,
        id2label=id2label,
        label2id={label: number for number, label in id2label.items()},
    )
    model = BertForSequenceClassification(config)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    learned = texts(200, seed=1)
    batch = tokenizer(learned, padding=True, truncation=True, max_length=12, return_tensors="pt")
    labels = torch.tensor([config.label2id[label_of(text)] for text in learned])
    for _ in range(80):
        optimizer.zero_grad()
        model(**batch, labels=labels).loss.backward()
        optimizer.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    write(folder / "train.tsv", texts(60, seed=2), wrong=0.4)
    write(folder / "dev.tsv", texts(60, seed=3))
    return folder


def probabilities(folder, wanted, labels):
    """What a model says to texts, by itself, one at a time, as the labels stand."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    ids = [{name: number for number, name in model.config.id2label.items()}[label] for label in labels]
    rows = []
    for text in wanted:
        with torch.inference_mode():
            rows.append(model(**tokenizer(text, return_tensors="pt")).logits[0, ids].softmax(-1))
    return torch.stack(rows).numpy()


def divergence(one, other):
    return float((one * np.log(one / other)).sum(-1).mean())


# --- the loss ---------------------------------------------------------------------------------------------------------


def by_hand(logits, teacher, labels, labelled, weight, temperature):
    """The formula of the paper, text by text."""
    total = 0.0
    for row, said, label, has in zip(logits, teacher, labels, labelled, strict=True):
        p, q, hard = (np.exp(values) / np.exp(values).sum() for values in (said / temperature, row / temperature, row))
        soft = temperature**2 * sum(a * (np.log(a) - np.log(b)) for a, b in zip(p, q, strict=True))
        total += weight * soft - (1 - weight) * np.log(hard[label]) if has else soft
    return total / len(logits)


@pytest.mark.parametrize(("weight", "temperature"), [(0.5, 1.0), (0.9, 4.0), (1.0, 0.5)])
def test_the_loss_is_that_of_the_paper(weight, temperature):
    rng = np.random.default_rng(0)
    rows, said, labels = rng.normal(size=(5, 3)), rng.normal(size=(5, 3)), np.array([0, 1, 2, 0, 1])
    labelled = np.array([True, True, False, True, False])
    logits = torch.tensor(rows, dtype=torch.float32, requires_grad=True)
    given = (torch.tensor(said, dtype=torch.float32), torch.tensor(labels), torch.tensor(labelled))
    loss = distillation_loss(logits, *given, teacher_weight=weight, temperature=temperature)
    assert loss.item() == pytest.approx(by_hand(rows, said, labels, labelled, weight, temperature), rel=1e-5)
    loss.backward()
    softmax = [torch.softmax(torch.tensor(values) / temperature, -1).numpy() for values in (rows, said)]
    hard = torch.softmax(torch.tensor(rows), -1).numpy() - np.eye(3)[labels]
    share = np.where(labelled, weight, 1.0)[:, None]
    expected = (share * temperature * (softmax[0] - softmax[1]) + (1 - share) * hard) / 5
    np.testing.assert_allclose(logits.grad.numpy(), expected, atol=1e-6)


def test_a_student_like_its_teacher_has_nothing_to_learn():
    logits = torch.randn(4, 3, generator=torch.manual_seed(0)).requires_grad_()
    labelled = torch.zeros(4, dtype=torch.bool)
    given = (logits.detach() + 7.0, torch.zeros(4, dtype=torch.int64), labelled)
    loss = distillation_loss(logits, *given, teacher_weight=0.5, temperature=3.0)
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-5) and logits.grad.abs().max() < 1e-5


# --- what the teacher says --------------------------------------------------------------------------------------------


def test_a_teacher_of_any_kind_is_asked_as_it_would_answer_alone(bert, tmp_path):
    asked, labels = [*texts(20, seed=4), "unheard of", ""], sorted(TOPICS)
    said = ask_teacher(str(bert), [*asked, *asked[:3]], labels, make_accelerator(), tmp_path / "kept", anew=False)
    assert said.logits.shape == (22, 3) and said.logits.dtype == np.float32
    found = torch.from_numpy(said.to(asked)).softmax(-1).numpy()
    np.testing.assert_allclose(found, probabilities(bert, asked, labels), atol=1e-6)
    assert np.mean([labels[row.argmax()] == label_of(text) for row, text in zip(found, asked[:20], strict=False)]) > 0.8
    assert len(set(map(len, AutoTokenizer.from_pretrained(bert)(asked)["input_ids"]))) > 2  # of several lengths


def test_a_text_that_is_longer_than_the_teacher_reads_is_cut(bert, tmp_path):
    said = ask_teacher(str(bert), ["bread " * 50], sorted(TOPICS), make_accelerator(), tmp_path / "kept", anew=False)
    shorter = probabilities(bert, ["bread " * 10], sorted(TOPICS))  # with both boundaries, its twelve positions
    np.testing.assert_allclose(torch.from_numpy(said.logits).softmax(-1).numpy(), shorter, atol=1e-6)


def test_what_was_said_is_kept_for_the_same_question_alone(bert, tmp_path, monkeypatch, capsys):
    kept, labels, asked = tmp_path / "kept.safetensors", sorted(TOPICS), texts(9, seed=4)

    def ask(wanted=asked, order=labels, anew=False):
        return ask_teacher(str(bert), wanted, order, make_accelerator(), kept, anew)

    first = ask()
    assert "Labels of" in capsys.readouterr().out
    with monkeypatch.context() as patched:
        patched.setattr("wordemb_hf.model_outputs.outputs_of", None)
        assert np.array_equal(ask().logits, first.logits)
        for other in ({"wanted": asked[:8]}, {"order": labels[::-1]}, {"anew": True}):
            with pytest.raises(TypeError):
                ask(**other)
        kept.write_bytes(kept.read_bytes()[:50])
        with pytest.raises(TypeError):
            ask()
    assert np.array_equal(ask(order=labels[::-1]).logits, first.logits[:, ::-1])


def test_targets_follow_the_ids_of_the_student(bert, data):
    said = Answers(["one", "two"], np.array([[1.0, 2.0, 3.0], [6.0, 5.0, 4.0]], dtype=np.float32))
    settings = {"teacher": "t", "teacher_weight": 0.5, "temperature": 2.0, "unlabelled": "raw.txt"}
    teaching = Teaching(**settings, texts=["two"], labels=["a", "b", "c"], said=said)
    turned = teaching.logits_of(["two", "one", "two"], {"c": 0, "a": 1, "b": 2})
    assert turned.tolist() == [[4.0, 6.0, 5.0], [3.0, 1.0, 2.0], [4.0, 6.0, 5.0]]


def test_batches_bring_the_targets_of_their_texts_also_in_pieces(bert, data):
    from wordemb_hf.corpus import read_examples

    train, raw = read_examples(data / "train.tsv"), texts(9, seed=5)
    labels = sorted(TOPICS)
    tables = np.random.default_rng(0).normal(size=(69, 3)).astype(np.float32)
    said = Answers([*train.texts, *raw], tables)
    settings = {"teacher": "t", "teacher_weight": 0.5, "temperature": 2.0, "unlabelled": "raw.txt"}
    teaching = Teaching(**settings, texts=raw, labels=labels, said=said)
    both = teaching.extended(train)
    assert both.texts[60:] == raw and both.labels[60:] == [labels[row.argmax()] for row in tables[60:]]
    tokenizer = AutoTokenizer.from_pretrained(bert)
    label2id = {label: number for number, label in enumerate(labels)}
    source = DistilledClassification(tokenizer, both, label2id, teaching, batch_size=16)
    seen = 0
    for rows, batch in zip(source.epoch(0).indices, source.epoch(0), strict=True):
        seen += source.items(batch)
        assert torch.equal(batch["teacher_logits"], torch.from_numpy(tables[rows]))
        assert batch["labelled"].tolist() == [row < 60 for row in rows]
        pieces = split(batch, 2 * batch["input_ids"].shape[1])  # two texts each
        assert len(pieces) > 1 and sum(source.items(piece) for piece in pieces) == len(rows)
    assert seen == 69
    model = AutoModelForSequenceClassification.from_pretrained(bert, num_labels=3, ignore_mismatched_sizes=True).eval()
    whole = source.train_on(model, batch).loss
    parts = [source.train_on(model, piece).loss.item() * source.items(piece) for piece in pieces]
    assert whole.item() == pytest.approx(sum(parts) / len(rows), rel=1e-4)


# --- learning ---------------------------------------------------------------------------------------------------------


def test_a_student_comes_closer_to_its_teacher_and_says_so(bert, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    raw = tmp_path / "raw.txt"
    raw.write_text("\n".join([*texts(300, seed=6), *texts(60, seed=3)]), encoding="utf-8")  # and those of the dev part
    wordemb_hf.finetune(data, tmp_path / "alone", **SMALL)
    wordemb_hf.finetune(data, tmp_path / "taught", teacher=bert, **SMALL)
    wordemb_hf.finetune(data, tmp_path / "raw", teacher=bert, unlabelled=raw, **SMALL)
    unseen, labels = texts(100, seed=7), sorted(TOPICS)
    teacher = probabilities(bert, unseen, labels)
    alone, taught, more = (
        divergence(teacher, probabilities(tmp_path / name, unseen, labels)) for name in ("alone", "taught", "raw")
    )
    assert taught < 0.9 * alone and more < 0.5 * taught
    facts = read_card_facts(tmp_path / "raw")
    assert facts.teacher == "bert" and facts.dataset_sizes == {"train": 60, "dev": 60}
    told = {"teacher": "bert", "teacher_weight": 0.9, "temperature": 2.0, "unlabelled": "raw.txt"}
    assert told.items() <= facts.settings.items()
    assert facts.settings["unlabelled_texts"] == len(set(texts(300, seed=6)) - set(texts(60, seed=3)))
    card = (tmp_path / "raw" / "README.md").read_text(encoding="utf-8")
    assert "a teacher, bert" in card and str(bert.parent) not in card
    assert not list(tmp_path.glob(".*"))
    assert read_card_facts(tmp_path / "alone").teacher is None


@pytest.mark.slow
def test_one_of_ours_teaches_another_on_the_samples(tmp_path):
    """The teacher has all labels, the students sixty, and the rest as raw text."""
    rows = [json.loads(line) for line in (samples_folder("en") / "train.jsonl").read_text("utf-8").splitlines()]
    random.Random(0).shuffle(rows)
    data = tmp_path / "few"
    data.mkdir()
    for name, part in (("train", rows[:60]), ("raw", rows[60:])):
        (data / f"{name}.jsonl").write_text("\n".join(map(json.dumps, part)), encoding="utf-8")
    (tmp_path / "raw.jsonl").write_bytes((data / "raw.jsonl").read_bytes())
    (data / "raw.jsonl").unlink()
    (data / "dev.jsonl").write_bytes((samples_folder("en") / "dev.jsonl").read_bytes())
    wordemb_hf.finetune(samples_folder("en"), tmp_path / "teacher", family="textcnn", epochs=8)
    options = {"family": "bow", "teacher": str(tmp_path / "teacher")}
    alone = wordemb_hf.finetune(data, tmp_path / "alone", family="bow")["dev"]
    taught = wordemb_hf.finetune(data, tmp_path / "taught", unlabelled=tmp_path / "raw.jsonl", **options)["dev"]
    assert taught["accuracy"] > alone["accuracy"] + 0.05 and taught["loss"] < alone["loss"]


def test_a_head_that_is_there_keeps_the_order_of_its_labels(bert, data, tmp_path):
    wordemb_hf.finetune(data, tmp_path / "first", **{**SMALL, "epochs": 1})
    config = json.loads((tmp_path / "first" / "config.json").read_text())
    config["id2label"] = {str(number): label for number, label in enumerate(sorted(TOPICS, reverse=True))}
    config["label2id"] = {label: int(number) for number, label in config["id2label"].items()}
    (tmp_path / "first" / "config.json").write_text(json.dumps(config))
    options = {"model": str(tmp_path / "first"), "teacher": str(bert), "teacher_weight": 1.0}
    further = {name: value for name, value in SMALL.items() if name != "settings"}
    measured = wordemb_hf.finetune(data, tmp_path / "second", **options, **further)
    kept = AutoModelForSequenceClassification.from_pretrained(tmp_path / "second").config.id2label
    assert list(kept.values()) == sorted(TOPICS, reverse=True) and measured["dev"]["accuracy"] > 0.8


def test_seeds_and_folds_have_one_teacher(bert, data, tmp_path, capsys):
    options = {**SMALL, "epochs": 1, "seeds": 2, "folds": 2, "teacher": str(bert)}
    measured = wordemb_hf.finetune(data, tmp_path / "model", **options)
    assert len(measured["folds"]["each"]) == 4 and len(measured["seeds"]["dev"]["each"]) == 2
    assert capsys.readouterr().out.count("Asking") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "model"]


# --- going on ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [False, True], ids=["kept", "asked again"])
def test_a_training_that_was_stopped_goes_on_to_the_same_bits(bert, data, tmp_path, monkeypatch, capsys, lost):
    raw = tmp_path / "raw.txt"
    raw.write_text("\n".join(texts(80, seed=6)), encoding="utf-8")
    options = {**SMALL, "epochs": 3, "batch_size": 16, "checkpoint_steps": 2, "teacher": str(bert), "unlabelled": raw}
    wordemb_hf.finetune(data, tmp_path / "whole", **options)
    output = tmp_path / "stopped"
    with monkeypatch.context() as patched:
        patched.setattr("wordemb_hf.tasks.classification.TextClassification.evaluate", None)
        with pytest.raises(TypeError):
            wordemb_hf.finetune(data, output, **options)
    assert kept_beside(output).is_file() and not output.exists()
    for change in ({"temperature": 3.0}, {"teacher_weight": 0.5}, {"teacher": None, "unlabelled": None}):
        with pytest.raises(UserError, match=next(iter(change))):
            wordemb_hf.finetune(data, output, **{**options, **change})
    capsys.readouterr()
    if lost:
        kept_beside(output).unlink()
    wordemb_hf.finetune(data, output, **options)
    told = capsys.readouterr()
    assert ("Asking" in told.out) == lost and "Going on from step" in told.out + told.err
    whole, stopped = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "stopped"))
    assert whole.keys() == stopped.keys() and all(torch.equal(whole[name], stopped[name]) for name in whole)


def test_another_teacher_of_the_same_name_is_another_training(bert, data, tmp_path, monkeypatch):
    other = tmp_path / "teacher"
    AutoTokenizer.from_pretrained(bert).save_pretrained(other)
    model = AutoModelForSequenceClassification.from_pretrained(bert)
    model.save_pretrained(other)
    options = {**SMALL, "epochs": 2, "batch_size": 16, "checkpoint_steps": 2, "teacher": str(other)}
    with monkeypatch.context() as patched:
        patched.setattr("wordemb_hf.tasks.classification.TextClassification.evaluate", None)
        with pytest.raises(TypeError):
            wordemb_hf.finetune(data, tmp_path / "stopped", **options)
    with torch.no_grad():
        model.classifier.bias += torch.arange(4.0)
    model.save_pretrained(other)
    with pytest.raises(UserError, match="teacher_logits was"):
        wordemb_hf.finetune(data, tmp_path / "stopped", **options)


@pytest.mark.slow
def test_two_processes_hear_what_one_hears(bert, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\nfrom pathlib import Path\nfrom tests.test_distillation import *\n"
        "accelerator = make_accelerator()\n"
        "kept = Path(f'kept-{accelerator.num_processes}.safetensors')\n"
        "for time in ('first', 'again'):\n"
        "    said = ask_teacher(sys.argv[1], texts(700, 8), sorted(TOPICS), accelerator, kept, False)\n"
        "    np.save(f'{accelerator.num_processes}-{accelerator.process_index}-{time}.npy', said.logits)\n"
        "    wordemb_hf.model_outputs.outputs_of = None\n",
        encoding="utf-8",
    )
    root = Path(__file__).resolve().parent.parent
    environment = {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(root)}
    for launcher in ([], ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]):
        command = [sys.executable, *launcher, program, bert]
        subprocess.run(
            list(map(str, command)), check=True, cwd=tmp_path, env={**os.environ, **environment}, timeout=300
        )
    heard = [np.load(path) for path in sorted(tmp_path.glob("*-*-*.npy"))]
    assert len(heard) == 6 and heard[0].shape == (len(set(texts(700, 8))), 3)
    assert all(np.array_equal(heard[0], one) for one in heard)


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["LABEL_0", "LABEL_1"], "t has no label 'bad', .* has 'LABEL_0', 'LABEL_1'.* into id2label .* config.json"),
        (["good", "Bad"], "has no label 'bad'"),
        (["good"], "has no label 'bad'"),
    ],
)
def test_other_labels_are_refused(names, message):
    with pytest.raises(UserError, match=message):
        columns_of("t", dict(enumerate(names)), ["bad", "good"])


def test_labels_are_found_by_their_names():
    assert columns_of("t", {0: "good", 1: "neutral", 2: "bad"}, ["bad", "good"]) == [2, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"teacher_weight": 0}, "teacher_weight is 0, but must be above 0 and at most 1"),
        ({"teacher_weight": 1.5}, "teacher_weight is 1.5"),
        ({"temperature": 0}, "temperature is 0, but must be above 0 and finite"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"class_weights": "balanced"}, "class_weights is given, but what a teacher says"),
        ({"teacher": None, "unlabelled": "raw.txt"}, "unlabelled is raw.txt, but only a teacher"),
        ({"unlabelled": "none.txt"}, "no such file: none.txt"),
        ({"problem_type": "multi_label_classification"}, "teacher is given, but a classifier by multi_label"),
        ({"problem_type": "regression"}, "teacher is given, but a regression model by regression has none"),
        ({"task": "tagging", "family": "bilstm"}, "teacher is given, but a tagger has none"),
        ({"family": "attention_seq2seq"}, "teacher is given, but a .* has none: leave it out"),
        ({"teacher": "nowhere"}, "nowhere is no folder and cannot be loaded"),
    ],
)
def test_what_cannot_be_is_refused(data, tmp_path, options, message):
    given = {"family": "word2vec", "epochs": 1, "teacher": "t", **options}
    with pytest.raises(UserError, match=message):
        wordemb_hf.finetune(data, tmp_path / "model", **given)
    assert not (tmp_path / "model").exists() and not list(tmp_path.glob(".model*"))


def edit(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def test_a_folder_that_is_no_teacher_is_refused(bert, tmp_path):
    def ask(name, change):
        AutoTokenizer.from_pretrained(bert).save_pretrained(tmp_path / name)
        AutoModelForSequenceClassification.from_pretrained(bert).save_pretrained(tmp_path / name)
        change(tmp_path / name)
        ask_teacher(str(tmp_path / name), ["x"], sorted(TOPICS), make_accelerator(), tmp_path / "kept", anew=True)

    def pickled(folder):
        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()

    def unpadded(folder):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.pad_token = None
        tokenizer.save_pretrained(folder)

    def headless(folder):
        AutoModelForSequenceClassification.from_pretrained(folder).base_model.save_pretrained(folder)
        edit(folder, id2label={"0": "food", "1": "music", "2": "sport"}, label2id={"food": 0, "music": 1, "sport": 2})

    def broken(folder):
        model = AutoModelForSequenceClassification.from_pretrained(folder)
        model.classifier.bias.data[1] = float("nan")
        model.save_pretrained(folder)

    for name, change, message in (
        ("pickled", pickled, "pickled cannot be loaded: .*safetensors"),
        ("unpadded", unpadded, "unpadded has no padding token"),
        (
            "several",
            lambda folder: edit(folder, problem_type="multi_label_classification"),
            "is a model of multi_label",
        ),
        ("headless", headless, "headless is no trained classifier"),
        ("broken", broken, "broken answers with what is no number"),
    ):
        with pytest.raises(UserError, match=message):
            ask(name, change)


def test_unlabelled_texts_that_are_all_known_are_refused(data, tmp_path):
    from wordemb_hf.corpus import read_splits

    parts = read_splits(data)
    (tmp_path / "raw.txt").write_text("\n".join([*parts.dev.texts, "new", parts.train.texts[0], "new"]))
    assert read_unlabelled(tmp_path / "raw.txt", "text", parts) == ["new"]
    (tmp_path / "raw.txt").write_text("\n".join(parts.dev.texts))
    with pytest.raises(UserError, match="holds no text that is not in the data"):
        read_unlabelled(tmp_path / "raw.txt", "text", parts)

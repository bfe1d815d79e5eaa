"""Tagging from a CoNLL file to spans in a text: finetune, evaluate, predict, the card and the pipeline."""

import json
import random
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import pipeline

import wordemb_hf
from wordemb_hf.errors import UserError

from .test_tagging import tagged

PLACES, NAMES, OTHERS = (
    ["Paris", "Rome", "Oslo", "Kyiv"],
    ["Ada", "Alan", "Grace", "Kurt"],
    ["saw", "in", "with", "and"],
)
SMALL = {"num_filters": 8, "embedding_size": 8, "filter_sizes": [1, 3], "classifier_dropout": 0.0}


def english(count, seed):
    """Words and tags: places, names of two words, and words between them."""
    rng = random.Random(seed)
    for _ in range(count):
        words = [
            (rng.choice(NAMES), "B-PER"),
            (rng.choice(NAMES), "I-PER"),
            (rng.choice(OTHERS), "O"),
            (rng.choice(PLACES), "B-LOC"),
            (".", "O"),
        ]
        yield [word for word, _ in words], [tag for _, tag in words]


def chinese(count, seed):
    """Characters: cities in the scheme BMES."""
    rng = random.Random(seed)
    for _ in range(count):
        city = rng.choice(["北京", "上海", "石家庄"])
        marks = {2: "BE", 3: "BME"}[len(city)]
        yield ["我", *city, "好"], ["O", *(f"{mark}-LOC" for mark in marks), "O"]


def write_conll(path, sentences):
    rows = ("".join(f"{word}\t{tag}\n" for word, tag in zip(*sentence, strict=True)) for sentence in sentences)
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def train(data, output, **options):
    return wordemb_hf.finetune(data, output, **{"settings": SMALL, "epochs": 15, "learning_rate": 0.05, **options})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data, and a tagger of each language: nothing here is written to by a test."""
    folder = tmp_path_factory.mktemp("tagging")
    for name, sentences in (("en", english), ("zh", chinese)):
        (folder / name).mkdir()
        for seed, (part, count) in enumerate([("train", 60), ("dev", 15), ("test", 20)]):
            write_conll(folder / name / f"{part}.conll", sentences(count, seed))
    measured = {name: train(folder / name, folder / f"{name}-tagger", baseline=True) for name in ("en", "zh")}
    (folder / "measured.json").write_text(json.dumps(measured))
    return folder


@pytest.fixture(params=["en", "zh"])
def tagger(request, folder):
    measured = json.loads((folder / "measured.json").read_text())[request.param]
    data, model = folder / request.param, folder / f"{request.param}-tagger"
    return SimpleNamespace(language=request.param, data=data, folder=model, measured=measured)


def test_a_tagger_has_learnt_its_task(tagger):
    assert tagger.measured["test"]["f1"] == 1.0
    assert set(tagger.measured["dev"]) == {"loss", "f1", "precision", "recall", "accuracy", "types"}
    baseline = {f"baseline_{name}" for name in ("f1", "precision", "recall", "accuracy")}
    assert set(tagger.measured["test"]) == set(tagger.measured["dev"]) | baseline
    assert json.loads((tagger.folder / "metrics.json").read_text()) == tagger.measured
    types = {"en": {"PER", "LOC"}, "zh": {"LOC"}}[tagger.language]
    assert set(tagger.measured["test"]["types"]) == types
    assert tagger.measured["test"]["types"]["LOC"]["support"] == 20


def test_the_best_epoch_is_that_of_the_best_spans(tagger):
    log = [json.loads(row) for row in (tagger.folder / "training_log.jsonl").read_text().splitlines()]
    best = max((row for row in log if "eval_f1" in row), key=lambda row: row["eval_f1"])
    assert tagger.measured["dev"]["f1"] == best["eval_f1"]
    assert tagger.measured["dev"]["loss"] == pytest.approx(best["eval_loss"], abs=1e-6)


def test_evaluate_repeats_the_figures(tagger, tmp_path, capsys):
    expected = {key: value for key, value in tagger.measured["test"].items() if not key.startswith("baseline_")}
    for data in (tagger.data, tagger.data / "test.conll"):
        assert wordemb_hf.evaluate(str(tagger.folder), data, output=tmp_path / "figures.json") == expected
    assert json.loads((tmp_path / "figures.json").read_text()) == expected
    out = capsys.readouterr().out
    assert out.startswith("20 sentences: loss 0.") and "f1 1.0000" in out and "F1 of each type: LOC 1.0000" in out


def test_a_tagger_finds_spans_in_text(folder, capsys):
    text = "  Ada Alan saw Rome . Kurt Ada in"
    (answer, nothing) = wordemb_hf.predict(str(folder / "en-tagger"), [text, " "])
    found = [(span["type"], span["start"], span["end"], span["text"]) for span in answer["spans"]]
    assert found == [("PER", 2, 10, "Ada Alan"), ("LOC", 15, 19, "Rome"), ("PER", 22, 30, "Kurt Ada")]
    assert all(0.4 < span["score"] <= 1 for span in answer["spans"])
    assert (answer["text"], nothing) == (text, {"text": " ", "spans": []})
    assert capsys.readouterr().out == "  [PER Ada Alan] saw [LOC Rome] . [PER Kurt Ada] in\n \n"
    (answer,) = wordemb_hf.predict(str(folder / "zh-tagger"), ["我北京好 石家庄"])
    assert [span["text"] for span in answer["spans"]] == ["北京", "石家庄"]
    assert capsys.readouterr().out == "我[LOC 北京]好 [LOC 石家庄]\n"


def test_the_pipeline_finds_the_same(folder):
    texts = ["Ada Alan saw Rome .", "Oslo and Grace Kurt with Paris", "saw"]
    tag = pipeline("token-classification", model=str(folder / "en-tagger"), aggregation_strategy="simple")
    for text, answer in zip(texts, wordemb_hf.predict(str(folder / "en-tagger"), texts), strict=True):
        expected = [(span["entity_group"], span["start"], span["end"], span["score"]) for span in tag(text)]
        found = [(span["type"], span["start"], span["end"], span["score"]) for span in answer["spans"]]
        assert [row[:3] for row in found] == [row[:3] for row in expected]
        assert [row[3] for row in found] == pytest.approx([row[3] for row in expected], abs=1e-5)


def test_a_very_long_text_is_read_whole(folder):
    text = "Ada Alan saw Rome . " * 2000
    (answer,) = wordemb_hf.predict(str(folder / "en-tagger"), [text])
    assert [span["text"] for span in answer["spans"]] == ["Ada Alan", "Rome"] * 2000


def test_the_card_of_a_tagger(tagger, capsys, monkeypatch):
    monkeypatch.setenv("HF_MODULES_CACHE", str(tagger.folder.parent / "modules"))
    card = (tagger.folder / "README.md").read_text(encoding="utf-8")
    assert "pipeline_tag: token-classification" in card
    assert "| LOC | 1.0000 | 1.0000 | 1.0000 | 20 |" in card
    assert "most frequent tag of each word (test)" in card
    assert "LOC" in re.search(r"## Examples\n.*?## What", card, re.S).group()
    assert ("stands between spaces" in card) is (tagger.language == "en")
    snippets = re.findall(r"```python\n(.*?)```", card, flags=re.S)
    assert len(snippets) == 2
    for snippet in snippets:
        capsys.readouterr()
        exec(snippet.replace(f'repo = "{tagger.folder.name}"', f"repo = {str(tagger.folder)!r}"), {})
        printed = capsys.readouterr().out.splitlines()
        promised = re.findall(r"^# (.+)$", snippet, re.M)
        assert printed
        if tagger.language == "en":
            assert printed[: len(promised)] == promised and len(promised) == 2
        else:  # transformers' pipeline joins IOB only, so nothing is promised
            assert promised == [] and all(line.split()[0][1:] == "-LOC" for line in printed)


def test_a_folder_of_a_tagger_is_complete(tagger):
    names = {path.name for path in tagger.folder.iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", "README.md", "metrics.json"}
    config = json.loads((tagger.folder / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["TextCNNForTokenClassification"]
    expected = {
        "en": ["O", "B-LOC", "B-PER", "I-PER"],
        "zh": ["O", "B-LOC", "E-LOC", "M-LOC"],
    }[tagger.language]
    assert list(config["id2label"].values()) == expected


def weights(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def test_a_tagger_is_trained_further(folder, tmp_path):
    further = train(folder / "en", tmp_path / "model", model=str(folder / "en-tagger"), settings=None, epochs=0)
    one, other = weights(tmp_path / "model"), weights(folder / "en-tagger")
    assert all(torch.equal(one[name], other[name]) for name in other)
    assert further["test"]["f1"] == 1.0


def test_other_labels_begin_a_new_head(folder, tmp_path):
    (tmp_path / "data").mkdir()
    turned = {"B-PER": "B-LOC", "I-PER": "I-LOC", "B-LOC": "B-PER", "O": "O"}  # as many, but not the same
    for seed, part in enumerate(("train", "test")):
        rows = [(words, [turned[tag] for tag in tags]) for words, tags in english(40, seed)]
        write_conll(tmp_path / "data" / f"{part}.conll", rows)
    options = {"model": str(folder / "en-tagger"), "settings": None}
    train(tmp_path / "data", tmp_path / "untrained", epochs=0, **options)
    one, other = weights(tmp_path / "untrained"), weights(folder / "en-tagger")
    assert one["tagger.weight"].shape == other["tagger.weight"].shape
    assert not torch.equal(one["tagger.weight"], other["tagger.weight"])
    assert torch.equal(one["textcnn.word_embeddings.weight"], other["textcnn.word_embeddings.weight"])
    assert train(tmp_path / "data", tmp_path / "model", **options)["test"]["f1"] == 1.0


def test_a_classifier_becomes_a_tagger(folder, tmp_path):
    (tmp_path / "train.tsv").write_text("".join(f"{name}\tAda saw {name}\n" for name in PLACES * 5))
    wordemb_hf.finetune(tmp_path / "train.tsv", tmp_path / "classifier", settings=SMALL, epochs=1)
    with pytest.raises(UserError, match=r"the label .* does not occur in the training part"):
        (tmp_path / "other.tsv").write_text("nowhere\tAda\n")
        wordemb_hf.evaluate(str(tmp_path / "classifier"), tmp_path / "other.tsv")
    measured = train(folder / "en", tmp_path / "tagger", model=str(tmp_path / "classifier"), settings=None, epochs=3)
    assert "f1" in measured["test"]


def test_a_tagger_starts_from_word_vectors(folder, tmp_path):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("".join(" ".join(words) + "\n" for words, _ in english(200, 9)), encoding="utf-8")
    wordemb_hf.pretrain(
        [corpus], tmp_path / "vectors", tokenizer_kind="whitespace", min_count=1, hidden_size=8, epochs=1
    )
    settings = {key: value for key, value in SMALL.items() if key != "embedding_size"}
    measured = train(folder / "en", tmp_path / "model", vectors=tmp_path / "vectors", settings=settings)
    assert measured["test"]["f1"] == 1.0


def test_parts_of_speech(tmp_path, capsys):
    rows = [(words, [tag.replace("-", "").replace("O", "X") for tag in tags]) for words, tags in english(60, 0)]
    measured = train(write_conll(tmp_path / "train.conll", rows), tmp_path / "model", baseline=True)
    assert set(measured) == {"dev"}
    assert measured["dev"]["accuracy"] == 1.0 and "f1" not in measured["dev"]
    assert {"macro_f1", "baseline_accuracy", "baseline_macro_f1"} <= set(measured["dev"])
    assert "eval_accuracy" in (tmp_path / "model" / "training_log.jsonl").read_text()
    capsys.readouterr()
    (answer,) = wordemb_hf.predict(str(tmp_path / "model"), ["Ada Kurt saw"])
    assert [(span["type"], span["text"]) for span in answer["spans"]] == [
        ("BPER", "Ada"),
        ("IPER", "Kurt"),
        ("X", "saw"),
    ]
    assert capsys.readouterr().out == "[BPER Ada] [IPER Kurt] [X saw]\n"


def test_jsonl_is_tagged_when_the_task_says_so(folder, tmp_path):
    for name, columns in (("a", ("tokens", "tags")), ("b", ("words", "ner"))):
        rows = [dict(zip(columns, sentence, strict=True)) for sentence in english(60, 0)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = {"task": "tagging", "epochs": 2, "test": folder / "en" / "test.conll"}
    first = train(tmp_path / "a.jsonl", tmp_path / "one", **options)
    renamed = {"text_column": "words", "label_column": "ner"}
    del options["test"]
    second = train(tmp_path / "b.jsonl", tmp_path / "two", **options, **renamed)
    assert second["dev"] == first["dev"]
    assert wordemb_hf.evaluate(str(tmp_path / "two"), tmp_path / "b.jsonl", **renamed)["accuracy"] > 0.5


def test_a_tag_that_only_the_test_has_is_told(folder, tmp_path, capsys):
    (tmp_path / "test.conll").write_text("Ada B-PER\nRome I-LOC\n")
    sentence = f"Words whose tag the training part lacks count as wrong: 1 in {tmp_path / 'test.conll'} (I-LOC)"
    measured = train(folder / "en", tmp_path / "model", test=tmp_path / "test.conll", epochs=1)
    assert sentence in capsys.readouterr().out
    assert measured["test"]["types"]["LOC"]["support"] == 1
    wordemb_hf.evaluate(str(tmp_path / "model"), tmp_path / "test.conll")
    assert capsys.readouterr().out.endswith(sentence + "\n")


def test_a_tagger_refuses_what_it_cannot_do(folder, tmp_path):
    (tmp_path / "pos.conll").write_text("a NN\nb VB\n")
    with pytest.raises(
        UserError, match=r"the tags in .*pos\.conll \('NN', 'VB'\) are none of those to be found: 'O', "
    ):
        wordemb_hf.evaluate(str(folder / "en-tagger"), tmp_path / "pos.conll")
    with pytest.raises(UserError, match="top is 2, but a tagger gives one tag to each word: leave it out"):
        wordemb_hf.predict(str(folder / "en-tagger"), ["Ada"], top=2)
    with pytest.raises(UserError, match=r"train\.conll has an unknown extension: \.tsv, "):
        train(folder / "en" / "train.conll", tmp_path / "model", task="classification")


class WithCRF:
    """A config of a tagger with a CRF."""

    tag_decoder = "crf"


def test_what_a_crf_cannot_learn_is_told_with_its_place():
    from wordemb_hf.jobs.tagging import TaggingJob

    job, bad = TaggingJob(), tagged("a/O b/B-X", "a/O b/O c/I-X d/I-X")
    sentence = "data, line 3, word 3 of its sentence: I-X cannot follow O, so a CRF cannot learn it; mend the tags "
    with pytest.raises(UserError, match=re.escape(sentence)):
        job.check(WithCRF(), bad)
    job.check(SimpleNamespace(), bad)
    job.check(SimpleNamespace(tag_decoder="softmax"), bad)
    job.check(WithCRF(), tagged("a/B-X b/I-X", "a/O"))
    job.check(WithCRF(), tagged("a/NN b/VB"))


@pytest.mark.slow
def test_two_processes_measure_the_same(folder, tmp_path):
    """Each process answers its share of the windows, and all of them know the whole."""
    program = (
        "import sys, json, wordemb_hf\n"
        "figures = wordemb_hf.evaluate(sys.argv[1], sys.argv[2], output=sys.argv[3])\n"
        "answers = wordemb_hf.predict(sys.argv[1], ['Ada Alan saw Rome'] * 70)\n"
        "assert [len(answer['spans']) for answer in answers] == [2] * 70\n"
    )
    (tmp_path / "run.py").write_text(program)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node",
        "2",
        str(tmp_path / "run.py"),
    ]
    arguments = [str(folder / "en-tagger"), str(folder / "en" / "test.conll"), str(tmp_path / "figures.json")]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    assert done.returncode == 0, done.stderr[-2000:]
    alone = wordemb_hf.evaluate(str(folder / "en-tagger"), folder / "en" / "test.conll")
    together = json.loads((tmp_path / "figures.json").read_text())
    assert together.pop("loss") == pytest.approx(alone.pop("loss"))
    assert together == alone

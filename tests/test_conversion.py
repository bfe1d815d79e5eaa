"""The verb `convert`: files to folders that transformers, sentence-transformers and fastText agree on, and back."""

import json
import math

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, pipeline

import wordemb_hf
from wordemb_hf.errors import UserError
from wordemb_hf.vectors.formats import FORMATS, read_vectors
from wordemb_hf.vectors.word_table import WordTable

from .test_vector_formats import numbers, same, with_ngrams

ENGLISH = ["the", "of", "don't", "tea", "coffee", "3.5", "king", "queen", ",", "green"]


def glove(path, words=ENGLISH, width=6):
    made = WordTable(list(words), np.random.default_rng(0).normal(size=(len(words), width)).astype(np.float32))
    FORMATS["glove"].write(made, path)
    return made


def vectors_of(folder, text):
    """The vectors of a text's words, by transformers alone."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    with torch.no_grad():
        return model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].numpy()


def test_one_command_makes_a_complete_folder(tmp_path, capsys):
    made = glove(tmp_path / "glove.6d.txt")
    wordemb_hf.convert(tmp_path / "glove.6d.txt", tmp_path / "out", language="en")
    assert "10 vectors of width 6" in capsys.readouterr().out
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md", "modeling_word2vec.py"} <= names
    assert "AutoModel" in json.loads((tmp_path / "out/config.json").read_text())["auto_map"]
    card = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert "language: en" in card and "glove.6d.txt" in card and "license" not in card
    found = vectors_of(tmp_path / "out", "The KING, don't drink 3.5 tea")
    rows = [ENGLISH.index(word) for word in ("the", "king", ",", "don't", "3.5", "tea")]
    np.testing.assert_array_equal(found[[0, 1, 2, 3, 5, 6]], made.matrix[rows])
    np.testing.assert_array_equal(found[4], made.matrix[-1])  # drink: unknown, so as the rarest
    same(read_vectors(tmp_path / "out"), made)
    wordemb_hf.convert(tmp_path / "out", tmp_path / "back.txt")
    same(read_vectors(tmp_path / "back.txt"), made)


@pytest.mark.parametrize("to", ["model2vec", "sentence-transformers"])
def test_static_folders(to, tmp_path, capsys):
    made = glove(tmp_path / "v.txt")
    wordemb_hf.convert(tmp_path / "v.txt", tmp_path / "out", to=to)
    same(read_vectors(tmp_path / "out"), made)
    transformer = pytest.importorskip("sentence_transformers").SentenceTransformer(str(tmp_path / "out"), device="cpu")
    wordemb_hf.convert(tmp_path / "v.txt", tmp_path / "ours")
    text = "the king of green tea"
    expected = vectors_of(tmp_path / "ours", text).mean(0)
    np.testing.assert_allclose(transformer.encode(text), expected, atol=1e-6)
    transformer.save(str(tmp_path / "saved"))
    same(read_vectors(tmp_path / "saved"), made)


def test_special_words_of_a_file(tmp_path, capsys):
    made = glove(tmp_path / "v.txt", ["<unk>", "the", "<pad>", "tea"])
    wordemb_hf.convert(tmp_path / "v.txt", tmp_path / "out")
    assert "no words of the tokenizer" in capsys.readouterr().out
    np.testing.assert_array_equal(vectors_of(tmp_path / "out", "tea zzz"), made.matrix[[3, 0]])


@pytest.mark.parametrize(
    ("words", "text", "found"),
    [
        (["我", "你", "茶"], "我 茶", [0, 2]),
        (["我们", "喝茶", "你"], "你 喝茶", [2, 1]),
        (["Tea", "tea", "x"], "Tea tea", [0, 1]),
    ],
)
def test_the_tokenizer_goes_with_the_words(words, text, found, tmp_path):
    made = glove(tmp_path / "v.txt", words)
    wordemb_hf.convert(tmp_path / "v.txt", tmp_path / "out")
    np.testing.assert_array_equal(vectors_of(tmp_path / "out", text), made.matrix[found])


def test_what_is_lost_is_said(tmp_path, capsys):
    FORMATS["fasttext"].write(with_ngrams(), tmp_path / "v.bin")
    wordemb_hf.convert(tmp_path / "v.bin", tmp_path / "v.txt")
    told = capsys.readouterr().out
    assert "n-grams, which give vectors to unseen words, are left out" in told and "counts of words" in told
    glove(tmp_path / "odd.txt", ["can't", "e-mail"])
    wordemb_hf.convert(tmp_path / "odd.txt", tmp_path / "odd")
    assert "1 of 2 words the tokenizer never makes of a text, such as 'e-mail'" in capsys.readouterr().out


def test_unseen_words_agree_with_fasttext(tmp_path):
    made = with_ngrams()
    FORMATS["fasttext"].write(made, tmp_path / "v.bin")
    wordemb_hf.convert(tmp_path / "v.bin", tmp_path / "out")
    loaded = pytest.importorskip("fasttext").load_model(str(tmp_path / "v.bin"))
    words = [word for word in made.words if word != "</s>"] + ["unseen", "王", "Tea", "internationalisations"]
    found = vectors_of(tmp_path / "out", " ".join(words))
    np.testing.assert_allclose(found, [loaded.get_word_vector(word) for word in words], atol=1e-6)
    wordemb_hf.convert(tmp_path / "out", tmp_path / "again.bin")  # n-grams make it fastText's
    again = read_vectors(tmp_path / "again.bin")
    keep = [row for row, word in enumerate(made.words) if len(made.ngrams.of(word)) <= 160]
    np.testing.assert_array_equal(again.ngrams.own[keep], made.ngrams.own[keep])
    np.testing.assert_array_equal(again.ngrams.buckets, made.ngrams.buckets)


TEXTS = ["the film was great", "a bad film unknownword 很 naïve", "zzz", "good", "x\u00a0y good  bad", "good\tbad", ""]
KINDS = [
    {"loss": "softmax"},
    {"loss": "softmax", "wordNgrams": 3},
    {"loss": "softmax", "minn": 2, "maxn": 4},
    {"loss": "softmax", "wordNgrams": 2, "minn": 2, "maxn": 4},
    {"loss": "ova", "wordNgrams": 2},
    {"loss": "ns"},
]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    lines = ["good the film was great and good fun", "bad a bad dull film , 很 坏", "mixed good and bad naïve"]
    path = tmp_path_factory.mktemp("labelled") / "train.txt"
    path.write_text("".join(f"__label__{line}\n" for line in lines) * 40, encoding="utf-8")
    return path


def trained(labelled, path, **options):
    model = pytest.importorskip("fasttext").train_supervised(
        str(labelled), dim=8, epoch=3, lr=0.5, thread=1, verbose=0, bucket=100, minCount=30, **options
    )
    model.save_model(str(path))
    return model


def _table_sigmoid(values):
    """fastText's: from 512 steps between -8 and 8."""
    steps = [1 / (1 + math.exp(-(step * 16 / 512 - 8))) for step in range(513)]
    return [0.0 if value < -8 else 1.0 if value > 8 else steps[int((value + 8) * 512 / 16)] for value in values]


@pytest.mark.parametrize("options", KINDS, ids=lambda options: "-".join(map(str, options.values())))
def test_a_supervised_model_gives_the_same_predictions(options, labelled, tmp_path):
    model = trained(labelled, tmp_path / "v.bin", **options)
    wordemb_hf.convert(tmp_path / "v.bin", tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    classifier = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    with torch.no_grad():
        logits = classifier(**tokenizer(TEXTS, padding=True, return_tensors="pt")).logits
    labels = [f"__label__{classifier.config.id2label[index]}" for index in range(3)]
    for text, row in zip(TEXTS, logits, strict=True):
        expected = {label: score for score, label in model.f.predict(f"{text}\n", 3, 0.0, "strict")}
        scores = row.softmax(0) if options["loss"] == "softmax" else _table_sigmoid(row.tolist())
        np.testing.assert_allclose(scores, [expected[label] for label in labels], atol=3e-5)
    wordemb_hf.convert(tmp_path / "out", tmp_path / "again.bin")
    again = read_vectors(tmp_path / "again.bin")
    np.testing.assert_array_equal(again.classifier.weight, read_vectors(tmp_path / "v.bin").classifier.weight)


def test_a_supervised_model_in_a_pipeline(labelled, tmp_path):
    model = trained(labelled, tmp_path / "v.bin", loss="softmax", wordNgrams=2)
    wordemb_hf.convert(tmp_path / "v.bin", tmp_path / "out")
    answers = pipeline("text-classification", model=str(tmp_path / "out"), batch_size=3)(TEXTS[:4])
    for text, answer in zip(TEXTS, answers, strict=False):
        score, label = model.f.predict(f"{text}\n", 1, 0.0, "strict")[0]
        assert label == f"__label__{answer['label']}" and abs(answer["score"] - score) < 3e-5


def test_a_tree_of_labels_is_no_linear_layer(labelled, tmp_path):
    trained(labelled, tmp_path / "v.bin", loss="hs")
    with pytest.raises(UserError, match="hierarchical softmax"):
        wordemb_hf.convert(tmp_path / "v.bin", tmp_path / "out")
    wordemb_hf.convert(tmp_path / "v.bin", tmp_path / "out", vectors_only=True)
    assert AutoModel.from_pretrained(tmp_path / "out").config.hidden_size == 8


def test_fine_tuning_starts_from_any_file(tmp_path):
    data = tmp_path / "train.tsv"
    data.write_text("".join(f"a\tgreen tea {n}\nb\tthe king {n}\n" for n in range(20)), encoding="utf-8")
    glove(tmp_path / "v.txt.gz")
    FORMATS["fasttext"].write(with_ngrams(), tmp_path / "v.bin")
    for name, width in (("v.txt.gz", 6), ("v.bin", 5)):
        out = tmp_path / f"out-{width}"
        wordemb_hf.finetune(data, out, vectors=tmp_path / name, settings={"num_filters": 4}, epochs=1)
        config = json.loads((out / "config.json").read_text())
        assert config["embedding_size"] == width
        vocabulary = AutoTokenizer.from_pretrained(out).get_vocab()
        assert {"king", "tea"} <= set(vocabulary)


@pytest.mark.parametrize(
    ("source", "output", "options", "sentence"),
    [
        ("missing.txt", "out", {}, "there is no file or folder"),
        ("v.txt", "out.kv", {}, "gensim's own format is a pickle"),
        ("v.txt", "out.xyz", {}, "its name tells no format"),
        ("v.txt", "v.txt", {}, "is there already"),
        ("v.txt", "no/out.txt", {}, "there is no folder"),
        ("v.txt", "v.txt", {"to": "folder"}, "is a file"),
        ("v.txt", "out", {"limit": 0}, "limit is 0"),
        ("wrong.txt", "out", {}, "no finite number"),
    ],
)
def test_mistakes_get_a_sentence_and_leave_nothing(source, output, options, sentence, tmp_path):
    glove(tmp_path / "v.txt")
    (tmp_path / "wrong.txt").write_text("a 1\nb x\n")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=sentence):
        wordemb_hf.convert(tmp_path / source, tmp_path / output, **options)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_limit_and_what_is_there(tmp_path):
    made = WordTable(["a", "b", "c"], numbers(3, 4))
    FORMATS["word2vec-binary"].write(made, tmp_path / "v.bin")
    wordemb_hf.convert(tmp_path / "v.bin", tmp_path / "v.npy", limit=2)
    same(read_vectors(tmp_path / "v.npy"), WordTable(["a", "b"], made.matrix[:2]))
    wordemb_hf.convert(tmp_path / "v.bin", tmp_path / "v.npy", overwrite=True)
    same(read_vectors(tmp_path / "v.npy"), made)

"""The verb `pretrain` for word vectors: little text, more text later, and what each part of a folder then knows."""

import json

import numpy as np
import pytest
from transformers import AutoModelForPreTraining, AutoTokenizer

import wordemb_hf
from wordemb_hf.errors import UserError
from wordemb_hf.vectors import KeyedVectors

SIZES = {"hidden_size": 16, "window_size": 2, "min_count": 1, "epochs": 3, "threads": 1}


def write(path, *lines):
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("lines", "fields"),
    [
        (["alone"], []),
        (["alone alone alone"], ["num_ngram_buckets=50"]),
        (["alone"], ["loss=hierarchical_softmax"]),
        (["one", "two", "three"], []),
        (["one two"], ["algorithm=cbow"]),
    ],
    ids=str,
)
def test_little_text(lines, fields, tmp_path):
    """One word, one word again and again, documents shorter than a window: vectors all the same."""
    corpus = write(tmp_path / "corpus.txt", *lines)
    wordemb_hf.pretrain(corpus, tmp_path / "model", fields=fields, **SIZES)
    vectors = KeyedVectors.from_folder(tmp_path / "model")
    assert sorted(vectors.words) == sorted({word for line in lines for word in line.split()})
    assert np.isfinite(vectors.matrix).all()


def test_no_word_is_frequent_enough(tmp_path):
    corpus = write(tmp_path / "corpus.txt", "one two three")
    with pytest.raises(UserError, match="min"):
        wordemb_hf.pretrain(corpus, tmp_path / "model", **{**SIZES, "min_count": 2})


@pytest.mark.parametrize("fields", [[], ["loss=hierarchical_softmax"], ["num_ngram_buckets=50"]], ids=str)
def test_more_text_with_new_words(fields, tmp_path):
    old = write(tmp_path / "old.txt", *["the cat drinks milk"] * 20)
    new = write(tmp_path / "new.txt", *["the dog drinks water"] * 30, "a hapax")
    wordemb_hf.pretrain(old, tmp_path / "old", fields=fields, **SIZES)
    how = {"min_count": 2, "epochs": 2, "threads": 1}
    wordemb_hf.pretrain(new, tmp_path / "both", model=str(tmp_path / "old"), **how)

    tokenizers = [AutoTokenizer.from_pretrained(tmp_path / name, trust_remote_code=False) for name in ("old", "both")]
    before, after = (tokenizer.get_vocab() for tokenizer in tokenizers)
    assert before.items() <= after.items()
    assert set(after) - set(before) == {"dog", "water"}
    models = [AutoModelForPreTraining.from_pretrained(tmp_path / name) for name in ("old", "both")]
    counts = [model.word_counts.tolist() for model in models]
    assert counts[0][before["milk"]] == counts[1][after["milk"]] == 20
    assert counts[1][after["the"]] == 50 and counts[1][after["dog"]] == 30
    vectors = [KeyedVectors.from_folder(tmp_path / name) for name in ("old", "both")]
    rows = [given.matrix[given.words.index("milk")] for given in vectors]
    assert np.dot(*rows) / np.linalg.norm(rows[0]) / np.linalg.norm(rows[1]) > 0.9  # it was not read again
    if not fields:  # no row of its own was touched; with noise it may be pushed, on the other table
        np.testing.assert_array_equal(*rows)
    assert len(vectors[1].words) == len(after) - 2 and np.isfinite(vectors[1].matrix).all()
    assert json.loads((tmp_path / "both" / "config.json").read_text())["vocab_size"] == len(after)


def test_only_a_model_of_the_family_goes_on(tmp_path):
    corpus = write(tmp_path / "corpus.txt", *["one two three"] * 20)
    sizes = ["embedding_size=8", "hidden_size=8", "num_hidden_layers=1"]
    wordemb_hf.pretrain(corpus, tmp_path / "writer", family="rnn", fields=sizes, min_count=1, epochs=1)
    for family, message in (("word2vec", "writer"), ("transformer_decoder", "is rnn: give that as --family")):
        with pytest.raises(UserError, match=message):
            wordemb_hf.pretrain(corpus, tmp_path / "model", family=family, model=str(tmp_path / "writer"), epochs=1)
    assert not (tmp_path / "model").exists()


def test_vectors_in_half_precision_go_on_in_float32(tmp_path):
    corpus = write(tmp_path / "corpus.txt", *["one two three"] * 20)
    wordemb_hf.pretrain(corpus, tmp_path / "old", **SIZES)
    half = AutoModelForPreTraining.from_pretrained(tmp_path / "old").bfloat16()
    half.save_pretrained(tmp_path / "old")
    wordemb_hf.pretrain(corpus, tmp_path / "new", model=str(tmp_path / "old"), min_count=1, epochs=1, threads=1)
    weight = AutoModelForPreTraining.from_pretrained(tmp_path / "new", dtype="auto").get_input_embeddings().weight
    assert str(weight.dtype) == "torch.float32"

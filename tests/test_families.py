"""Presets: how long a family is trained by itself, and with what."""

import json

import pytest

import wordemb_hf
from wordemb_hf.families import FINETUNING, MANY_TEXTS, Preset


@pytest.mark.parametrize(
    ("texts", "passes"),
    [(10_000, 8), (2400, 8), (2399, 9), (648, 30), (0, 30)],  # 600 steps of 32 texts are 19,200
)
def test_few_texts_are_read_more_often(texts, passes):
    assert Preset(learning_rate=1e-3, epochs=8).passes(texts, 32) == passes


def test_a_preset_is_the_least():
    assert Preset(learning_rate=1e-3, epochs=40).passes(100, 32) == 40


@pytest.mark.parametrize("texts", [MANY_TEXTS - 1, MANY_TEXTS])
def test_pairs_of_characters_are_for_many_texts(texts, tmp_path):
    lines = [f"{number % 2}\t{'好坏'[number % 2]}" for number in range(texts + 2)]
    (tmp_path / "train.tsv").write_text("\n".join(lines[2:]), encoding="utf-8")
    (tmp_path / "dev.tsv").write_text("\n".join(lines[:2]), encoding="utf-8")
    wordemb_hf.finetune(tmp_path, tmp_path / "model", epochs=1, settings={"embedding_size": 4, "num_filters": 2})
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    pairs = FINETUNING["textcnn"].of_characters.settings["num_bigram_buckets"]
    assert config["num_bigram_buckets"] == (pairs if texts == MANY_TEXTS else 0)

"""Several seeds, several folds: what they say, what stays, and that a killed one goes on."""

import json
from statistics import mean, stdev

import pytest

import wordemb_hf
from wordemb_hf.corpus import Examples
from wordemb_hf.errors import UserError
from wordemb_hf.jobs import JOBS
from wordemb_hf.repetitions import folds_of, spread_of

WORDS = {"fruit": ["apple", "pear", "plum", "fig"], "metal": ["iron", "tin", "zinc", "lead"]}
SIZES = {"settings": ["embedding_size=8", "num_filters=4"], "epochs": 3, "learning_rate": 0.02, "batch_size": 8}


@pytest.fixture
def data(tmp_path):
    rows = [f"{label}\t{first} and {second}\n" for label, words in WORDS.items() for first in words for second in words]
    path = tmp_path / "train.tsv"
    path.write_text("".join(rows))
    return path


def test_folds_part_the_texts_and_keep_the_shares_of_classes():
    part = Examples([f"text {row}" for row in range(30)], ["a"] * 20 + ["b"] * 10, "somewhere")
    folds = folds_of(JOBS["classification"], part, 5, seed=1)
    assert sorted(text for _, held_out in folds for text in held_out.texts) == sorted(part.texts)
    for kept, held_out in folds:
        assert not set(kept.texts) & set(held_out.texts) and len(kept) + len(held_out) == 30
        assert held_out.labels.count("a") == 4 and held_out.labels.count("b") == 2
    assert [held_out.texts for _, held_out in folds] != [
        held_out.texts for _, held_out in folds_of(JOBS["classification"], part, 5, seed=2)
    ]


def test_means_and_deviations():
    spread = spread_of([{"accuracy": 0.5, "types": {}}, {"accuracy": 0.7, "f1": 1.0}])
    assert spread["mean"] == {"accuracy": pytest.approx(0.6)}
    assert spread["deviation"] == {"accuracy": pytest.approx(stdev([0.5, 0.7]))}
    assert len(spread["each"]) == 2


@pytest.mark.parametrize(
    ("count", "message"), [(1, "folds is 1"), (40, "at most the 32 texts"), (20, "has 16 texts in .*take fewer folds")]
)
def test_impossible_folds(data, tmp_path, count, message):
    with pytest.raises(UserError, match=message):
        wordemb_hf.finetune(data, tmp_path / "model", folds=count, **SIZES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.tsv"]


def test_several_seeds_keep_the_best(data, tmp_path, capsys):
    measured = wordemb_hf.finetune(data, tmp_path / "model", test=data, seeds=3, seed=4, **SIZES)
    alone = {
        seed: wordemb_hf.finetune(data, tmp_path / f"seed-{seed}", test=data, dev=None, seed=seed, **SIZES)
        for seed in (4,)
    }
    seeds = measured["seeds"]
    assert (seeds["first"], seeds["count"]) == (4, 3)
    each = [row["accuracy"] for row in seeds["dev"]["each"]]
    assert seeds["dev"]["mean"]["accuracy"] == pytest.approx(mean(each)) and measured["dev"]["accuracy"] == max(each)
    assert seeds["test"]["each"][0]["loss"] == alone[4]["test"]["loss"]  # a seed among others is that seed alone
    assert wordemb_hf.evaluate(str(tmp_path / "model"), data)["loss"] == pytest.approx(measured["test"]["loss"])
    assert json.loads((tmp_path / "model" / "metrics.json").read_text())["seeds"] == seeds
    card = (tmp_path / "model" / "README.md").read_text()
    assert "3 seeds, test: Loss" in card and f"Accuracy {seeds['test']['mean']['accuracy']:.4f} ± " in card
    assert "3 seeds, dev: accuracy" in capsys.readouterr().out
    assert not (tmp_path / ".model.runs").exists()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_folds_stand_beside_a_model_of_all_texts(data, tmp_path, language):
    measured = wordemb_hf.finetune(data, tmp_path / "model", folds=4, baseline=True, card_language=language, **SIZES)
    folds = measured["folds"]
    assert folds["count"] == 4 and len(folds["each"]) == 4
    assert folds["mean"]["accuracy"] == pytest.approx(mean(row["accuracy"] for row in folds["each"]))
    assert {"accuracy", "baseline_accuracy"} <= folds["mean"].keys() and folds["mean"]["accuracy"] > 0.6
    alone = wordemb_hf.finetune(data, tmp_path / "alone", baseline=True, **SIZES)
    assert measured["dev"] == alone["dev"]
    card = (tmp_path / "model" / "README.md").read_text()
    assert ("4 folds: " if language == "en" else "4 折：") in card
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone", "model", "train.tsv"]


def test_what_has_ended_is_not_trained_again(data, tmp_path, monkeypatch, capsys):
    import wordemb_hf.repetitions as repetitions

    whole = wordemb_hf.finetune(data, tmp_path / "whole", folds=3, seeds=2, **SIZES)
    follow, trained = repetitions.follow, []

    def stopping(recipe, parts, output, **place):
        if len(trained) == 4:
            raise KeyboardInterrupt
        trained.append(output.name)
        return follow(recipe, parts, output, **place)

    monkeypatch.setattr(repetitions, "follow", stopping)
    with pytest.raises(KeyboardInterrupt):
        wordemb_hf.finetune(data, tmp_path / "model", folds=3, seeds=2, **SIZES)
    kept = json.loads((tmp_path / ".model.runs" / "runs.json").read_text())
    assert list(kept["runs"]) == trained == ["fold-0-seed-0", "fold-0-seed-1", "fold-1-seed-0", "fold-1-seed-1"]
    with pytest.raises(UserError, match="differs in learning_rate: repeat that one"):
        wordemb_hf.finetune(data, tmp_path / "model", folds=3, seeds=2, **{**SIZES, "learning_rate": 0.01})
    trained.append("another limit")
    assert wordemb_hf.finetune(data, tmp_path / "model", folds=3, seeds=2, **SIZES) == whole
    assert trained[5:] == ["fold-2-seed-0", "fold-2-seed-1", "seed-0", "seed-1"]
    assert not (tmp_path / ".model.runs").exists()

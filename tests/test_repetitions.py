"""Several seeds, several folds: what they say, what stays, and that a killed one goes on."""

import json
from statistics import mean, stdev

import pytest

import wordemb_hf
from wordemb_hf.corpus import Examples
from wordemb_hf.errors import UserError
from wordemb_hf.folds import folds_of
from wordemb_hf.jobs import JOBS, job_for_data
from wordemb_hf.pairs import Pairs
from wordemb_hf.spreads import spread_of

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


@pytest.mark.parametrize("count", [2, 3])
def test_a_rare_label_is_held_out_only_where_others_have_it(count):
    part = Examples([f"text {row}" for row in range(20 + count)], ["a"] * 20 + ["b"] * count, "somewhere")
    folds = folds_of(JOBS["classification"], part, 5, seed=0)
    assert sorted(held_out.labels.count("b") for _, held_out in folds) == [0] * (5 - count) + [1] * count
    part = Examples([*part.texts, "alone"], [*part.labels, "c"], "somewhere")
    with pytest.raises(UserError, match=r"fold \d of 5 leaves too little to learn from: the label 'c'"):
        folds_of(JOBS["classification"], part, 5, seed=0)


@pytest.mark.parametrize("problem", ["multi_label_classification", "regression"])
def test_folds_of_several_labels_and_of_numbers(tmp_path, problem):
    part = Examples([f"text {row}" for row in range(20)], [1.0] * 20, "somewhere")
    rare: list = [2.0]
    if problem.startswith("multi"):
        part.labels, rare = [["a"], ["a", "b"]] * 10, [["c"]]
    job = job_for_data(tmp_path / "a.tsv", None, "textcnn", problem)
    if problem.startswith("multi"):
        assert [len(held_out) for _, held_out in folds_of(job, part, 4, seed=0)] == [5] * 4
    with pytest.raises(UserError, match="leaves too little to learn from"):
        folds_of(job, Examples([*part.texts, "alone"], [*part.labels, *rare], "somewhere"), 3, seed=0)


def test_pairs_of_one_source_are_held_out_together():
    sources = [f"source {row % 9}" for row in range(30)]
    part = Pairs(sources, [f"target {row}" for row in range(30)], "somewhere")
    folds = folds_of(JOBS["seq2seq"], part, 4, seed=0)
    assert sorted(target for _, held_out in folds for target in held_out.targets) == sorted(part.targets)
    for kept, held_out in folds:
        assert not set(kept.sources) & set(held_out.sources) and len(kept) + len(held_out) == 30
    with pytest.raises(UserError, match="at most the 9 different sources"):
        folds_of(JOBS["seq2seq"], part, 10, seed=0)


def test_means_and_deviations():
    spread = spread_of([{"accuracy": 0.5, "types": {}}, {"accuracy": 0.7, "f1": 1.0}])
    assert spread["mean"] == {"accuracy": pytest.approx(0.6)}
    assert spread["deviation"] == {"accuracy": pytest.approx(stdev([0.5, 0.7]))}
    assert len(spread["each"]) == 2


@pytest.mark.parametrize(
    ("count", "message"),
    [(1, "folds is 1"), (40, "at most the 32 texts"), (20, "no label in .* has more than 16 texts: take fewer folds")],
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
    shown = " ".join(f"{row['accuracy']:.4f}" for row in seeds["test"]["each"])
    mean_and_more = f"{seeds['test']['mean']['accuracy']:.4f} ± {seeds['test']['deviation']['accuracy']:.4f}"
    assert f"| 3 seeds, test | Accuracy | {mean_and_more} | {shown} |" in card
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
    assert ("| 4 folds | Accuracy | " if language == "en" else "| 4 折 | 准确率 | ") in card
    assert f"{folds['mean']['baseline_accuracy']:.4f} ± " in card and "seeds" not in measured
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
    assert list(kept["runs"]) == trained == ["fold-1-seed-0", "fold-1-seed-1", "fold-2-seed-0", "fold-2-seed-1"]
    for change, named in (
        ({"learning_rate": 0.01}, "learning_rate"),
        ({"folds": 4}, "folds"),
        ({"seed": 1}, "data, seed"),
    ):
        with pytest.raises(UserError, match=f"differs in {named}: repeat that one"):
            wordemb_hf.finetune(data, tmp_path / "model", **{"folds": 3, "seeds": 2, **SIZES, **change})
    with pytest.raises(UserError, match="holds trainings of a command with --seeds or --folds"):
        wordemb_hf.finetune(data, tmp_path / "model", **SIZES)
    trained.append("another limit")
    assert wordemb_hf.finetune(data, tmp_path / "model", folds=3, seeds=2, **SIZES) == whole
    assert trained[5:] == ["fold-3-seed-0", "fold-3-seed-1", "seed-0", "seed-1"]
    assert not (tmp_path / ".model.runs").exists()

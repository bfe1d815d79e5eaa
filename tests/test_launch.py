"""The scripts under every launcher: the same options, one folder, and as good with two processes as with one."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from accelerate.commands.config.config_args import ClusterConfig
from safetensors.torch import load_file

import wordemb_hf
from wordemb_hf.vectors import KeyedVectors

ROOT = Path(__file__).resolve().parent.parent
TOPICS = {
    "food": ["bread", "soup", "apple", "cheese", "rice", "noodles"],
    "sport": ["ball", "goal", "team", "race", "match", "runner"],
    "music": ["song", "piano", "drum", "concert", "band", "melody"],
}

# `accelerate launch --cpu --num_processes 2` starts one process: on CPUs it is torchrun that starts two.
ONE = ["accelerate.commands.launch", "--cpu", "--num_processes", "1"]
TWO = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
FINETUNE = ["--epochs", "8", "--learning-rate", "0.02", "--set", "num_filters=8", "--set", "embedding_size=16"]
PRETRAIN = ["--min-count", "1", "--hidden-size", "16", "--subsample-threshold", "0", "--epochs", "30"]
PRETRAIN += ["--batch-size", "64", "--learning-rate", "0.02"]

pytestmark = pytest.mark.slow


def launch(launcher, script, *arguments):
    """What a script prints when it is started so."""
    done = subprocess.run(
        [sys.executable, "-m", *launcher, ROOT / "scripts" / script, *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,  # processes that wait for each other would wait for ever
        env={
            **{name: value for name, value in os.environ.items() if name != "WORDEMB_HF_LANGUAGE"},
            **{
                "ACCELERATE_USE_CPU": "true",
                "HF_HUB_OFFLINE": "1",
                "OMP_NUM_THREADS": "1",
                "PYTHONIOENCODING": "utf-8",
            },
        },
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Labelled parts, and a corpus whose documents keep to one topic each."""
    folder, rng = tmp_path_factory.mktemp("data"), random.Random(0)
    for part, count in (("train", 90), ("dev", 30), ("test", 31)):
        labels = rng.choices(list(TOPICS), k=count)
        rows = (f"{label}\tI like {' and '.join(rng.sample(TOPICS[label], rng.randint(1, 3)))}\n" for label in labels)
        (folder / f"{part}.tsv").write_text("".join(rows), encoding="utf-8")
    documents = (" ".join(rng.choices(TOPICS[label], k=8)) for label in rng.choices(list(TOPICS), k=500))
    (folder / "corpus.txt").write_text("\n".join(documents), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory):
    """A classifier that one process trained without a launcher."""
    folder = tmp_path_factory.mktemp("alone") / "model"
    options = ["finetune", "--data", data, "--output", folder, *FINETUNE]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    subprocess.run([sys.executable, "-m", "wordemb_hf", *map(str, options)], check=True, env=environment)
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_accelerate_launch_gives_the_same_folder(data, alone, tmp_path):
    printed = launch(ONE, "finetune.py", "--data", data, "--output", tmp_path / "model", *FINETUNE)
    assert printed.count("Trained in") == 1
    assert names(tmp_path / "model") == names(alone)
    weights, expected = (load_file(folder / "model.safetensors") for folder in (tmp_path / "model", alone))
    assert weights.keys() == expected.keys()
    assert all(bool((weights[name] == expected[name]).all()) for name in expected)
    assert (tmp_path / "model" / "metrics.json").read_bytes() == (alone / "metrics.json").read_bytes()


@pytest.mark.parametrize("file", sorted((ROOT / "scripts" / "accelerate").iterdir()), ids=lambda file: file.stem)
def test_accelerate_understands_the_configs(file, data, alone, tmp_path):
    assert ClusterConfig.from_yaml_file(file).num_processes >= 1
    if file.stem == "cpu":  # the one that every machine can follow
        launch = [*ONE[:1], "--config_file", file, ROOT / "scripts" / "finetune.py"]
        arguments = [*launch, "--data", data, "--output", tmp_path / "model", *FINETUNE]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, "-m", *map(str, arguments)], check=True, env=environment, timeout=300)
        assert names(tmp_path / "model") == names(alone)


def test_two_processes_fine_tune_one_model(data, alone, tmp_path):
    watched = ["--tracker", "tensorboard", "--logging-dir", tmp_path / "logs"]
    printed = launch(TWO, "finetune.py", "--data", data, "--output", tmp_path / "model", *FINETUNE, *watched)
    assert list((tmp_path / "logs" / "model").glob("*tfevents*"))
    shutil.rmtree(tmp_path / "logs")
    for sentence in ("90 texts to train on, 30 for development, 31 for the test; 3 labels", "test: acc", "Trained in"):
        assert printed.count(sentence) == 1
    assert names(tmp_path) == ["model"]
    assert names(tmp_path / "model") == names(alone)
    measured = json.loads((tmp_path / "model" / "metrics.json").read_text())
    assert measured["test"]["accuracy"] >= 0.9 <= json.loads((alone / "metrics.json").read_text())["test"]["accuracy"]
    figures = wordemb_hf.evaluate(str(tmp_path / "model"), data)
    assert figures == pytest.approx(measured["test"], abs=1e-5)  # two processes measured what one does
    log = [json.loads(row) for row in (tmp_path / "model" / "training_log.jsonl").read_text().splitlines()]
    steps = -(-90 // 32)  # batches of an epoch, of which each process takes every other
    assert [row["step"] for row in log if row["epoch"] == 1.0] == [-(-steps // 2)] * 2


def test_two_processes_train_one_set_of_vectors(data, tmp_path):
    printed = launch(TWO, "pretrain.py", "--corpus", data / "corpus.txt", "--output", tmp_path / "model", *PRETRAIN)
    for sentence in ("Counting words", "4,000 words in 500 documents", "Trained in"):
        assert printed.count(sentence) == 1
    assert names(tmp_path) == ["model"]
    assert {"model.safetensors", "word_map.png", "training_curve.png", "README.md"} <= set(names(tmp_path / "model"))
    vectors = KeyedVectors.from_folder(tmp_path / "model")
    for words in TOPICS.values():
        for word in words:
            assert {near for near, _ in vectors.nearest(word, 5)} == set(words) - {word}


def test_two_processes_answer_once(data, alone, tmp_path):
    texts = [line.split("\t")[1] for line in (data / "test.tsv").read_text().splitlines()]
    (tmp_path / "texts.txt").write_text("\n".join(texts))
    expected = wordemb_hf.predict(str(alone), texts, top=3)
    options = ["--file", tmp_path / "texts.txt", "--top", "3", "--output", tmp_path / "answers.jsonl"]
    assert launch(TWO, "predict.py", alone, *options) == ""
    assert names(tmp_path) == ["answers.jsonl", "texts.txt"]
    answers = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    for answer, right in zip(answers, expected, strict=True):
        assert answer["text"] == right["text"]
        for label, other in zip(answer["labels"], right["labels"], strict=True):
            assert (label["label"], label["score"]) == (other["label"], pytest.approx(other["score"], abs=1e-5))
    assert launch(TWO, "evaluate.py", alone, "--data", data).count("31 texts: ") == 1


@pytest.mark.parametrize("verb", wordemb_hf.VERBS)
def test_every_verb_is_a_script(verb):
    script = ROOT / "scripts" / f"{verb}.py"
    done = subprocess.run(
        [sys.executable, script, "--help"], capture_output=True, text=True, encoding="utf-8", check=True
    )
    assert f"Usage: wordemb-hf {verb} [OPTIONS]" in done.stdout and "--config" in done.stdout


def test_two_processes_repeat_what_one_does(data, tmp_path):
    """Seeds and folds with two processes: every training is of both, and its figures are told once."""
    repeated = ["--folds", "2", "--seeds", "2", "--epochs", "2"]
    printed = launch(TWO, "finetune.py", "--data", data, "--output", tmp_path / "model", *FINETUNE, *repeated)
    assert printed.count("2 folds: accuracy") == 1 and printed.count("2 seeds, test: accuracy") == 1
    measured = json.loads((tmp_path / "model" / "metrics.json").read_text())
    assert len(measured["folds"]["each"]) == 4 and len(measured["seeds"]["test"]["each"]) == 2
    assert names(tmp_path) == ["model"]

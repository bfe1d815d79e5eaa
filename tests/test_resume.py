"""Real trainings that are killed or interrupted, and go on with the same command to the same end."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from safetensors.torch import load_file

import wordemb_hf
from wordemb_hf.errors import UserError

POSIX = pytest.mark.skipif(os.name != "posix", reason="kills with signals of POSIX")
PROGRAM = """
import os, pathlib, sys
verb, data, output, steps = sys.argv[1:]
pathlib.Path(output + f".{os.getpid()}.pid").touch()
import wordemb_hf
options = {"checkpoint_steps": int(steps), "batch_size": 8, "epochs": 4}
if verb == "finetune":
    settings = {"embedding_size": 16, "hidden_size": 16}
    wordemb_hf.finetune(data, output, family="bilstm", settings=settings, ema=0.95, **options)
else:
    fields = {"embedding_size": 16, "hidden_dropout_prob": 0.2}
    options |= {"hidden_size": 16, "min_count": 1, "length": 16, "average_from": 0.4}
    wordemb_hf.pretrain([data], output, family="rnn", fields=fields, **options)
"""
LAUNCHERS = {"one process": [], "two": ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with labelled texts, and the program that trains on them."""
    folder, rng = tmp_path_factory.mktemp("stopped"), random.Random(0)
    words = [f"w{number}" for number in range(300)]
    rows = [f"{rng.choice('ab')}\t{' '.join(rng.choices(words, k=12))}" for _ in range(1200)]
    (folder / "data.tsv").write_text("\n".join(rows), encoding="utf-8")
    (folder / "corpus.txt").write_text("\n".join(row[2:] for row in rows), encoding="utf-8")
    (folder / "program.py").write_text(textwrap.dedent(PROGRAM), encoding="utf-8")
    return folder


def start(place, launcher, verb, output, steps):
    data = "data.tsv" if verb == "finetune" else "corpus.txt"
    command = [sys.executable, *LAUNCHERS[launcher], place / "program.py", verb, place / data, output, steps]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    environment.pop("WORDEMB_HF_LANGUAGE", None)
    return subprocess.Popen(
        list(map(str, command)), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def wait_for_step(process, folder, step):
    """Until there is a checkpoint of this step or a later one."""
    began = time.monotonic()
    while not any(int(path.name[5:]) >= step for path in folder.glob("step-*") if path.name[5:].isdecimal()):
        assert process.poll() is None, f"it ended too early: {process.communicate()[0]}"
        assert time.monotonic() - began < 300
        time.sleep(0.005)


def kill(process, place, output):
    # torchrun's processes are in groups of their own, and it would end them gently.
    for number in [process.pid, *(int(path.suffixes[-2][1:]) for path in place.glob(f"{output.name}.*.pid"))]:
        os.kill(number, signal.SIGKILL)
    process.communicate()


def same(one, other):
    first, second = (load_file(folder / "model.safetensors") for folder in (one, other))
    return first.keys() == second.keys() and all(first[name].equal(second[name]) for name in first)


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("verb", ["finetune", "pretrain"])
def test_a_killed_training_goes_on_to_the_same_end(place, launcher, verb):
    whole, stopped = (place / f"{name} {verb} {launcher}" for name in ("whole", "stopped"))
    assert "Going on" not in start(place, launcher, verb, whole, 0).communicate(timeout=300)[0]
    kept = place / f".{stopped.name}.checkpoints"
    for step in random.Random(verb + launcher).sample(range(5, 120), 2):
        process = start(place, launcher, verb, stopped, 3)
        wait_for_step(process, kept, step)
        kill(process, place, stopped)
        for path in place.glob(f"{stopped.name}.*.pid"):
            path.unlink()
        assert not stopped.exists()
    assert "Going on from step" in start(place, launcher, verb, stopped, 3).communicate(timeout=300)[0]
    assert not kept.exists() and same(whole, stopped)


@POSIX
@pytest.mark.slow
def test_an_interrupted_training_is_kept_first(place):
    output = place / "interrupted"
    process = start(place, "one process", "finetune", output, 1000)
    while not list(place.glob("interrupted.*.pid")):
        time.sleep(0.01)
    told = ""
    while "epoch 1 of 4" not in told:
        told += process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=300)[0]
    assert "Kept at step" in rest and process.returncode != 0 and not output.exists()
    again = start(place, "one process", "finetune", output, 1000).communicate(timeout=300)[0]
    assert "Going on from step" in again and (output / "config.json").is_file()


def test_a_training_with_other_options_is_refused_or_begun_anew(place, monkeypatch):
    output = place / "other"
    sizes = {"embedding_size": 4, "hidden_size": 4}
    options = {"family": "bilstm", "settings": sizes, "epochs": 1, "batch_size": 64, "checkpoint_steps": 2}

    def broken(*arguments, **more):
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("wordemb_hf.recipe.document_labeller", broken)
        with pytest.raises(RuntimeError, match="disk"):
            wordemb_hf.finetune(place / "data.tsv", output, **options)
    assert (place / ".other.checkpoints").is_dir()
    for change, told in (
        ({"learning_rate": 0.5}, "learning_rate was .+ and is 0.5"),
        ({"settings": {**sizes, "hidden_size": 6}}, "hidden_size was 4 and is 6"),
        ({"class_weights": "balanced"}, 'class_weights was null and is "balanced"'),
        ({"label_smoothing": 0.1}, "label_smoothing was null and is 0.1"),
        ({"ema": 0.9}, "ema was null and is 0.9"),
        ({"average_from": 0.5}, "average_from was null and is 0.5"),
        ({"problem_type": "multi_label_classification"}, "problem_type was .+ and is .multi_label_classification"),
        ({"seed": 3}, "seed was 0 and is 3"),  # which also holds another tenth of the data out
    ):
        with pytest.raises(UserError, match=told):
            wordemb_hf.finetune(place / "data.tsv", output, **{**options, **change})
    (place / "more.tsv").write_text((place / "data.tsv").read_text() + "\na\tw1", encoding="utf-8")
    with pytest.raises(UserError, match="data was"):
        wordemb_hf.finetune(place / "more.tsv", output, **options)
    assert not output.exists()
    wordemb_hf.finetune(place / "more.tsv", output, **options, resume="never")
    assert (output / "config.json").is_file() and not (place / ".other.checkpoints").exists()

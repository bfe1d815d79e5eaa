"""A training of word vectors that is killed, and goes on with the same command to the same end."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from safetensors.torch import load_file

pytest.importorskip("numba", reason="the CPU engine needs numba")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="kills with SIGKILL, which POSIX has"),
]

# A minute between two checkpoints would be long for a test, and the text is too short for one.
PROGRAM = """
import os, pathlib, sys
pathlib.Path(sys.argv[2] + f".{os.getpid()}.pid").touch()
from wordemb_hf.word2vec import engine_training
engine_training._KEEP_EVERY = 0.2
import wordemb_hf
corpus, output, epochs = sys.argv[1:]
wordemb_hf.pretrain([corpus], output, tokenizer_kind="whitespace", threads=1, epochs=int(epochs), hidden_size=40)
"""
LAUNCHERS = {"one process": [], "two": ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a text of 400,000 words, and the program that trains on it."""
    folder, rng = tmp_path_factory.mktemp("killed"), random.Random(0)
    words = [f"w{number}" for number in range(800)]
    weights = [1 / (number + 3) for number in range(800)]
    lines = (" ".join(rng.choices(words, weights, k=20)) for _ in range(20_000))
    (folder / "corpus.txt").write_text("\n".join(lines), encoding="utf-8")
    (folder / "program.py").write_text(textwrap.dedent(PROGRAM), encoding="utf-8")
    return folder


def start(place, launcher, output, epochs):
    command = [sys.executable, *LAUNCHERS[launcher], place / "program.py", place / "corpus.txt", output, epochs]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    environment.pop("WORDEMB_HF_LANGUAGE", None)
    return subprocess.Popen(
        list(map(str, command)),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_killed_training_goes_on_to_the_same_end(place, launcher):
    epochs = 8
    whole, stopped = (place / f"{name} by {launcher}" for name in ("whole", "stopped"))
    alone = start(place, launcher, whole, epochs)
    assert "stopped" not in alone.communicate(timeout=300)[0]

    killed = start(place, launcher, stopped, epochs)
    checkpoint = place / f".{stopped.name}.checkpoint.safetensors"
    waited = time.monotonic()
    while not checkpoint.exists():
        assert killed.poll() is None, f"it ended before it kept anything: {killed.communicate()[0]}"
        assert time.monotonic() - waited < 200
        time.sleep(0.01)
    # torchrun's processes are in groups of their own, and it would end them gently.
    for process in [killed.pid, *(int(path.suffixes[-2][1:]) for path in place.glob(f"{stopped.name}.*.pid"))]:
        os.kill(process, signal.SIGKILL)
    killed.communicate()
    assert not stopped.exists()

    again = start(place, launcher, stopped, epochs)
    assert "Going on where the training was stopped." in again.communicate(timeout=300)[0]
    assert not checkpoint.exists()
    one, two = (load_file(folder / "model.safetensors") for folder in (whole, stopped))
    assert one.keys() == two.keys() and all(one[name].equal(two[name]) for name in one)

"""word2vec's Triton kernels, in Triton's interpreter, against loops over numbers."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from wordemb_hf.errors import UserError
from wordemb_hf.token_ids import Ids
from wordemb_hf.word2vec import philox
from wordemb_hf.word2vec.gpu_engine import train_on_gpu, why_not_on_gpu

from .test_word2vec_torch import SETTINGS, VARIANTS, check, copies, make_corpus, make_model, prepare

needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="the GPU engine needs triton, the extra gpu")
VERSION = tuple(map(int, version("triton").split(".")[:2])) if find_spec("triton") else (0, 0)
interpreted = pytest.mark.skipif(
    VERSION < (3, 7), reason="the interpreter needs triton 3.7, the extra gpu: those before it fail with numpy 2.4"
)

# The interpreter is slow: a few windows of each kind.
WORDS = 22
NAMES = {str(number): fields for number, fields in enumerate(VARIANTS)}


def as_case(model, ids: Ids, lengths: tuple[int, int], **settings) -> dict:
    names = ("vocab_size", "hidden_size", "algorithm", "loss", "window_size", "num_negatives", "negative_exponent")
    config = {name: getattr(model.config, name) for name in (*names, "subsample_threshold", "num_ngram_buckets")}
    inputs, outputs = copies(model)
    return {
        "inputs": inputs,
        "outputs": outputs,
        "counts": model.word_counts.numpy(),
        "ids": ids.ids,
        "offsets": ids.offsets,
        "lengths": np.array(lengths),
        "config": json.dumps(config),
        "settings": json.dumps(settings),
    }


def interpret(cases: dict[str, dict], folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """Run cases in the interpreter; the results by name."""
    inputs, results = folder / "cases", folder / "results"
    inputs.mkdir()
    results.mkdir()
    for name, case in cases.items():
        np.savez(inputs / f"{name}.npz", **case)
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("interpreted_word2vec.py"), inputs, results],
        cwd=root,
        env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return {name: dict(np.load(results / f"{name}.npz")) for name in cases}


def draws() -> dict[str, dict]:
    rng = np.random.default_rng(0)
    tables = {
        "words": rng.integers(0, 50, 1500).astype(np.int32),
        "keep": philox.keep_thresholds(rng.random(50)),
        "noise": philox.alias_table(1 / np.arange(1, 51)),
    }
    where = [(0, 0, 0), (1, 1, 1), (2**32 - 700, 2**40 + 5, 3)]
    return {f"draws-{start}": {**tables, "start": start, "seed": seed, "epoch": epoch} for start, seed, epoch in where}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[str, dict[str, np.ndarray]]:
    cases = draws()
    for name, fields in NAMES.items():
        ids, model, _, options = prepare(fields, WORDS)
        lengths = (9, 9) if name in "04" else (1000, 1000)  # in stretches, and as a whole
        cases[name] = as_case(model, ids, lengths, programs=1, **options)
    return interpret(cases, tmp_path_factory.mktemp("word2vec"))


@interpreted
@pytest.mark.parametrize("name", NAMES)
def test_one_program_gives_the_numbers_of_loops(name, results):
    _, model, oracle, _ = prepare(NAMES[name], WORDS)
    assert results[name]["loss"] == pytest.approx(oracle.train(**SETTINGS), rel=1e-5)
    check(copies(model), (results[name]["inputs"], results[name]["outputs"]), oracle)


@interpreted
def test_the_loss_of_each_stretch_is_reported(results):
    words, losses = results["0"]["reports"].T
    assert words.tolist() == [9, 18, 22, 31, 40, 44] and (losses >= 0).all() and losses.any()


@interpreted
@pytest.mark.parametrize("name", list(draws()))
def test_kernels_draw_what_torch_draws(name, results):
    case = draws()[name]
    words, keep, noise = (torch.from_numpy(case[part]) for part in ("words", "keep", "noise"))
    where = {"seed": case["seed"], "epoch": case["epoch"]}
    widths = philox.draw_widths(words, case["start"], keep, 5, **where)
    drawn = philox.draw_noise(torch.arange(1500, dtype=torch.int32), case["start"], noise, 3, **where)
    np.testing.assert_array_equal(results[name]["widths"], widths)
    np.testing.assert_array_equal(results[name]["noise"], drawn)


@interpreted
@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["skipgram", "cbow"])
def test_several_programs_find_planted_neighbors(algorithm, tmp_path):
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, 100)  # of each document; word w is of group w % 3
    ids = Ids((3 + group[:, None] + 3 * rng.integers(0, 3, (100, 4))).astype(np.int32).ravel(), np.arange(0, 401, 4))
    model = make_model(ids, algorithm=algorithm, hidden_size=8, num_negatives=2, subsample_threshold=0)
    case = as_case(model, ids, (1000, 1000), programs=3, epochs=1, learning_rate=0.5)
    vectors = torch.from_numpy(interpret({"planted": case}, tmp_path)["planted"]["inputs"][3:12])
    nearest = (torch.nn.functional.normalize(vectors, dim=1) @ vectors.T).fill_diagonal_(-9).argmax(1)
    assert (nearest % 3).tolist() == (torch.arange(9) % 3).tolist()


@needs_triton
@pytest.mark.slow
@pytest.mark.parametrize("width", [100, 300])
@pytest.mark.parametrize("algorithm", ["skipgram", "cbow"])
def test_a_gpu_adds_four_floats_at_once(algorithm, width):
    """Compiled for an H100, which needs no GPU: the interpreter takes programs that the compiler refuses."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    from wordemb_hf.word2vec import triton_kernels

    kernel = getattr(triton_kernels, f"{algorithm}_kernel")
    columns = 1 << (width - 1).bit_length()
    constants = {"INPUT_STRIDE": width, "OUTPUT_STRIDE": width, "WIDTH": width, "COLUMNS": columns}
    constants |= {"NEGATIVES": 5, "TARGETS": 8}
    constants |= {"CONTEXTS": 16} if algorithm == "skipgram" else {"MEAN_GRADIENT": False}
    types = dict.fromkeys(kernel.arg_names, "*i32") | dict.fromkeys(("inputs", "outputs", "losses"), "*fp32")
    types |= dict.fromkeys(("first", "last", "loss_every"), "i32") | dict.fromkeys(("rate", "slope", "floor"), "fp32")
    types |= dict.fromkeys(constants, "constexpr")
    places = {name: (number,) for number, name in enumerate(kernel.arg_names)}
    source = ASTSource(
        fn=kernel,
        signature=types,
        constexprs={places[name]: value for name, value in constants.items()},
        attrs={places[name]: [["tt.divisibility", 16]] for name, kind in types.items() if kind[0] == "*"},
    )
    options = {"num_warps": 1, "num_stages": 1, "enable_fp_fusion": True}
    assembly = compile(source, target=GPUTarget("cuda", 90, 32), options=options).asm["ptx"]
    assert set(re.findall(r"(?:red|atom)\.(global\S+)", assembly)) == {"global.gpu.relaxed.add.v4.f32"}
    assert "ld.global.cg.v4.b32" in assembly


def test_a_model_on_the_cpu_is_refused(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    ids = make_corpus(WORDS)
    model = make_model(ids)
    reason = "Triton is missing" if find_spec("triton") is None else "the model is on the device cpu"
    assert reason in str(why_not_on_gpu(model))
    with pytest.raises(UserError, match=reason):
        train_on_gpu(model, ids, epochs=1, learning_rate=0.1)


def test_other_losses_are_refused():
    ids = make_corpus(WORDS)
    with pytest.raises(UserError, match="loss is 'hierarchical_softmax', but this engine"):
        train_on_gpu(make_model(ids, loss="hierarchical_softmax"), ids, epochs=1, learning_rate=0.1)


def test_a_missing_triton_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    assert "pip install 'wordemb-hf[gpu]'" in str(why_not_on_gpu(make_model(make_corpus(WORDS))))

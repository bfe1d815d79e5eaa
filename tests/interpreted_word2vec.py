"""Trains word2vec in Triton's interpreter: run with TRITON_INTERPRET=1, a folder of cases, and a folder for results.

A process of its own, because the interpreter is chosen when triton is imported. Without transformers, which a model for
the engine does not need and which takes long to import.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from triton.runtime import interpreter

from wordemb_hf.token_ids import Ids
from wordemb_hf.word2vec import gpu_engine
from wordemb_hf.word2vec.triton_draws import draw_noise, draw_widths


def patch_once() -> None:
    """Four times as fast: the interpreter looks through all of Triton's language at each call of a function."""
    if not hasattr(interpreter, "_LangPatchScope"):
        return
    patch, known = interpreter._patch_lang, set()

    def patch_new(fn):
        if id(fn.__globals__) not in known:
            known.add(id(fn.__globals__))
            patch(fn)
        return interpreter._LangPatchScope()  # empty: nothing is taken back

    interpreter._patch_lang = patch_new


def train(case: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One case: arrays, and the settings of model and training as JSON."""
    inputs, outputs = torch.from_numpy(case["inputs"]), torch.from_numpy(case["outputs"])
    model = SimpleNamespace(
        config=SimpleNamespace(**json.loads(str(case["config"]))),
        word_counts=torch.from_numpy(case["counts"]),
        word2vec=SimpleNamespace(word_embeddings=SimpleNamespace(weight=inputs)),
        output_embeddings=SimpleNamespace(weight=outputs),
    )
    reports: list[tuple[int, float]] = []
    gpu_engine._LENGTHS = tuple(case["lengths"].tolist())
    loss = gpu_engine.train_on_gpu(
        model,
        Ids(case["ids"], case["offsets"]),
        on_progress=lambda words, mean: reports.append((words, mean)),
        **json.loads(str(case["settings"])),
    )
    return {"inputs": inputs.numpy(), "outputs": outputs.numpy(), "loss": np.array(loss), "reports": np.array(reports)}


def draw(case: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What is drawn at some places."""
    words, keep, noise = (torch.from_numpy(case[name]) for name in ("words", "keep", "noise"))
    where = {"seed": int(case["seed"]), "epoch": int(case["epoch"])}
    start = int(case["start"])
    return {
        "widths": draw_widths(words, start, keep, 5, **where).numpy(),
        "noise": draw_noise(torch.arange(len(words), dtype=torch.int32), start, noise, 3, **where).numpy(),
    }


if __name__ == "__main__":
    cases, results = map(Path, sys.argv[1:])
    patch_once()
    for path in sorted(cases.glob("*.npz")):
        with np.load(path) as arrays:
            case = dict(arrays)
        np.savez(results / path.name, **(draw(case) if "keep" in case else train(case)))

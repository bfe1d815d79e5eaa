"""How fast a model answers on the CPU, and how large it is.

Every model is measured alike, warm, in one process: texts of the data one at a time, each from the string to the
scores; then the same texts in batches.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .records import Speed

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TEXTS = 300
WARM_UP = 30
BATCH = 32
LEAST_SECONDS = 1.0  # of answering in batches: a bag of words is through with all texts in a hundredth of that


def sample(texts: Sequence[str]) -> list[str]:
    """Texts to measure with, at equal distances in `texts`; some of them twice where there are few."""
    filled = [text for text in texts if text.strip()] or [" "]
    return [filled[number * len(filled) // TEXTS] for number in range(TEXTS)]


def measure_speed(
    answer: Callable[[str], object], answer_all: Callable[[Sequence[str]], object], texts: Sequence[str]
) -> Speed:
    """Time a model.

    Args:
        answer: answers one text.
        answer_all: answers many, in batches of `BATCH`.
        texts: those of `sample`.
    """
    for text in texts[:WARM_UP]:
        answer(text)
    times = []
    for text in texts:
        started = time.perf_counter()
        answer(text)
        times.append(time.perf_counter() - started)
    p50, p95 = np.percentile(times, [50, 95]) * 1000
    answer_all(texts[:BATCH])
    answered, started = 0, time.perf_counter()
    while (seconds := time.perf_counter() - started) < LEAST_SECONDS:
        answer_all(texts)
        answered += len(texts)
    return Speed(float(p50), float(p95), len(texts), answered / seconds)


def speed_of_model(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> Speed:
    """Time a model with its tokenizer, on the CPU, in as many threads as PyTorch takes."""
    import torch

    from ..batching import by_length
    from ..encoding import EncodedTexts, max_length_of

    model = model.cpu().eval()
    cut = {"truncation": True, "max_length": max_length_of(tokenizer)}

    def answer(text: str) -> Any:
        return model(**tokenizer(text, return_tensors="pt", **cut)).logits

    def answer_all(many: Sequence[str]) -> None:
        encoded = EncodedTexts(tokenizer, many)
        for batch in encoded.batches(by_length(encoded.lengths, BATCH)):
            model(**batch)

    told = [text for text in texts if tokenizer(text, **cut)["input_ids"]]  # a text may have no token at all
    if not told:
        return Speed(0.0, 0.0, 0, 0.0)
    with torch.inference_mode():
        return measure_speed(answer, answer_all, told)


def size_of(folder: Path) -> int:
    """Bytes of a model's weights and vocabulary."""
    return sum(file.stat().st_size for file in [*folder.glob("*.safetensors"), *folder.glob("tokenizer.json")])

"""Training of word2vec on a CPU: threads take stretches of the text in order, and work in place on the model's weights.

What a stretch draws follows from the seed and its number alone, and its learning rate from where it stands. So one
thread gives the same numbers in every run, also when it goes on from a stretch in the middle.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import UserError
from ..messages import translate
from ..vocabulary import Ids
from .compiled import is_kept
from .draws import Draws, Tables
from .means import train_cbow, train_skipgram_ngrams
from .sampling import alias_table, keep_thresholds
from .skipgram import train_skipgram
from .tiles import LANES

_STRETCH = 10_000  # words, as in gensim: the learning rate is constant within one
_ROUND = 0.5  # seconds between two looks at the loss


@dataclass(frozen=True)
class Progress:
    """How far the training has come.

    Args:
        words: words of the text that were read, in all epochs so far.
        loss: mean loss of a prediction since the last report, measured on some of the windows.
    """

    words: int
    loss: float


def count_stretches(ids: Ids) -> int:
    """How many stretches an epoch has."""
    return -(-len(ids.ids) // stretch_length(len(ids.ids)))


def stretch_length(words: int) -> int:
    """Words of a stretch: fewer in a short text, where the learning rate would fall in large steps."""
    return min(_STRETCH, max(words // 100, 1000))


def train_on_cpu(
    model: Any,
    ids: Ids,
    *,
    epochs: int,
    learning_rate: float,
    floor: float = 1e-4,
    seed: int = 0,
    threads: int | None = None,
    first: int = 0,
    last: int | None = None,
    part: tuple[int, int] = (0, 1),
    on_progress: Callable[[Progress], None] | None = None,
) -> float:
    """Train the weights of a `Word2VecForPreTraining`, whose words have been counted.

    Args:
        model: on the CPU, in float32.
        ids: the corpus, without unknown words.
        epochs: passes over it.
        learning_rate: at the beginning; it falls linearly with the words read.
        floor: the share of it below which it does not fall.
        seed: of all that is drawn.
        threads: that work without locks; all cores if missing. One gives the same numbers in every run.
        first: the stretch to begin with, of `epochs * count_stretches(ids)`.
        last: the one to stop before; the last one if missing.
        part: this process's number, and how many share the text: each takes every so-many-th stretch.
        on_progress: called about twice a second.

    Returns:
        Mean loss of a prediction in the last epoch that was read.

    Raises:
        UserError: when the loss is no number any more.
    """
    length, stretches = stretch_length(len(ids.ids)), count_stretches(ids)
    last = epochs * stretches if last is None else last
    threads = min(threads or os.cpu_count() or 1, max(last - first, 1))
    with _tables(model) as (tables, width):
        kernel, arguments = _kernel(model, tables, width)
        if not is_kept(kernel):
            print(translate("Compiling for this processor; this is done once …"), flush=True)
        offsets = ids.offsets

        def work(numbers: Iterator[int], loss: np.ndarray) -> None:
            for number in numbers:
                epoch, place = divmod(number, stretches)
                start = place * length
                stop = min(start + length, len(ids.ids))
                read = (epoch * len(ids.ids) + start) / (epochs * len(ids.ids))
                rate = np.float32(learning_rate * max(1 - read, floor))
                document = int(np.searchsorted(offsets, start, "right")) - 1
                kernel(ids.ids, offsets, document, start, stop, *arguments, rate, _seed_of(seed, number), loss)

        sums, done, size = np.zeros(2), first, max(threads, 4)
        while done < last:
            until = min(done + size * part[1], last)
            losses, began = np.zeros((threads, 2)), time.perf_counter()
            _run(threads, work, iter(range(done + part[0], until, part[1])), losses)
            measured = losses.sum(0)
            if not np.isfinite(measured[0]):
                raise UserError(
                    f"learning_rate is {learning_rate}: the loss is no number any more after "
                    f"{until * length:,} words; choose a smaller one"
                )
            if done // stretches != (until - 1) // stretches:
                sums[:] = 0
            sums += measured
            done = until
            size = max(threads, int(size * min(_ROUND / max(time.perf_counter() - began, 1e-3), 4)))
            if on_progress is not None:
                words = done // stretches * len(ids.ids) + min(done % stretches * length, len(ids.ids))
                on_progress(Progress(words, measured[0] / max(measured[1], 1)))
    return float(sums[0] / max(sums[1], 1))


def _run(threads: int, work: Callable[[Iterator[int], np.ndarray], None], numbers: Iterator[int], losses: np.ndarray):
    """Let threads take numbers from one iterator until there are none; the first error of a thread is raised here."""
    if threads == 1:
        return work(numbers, losses[0])
    errors: list[BaseException] = []

    def guarded(loss: np.ndarray) -> None:
        try:
            work(numbers, loss)
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=guarded, args=(loss,)) for loss in losses]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise errors[0]


def _seed_of(seed: int, number: int) -> np.uint64:
    """A state for the generator that has nothing to do with those beside it (SplitMix64, Steele et al. 2014)."""
    mask = (1 << 64) - 1
    state = (seed * 0xD1342543DE82EF95 + (number + 1) * 0x9E3779B97F4A7C15) & mask
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
    return np.uint64(state ^ (state >> 31))


def _kernel(model: Any, tables: Tables, width: int) -> tuple[Any, tuple[Any, ...]]:
    """What trains this model, and its arguments between the stretch and the learning rate."""
    config, counts = model.config, model.word_counts.numpy()
    hierarchical = config.loss == "hierarchical_softmax"
    nothing = np.zeros((1, 1), np.int32)
    word_ngrams = model.word2vec.word_ngrams.numpy() if config.num_ngram_buckets else nothing
    draws = Draws(
        keep=keep_thresholds(counts, config.subsample_threshold),
        noise=alias_table(np.where(counts > 0, np.maximum(counts, 1.0) ** config.negative_exponent, 0.0)),
        codes=model.huffman_codes.numpy() if hierarchical else nothing.astype(np.int8),
        paths=model.huffman_paths.numpy() if hierarchical else nothing,
        word_ngrams=word_ngrams,
    )
    if config.algorithm == "cbow":
        kernel = train_cbow
    else:
        kernel = train_skipgram_ngrams if config.num_ngram_buckets else train_skipgram
    return kernel, (tables, draws, width, config.window_size, 0 if hierarchical else config.num_negatives)


@contextmanager
def _tables(model: Any) -> Iterator[tuple[Tables, int]]:
    """The model's tables as the kernels want them; in the end its parameters are contiguous again."""
    outputs = model.get_output_embeddings() or model.node_embeddings
    embeddings = [model.word2vec.word_embeddings, outputs]
    if model.config.num_ngram_buckets:
        embeddings.append(model.word2vec.ngram_embeddings)
    flat = [_in_eights(table.weight) for table in embeddings]
    empty = np.zeros(0, np.float32)
    try:
        yield Tables(*flat, *([empty] if len(flat) == 2 else [])), flat[0].size // model.config.vocab_size
    finally:
        for table in embeddings:
            table.weight.data = table.weight.data.contiguous()


def _in_eights(weight: nn.Parameter) -> np.ndarray:
    """Make a parameter a view of a table whose rows are a multiple of eight floats long; that table, flat."""
    rows, width = weight.shape
    padded: Tensor = weight.data
    if width % LANES or not padded.is_contiguous():
        padded = torch.zeros(rows, -(-width // LANES) * LANES)
        padded[:, :width] = weight.data
        weight.data = padded[:, :width]
    return padded.numpy().reshape(-1)

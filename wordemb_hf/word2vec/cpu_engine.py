"""Training of word2vec on a CPU: threads take stretches of the text in order, and work in place on the model's weights.

What a stretch draws follows from the seed and its number alone, and its learning rate from where it stands. So one
thread gives the same numbers in every run, also when it goes on from a stretch in the middle.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError
from ..messages import translate
from ..processors import count_processors
from ..token_ids import Ids
from .compiled import is_kept
from .draws import Draws, Tables
from .means import train_cbow, train_skipgram_ngrams
from .sampling import alias_table, keep_thresholds, noise_weights
from .skipgram import train_skipgram
from .tables import learnt_tables
from .tiles import LANES

_STRETCH = 10_000  # words, as in gensim: the learning rate is constant within one
_LINE = 16  # floats in a line of the cache
_ROUND = 0.5  # seconds between two looks at the loss


def stretch_length(words: int) -> int:
    """Words of a stretch: fewer in a short text, where the learning rate would fall in large steps."""
    return min(_STRETCH, max(words // 100, 1000))


class CPUEngine:
    """Trains the weights of a `Word2VecForPreTraining`, whose words have been counted; used as a context manager.

    Within it the parameters may be views of wider tables; behind it they are contiguous again. To enter it raises a
    `UserError` for an id outside of the vocabulary, and for a model without counts.

    Args:
        model: on the CPU, in float32.
        ids: the corpus, without unknown words.
        epochs: passes over it.
        learning_rate: at the beginning; it falls linearly with the words read.
        floor: the share of it below which it does not fall.
        seed: of all that is drawn.
        threads: that work without locks; all cores if missing. One gives the same numbers in every run.

    Attributes:
        stretches: how many there are in all epochs together.
        length: words of a stretch.
    """

    def __init__(
        self,
        model: Any,
        ids: Ids,
        *,
        epochs: int,
        learning_rate: float,
        floor: float = 1e-4,
        seed: int = 0,
        threads: int | None = None,
    ):
        self.model, self.ids, self.epochs = model, ids, epochs
        self.learning_rate, self.floor, self.seed = learning_rate, floor, seed
        self.threads = threads or count_processors()
        self.length = stretch_length(len(ids.ids))
        self._stretches = -(-len(ids.ids) // self.length)  # of an epoch
        self.stretches = epochs * self._stretches

    def __enter__(self) -> Self:
        _check(self.model, self.ids)
        tables = learnt_tables(self.model)
        flat = [_in_eights(table.weight) for table in tables]
        missing = [np.zeros(0, np.float32)] * (len(Tables._fields) - len(flat))
        width = flat[0].size // self.model.config.vocab_size
        self._kernel, self._arguments = _kernel(self.model, Tables(*flat, *missing), width)
        if not is_kept(self._kernel):
            print(translate("Compiling for this processor; this is done once …"), flush=True)
        return self

    def __exit__(self, *error) -> None:
        for table in learnt_tables(self.model):
            table.weight.data = table.weight.data.contiguous()

    def words_before(self, stretch: int) -> int:
        """Words of the text in the stretches before this one, in all epochs."""
        epoch, place = divmod(stretch, self._stretches)
        return epoch * len(self.ids.ids) + place * self.length

    def train(
        self,
        first: int = 0,
        last: int | None = None,
        part: tuple[int, int] = (0, 1),
        on_progress: Callable[[int, float], None] | None = None,
    ) -> None:
        """Learn from the stretches from `first` up to `last`.

        Args:
            first: the stretch to begin with.
            last: the one to stop before; the end if missing.
            part: this process's number, and how many share the text: each takes every so-many-th stretch.
            on_progress: called about twice a second with the stretch that comes next, and the mean loss of a
                prediction since the last call, measured on some of the windows.

        Raises:
            UserError: when the loss is no number any more.
        """
        last = self.stretches if last is None else last
        number, processes = part
        most = max(self.stretches // 100, 4 * self.threads)
        size = self.threads  # stretches between two looks at the loss
        while first < last:
            until = min(first + size * processes, last)
            began = time.perf_counter()
            loss, predictions = self._work(iter(range(first + number, until, processes)))
            if not np.isfinite(loss):
                raise UserError(
                    f"learning_rate is {self.learning_rate}: after {self.words_before(until):,} words the loss is no "
                    "number any more; choose a smaller one"
                )
            first, seconds = until, time.perf_counter() - began
            size = min(max(self.threads, int(size * min(_ROUND / max(seconds, 1e-3), 4))), most)
            if on_progress is not None and predictions:
                on_progress(until, loss / predictions)

    def _work(self, stretches: Iterator[int]) -> tuple[float, float]:
        """Let threads take stretches until there are none; the measured loss, and of how many predictions."""
        losses, errors = np.zeros((self.threads, 2)), []

        def work(loss: np.ndarray) -> None:
            try:
                for stretch in stretches:  # taking the next one is atomic in CPython
                    self._learn(stretch, loss)
            except BaseException as error:
                errors.append(error)

        workers = [threading.Thread(target=work, args=(loss,)) for loss in losses[1:]]
        for worker in workers:
            worker.start()
        work(losses[0])
        for worker in workers:
            worker.join()
        if errors:
            raise errors[0]
        return tuple(losses.sum(0).tolist())

    def rate(self, stretch: int) -> float:
        """The learning rate within a stretch."""
        share = self.words_before(stretch) / (self.epochs * len(self.ids.ids))
        return self.learning_rate * max(1 - share, self.floor)

    def _learn(self, stretch: int, loss: np.ndarray) -> None:
        words = len(self.ids.ids)
        start = stretch % self._stretches * self.length
        rate = np.float32(self.rate(stretch))
        document = int(np.searchsorted(self.ids.offsets, start, "right")) - 1
        stop = min(start + self.length, words)
        seed = _seed_of(self.seed, stretch)
        self._kernel(self.ids.ids, self.ids.offsets, document, start, stop, *self._arguments, rate, seed, loss)


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
        noise=alias_table(noise_weights(counts, config.negative_exponent)),
        codes=model.huffman_codes.numpy() if hierarchical else nothing.astype(np.int8),
        paths=model.huffman_paths.numpy() if hierarchical else nothing,
        word_ngrams=word_ngrams,
    )
    if config.algorithm == "cbow":
        kernel = train_cbow
    else:
        kernel = train_skipgram_ngrams if config.num_ngram_buckets else train_skipgram
    return kernel, (tables, draws, width, config.window_size, 0 if hierarchical else config.num_negatives)


def _check(model: Any, ids: Ids) -> None:
    """Kernels read and write wherever an id points to."""
    size = model.config.vocab_size
    for start in range(0, len(ids.ids), 1 << 22):  # a memory-mapped array is never read whole
        piece = ids.ids[start : start + (1 << 22)]
        if piece.min() < 0 or piece.max() >= size:
            wrong = piece.min() if piece.min() < 0 else piece.max()
            raise UserError(f"the corpus holds the id {wrong}, but ids are 0 to {size - 1}")
    if not model.word_counts.any():
        raise UserError("word_counts of the model are all 0, but noise words are drawn by them: count the corpus")


def _in_eights(weight: Tensor) -> np.ndarray:
    """Make a parameter a view of a table whose rows are a multiple of eight floats long; that table, flat.

    numpy asks for huge pages, where Linux gives them to those who ask: rows are read in any order, and the processor
    remembers where few pages are.
    """
    rows, width = weight.shape
    padded = -(-width // LANES) * LANES
    memory = np.zeros(rows * padded + _LINE, np.float32)
    start = -(memory.ctypes.data // 4) % _LINE  # where a line of the cache begins
    table = memory[start : start + rows * padded]
    view = torch.from_numpy(table.reshape(rows, padded))[:, :width]
    view.copy_(weight.data)
    weight.data = view
    return table

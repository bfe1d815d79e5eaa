"""Word vectors of several processes made one: each has read its own part of the text since the last time.

A model average as in Ji et al. 2016, section 3.2, but not of all rows alike. A row that was seldom read has moved in
few steps, which add up as they would have in one process; a mean would throw away all but a part of each. A row that
was often read has come in every process to where it wants to be, and steps would add up to far beyond it. In between,
think of a row that each read brings nearer to its goal by the same small share `q` of what is left: n reads leave
(1 - q)^n, so that one process would have gone 1 - (1 - q)^(n m) of the way where each of m processes has gone
1 - (1 - q)^n. The quotient is what the sum of their steps is multiplied with.

Vectors also grow from nothing, and in the beginning everything depends on what was learnt just before. So processes
meet often at first, and ever more seldom (`next_meeting`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from ..objectives.windows import keep_probabilities
from .sampling import noise_weights

# -log(1 - q) for a learning rate of 1: of what is read (words, n-grams), and of what is predicted (words, nodes). Found
# on 17 million words with two, four and eight processes: benchmarks/word2vec.md.
_PULLS = {"skipgram": (4.0, 0.08), "cbow": (0.8, 0.04)}
_SHARE = 0.1  # of the text so far that all processes together read between two meetings, for one process


def next_meeting(position: int, least: int, processes: int) -> int:
    """Where processes that are in one place of the text meet again; both in the same unit, as is `least`."""
    return position + max(least, int(_SHARE / processes * position))


class RowAverage:
    """Brings the tables of all processes together; they must be equal when it is made.

    Args:
        tables: `(rows, width)`, changed in place.
        accelerator: whose processes they are.
    """

    def __init__(self, tables: Sequence[Tensor], accelerator: Accelerator):
        self._tables, self._accelerator = tables, accelerator
        self._before = [table.clone() for table in tables]

    @torch.no_grad()
    def __call__(self, pulls: Sequence[Tensor]) -> None:
        """Make the tables equal.

        Args:
            pulls: how often each process read a row since the last time, more or less, times its -log(1 - q); `(rows,)`
                for each table.
        """
        for table, before, pull in zip(self._tables, self._before, pulls, strict=True):
            steps = table - before
            moved = steps.any(1).to(torch.int32)
            movers = self._accelerator.reduce(moved, "sum")  # (rows,): in how many processes
            rows = movers.nonzero().squeeze(1)  # few of them in the beginning
            if len(rows) == 0:
                continue
            steps = self._accelerator.reduce(steps[rows], "sum")  # (moved rows, width)
            before[rows] += steps.mul_(_damping(pull[rows], movers[rows]).unsqueeze(1))
            table[rows] = before[rows]


def _damping(pull: Tensor, movers: Tensor) -> Tensor:
    """By what the sum of the steps of so many processes is multiplied, each with a pull: 1 to 1 / movers."""
    pull = pull.clamp(min=1e-9)  # where the quotient is 1
    return torch.expm1(-pull * movers) / (movers * torch.expm1(-pull))


def pulls_per_word(model: Any) -> list[Tensor]:
    """How strongly a word of the text pulls each row of `learnt_tables` at a learning rate of 1, on average.

    Returns:
        `(rows,)` for each table, float64.
    """
    read, predicted = _PULLS[model.config.algorithm]
    return [reads * pull for reads, pull in zip(reads_per_word(model), (read, predicted, read), strict=False)]


def reads_per_word(model: Any) -> list[Tensor]:
    """How often each row of `learnt_tables` is read for a word of the text, on average: `(rows,)` for each table."""
    config, counts = model.config, model.word_counts.numpy()
    total = max(counts.sum(), 1)
    words = counts / total * keep_probabilities(counts, config.subsample_threshold)  # (vocabulary,)
    if config.loss == "hierarchical_softmax":
        predicted = _spread(words, model.huffman_paths.numpy(), model.huffman_codes.numpy() >= 0, len(counts))
    else:
        noise = noise_weights(counts, config.negative_exponent)
        predicted = words + config.num_negatives * words.sum() * noise / max(noise.sum(), 1e-300)
    reads = [words, predicted]
    if config.num_ngram_buckets:
        ngrams = model.word2vec.word_ngrams.numpy()
        reads.append(_spread(words, ngrams, ngrams > 0, config.num_ngram_buckets + 1))
    return [torch.from_numpy(read) for read in reads]


def _spread(words: np.ndarray, rows: np.ndarray, present: np.ndarray, count: int) -> np.ndarray:
    """The words' reads, summed over the rows that each of them has."""
    return np.bincount(rows[present], np.broadcast_to(words[:, None], rows.shape)[present], minlength=count)[:count]

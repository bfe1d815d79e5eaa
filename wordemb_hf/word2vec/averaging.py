"""Word vectors of several processes made one: each has read its own part of the text since the last time.

A model average as in Ji et al. 2016, section 3.2, but not of all rows alike. A row that was seldom read has moved in
few steps, which add up as they would have in one process; a mean would throw away all but a part of each. A row that
was often read has come in every process to where it wants to be, and steps would add up to far beyond it. So the steps
of a row are added where the row was read few times, and tend to their mean from there.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from ..objectives.windows import keep_probabilities
from .sampling import noise_weights

# Reads of a row by all processes since the last time, for one process; it falls with their square. On 17 million words
# two processes are as good as one with 256, and worse with 64; four are worse with 256 than with 64.
_FEW = 1024


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
    def __call__(self, reads: Sequence[Tensor]) -> None:
        """Make the tables equal.

        Args:
            reads: how often each row was read by all processes, more or less, since the last time; `(rows,)` for each
                table.
        """
        processes = self._accelerator.num_processes
        for table, before, read in zip(self._tables, self._before, reads, strict=True):
            moved = (table != before).any(1)
            movers = self._accelerator.reduce(moved.to(torch.int32), "sum")  # (rows,): in how many processes
            rows = movers.nonzero().squeeze(1)
            if len(rows) == 0:
                continue
            steps = self._accelerator.reduce(table[rows] - before[rows], "sum")  # (moved rows, width)
            share = (_FEW / processes**2 / read[rows].clamp(min=1)).clamp(max=1)  # 1 to add up
            factor = torch.maximum(share, 1 / movers[rows].clamp(max=processes))
            before[rows] += steps * factor.unsqueeze(1)
            table[rows] = before[rows]


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

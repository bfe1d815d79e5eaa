"""Windows over a corpus: the words around predict the word in the middle.

Mikolov et al. 2013b, as word2vec.c does it: frequent words are thinned out before windows are laid (section 2.3), the width of each
window is drawn anew (2013a, section 3.2), and no window reaches beyond its document.
"""

from collections.abc import Sequence

import numpy as np
import torch

from ..batching import Batch


class WordWindows:
    """The windows of a corpus, in random order, other ones in each epoch.

    Args:
        ids: words of all documents one after the other, `(tokens,)`.
        offsets: where each document begins, and the end of the last, `(documents + 1,)`.
        counts: occurrences of each word, `(vocabulary,)`.
        window_size: words on each side, at most.
        subsample_threshold: words above this share of the corpus are kept with probability
            `sqrt(threshold / share) + threshold / share`; 0 keeps all.
        batch_size: windows in a batch.
        seed: of everything that is drawn.
    """

    def __init__(
        self,
        ids: np.ndarray,
        offsets: np.ndarray,
        counts: np.ndarray,
        window_size: int,
        subsample_threshold: float,
        batch_size: int,
        seed: int,
    ):
        self._ids = ids
        self._documents = np.repeat(np.arange(len(offsets) - 1, dtype=np.int32), np.diff(offsets))
        self._keep = _keep_probabilities(counts, subsample_threshold)
        self._window_size, self._batch_size, self._seed = window_size, batch_size, seed

    def epoch(self, number: int) -> Sequence[Batch]:
        """The epoch's batches: `input_ids (batch, 2 * window_size)`, 0 where there is no word, and `labels (batch,)`."""
        rng = np.random.default_rng((self._seed, number))
        kept = rng.random(len(self._ids), dtype=np.float32) < self._keep[self._ids]
        ids, documents = self._ids[kept], self._documents[kept]
        widths = rng.integers(1, self._window_size + 1, size=len(ids), dtype=np.int8)
        return _EpochOfWindows(ids, documents, widths, rng.permutation(len(ids)), self._window_size, self._batch_size)

    def items(self, batch: Batch) -> torch.Tensor:
        """Pairs of a context and a word in the middle."""
        return (batch["input_ids"] != 0).sum()


class ContextWindows(WordWindows):
    """Windows for CBOW, where a window is one prediction."""

    def items(self, batch: Batch) -> torch.Tensor:
        """Windows with at least one context."""
        return (batch["input_ids"] != 0).any(1).sum()


class _EpochOfWindows(Sequence[Batch]):
    """Batches of one epoch's windows."""

    def __init__(self, ids, documents, widths, order, window_size: int, batch_size: int):
        self._ids, self._documents, self._widths, self._order = ids, documents, widths, order
        self._offsets = np.delete(np.arange(-window_size, window_size + 1), window_size)  # (2 * window_size,)
        self._batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self._order) // self._batch_size)

    def __getitem__(self, number):
        if not 0 <= number < len(self):
            raise IndexError(number)
        middle = self._order[number * self._batch_size : (number + 1) * self._batch_size, None]  # (batch, 1)
        around = middle + self._offsets  # (batch, 2 * window_size)
        inside = (around >= 0) & (around < len(self._ids)) & (np.abs(self._offsets) <= self._widths[middle])
        around = np.where(inside, around, middle)
        inside &= self._documents[around] == self._documents[middle]
        contexts = np.where(inside, self._ids[around], 0)
        return {
            "input_ids": torch.from_numpy(contexts.astype(np.int64)),
            "labels": torch.from_numpy(self._ids[middle[:, 0]].astype(np.int64)),
        }


def _keep_probabilities(counts: np.ndarray, threshold: float) -> np.ndarray:
    """word2vec.c's rule, which is not quite the paper's `sqrt(threshold / share)`."""
    if threshold == 0:
        return np.ones(len(counts), dtype=np.float32)
    share = counts / max(counts.sum(), 1)
    ratio = threshold / np.maximum(share, 1e-12)
    return np.minimum(np.sqrt(ratio) + ratio, 1.0).astype(np.float32)

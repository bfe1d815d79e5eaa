"""Windows over a corpus: the words around predict the word in the middle.

Mikolov et al. 2013b, as word2vec.c does it: frequent words are thinned out before windows are laid (section 2.3), the
width of each window is drawn anew (2013a, section 3.2), and no window reaches beyond its document.
"""

from collections.abc import Sequence

import numpy as np
import torch

from ..batching import Batch
from ..errors import UserError


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
        self._keep = keep_probabilities(counts, subsample_threshold)
        self._window_size, self._batch_size, self._seed = window_size, batch_size, seed

    def epoch(self, number: int) -> Sequence[Batch]:
        """The epoch's batches: `input_ids (batch, 2 * width)`, 0 where there is no word, and `labels (batch,)`.

        Windows of one width stand in a batch together, so that little of it is empty.
        """
        rng = np.random.default_rng((self._seed, number))
        kept = rng.random(len(self._ids), dtype=np.float32) < self._keep[self._ids]
        ids, documents = self._ids[kept], self._documents[kept]
        widths = rng.integers(1, self._window_size + 1, size=len(ids), dtype=np.int8)
        if not len(ids):
            raise UserError(
                f"sub-sampling left no word of the {len(self._ids)}: raise --subsample-threshold, or 0 to keep all"
            )
        order = rng.permutation(len(ids))
        batches = []
        for width in range(1, self._window_size + 1):
            middles = order[widths[order] == width]
            starts = range(0, len(middles), self._batch_size)
            batches += [(width, middles[start : start + self._batch_size]) for start in starts]
        return _EpochOfWindows(ids, documents, [batches[index] for index in rng.permutation(len(batches))])

    def items(self, batch: Batch) -> torch.Tensor:
        """Pairs of a context and a word in the middle."""
        return (batch["input_ids"] != 0).sum()


class ContextWindows(WordWindows):
    """Windows for CBOW, where a window is one prediction."""

    def items(self, batch: Batch) -> torch.Tensor:
        """Windows with at least one context."""
        return (batch["input_ids"] != 0).any(1).sum()


class _EpochOfWindows(Sequence[Batch]):
    """Batches of one epoch's windows: for each, their width and the positions of the words in their middle."""

    def __init__(self, ids: np.ndarray, documents: np.ndarray, batches: list[tuple[int, np.ndarray]]):
        self._ids, self._documents, self._batches = ids, documents, batches

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, number):
        width, middles = self._batches[number]
        around = middles[:, None] + np.delete(np.arange(-width, width + 1), width)  # (batch, 2 * width)
        inside = (around >= 0) & (around < len(self._ids))
        around = np.where(inside, around, 0)
        inside &= self._documents[around] == self._documents[middles, None]
        contexts = np.where(inside, self._ids[around], 0)
        return {
            "input_ids": torch.from_numpy(contexts.astype(np.int64)),
            "labels": torch.from_numpy(self._ids[middles].astype(np.int64)),
        }


def keep_probabilities(counts: np.ndarray, threshold: float) -> np.ndarray:
    """word2vec.c's rule, which is not quite the paper's `sqrt(threshold / share)`."""
    if threshold == 0:
        return np.ones(len(counts), dtype=np.float32)
    share = counts / max(counts.sum(), 1)
    ratio = threshold / np.maximum(share, 1e-12)
    return np.minimum(np.sqrt(ratio) + ratio, 1.0).astype(np.float32)

"""Texts one by one, each word of which is predicted from the others: from the left, the right, or both sides.

For models that never let a word see itself: a cloze model (Melamud et al. 2016) and a bidirectional language model
(Peters et al. 2018). Nothing is masked, and every word is learnt from in every epoch.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import torch

from ..batching import Batch, LazyBatches, by_length, shuffled_buckets


class WholeTexts:
    """Texts of similar length in a batch, in random order.

    Args:
        ids: words of all documents one after the other, `(tokens,)`.
        offsets: where each document begins, and the end of the last, `(documents + 1,)`.
        batch_size: texts in a batch.
        max_length: longer documents are cut into pieces of so many tokens.
        pad_token_id: what fills a batch up.
        predicts_ends: the model also predicts where a text ends, as a bidirectional language model does.
        seed: of the order; `None` for the longest first.
    """

    def __init__(
        self,
        ids: np.ndarray,
        offsets: np.ndarray,
        batch_size: int,
        max_length: int,
        pad_token_id: int,
        predicts_ends: bool = False,
        seed: int | None = None,
    ):
        starts = [np.arange(start, end, max_length) for start, end in itertools.pairwise(offsets)]
        ends = [np.minimum(part + max_length, end) for part, end in zip(starts, offsets[1:], strict=True)]
        self._ids, self._starts, self._ends = ids, np.concatenate(starts), np.concatenate(ends)
        self._batch_size, self._pad, self._ends_count, self._seed = batch_size, pad_token_id, predicts_ends, seed

    def epoch(self, number: int) -> Sequence[Batch]:
        """Batches of `input_ids`, `attention_mask` and `labels (batch, length)`: the words to predict are the words."""
        lengths = self._ends - self._starts
        if self._seed is None:
            return LazyBatches(by_length(lengths, self._batch_size), self._collate)
        rng = np.random.default_rng((self._seed, number))
        return LazyBatches(shuffled_buckets(lengths, self._batch_size, rng), self._collate)

    def items(self, batch: Batch) -> torch.Tensor:
        """Words that are predicted, and perhaps the end of each text."""
        words = (batch["labels"] != -100).sum()
        return words + len(batch["labels"]) if self._ends_count else words

    def _collate(self, rows: np.ndarray) -> Batch:
        lengths = (self._ends - self._starts)[rows]
        places = np.arange(lengths.max())
        mask = places < lengths[:, None]  # (batch, length)
        words = self._ids[np.where(mask, self._starts[rows, None] + places, 0)].astype(np.int64)
        return {
            "input_ids": torch.from_numpy(np.where(mask, words, self._pad)),
            "attention_mask": torch.from_numpy(mask.astype(np.int64)),
            "labels": torch.from_numpy(np.where(mask, words, -100)),
        }

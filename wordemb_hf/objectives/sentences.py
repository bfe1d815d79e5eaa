"""Texts one by one, each word of which is predicted from the others: from the left, the right, or both sides.

For models that never let a word see itself: a cloze model (Melamud et al. 2016) and a bidirectional language model
(Peters et al. 2018). Nothing is masked, and every word is learnt from in every epoch.
"""

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
        pieces = -(-np.diff(offsets) // max_length)  # of each document
        # Of a document's pieces all begin where it begins, and then as far behind as there are pieces before them.
        first = np.repeat(offsets[:-1] - max_length * (np.cumsum(pieces) - pieces), pieces)
        self._ids, self._starts = ids, first + max_length * np.arange(len(first))
        self._lengths = np.minimum(np.repeat(offsets[1:], pieces) - self._starts, max_length).astype(np.int32)
        self._batch_size, self._pad, self._ends_count, self._seed = batch_size, pad_token_id, predicts_ends, seed

    def epoch(self, number: int) -> Sequence[Batch]:
        """Batches of `input_ids`, `attention_mask` and `labels (batch, length)`: the words to predict are the words."""
        if self._seed is None:
            return LazyBatches(by_length(self._lengths, self._batch_size), self._collate)
        rng = np.random.default_rng((self._seed, number))
        return LazyBatches(shuffled_buckets(self._lengths, self._batch_size, rng), self._collate)

    def items(self, batch: Batch) -> torch.Tensor:
        """Words that are predicted, and perhaps the end of each text."""
        words = (batch["labels"] != -100).sum()
        return words + len(batch["labels"]) if self._ends_count else words

    def _collate(self, rows: np.ndarray) -> Batch:
        lengths = self._lengths[rows]
        places = np.arange(lengths.max())
        mask = places < lengths[:, None]  # (batch, length)
        words = self._ids[np.where(mask, self._starts[rows, None] + places, 0)].astype(np.int64)
        return {
            "input_ids": torch.from_numpy(np.where(mask, words, self._pad)),
            "attention_mask": torch.from_numpy(mask.astype(np.int64)),
            "labels": torch.from_numpy(np.where(mask, words, -100)),
        }

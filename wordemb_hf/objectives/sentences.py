"""Texts one by one, each word of which is predicted from the others: from the left, the right, or both sides.

For models that never let a word see itself: a cloze model (Melamud et al. 2016) and a bidirectional language model
(Peters et al. 2018). Nothing is masked, and every word is learnt from in every epoch.
"""

from collections.abc import Sequence

import numpy as np
import torch

from ..batching import Batch, LazyBatches, by_length, shuffled_buckets
from ..growing_array import Ragged
from ..padding import PaddedRows


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
        starts = first + max_length * np.arange(len(first))
        rows = Ragged(ids, np.append(starts, offsets[-1]))  # pieces stand end to end, as documents do
        self._rows, self._lengths = PaddedRows(rows, pad_token_id), np.diff(rows.offsets).astype(np.int32)
        self._batch_size, self._ends_count, self._seed = batch_size, predicts_ends, seed

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

    @property
    def nbytes(self) -> int:
        """What `keep_on` needs."""
        return self._rows.nbytes

    def keep_on(self, device: torch.device) -> None:
        """Lie on a device, where the batches are then made."""
        self._rows.to(device)

    def _collate(self, rows: np.ndarray) -> Batch:
        ids, mask = self._rows.batch(rows)
        return {"input_ids": ids, "attention_mask": mask.long(), "labels": ids.masked_fill(~mask, -100)}

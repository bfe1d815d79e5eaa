"""Texts as padded batches of ids."""

from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from .batching import Batch, LazyBatches

MAX_LENGTH = 512  # where a tokenizer does not say how long a text may be


class EncodedTexts:
    """Texts that were tokenised once, in the order they came.

    Args:
        tokenizer: any tokenizer of the Transformers library.
        texts: the texts; one without a single token is allowed.
        max_length: longer texts are cut, in tokens; `None` for the tokenizer's own limit.
        labels: class ids, one for each text, `(texts,)`.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        texts: Sequence[str],
        max_length: int | None = None,
        labels: np.ndarray | None = None,
    ):
        limit = max_length or max_length_of(tokenizer)
        rows = tokenizer(list(texts), truncation=True, max_length=limit, return_attention_mask=False)["input_ids"]
        self.rows = [np.asarray(row, dtype=np.int64) for row in rows]
        self.lengths = np.array([len(row) for row in self.rows], dtype=np.int64)
        self.labels = labels
        self._pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0

    def __len__(self) -> int:
        return len(self.rows)

    def batches(self, indices: Sequence[np.ndarray]) -> LazyBatches:
        """Batches of these examples: `input_ids` and `attention_mask (batch, length)`, `labels (batch,)` if known."""
        return LazyBatches(indices, self._collate)

    def _collate(self, indices: np.ndarray) -> Batch:
        width = max(int(self.lengths[indices].max()), 1)
        ids = np.full((len(indices), width), self._pad, dtype=np.int64)
        mask = np.zeros((len(indices), width), dtype=np.int64)
        for row, index in enumerate(indices):
            length = self.lengths[index]
            ids[row, :length], mask[row, :length] = self.rows[index], 1
        batch = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
        if self.labels is not None:
            batch["labels"] = torch.from_numpy(self.labels[indices])
        return batch


def max_length_of(tokenizer: PreTrainedTokenizerBase) -> int:
    """The tokenizer's limit, or `MAX_LENGTH` where it has none (transformers then gives 1e30)."""
    return MAX_LENGTH if tokenizer.model_max_length > 1_000_000 else tokenizer.model_max_length

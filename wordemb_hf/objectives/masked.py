"""Texts of which some words are hidden, and are to be told from all others (Devlin et al. 2019, section 3.1).

Which ones is drawn anew for every epoch (Liu et al. 2019, section 4.1), by nothing but the seed, the epoch and the
number of the batch, so that a training that was interrupted goes on with the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..batching import Batch, BatchSource, LazyBatches


@dataclass(frozen=True)
class Vocabulary:
    """What an objective that changes texts needs to know of the tokens.

    Args:
        mask: the id of the mask.
        ordinary: ids that may stand in place of another, `(tokens,)`: all that mean a word.
        begins_open: whether a word may go on behind this token, `(vocabulary,)`.
        goes_on: whether this token goes on with the word before it, where that may, `(vocabulary,)`. A token that does
            not begins a word.
    """

    mask: int
    ordinary: np.ndarray
    begins_open: np.ndarray
    goes_on: np.ndarray

    def words(self, ids: np.ndarray) -> np.ndarray:
        """The number of each token's word, `(length,)` to the same."""
        joined = self.begins_open[ids[:-1]] & self.goes_on[ids[1:]]
        return np.concatenate([[0], np.cumsum(~joined)]) if len(ids) else np.zeros(0, np.int64)


class MaskedWords:
    """Hides a share of each text's words: most behind a mask, some behind another word, some not at all.

    Args:
        texts: batches of `input_ids` and `attention_mask`.
        vocabulary: of the tokens.
        share: of the tokens, at least one in each text.
        whole_words: hide all tokens of a word or none.
        seed: of what is hidden.
    """

    def __init__(
        self, texts: BatchSource, vocabulary: Vocabulary, share: float = 0.15, whole_words: bool = False, seed: int = 0
    ):
        self._texts, self._vocabulary, self._share = texts, vocabulary, share
        self._whole_words, self._seed = whole_words, seed

    def epoch(self, number: int) -> Sequence[Batch]:
        """Batches of `input_ids`, `attention_mask` and `labels (batch, length)`, -100 for what was not hidden."""
        batches = self._texts.epoch(number)

        def hide(which: np.ndarray) -> Batch:
            return self._hide(batches[int(which[0])], np.random.default_rng((self._seed, number, int(which[0]))))

        return LazyBatches([np.array([index]) for index in range(len(batches))], hide)

    def items(self, batch: Batch) -> torch.Tensor:
        """Words that are predicted."""
        return (batch["labels"] != -100).sum()

    def _hide(self, batch: Batch, rng: np.random.Generator) -> Batch:
        ids, mask = batch["input_ids"].numpy(), batch["attention_mask"].numpy().astype(bool)
        chosen = np.zeros_like(mask)
        for row, tokens in enumerate(mask):
            chosen[row, tokens] = self._choose(ids[row, tokens], rng)
        labels = np.where(chosen, ids, -100)
        drawn = rng.random(ids.shape)
        others = self._vocabulary.ordinary[rng.integers(len(self._vocabulary.ordinary), size=ids.shape)]
        hidden = np.where(drawn < 0.8, self._vocabulary.mask, np.where(drawn < 0.9, others, ids))
        return {
            "input_ids": torch.from_numpy(np.where(chosen, hidden, ids)),
            "attention_mask": batch["attention_mask"],
            "labels": torch.from_numpy(labels),
        }

    def _choose(self, ids: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Which tokens of a text are hidden."""
        words = self._vocabulary.words(ids) if self._whole_words else np.arange(len(ids))
        sizes = np.bincount(words)
        order = rng.permutation(len(sizes))
        wanted = max(round(self._share * len(ids)), 1)
        # Words in random order, up to the one that makes the share full.
        before = np.cumsum(sizes[order]) - sizes[order]
        return np.isin(words, order[before < wanted])

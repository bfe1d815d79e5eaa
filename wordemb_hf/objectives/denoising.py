"""Texts with gaps, which are to be written again in full: text infilling (Lewis et al. 2020, "BART", section 2.2)."""

from collections.abc import Sequence

import numpy as np
import torch

from ..batching import Batch, BatchSource, LazyBatches
from .masked import Vocabulary


class GappedTexts:
    """Puts one mask in place of each of some spans of tokens, of any length and even of none.

    Args:
        texts: batches of `input_ids` and `attention_mask`.
        vocabulary: of the tokens.
        pad_token_id: what fills a batch up.
        eos_token_id: the end of a text that was written.
        share: of the tokens that fall into gaps.
        mean_span: tokens in a gap, by a Poisson distribution.
        seed: of the gaps, which differ from epoch to epoch.
    """

    def __init__(
        self,
        texts: BatchSource,
        vocabulary: Vocabulary,
        pad_token_id: int,
        eos_token_id: int,
        share: float = 0.3,
        mean_span: float = 3.0,
        seed: int = 0,
    ):
        self._texts, self._vocabulary = texts, vocabulary
        self._pad, self._end = pad_token_id, eos_token_id
        self._share, self._mean_span, self._seed = share, mean_span, seed

    def epoch(self, number: int) -> Sequence[Batch]:
        """Batches of `input_ids` and `attention_mask (batch, length)`, and `labels (batch, target length)`."""
        batches = self._texts.epoch(number)

        def spoil(which: np.ndarray) -> Batch:
            return self._spoil(batches[int(which[0])], np.random.default_rng((self._seed, number, int(which[0]))))

        return LazyBatches([np.array([index]) for index in range(len(batches))], spoil)

    def items(self, batch: Batch) -> torch.Tensor:
        """Tokens that are predicted, ends included."""
        return (batch["labels"] != -100).sum()

    def _spoil(self, batch: Batch, rng: np.random.Generator) -> Batch:
        mask = batch["attention_mask"].numpy().astype(bool)
        targets = [row[tokens] for row, tokens in zip(batch["input_ids"].numpy(), mask, strict=True)]
        sources = [self._with_gaps(ids, rng) for ids in targets]
        ended = [np.append(ids, self._end) for ids in targets]
        return {
            "input_ids": _stack(sources, self._pad),
            "attention_mask": _stack([np.ones_like(ids) for ids in sources], 0),
            "labels": _stack(ended, -100),
        }

    def _with_gaps(self, ids: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        wanted = max(round(self._share * len(ids)), 1)
        spans: list[int] = []
        while sum(spans) < wanted:
            spans.append(min(int(rng.poisson(self._mean_span)), wanted - sum(spans)))
        # Each in a place of its own among the tokens that stay; what finds none makes the last one longer.
        kept = len(ids) - wanted
        slots = np.sort(rng.choice(kept + 1, size=min(len(spans), kept + 1), replace=False))
        spans[len(slots) - 1 :] = [sum(spans[len(slots) - 1 :])]
        gap = np.array([self._vocabulary.mask], ids.dtype)
        pieces, place, before = [], 0, 0
        for slot, span in zip(slots, spans, strict=True):
            pieces += [ids[place : place + slot - before], gap]
            place, before = place + slot - before + span, slot
        return np.concatenate([*pieces, ids[place:]])


def _stack(rows: list[np.ndarray], filler: int) -> torch.Tensor:
    """Rows of any lengths, filled up on the right: int64 `(rows, longest)`."""
    stacked = np.full((len(rows), max(map(len, rows))), filler, np.int64)
    for line, row in zip(stacked, rows, strict=True):
        line[: len(row)] = row
    return torch.from_numpy(stacked)

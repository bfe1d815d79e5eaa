"""A corpus cut into pieces that are read one by one, for models that carry nothing over a cut."""

from collections.abc import Sequence

import numpy as np
import torch

from ..batching import Batch, LazyBatches
from ..errors import UserError
from ..padding import tensor_on


class TextPieces:
    """Pieces of a stream of text, in random order, and what each token is followed by.

    Args:
        ids: the corpus, `(tokens,)`.
        batch_size: pieces in a batch.
        length: tokens of a piece.
        seed: of the order and of where the first piece begins, which differ from epoch to epoch. `None` to measure: all
            in order, and each piece begins with half of the one before it, so that nothing is predicted out of nothing.
    """

    def __init__(self, ids: np.ndarray, batch_size: int, length: int, seed: int | None = None):
        if len(ids) < 2:
            raise UserError(f"the text has {len(ids):,} tokens, but a language model needs at least 2")
        self._ids, self._length = tensor_on(ids), min(length, len(ids) - 1)
        self._batch_size, self._seed = batch_size, seed

    def epoch(self, number: int) -> Sequence[Batch]:
        """Batches of `input_ids` and `shift_labels (batch, length)`, -100 for what another piece predicts."""
        if self._seed is None:
            starts = np.arange(
                0, max(len(self._ids) - 1 - self._length // 2, 1), max(self._length - self._length // 2, 1)
            )
        else:
            rng = np.random.default_rng((self._seed, number))
            # The last piece may lack its end, the first its beginning.
            starts = rng.permutation(np.arange(-int(rng.integers(self._length)), len(self._ids) - 1, self._length))
        batches = [starts[first : first + self._batch_size] for first in range(0, len(starts), self._batch_size)]
        return LazyBatches(batches, self._cut)

    def items(self, batch: Batch) -> torch.Tensor:
        """Tokens that are predicted."""
        return (batch["shift_labels"] != -100).sum()

    @property
    def nbytes(self) -> int:
        """What `keep_on` needs."""
        return self._ids.nbytes

    def keep_on(self, device: torch.device) -> None:
        """Lie on a device, where the batches are then made."""
        self._ids = self._ids.to(device)

    def _cut(self, starts: np.ndarray) -> Batch:
        begins = torch.from_numpy(starts).to(self._ids.device, non_blocking=True)[:, None]
        steps = torch.arange(self._length, device=begins.device)
        places = begins + steps  # (batch, length)
        inside = (places >= 0) & (places < len(self._ids) - 1)
        predicted = inside if self._seed is not None else inside & ((begins <= 0) | (steps >= self._length // 2))
        places = places.clamp(0, len(self._ids) - 2)
        return {
            "input_ids": self._ids[places].long(),
            "attention_mask": inside.long(),
            "shift_labels": self._ids[places + 1].long().masked_fill(~predicted, -100),
        }

"""Words that occur once in training, now and then read as the unknown one: else nothing would be learnt of that.

Lample et al. 2016, "Neural Architectures for Named Entity Recognition" (NAACL), section 4.1.
"""

from collections.abc import Sequence

import numpy as np
import torch

HIDDEN_SHARE = 0.5


class RareWords:
    """Hides words that occur once.

    Args:
        rows: the ids of each training text.
        vocab_size: how many ids there are.
        unk_token_id: what takes the place of a word; `None` where a tokenizer knows everything, and nothing is hidden.
    """

    def __init__(self, rows: Sequence[np.ndarray], vocab_size: int, unk_token_id: int | None):
        self._unknown = unk_token_id
        counts = np.bincount(np.concatenate(rows) if len(rows) else [], minlength=vocab_size)
        self._rare = torch.from_numpy(counts == 1)  # (vocab_size,)

    def hide(self, ids: torch.Tensor, seed: tuple[int, ...]) -> torch.Tensor:
        """Ids `(batch, length)` with about half of the rare words hidden; the same seed hides the same."""
        if self._unknown is None:
            return ids
        chosen = torch.from_numpy(np.random.default_rng(seed).random(ids.shape) < HIDDEN_SHARE)
        chosen = chosen.to(ids.device, non_blocking=True)
        return ids.masked_fill(self._rare[ids] & chosen, self._unknown)

    def keep_on(self, device: torch.device) -> None:
        """Lie on a device, as the ids will."""
        self._rare = self._rare.to(device)

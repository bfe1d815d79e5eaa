"""Rows of several lengths as padded batches, made where a model reads them."""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .growing_array import Ragged


class PaddedRows:
    """Rows of integers end to end, of which a batch is one look-up: on a GPU nothing but row numbers travels there.

    Args:
        rows: the rows; what lies on disk is read as it is asked for.
        value: stands where a row has ended.
    """

    def __init__(self, rows: Ragged, value: int):
        self._lengths, self._value = np.diff(rows.offsets), value
        self._flat = tensor_on(rows.flat)
        self._starts = torch.from_numpy(rows.offsets[:-1].astype(np.int64))
        self._ends = torch.from_numpy(rows.offsets[1:].astype(np.int64))

    @property
    def nbytes(self) -> int:
        """What all of them take on a device."""
        return sum(tensor.nbytes for tensor in (self._flat, self._starts, self._ends))

    def to(self, device: torch.device) -> None:
        """Lie on a device from now on."""
        self._flat, self._starts, self._ends = (tensor.to(device) for tensor in (self._flat, self._starts, self._ends))

    def batch(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        """Some rows, int64 `(rows, length)` with a length of at least 1, and the mask of what is no padding."""
        width = max(int(self._lengths[indices].max(initial=0)), 1)  # known here: nobody waits for the device
        chosen = torch.from_numpy(indices).to(self._flat.device, non_blocking=True)
        places = self._starts[chosen, None] + torch.arange(width, device=chosen.device)
        mask = places < self._ends[chosen, None]
        if not len(self._flat):
            return torch.full(mask.shape, self._value, device=chosen.device), mask
        numbers = self._flat[places.clamp_(max=len(self._flat) - 1)].long()
        return numbers.masked_fill_(~mask, self._value), mask


def tensor_on(array: np.ndarray) -> Tensor:
    """A tensor on the memory of an array, which nobody writes to: it may be a file that is mapped to be read."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array)


def ragged(rows: Sequence[np.ndarray]) -> Ragged:
    """Rows end to end, as int32."""
    offsets = np.cumsum([0, *map(len, rows)])
    return Ragged(np.concatenate(rows).astype(np.int32) if len(rows) else np.zeros(0, np.int32), offsets)

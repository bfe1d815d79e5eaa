"""What a decoder reads in training: the target, one place to the right."""

import torch
from torch import Tensor, nn


def read_before(labels: Tensor, pad: int | None, start: int) -> Tensor:
    """What stands before each token of a target, and `start` before the first, wherever padding is.

    Args:
        labels: the target, `(batch, length)`, -100 where there is nothing to learn.
        pad: what stands there in place of -100.
        start: the id that begins a target.

    Returns:
        What a decoder reads to write it, `(batch, length)`.
    """
    before = nn.functional.pad(labels.masked_fill(labels == -100, pad or 0), (1, 0))[:, :-1]
    return torch.where(nn.functional.pad(tokens_of(labels), (1, 0))[:, :-1], before, start)


def tokens_of(labels: Tensor) -> Tensor:
    """From the first label that is to be learnt to the last one, boolean `(batch, length)`."""
    learnt = labels != -100
    return (learnt.cumsum(1) > 0) & (learnt.flip(1).cumsum(1) > 0).flip(1)

"""What a decoder reads in training: the target, one place to the right."""

import torch
from torch import Tensor, nn


def shift_right(ids: Tensor, tokens: Tensor | None, start: int) -> Tensor:
    """What stands before each token, and `start` before the first, wherever padding is: `(batch, length)` to the same.

    Args:
        ids: `(batch, length)`.
        tokens: where there is a token, `(batch, length)`; `None` for everywhere.
        start: the id that begins a target.
    """
    tokens = torch.ones_like(ids) if tokens is None else tokens
    before = nn.functional.pad(ids, (1, 0))[:, :-1]
    return torch.where(nn.functional.pad(tokens.bool(), (1, 0))[:, :-1], before, start)


def read_before(labels: Tensor, pad: int | None, start: int) -> Tensor:
    """What a decoder reads to write `labels`: `(batch, length)` to the same.

    Args:
        labels: the target, -100 where there is nothing to learn.
        pad: what stands there in place of -100.
        start: the id that begins a target.
    """
    return shift_right(labels.masked_fill(labels == -100, pad or 0), tokens_of(labels), start)


def tokens_of(labels: Tensor) -> Tensor:
    """From the first label that is to be learnt to the last one, boolean `(batch, length)`."""
    learnt = labels != -100
    return (learnt.cumsum(1) > 0) & (learnt.flip(1).cumsum(1) > 0).flip(1)

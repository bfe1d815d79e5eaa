"""From a vector for each token to one for the text. Padding never counts; a text of no tokens gives zeros."""

import torch
from torch import Tensor


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Mean over the tokens: states `(batch, length, width)`, boolean mask `(batch, length)` to `(batch, width)`."""
    weights = mask.to(states.dtype).unsqueeze(-1)  # (batch, length, 1)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1.0)


def masked_max(states: Tensor, mask: Tensor) -> Tensor:
    """Largest value over the tokens: `(batch, length, width)`, boolean mask `(batch, length)` to `(batch, width)`."""
    if not mask.shape[1]:
        return states.sum(1)
    largest = states.masked_fill(~mask.unsqueeze(-1), float("-inf")).amax(1)  # (batch, width)
    return largest.masked_fill(~mask.any(1, keepdim=True), 0.0)


def last_token(states: Tensor, mask: Tensor) -> Tensor:
    """The last token's state: `(batch, length, width)`, boolean mask `(batch, length)` to `(batch, width)`."""
    if not mask.shape[1]:
        return states.sum(1)
    places = torch.arange(1, mask.shape[1] + 1, device=mask.device)  # (length,)
    last = (places * mask).argmax(1)  # (batch,)
    picked = states[torch.arange(states.shape[0], device=states.device), last]  # (batch, width)
    return picked.masked_fill(~mask.any(1, keepdim=True), 0.0)


def first_token(states: Tensor, mask: Tensor) -> Tensor:
    """The first token's state: `(batch, length, width)`, boolean mask `(batch, length)` to `(batch, width)`."""
    return last_token(states.flip(1), mask.flip(1))

"""One-dimensional convolutions of several widths side by side (Kim 2014, section 2)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ParallelConvolutions(nn.Module):
    """Windows of several widths over a text, each giving `num_filters` features for each token.

    The window of width `w` at token `i` covers tokens `i - (w - 1) // 2` to `i + w // 2`; beyond the ends there are
    zeros, so that a text shorter than a window still has features, and each token has its own.

    Args:
        input_size: width of the vectors that come in.
        num_filters: features for each width.
        filter_sizes: the widths, in tokens.
    """

    def __init__(self, input_size: int, num_filters: int, filter_sizes: Sequence[int]):
        super().__init__()
        self.filter_sizes = tuple(filter_sizes)
        self.convolutions = nn.ModuleList(nn.Conv1d(input_size, num_filters, width) for width in filter_sizes)

    def forward(self, states: Tensor) -> Tensor:
        """`(batch, length, input_size)`, zero where padded, to `(batch, length, num_filters * len(filter_sizes))`."""
        channels = states.transpose(1, 2)  # (batch, input_size, length)
        features = []
        for width, convolution in zip(self.filter_sizes, self.convolutions, strict=True):
            padded = nn.functional.pad(channels, ((width - 1) // 2, width // 2))
            features.append(convolution(padded))  # (batch, num_filters, length)
        return torch.cat(features, dim=1).transpose(1, 2)

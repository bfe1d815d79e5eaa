"""All layers of a model in one vector for each token, by weights that a task learns (Peters et al. 2018, eq. 1)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ScalarMix(nn.Module):
    """`scale` times the sum of `softmax(weights)[j] * layer[j]`; at first the mean of the layers.

    Args:
        num_layers: layers to mix.
        layer_norm: bring each layer's vectors to mean 0 and variance 1 first, so that no layer is louder than another;
            each token by itself (Ba et al. 2016), where the reference takes a batch as a whole, and a token's vector
            would depend on which texts it shares a batch with.
    """

    def __init__(self, num_layers: int, layer_norm: bool = False):
        super().__init__()
        self.layer_norm = layer_norm
        self.weights = nn.Parameter(torch.zeros(num_layers))
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, layers: Sequence[Tensor]) -> Tensor:
        """`num_layers` tensors `(..., width)` to one of the same shape; zeros stay zeros."""
        if self.layer_norm:
            layers = [nn.functional.layer_norm(layer, layer.shape[-1:]) for layer in layers]
        shares = self.scale * self.weights.softmax(0)  # (num_layers,)
        mixed = shares[0] * layers[0]
        for share, layer in zip(shares[1:], layers[1:], strict=True):
            mixed = mixed + share * layer
        return mixed

"""Attention: a weighted mean whose weights are learnt."""

import torch
from torch import Tensor, nn


class AttentionPooling(nn.Module):
    """A text's vector as a weighted mean of its tokens' states, or as several that look at different places.

    A token's score is `v . tanh(W state)`. With one hop this is the additive attention of Zhou et al. 2016 (section
    3.3) and Yang et al. 2016; with several it is the structured self-attention of Lin et al. 2017 (section 2.1), whose
    matrix of `hops` vectors is brought back to the width of one.

    Args:
        input_size: width of a state.
        attention_size: width of the hidden layer that scores.
        num_hops: weighted means side by side.
    """

    def __init__(self, input_size: int, attention_size: int, num_hops: int = 1):
        super().__init__()
        self.hidden = nn.Linear(input_size, attention_size)
        self.scores = nn.Linear(attention_size, num_hops, bias=False)
        self.output = nn.Linear(num_hops * input_size, input_size) if num_hops > 1 else None

    def forward(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Weigh and sum.

        Args:
            states: `(batch, length, input_size)`.
            mask: where there is a token, boolean `(batch, length)`.

        Returns:
            The text's vector `(batch, input_size)`, and the weights `(batch, hops, length)`: they sum to one over the
            tokens of a text, and are all zero for a text of none.
        """
        scores = self.scores(self.hidden(states).tanh()).transpose(1, 2)  # (batch, hops, length)
        weights = scores.masked_fill(~mask.unsqueeze(1), torch.finfo(scores.dtype).min).softmax(-1)
        weights = weights * mask.unsqueeze(1)  # a row of padding alone had equal weights
        pooled = (weights @ states).flatten(1)  # (batch, hops * input_size)
        if self.output is not None:
            pooled = self.output(pooled).relu()
        return pooled, weights


def attention_penalty(weights: Tensor) -> Tensor:
    """How much the hops look at the same places, a mean over texts: `||A A' - I||^2` (Lin et al. 2017, equation 8).

    Args:
        weights: `(batch, hops, length)`.
    """
    overlap = weights @ weights.transpose(1, 2)  # (batch, hops, hops)
    return (overlap - torch.eye(overlap.shape[-1], device=overlap.device)).square().sum((1, 2)).mean()

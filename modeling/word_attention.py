"""Attention from what is being written to what was read: how much each word of a source matters to each step.

Bahdanau et al. 2015, "Neural Machine Translation by Jointly Learning to Align and Translate" (`additive`); Luong et al.
2015, "Effective Approaches to Attention-based Neural Machine Translation", section 3.1 (`dot`, `general`) and section
3.2 (local-p: a window around a place that is predicted).
"""

from typing import Literal

import torch
from torch import Tensor, nn

AttentionScore = Literal["additive", "dot", "general"]
AttentionSpan = Literal["global", "local"]


class WordAttention(nn.Module):
    """A weighted mean of a source's states for each query.

    The score of a query q and a state s is `v . tanh(W q + U s)` (additive), `q . s` (dot) or `q . W s` (general). What
    of it does not depend on the query is computed once, by `keys`.

    Args:
        score: `additive`, `dot` or `general`.
        span: `global`, or `local`: within `window` places of a predicted one, and less the further away.
        query_size: width of a query.
        source_size: width of a source's state; for `dot` that of a query.
        attention_size: width of the layer that scores (additive) or predicts the place (local).
        window: places on either side.
    """

    def __init__(
        self,
        score: AttentionScore,
        query_size: int,
        source_size: int,
        attention_size: int,
        span: AttentionSpan = "global",
        window: int = 10,
    ):
        super().__init__()
        self.score, self.window = score, window
        if score == "additive":
            self.query_layer = nn.Linear(query_size, attention_size)
            self.source_layer = nn.Linear(source_size, attention_size, bias=False)
            self.scores = nn.Linear(attention_size, 1, bias=False)
        elif score == "general":
            self.query_layer = nn.Linear(query_size, source_size, bias=False)
        self.place_layers = None
        if span == "local":
            self.place_layers = nn.Sequential(
                nn.Linear(query_size, attention_size, bias=False), nn.Tanh(), nn.Linear(attention_size, 1, bias=False)
            )

    def keys(self, source: Tensor) -> Tensor:
        """What queries are compared with: `(batch, source length, source_size)` to `(batch, source length, width)`."""
        keys: Tensor = self.source_layer(source) if self.score == "additive" else source
        return keys

    def forward(self, queries: Tensor, keys: Tensor, source: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Look at the source.

        Args:
            queries: `(batch, length, query_size)`.
            keys: what `keys` makes of the source.
            source: `(batch, source length, source_size)`.
            mask: where the source has a token, boolean `(batch, source length)`.

        Returns:
            The weighted means `(batch, length, source_size)`, and the weights `(batch, length, source length)`. Global
            weights sum to one; those of a source without a token are zeros.
        """
        scores = self._scores(queries, keys)  # (batch, length, source length)
        seen, factor = mask.unsqueeze(1), None
        if self.place_layers is not None:
            distance = self._distance(queries, mask)  # (batch, length, source length)
            seen = seen & (distance <= self.window)
            factor = torch.exp(-2 * (distance / self.window).square())  # a bell of standard deviation window / 2
        weights = scores.masked_fill(~seen, torch.finfo(scores.dtype).min).softmax(-1) * seen
        if factor is not None:
            weights = weights * factor.to(weights.dtype)
        return weights @ source, weights

    def _scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        if self.score == "additive":
            hidden = self.query_layer(queries).unsqueeze(2) + keys.unsqueeze(1)  # (batch, length, source length, width)
            scores: Tensor = self.scores(hidden.tanh()).squeeze(-1)
            return scores
        if self.score == "general":
            queries = self.query_layer(queries)
        return queries @ keys.transpose(1, 2)

    def _distance(self, queries: Tensor, mask: Tensor) -> Tensor:
        """How far each token is from the place that a query predicts, `(batch, length, source length)`.

        Places are counted among the tokens of a row, so that padding on either side changes nothing.
        """
        assert self.place_layers is not None
        places = mask.cumsum(1) - 1  # (batch, source length)
        # In float32: bfloat16 cannot tell place 257 from 256.
        lengths = mask.sum(1).float().view(-1, 1, 1)
        predicted = lengths * self.place_layers(queries).float().sigmoid()  # (batch, length, 1)
        return (places.unsqueeze(1) - predicted).abs()

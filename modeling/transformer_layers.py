"""The layers of a Transformer: attention to oneself and to a source, feed-forward, and their stack.

Vaswani et al. 2017, "Attention Is All You Need", section 3; with normalisation before each sub-layer, Xiong et al.
2020. A row without any token to look at gets zeros, whichever way attention is computed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import initialization as init
from transformers.cache_utils import Cache
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .positions import Rotation, rotate


def eager_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[Tensor, Tensor]:
    """Attention step by step (section 3.2.1), for whoever wants to see its weights.

    Args:
        module: what attends.
        query: `(batch, heads, queries, head_size)`.
        key: `(batch, heads, keys, head_size)`; `value` likewise.
        value: what is averaged.
        attention_mask: `(batch, 1, queries, keys)`: what each query may see, as truth values, or as numbers to add
            of which the lowest hides; `None` for all.
        scaling: of the products; `head_size ** -0.5` if missing.
        dropout: share of the weights that are zeroed.
        kwargs: of other ways to compute it.

    Returns:
        `(batch, queries, heads, head_size)`, and the weights `(batch, heads, queries, keys)`.
    """
    scores = query @ key.transpose(2, 3) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if attention_mask is None:
        weights = scores.softmax(-1)
    else:
        seen = attention_mask
        if seen.dtype != torch.bool:
            seen = seen > torch.finfo(seen.dtype).min
        weights = scores.masked_fill(~seen, torch.finfo(scores.dtype).min).softmax(-1).masked_fill(~seen, 0.0)
    mixed = nn.functional.dropout(weights, dropout) @ value  # (batch, heads, queries, head_size)
    return mixed.transpose(1, 2).contiguous(), weights


class _Attention(nn.Module):
    """What both kinds of attention share: heads, the way they are computed, and what joins them again."""

    is_causal = False

    def __init__(self, hidden_size: int, num_heads: int, dropout: float):
        super().__init__()
        self.num_heads, self.head_size, self.dropout = num_heads, hidden_size // num_heads, dropout
        self.output = nn.Linear(hidden_size, hidden_size)

    def split(self, states: Tensor, parts: int) -> tuple[Tensor, ...]:
        """`(batch, length, parts * hidden_size)` to `parts` times `(batch, heads, length, head_size)`."""
        heads = states.view(*states.shape[:2], parts, self.num_heads, self.head_size)
        return tuple(part.transpose(1, 2) for part in heads.unbind(2))

    def attend(self, query, key, value, mask, implementation: str) -> tuple[Tensor, Tensor | None]:
        """The mixed values `(batch, length, hidden_size)`, and the weights where `implementation` gives any."""
        function: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(implementation, eager_attention)
        if query.shape[2] == 0:  # texts of no tokens, which transformers' own function cannot shape
            function = eager_attention
        mixed, weights = function(
            self,
            query,
            key,
            value,
            mask,
            scaling=self.head_size**-0.5,
            dropout=self.dropout if self.training else 0.0,
            is_causal=self.is_causal,
        )
        return self.output(mixed.flatten(2)), weights


class SelfAttention(_Attention):
    """Each token looks at the tokens of its own text: at all of them, or, when `is_causal`, at those up to itself.

    Args:
        hidden_size: width of a state.
        num_heads: views side by side.
        dropout: share of the weights that are zeroed in training.
        is_causal: whether a token sees only what stands before it.
        layer: which one of the cache's is its own.
    """

    def __init__(self, hidden_size: int, num_heads: int, dropout: float = 0.0, is_causal: bool = False, layer: int = 0):
        super().__init__(hidden_size, num_heads, dropout)
        self.is_causal, self.layer_idx = is_causal, layer
        self.query_key_value = nn.Linear(hidden_size, 3 * hidden_size)

    def forward(
        self, states: Tensor, mask: Tensor | None, rotation: Rotation | None, cache: Cache | None, implementation: str
    ) -> tuple[Tensor, Tensor | None]:
        """`(batch, length, hidden_size)` to the same and the weights; the cache is brought up to date in place."""
        query, key, value = self.split(self.query_key_value(states), 3)
        if rotation is not None:
            query, key = rotate(query, rotation), rotate(key, rotation)
        if cache is not None:
            key, value = cache.update(key, value, self.layer_idx)
        return self.attend(query, key, value, mask, implementation)


class CrossAttention(_Attention):
    """Each token looks at the tokens of another text, the source; arguments as for `SelfAttention`."""

    def __init__(self, hidden_size: int, num_heads: int, dropout: float = 0.0, layer: int = 0):
        super().__init__(hidden_size, num_heads, dropout)
        self.layer_idx = layer
        self.query = nn.Linear(hidden_size, hidden_size)
        self.key_value = nn.Linear(hidden_size, 2 * hidden_size)

    def forward(
        self, states: Tensor, source: Tensor, mask: Tensor | None, cache: Any, implementation: str
    ) -> tuple[Tensor, Tensor | None]:
        """Look at `source (batch, source_length, hidden_size)`; an `EncoderDecoderCache` keeps what was made of it."""
        (query,) = self.split(self.query(states), 1)
        if cache is not None and cache.is_updated.get(self.layer_idx):
            kept = cache.cross_attention_cache.layers[self.layer_idx]
            key, value = kept.keys, kept.values
        else:
            key, value = self.split(self.key_value(source), 2)
            if cache is not None:
                key, value = cache.cross_attention_cache.update(key, value, self.layer_idx)
                cache.is_updated[self.layer_idx] = True
        return self.attend(query, key, value, mask, implementation)


class FeedForward(nn.Module):
    """Two linear layers and what stands between them (section 3.3); for `swiglu` half of the first is a gate."""

    def __init__(self, hidden_size: int, intermediate_size: int, activation: str):
        super().__init__()
        self.activation = activation
        self.expand = nn.Linear(hidden_size, intermediate_size * (2 if activation == "swiglu" else 1))
        self.contract = nn.Linear(intermediate_size, hidden_size)

    def forward(self, states: Tensor) -> Tensor:
        """`(batch, length, hidden_size)` to the same."""
        wide = self.expand(states)
        if self.activation == "swiglu":
            gate, wide = wide.chunk(2, dim=-1)
            return self.contract(nn.functional.silu(gate) * wide)
        return self.contract(nn.functional.relu(wide) if self.activation == "relu" else nn.functional.gelu(wide))


class TransformerLayer(nn.Module):
    """One layer; the arguments are those of `TransformerStack`."""

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        intermediate_size: int,
        activation: str,
        norm_position: str,
        norm_eps: float,
        dropout: float,
        attention_dropout: float,
        is_causal: bool,
        reads_source: bool,
        layer: int,
    ):
        super().__init__()
        self.is_pre = norm_position == "pre"
        self.dropout = nn.Dropout(dropout)
        self.self_attention = SelfAttention(hidden_size, num_heads, attention_dropout, is_causal, layer)
        self.self_attention_norm = nn.LayerNorm(hidden_size, eps=norm_eps)
        if reads_source:
            self.cross_attention = CrossAttention(hidden_size, num_heads, attention_dropout, layer)
            self.cross_attention_norm = nn.LayerNorm(hidden_size, eps=norm_eps)
        self.feed_forward = FeedForward(hidden_size, intermediate_size, activation)
        self.feed_forward_norm = nn.LayerNorm(hidden_size, eps=norm_eps)

    def forward(
        self,
        states: Tensor,
        mask: Tensor | None,
        rotation: Rotation | None,
        source: Tensor | None,
        source_mask: Tensor | None,
        implementation: str,
        past_key_values: Any = None,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """New states `(batch, length, hidden_size)`, and the weights of both attentions where there are any."""
        cache = getattr(past_key_values, "self_attention_cache", past_key_values)
        entering = self.self_attention_norm(states) if self.is_pre else states
        added, weights = self.self_attention(entering, mask, rotation, cache, implementation)
        states = self._add(states, added, self.self_attention_norm)
        cross_weights = None
        if source is not None:
            entering = self.cross_attention_norm(states) if self.is_pre else states
            added, cross_weights = self.cross_attention(entering, source, source_mask, past_key_values, implementation)
            states = self._add(states, added, self.cross_attention_norm)
        entering = self.feed_forward_norm(states) if self.is_pre else states
        return self._add(states, self.feed_forward(entering), self.feed_forward_norm), weights, cross_weights

    def _add(self, states: Tensor, added: Tensor, norm: nn.LayerNorm) -> Tensor:
        states = states + self.dropout(added)
        return states if self.is_pre else norm(states)


@dataclass
class StackOutput:
    """What a stack made of its texts.

    Args:
        states: of the last layer, `(batch, length, hidden_size)`.
        hidden_states: what enters the first layer and what leaves each, where asked for.
        attentions: of each layer, `(batch, heads, length, length)`, where asked for.
        cross_attentions: of each layer, `(batch, heads, length, source_length)`, where asked for.
    """

    states: Tensor
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None
    cross_attentions: tuple[Tensor, ...] | None = None


@dataclass(frozen=True)
class Wanted:
    """What is to be kept beside the last states, and how attention is computed: only `eager` has weights to show."""

    hidden_states: bool = False
    attentions: bool = False
    implementation: str = "sdpa"


class TransformerStack(nn.Module):
    """Layers one above the other, and a last normalisation where they end without one.

    Args:
        hidden_size: width of a state.
        num_layers: layers.
        num_heads: views of attention.
        intermediate_size: inner width of the feed-forward layers.
        activation: `relu`, `gelu` or `swiglu`.
        norm_position: `pre` or `post`.
        norm_eps: added to the variance.
        dropout: of what each sub-layer adds.
        attention_dropout: of the weights of attention.
        is_causal: whether a token sees only what stands before it.
        reads_source: whether each layer also attends to another text.
    """

    def __init__(
        self,
        hidden_size: int,
        num_layers: int,
        *,
        norm_position: str = "pre",
        norm_eps: float = 1e-5,
        **options: Any,
    ):
        super().__init__()
        options = {"is_causal": False, "reads_source": False, **options}
        self.layers = nn.ModuleList(
            TransformerLayer(hidden_size, norm_position=norm_position, norm_eps=norm_eps, layer=layer, **options)
            for layer in range(num_layers)
        )
        self.last_norm = nn.LayerNorm(hidden_size, eps=norm_eps) if norm_position == "pre" else None
        # `gradient_checkpointing_enable()` sets this, and beside it the function. transformers' own layer for it stands
        # in a file that imports its Auto classes, which want this family registered before it is there.
        self.gradient_checkpointing = False
        self._gradient_checkpointing_func: Any = None

    def forward(
        self,
        states: Tensor,
        wanted: Wanted,
        mask: Tensor | None = None,
        rotation: Rotation | None = None,
        source: Tensor | None = None,
        source_mask: Tensor | None = None,
        tokens: Tensor | None = None,
        past_key_values: Any = None,
    ) -> StackOutput:
        """Run the layers.

        Args:
            states: words in their places, `(batch, length, hidden_size)`.
            wanted: what to keep.
            mask: what each token may see, as attention takes it; `None` for all, or all before it when causal.
            rotation: of `Positions`.
            source: `(batch, source_length, hidden_size)`.
            source_mask: what each token may see of it.
            tokens: where there is a token, boolean `(batch, length)`: elsewhere the last states are zeros.
            past_key_values: a cache, brought up to date in place.
        """
        hidden, attentions, cross_attentions = [states], [], []
        for layer in self.layers:
            inputs = (states, mask, rotation, source, source_mask, wanted.implementation)
            if self.gradient_checkpointing and self.training:
                # What is computed twice must not be remembered twice: there is no cache.
                states, weights, cross_weights = self._gradient_checkpointing_func(layer, *inputs)
            else:
                states, weights, cross_weights = layer(*inputs, past_key_values)
            hidden.append(states)
            attentions.append(weights)
            cross_attentions.append(cross_weights)
        if self.last_norm is not None:
            states = self.last_norm(states)
        if tokens is not None:
            states = states.masked_fill(~tokens.unsqueeze(-1), 0.0)
        hidden[-1] = states
        return StackOutput(
            states,
            tuple(hidden) if wanted.hidden_states else None,
            tuple(attentions) if wanted.attentions else None,
            tuple(cross_attentions) if wanted.attentions and source is not None else None,
        )


def initialize_transformer(module: nn.Module, initializer_range: float | None) -> None:
    """What `_init_weights` does with a module of any of these; without a range, vectors begin with a length of 1."""
    if isinstance(module, nn.Embedding):
        init.normal_(module.weight, std=module.embedding_dim**-0.5 if initializer_range is None else initializer_range)
    elif isinstance(module, nn.Linear):
        init.xavier_uniform_(module.weight)
        if module.bias is not None:
            init.zeros_(module.bias)
    elif isinstance(module, nn.LayerNorm):
        init.ones_(module.weight)
        init.zeros_(module.bias)

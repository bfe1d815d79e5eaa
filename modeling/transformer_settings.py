"""The settings that Transformers of all three shapes have, with their checks; each family adds its own."""

from typing import Any, Literal

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig


@strict
class TransformerSettings(PreTrainedConfig):
    """Settings of Transformer layers (Vaswani et al. 2017).

    Args:
        vocab_size: number of words, special tokens included.
        hidden_size: width of a word vector and of a token's state.
        num_hidden_layers: layers; of a model that has two stacks, in each.
        num_attention_heads: views of attention side by side, each `hidden_size / num_attention_heads` wide.
        intermediate_size: width between the two linear layers of a feed-forward layer.
        hidden_act: between them: `relu` (Vaswani et al. 2017), `gelu` (Hendrycks & Gimpel 2016), or `swiglu`, where a
            third linear layer opens and shuts a gate (Shazeer 2020).
        norm_position: normalise what enters a sub-layer (`pre`, Xiong et al. 2020), which trains without a long
            warm-up, or what leaves it (`post`, the original).
        position_type: how a token knows its place: `sinusoidal` (Vaswani et al. 2017) and `learned` vectors are added
            to the words', `rotary` turns queries and keys by it (Su et al. 2021).
        max_position_embeddings: for `learned`: texts of more tokens are refused. The other two go on without an end,
            and pre-training notes here how long its texts were.
        rotary_base: for `rotary`: how many times slower the slowest pair of components turns than the quickest.
        layer_norm_eps: added to the variance.
        hidden_dropout_prob: probability of zeroing a component of what a sub-layer adds, and of the words, in training.
        attention_probs_dropout_prob: probability of overlooking a token in training.
        tie_word_embeddings: output vectors are the word vectors.
        initializer_range: standard deviation of random word vectors; `None` for vectors of about length 1.
    """

    vocab_size: int = 30000
    hidden_size: int = 256
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    intermediate_size: int = 1024
    hidden_act: Literal["relu", "gelu", "swiglu"] = "gelu"
    norm_position: Literal["pre", "post"] = "pre"
    position_type: Literal["sinusoidal", "learned", "rotary"] = "rotary"
    max_position_embeddings: int = 512
    rotary_base: float | int = 10000.0
    layer_norm_eps: float | int = 1e-5
    hidden_dropout_prob: float | int = 0.1
    attention_probs_dropout_prob: float | int = 0.1
    tie_word_embeddings: bool = True
    initializer_range: float | int | None = 0.02
    pad_token_id: int | None = 0

    @property
    def head_size(self) -> int:
        """Width of one head."""
        return self.hidden_size // self.num_attention_heads

    def layer_options(self) -> dict[str, Any]:
        """What `TransformerStack` is made of."""
        return {
            "hidden_size": self.hidden_size,
            "num_layers": self.num_hidden_layers,
            "num_heads": self.num_attention_heads,
            "intermediate_size": self.intermediate_size,
            "activation": self.hidden_act,
            "norm_position": self.norm_position,
            "norm_eps": self.layer_norm_eps,
            "dropout": self.hidden_dropout_prob,
            "attention_dropout": self.attention_probs_dropout_prob,
        }

    def position_options(self) -> dict[str, Any]:
        """What `Positions` is made of."""
        return {
            "position_type": self.position_type,
            "hidden_size": self.hidden_size,
            "head_size": self.head_size,
            "max_positions": self.max_position_embeddings,
            "rotary_base": self.rotary_base,
        }

    def wanted(self, attentions: bool | None, hidden_states: bool | None) -> dict[str, Any]:
        """What `Wanted` is made of: what a call asks for, or else these settings."""
        attentions = self.output_attentions if attentions is None else attentions
        hidden_states = self.output_hidden_states if hidden_states is None else hidden_states
        return {
            "attentions": bool(attentions),
            "hidden_states": bool(hidden_states),
            "implementation": "eager" if attentions else self._attn_implementation,
        }

    def validate_sizes(self):
        """Refuse sizes that cannot be, and a padding id outside the vocabulary."""
        sizes = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
        for field in (*sizes, "max_position_embeddings"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} is {getattr(self, field)}, but must be at least 1")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size is {self.hidden_size}, but must be a multiple of num_attention_heads, "
                f"{self.num_attention_heads}"
            )
        if self.position_type == "rotary" and self.head_size % 2:
            raise ValueError(
                f"hidden_size is {self.hidden_size} and num_attention_heads {self.num_attention_heads}, which makes "
                f"heads of {self.head_size}, but rotary positions turn pairs: position_type needs an even size of heads"
            )
        if self.pad_token_id is not None and not 0 <= self.pad_token_id < self.vocab_size:
            raise ValueError(f"pad_token_id is {self.pad_token_id}, but must be below vocab_size, {self.vocab_size}")

    def validate_numbers(self):
        """Refuse dropouts outside of 0 to 1, and scales that are none."""
        for field in ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"):
            if not 0 <= getattr(self, field, 0.0) < 1:
                raise ValueError(f"{field} is {getattr(self, field)}, but must be at least 0 and below 1")
        for field in ("rotary_base", "layer_norm_eps", "initializer_range"):
            value = getattr(self, field)
            if not (value is None and field == "initializer_range") and not (value and 0 < value < float("inf")):
                raise ValueError(f"{field} is {getattr(self, field)}, but must be above 0")

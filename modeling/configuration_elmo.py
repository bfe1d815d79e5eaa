"""Configuration of ELMo (Peters et al. 2018)."""

from typing import Literal

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig


@strict
class ELMoConfig(PreTrainedConfig):
    """Settings of ELMo.

    The defaults are a small model. The original of Peters et al. 2018, section 3.4, has `projection_size=512`,
    `cell_size=4096`, `filters=[[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]]`,
    `num_highway_layers=2`, `cell_clip=3`, `projection_clip=3` and `num_softmax_samples=8192`.

    Args:
        vocab_size: number of words, special tokens included: those that are predicted, and with `words` also read.
        token_input: what a word is to the model: its `characters`, or one of the `words` that it has a vector for.
        max_characters: numbers that spell a word; at least as many as the widest filter sees.
        character_embedding_size: width of a character's vector.
        filters: the character CNN's filters: pairs of a width in characters and a number.
        num_highway_layers: highway layers behind the filters.
        character_activation: of the filters: `relu` or `tanh`.
        projection_size: width of a word's vector, and of what each layer gives in each direction.
        cell_size: width of the LSTM cells, above `projection_size`.
        num_hidden_layers: LSTM layers in each direction.
        cell_clip: cells are kept between minus and plus this; `None` for no limit.
        projection_clip: the same for what a layer gives. With either limit PyTorch has no fast kernel.
        skip_connections: from the second layer on, add a layer's input to its output.
        hidden_dropout_prob: probability of zeroing a component before each layer and before the softmax in training.
        num_softmax_samples: words that the softmax is estimated from in training; 0 for all of them. A sample needs a
            vocabulary in the order of falling frequency.
        scalar_mix_layer_norm: normalize each layer before the layers are mixed.
        freeze_encoder: train only the mix of the layers and what stands upon it, as the paper does.
        tag_decoder: how a tagger chooses: each tag by itself (`softmax`), or the best sequence (`crf`).
        classifier_dropout: probability of zeroing a component before a head in training.
        generation_direction: the order in which `ELMoForCausalLM` reads and writes: `forward`, or `backward` from the
            last word to the first.
        initializer_range: random word and character vectors are uniform between minus and plus this.
        bos_token_id: the word that stands before every text; the model puts it there itself.
        eos_token_id: the word that stands behind every text.
    """

    model_type = "wordemb_elmo"

    vocab_size: int = 30000
    token_input: Literal["characters", "words"] = "characters"
    max_characters: int = 50
    character_embedding_size: int = 16
    filters: list[list[int]] | tuple[tuple[int, int], ...] = ((1, 32), (2, 32), (3, 64), (4, 128))
    num_highway_layers: int = 1
    character_activation: Literal["relu", "tanh"] = "relu"
    projection_size: int = 128
    cell_size: int = 256
    num_hidden_layers: int = 2
    cell_clip: float | int | None = None
    projection_clip: float | int | None = None
    skip_connections: bool = True
    hidden_dropout_prob: float | int = 0.1
    num_softmax_samples: int = 0
    scalar_mix_layer_norm: bool = False
    freeze_encoder: bool = False
    tag_decoder: Literal["softmax", "crf"] = "softmax"
    classifier_dropout: float | int = 0.5
    generation_direction: Literal["forward", "backward"] = "forward"
    initializer_range: float | int = 0.1
    pad_token_id: int | None = 0
    bos_token_id: int = 2
    eos_token_id: int = 3

    def __post_init__(self, **kwargs):
        self.filters = [list(pair) for pair in self.filters]
        super().__post_init__(**kwargs)

    @property
    def hidden_size(self) -> int:
        """Width of a token's vector: both directions side by side."""
        return 2 * self.projection_size

    def validate_sizes(self):
        """Refuse sizes below their least, cells that need no projection, and token ids outside the vocabulary."""
        least = {"num_highway_layers": 0, "num_softmax_samples": 0, "max_characters": 3}
        for field in (
            "vocab_size",
            "max_characters",
            "character_embedding_size",
            "num_highway_layers",
            "projection_size",
            "cell_size",
            "num_hidden_layers",
            "num_softmax_samples",
        ):
            if getattr(self, field) < least.get(field, 1):
                raise ValueError(f"{field} is {getattr(self, field)}, but must be at least {least.get(field, 1)}")
        if self.cell_size <= self.projection_size:
            raise ValueError(
                f"cell_size is {self.cell_size}, but must be above projection_size, {self.projection_size}"
            )
        for field in ("pad_token_id", "bos_token_id", "eos_token_id"):
            value = getattr(self, field)
            if value is not None and not 0 <= value < self.vocab_size:
                raise ValueError(f"{field} is {value}, but must be below vocab_size, {self.vocab_size}")

    def validate_filters(self):
        """Refuse no filters at all, and filters wider than a word or of no number."""
        if not self.filters or not all(
            len(pair) == 2 and 1 <= pair[0] <= self.max_characters and pair[1] >= 1 for pair in self.filters
        ):
            raise ValueError(
                f"filters is {self.filters}, but must hold one or more pairs of a width from 1 to max_characters, "
                f"{self.max_characters}, and a number of at least 1"
            )

    def validate_ranges(self):
        """Refuse dropouts outside of 0 to 1, limits that leave nothing, and a range of random vectors that is none."""
        for field in ("hidden_dropout_prob", "classifier_dropout"):
            if not 0 <= getattr(self, field) < 1:
                raise ValueError(f"{field} is {getattr(self, field)}, but must be at least 0 and below 1")
        for field in ("cell_clip", "projection_clip"):
            if getattr(self, field) is not None and not getattr(self, field) > 0:
                raise ValueError(f"{field} is {getattr(self, field)}, but must be above 0, or None")
        if not 0 < self.initializer_range < float("inf"):
            raise ValueError(f"initializer_range is {self.initializer_range}, but must be above 0")

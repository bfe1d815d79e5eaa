"""Configuration of TextCNN (Kim 2014)."""

from typing import Literal

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig


@strict
class TextCNNConfig(PreTrainedConfig):
    """Settings of TextCNN; the defaults are those of Kim 2014, section 3.1, but for the width of the vectors.

    Args:
        vocab_size: number of words, special tokens included.
        embedding_size: width of a word vector.
        num_filters: features for each filter size.
        filter_sizes: widths of the windows, in tokens.
        embedding_mode: `rand` (random vectors, trained), `static` (given vectors, frozen), `non-static` (given vectors,
            trained) or `multichannel` (both copies side by side).
        num_bigram_buckets: pairs of adjacent tokens have vectors too, hashed into so many; 0 for none. They serve texts
            that are read in characters (Chen et al. 2015).
        bigram_embedding_size: width of a pair's vector; a token has that of the pair before and of the pair behind.
        hidden_act: what follows the convolution: `relu`, `tanh` or `gelu`.
        embedding_dropout: probability of zeroing a component of a word vector in training.
        classifier_dropout: probability of zeroing a component before the head in training.
        initializer_range: random word vectors are uniform between minus and plus this.
    """

    model_type = "wordemb_textcnn"

    vocab_size: int = 30000
    embedding_size: int = 128
    num_filters: int = 100
    filter_sizes: list[int] | tuple[int, ...] = (3, 4, 5)
    embedding_mode: Literal["rand", "static", "non-static", "multichannel"] = "rand"
    num_bigram_buckets: int = 0
    bigram_embedding_size: int = 50
    hidden_act: Literal["relu", "tanh", "gelu"] = "relu"
    embedding_dropout: float | int = 0.0
    classifier_dropout: float | int = 0.5
    initializer_range: float | int = 0.05
    pad_token_id: int | None = 0

    def __post_init__(self, **kwargs):
        self.filter_sizes = list(self.filter_sizes)
        super().__post_init__(**kwargs)

    @property
    def hidden_size(self) -> int:
        """Width of the features, of a token as of a text: all filters of all sizes."""
        return self.num_filters * len(self.filter_sizes)

    def validate_sizes(self):
        """Refuse sizes below one, no filter sizes, and a padding id outside the vocabulary."""
        for field in ("vocab_size", "embedding_size", "num_filters"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} is {getattr(self, field)}, but must be at least 1")
        if self.num_bigram_buckets < 0 or self.bigram_embedding_size < 1:
            raise ValueError(
                f"num_bigram_buckets is {self.num_bigram_buckets} and bigram_embedding_size "
                f"{self.bigram_embedding_size}, but must be at least 0 and at least 1"
            )
        if not self.filter_sizes or min(self.filter_sizes) < 1:
            raise ValueError(f"filter_sizes is {self.filter_sizes}, but must hold one or more widths of at least 1")
        if self.pad_token_id is not None and not 0 <= self.pad_token_id < self.vocab_size:
            raise ValueError(f"pad_token_id is {self.pad_token_id}, but must be below vocab_size, {self.vocab_size}")

    def validate_probabilities(self):
        """Refuse dropouts outside of 0 to 1, and a range of random vectors that is none."""
        for field in ("embedding_dropout", "classifier_dropout"):
            if not 0 <= getattr(self, field) < 1:
                raise ValueError(f"{field} is {getattr(self, field)}, but must be at least 0 and below 1")
        if not 0 < self.initializer_range < float("inf"):
            raise ValueError(f"initializer_range is {self.initializer_range}, but must be above 0")

"""Configuration of the two-way LSTM family."""

from typing import Literal

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig


@strict
class BiLSTMConfig(PreTrainedConfig):
    """Settings of a two-way LSTM.

    Args:
        vocab_size: number of words, special tokens included.
        embedding_size: width of a word vector.
        hidden_size: width of a token's state: both directions side by side, half of it each.
        num_hidden_layers: layers; each reads both directions of the one below.
        pooling: the vector of a text: the `last` states of both directions, the `max` or `mean` over all tokens, or
            `attention`.
        attention_size: width of the layer that scores tokens for `attention`.
        attention_hops: weighted means; 1 for additive attention, several for structured self-attention.
        attention_penalty: weight of the penalty on hops that look at the same places, in a classifier's loss.
        character_encoder: what reads a word's spelling beside its vector: `none`, `cnn` (Ma & Hovy 2016) or `lstm`
            (Lample et al. 2016).
        character_embedding_size: width of a character's vector.
        character_hidden_size: width of what the spelling adds to the word vector; even for `lstm`.
        max_characters: length of a spelling, its two boundaries included; longer words are cut.
        num_bigram_buckets: pairs of adjacent tokens have vectors too, hashed into so many; 0 for none. They serve texts
            that are read in characters (Chen et al. 2015).
        bigram_embedding_size: width of a pair's vector; a token has that of the pair before and of the pair behind.
        tag_decoder: each tag by itself (`softmax`), or the best sequence of all (`crf`, Huang et al. 2015).
        embedding_dropout: probability of zeroing a component of what enters the first layer in training.
        hidden_dropout_prob: the same between layers.
        dropout_type: drawn anew for each step (`standard`), or once for a text (`variational`).
        classifier_dropout: probability of zeroing a component before a head in training.
        tie_word_embeddings: the cloze model's output vectors are its word vectors.
        initializer_range: random word vectors are uniform between minus and plus this.
    """

    model_type = "wordemb_bilstm"
    keys_to_ignore_at_inference = ["attentions", "tags", "emissions"]  # Trainer gathers what is left: the logits

    vocab_size: int = 30000
    embedding_size: int = 100
    hidden_size: int = 200
    num_hidden_layers: int = 1
    pooling: Literal["last", "max", "mean", "attention"] = "max"
    attention_size: int = 100
    attention_hops: int = 1
    attention_penalty: float | int = 0.0
    character_encoder: Literal["none", "cnn", "lstm"] = "none"
    character_embedding_size: int = 30
    character_hidden_size: int = 50
    max_characters: int = 30
    num_bigram_buckets: int = 0
    bigram_embedding_size: int = 50
    tag_decoder: Literal["softmax", "crf"] = "softmax"
    embedding_dropout: float | int = 0.0
    hidden_dropout_prob: float | int = 0.0
    dropout_type: Literal["standard", "variational"] = "standard"
    classifier_dropout: float | int = 0.5
    tie_word_embeddings: bool = True
    initializer_range: float | int = 0.1
    pad_token_id: int | None = 0

    def validate_sizes(self):
        """Refuse sizes that cannot be, and a padding id outside the vocabulary."""
        fields = ("vocab_size", "embedding_size", "num_hidden_layers", "attention_size", "attention_hops")
        for field in (*fields, "character_embedding_size"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} is {getattr(self, field)}, but must be at least 1")
        if self.num_bigram_buckets < 0 or self.bigram_embedding_size < 1:
            raise ValueError(
                f"num_bigram_buckets is {self.num_bigram_buckets} and bigram_embedding_size "
                f"{self.bigram_embedding_size}, but must be at least 0 and at least 1"
            )
        if self.max_characters < 3:
            raise ValueError(f"max_characters is {self.max_characters}, but must be at least 3: two are boundaries")
        halved = ("hidden_size", "character_hidden_size") if self.character_encoder == "lstm" else ("hidden_size",)
        for field in ("hidden_size", "character_hidden_size"):
            value = getattr(self, field)
            if value < 1 or (field in halved and value % 2):
                even = " and even, half for each direction" if field in halved else ""
                raise ValueError(f"{field} is {value}, but must be at least 1{even}")
        if self.pad_token_id is not None and not 0 <= self.pad_token_id < self.vocab_size:
            raise ValueError(f"pad_token_id is {self.pad_token_id}, but must be below vocab_size, {self.vocab_size}")

    def validate_probabilities(self):
        """Refuse dropouts outside of 0 to 1, a negative penalty, and a range of random vectors that is none."""
        for field in ("embedding_dropout", "hidden_dropout_prob", "classifier_dropout"):
            if not 0 <= getattr(self, field) < 1:
                raise ValueError(f"{field} is {getattr(self, field)}, but must be at least 0 and below 1")
        if not 0 <= self.attention_penalty < float("inf"):
            raise ValueError(f"attention_penalty is {self.attention_penalty}, but must not be negative")
        if not 0 < self.initializer_range < float("inf"):
            raise ValueError(f"initializer_range is {self.initializer_range}, but must be above 0")

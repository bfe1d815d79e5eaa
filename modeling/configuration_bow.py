"""Configuration of the bag of words (Wang & Manning 2012)."""

from typing import Literal

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig


@strict
class BowConfig(PreTrainedConfig):
    """Settings of the bag of words.

    Args:
        vocab_size: number of words, special tokens included.
        num_bigram_buckets: pairs of adjacent words are hashed into so many features; 0 for no pairs.
        weighting: what a feature weighs that occurs `n` times: `binary` (1), `count` (n), `tfidf` (n * idf) or
            `sublinear-tfidf` ((1 + ln n) * idf); idf is 1 until it is fitted.
        normalization: `l2` (the weights of a text have length 1) or `none`.
        feature_scaling: the classifier trusts features equally (`none`), or by how much they tell, as soon as that has
            been counted (`log-count-ratio`).
        classifier_dropout: probability of leaving a feature of a text out in training.
    """

    model_type = "wordemb_bow"

    vocab_size: int = 30000
    num_bigram_buckets: int = 0
    weighting: Literal["binary", "count", "tfidf", "sublinear-tfidf"] = "tfidf"
    normalization: Literal["l2", "none"] = "l2"
    feature_scaling: Literal["none", "log-count-ratio"] = "log-count-ratio"
    classifier_dropout: float | int = 0.0
    pad_token_id: int | None = 0

    @property
    def hidden_size(self) -> int:
        """Width of a text's vector: the words, and behind them the buckets of bigrams."""
        return self.vocab_size + self.num_bigram_buckets

    def validate_sizes(self):
        """Refuse no words, a negative number of buckets, more than can be hashed, and a padding id that is no word."""
        for field, least in (("vocab_size", 1), ("num_bigram_buckets", 0)):
            if not least <= getattr(self, field) < 2**31 - 1:
                raise ValueError(f"{field} is {getattr(self, field)}, but must be at least {least} and below 2**31 - 1")
        if self.pad_token_id is not None and not 0 <= self.pad_token_id < self.vocab_size:
            raise ValueError(f"pad_token_id is {self.pad_token_id}, but must be below vocab_size, {self.vocab_size}")

    def validate_dropout(self):
        """Refuse a dropout outside of 0 to 1."""
        if not 0 <= self.classifier_dropout < 1:
            raise ValueError(f"classifier_dropout is {self.classifier_dropout}, but must be at least 0 and below 1")

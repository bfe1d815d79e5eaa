"""Configuration of word2vec (Mikolov et al. 2013; Bojanowski et al. 2017)."""

from typing import Literal

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

_AT_LEAST_ONE = (
    *("vocab_size", "hidden_size", "window_size", "num_negatives"),
    *("max_code_length", "min_ngram", "max_ngrams", "max_word_ngram"),
)


@strict
class Word2VecConfig(PreTrainedConfig):
    """Settings of word2vec; the defaults are those of word2vec.c, and for n-grams fastText's.

    Args:
        vocab_size: number of words, special tokens included: 0 is `<pad>`, 1 is `<unk>`, then words by frequency.
        hidden_size: width of a word vector.
        algorithm: `skipgram` (each word of a window predicts the word in its middle) or `cbow` (their mean does).
        loss: `negative_sampling`, or `hierarchical_softmax` over a Huffman tree of the words.
        window_size: words on each side, at most; the actual number is drawn between 1 and this for each window.
        num_negatives: noise words for each window.
        negative_exponent: noise words are drawn with probability proportional to `count ** negative_exponent`.
        max_code_length: decisions on the way to a word, at most; hierarchical softmax only.
        subsample_threshold: words more frequent than this share of the text are thinned out; 0 keeps all.
        num_ngram_buckets: rows for character n-grams, which are hashed to them; 0 for none.
        min_ngram: characters of an n-gram, at least; `<` and `>` around a word count.
        max_ngram: characters of an n-gram, at most; 0 for words without n-grams, as in fastText.
        max_ngrams: n-grams of a word, at most; the first ones are kept.
        max_word_ngram: words that stand together and share a row of those buckets, at most; 1 for none. The tokenizer
            tells their rows, and only the vector of a text has a use for them.
        pooling: the vector of a text is the mean of the vectors of its `words`, or, as in fastText's classifier, of all
            `rows` that its words and groups of words have, in which unknown words have no share.
        classifier_dropout: probability of zeroing a component before a head in training.
    """

    model_type = "wordemb_word2vec"

    vocab_size: int = 30000
    hidden_size: int = 100
    algorithm: Literal["skipgram", "cbow"] = "skipgram"
    loss: Literal["negative_sampling", "hierarchical_softmax"] = "negative_sampling"
    window_size: int = 5
    num_negatives: int = 5
    negative_exponent: float | int = 0.75
    max_code_length: int = 40
    subsample_threshold: float | int = 1e-3
    num_ngram_buckets: int = 0
    min_ngram: int = 3
    max_ngram: int = 6
    max_ngrams: int = 64
    max_word_ngram: int = 1
    pooling: Literal["words", "rows"] = "words"
    classifier_dropout: float | int = 0.0
    pad_token_id: int | None = 0

    def validate_sizes(self):
        """Refuse sizes below one, and a padding id outside the vocabulary."""
        for field in _AT_LEAST_ONE:
            if getattr(self, field) < 1:
                raise ValueError(f"{field} is {getattr(self, field)}, but must be at least 1")
        if self.pad_token_id is not None and not 0 <= self.pad_token_id < self.vocab_size:
            raise ValueError(f"pad_token_id is {self.pad_token_id}, but must be below vocab_size, {self.vocab_size}")

    def validate_ngrams(self):
        """Refuse a number of buckets that is negative or beyond 32 bits, and lengths that exclude each other."""
        if not 0 <= self.num_ngram_buckets < 2**31 - 1:
            raise ValueError(
                f"num_ngram_buckets is {self.num_ngram_buckets}, but must be at least 0 and below {2**31 - 1}"
            )
        if self.max_ngram != 0 and self.max_ngram < self.min_ngram:
            raise ValueError(
                f"max_ngram is {self.max_ngram}, but must be at least min_ngram, {self.min_ngram}, or 0 for none"
            )
        if self.max_word_ngram > 1 and not (self.num_ngram_buckets and self.pooling == "rows"):
            raise ValueError(
                f"max_word_ngram is {self.max_word_ngram}, which needs pooling of rows and num_ngram_buckets"
            )

    def validate_probabilities(self):
        """Refuse a dropout outside of 0 to 1, a negative threshold, and an exponent that is no number."""
        if not 0 <= self.classifier_dropout < 1:
            raise ValueError(f"classifier_dropout is {self.classifier_dropout}, but must be at least 0 and below 1")
        if not 0 <= self.subsample_threshold < float("inf"):
            raise ValueError(f"subsample_threshold is {self.subsample_threshold}, but must not be negative")
        if not abs(self.negative_exponent) < float("inf"):
            raise ValueError(f"negative_exponent is {self.negative_exponent}, but must be a finite number")

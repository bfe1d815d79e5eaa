"""Words, and the n-grams of those that are unseen: a `tokenizer.json` of whole words that says more of what it lacks.

For word vectors that are made of character n-grams (Bojanowski et al. 2017): a word that the vocabulary does not know
is `<unk>`, and its n-grams tell the model which vector to give it.
"""

from collections.abc import Iterable, Sequence

from .ngram_hashing import Ngrams, NgramScheme, hash_ngrams, hash_word_groups, no_ngrams
from .token_numbers import TokenNumbersTokenizer


class NgramWordTokenizer(TokenNumbersTokenizer):
    """A fast tokenizer of words that gives `ngram_ids (batch, length, max_ngrams)` beside the usual.

    They are zeros but for words that become `<unk>`: a model has the n-grams of the words that it knows. A word's
    n-grams are those of its normalised form, lower-cased where the vocabulary is. A `<unk>` that stands in the text
    has none. Take `ngram_ids` out of `model_input_names`, and it is a plain tokenizer.

    Args:
        num_ngram_buckets: ids that there are, from 1 up.
        min_ngram: characters of an n-gram, at least; 3 by default.
        max_ngram: characters of an n-gram, at most; 6 by default.
        max_ngrams: n-grams of a word, at most; 64 by default.
        max_word_ngram: words of a group that has a bucket as well, at most; 1, the default, for none. The buckets of
            the groups that begin with a token stand behind its n-grams, known or not.
    """

    model_input_names = ["input_ids", "attention_mask", "ngram_ids"]
    numbers_name = "ngram_ids"
    # For save_pretrained: it names this class in tokenizer_config.json, and copies this file and its siblings.
    _auto_class = "AutoTokenizer"

    # A property of what transformers keeps: a remote class with an __init__ of its own gets an empty vocabulary.
    @property
    def scheme(self) -> NgramScheme:
        """Which n-grams a word has; a tokenizer that was given no buckets has none to hash to."""
        given = {name: self.init_kwargs[name] for name in NgramScheme._fields if name in self.init_kwargs}
        return NgramScheme(**{"num_ngram_buckets": 0, **given})

    @property
    def numbers_size(self) -> int:
        """Numbers for each word."""
        return self.scheme.max_ngrams + self.max_word_ngram - 1

    @property
    def max_word_ngram(self) -> int:
        """Words of a group that has a bucket, at most."""
        return self.init_kwargs.get("max_word_ngram", 1)

    def hash_tokens(self, tokens: Iterable[str]) -> list[Ngrams]:
        """The n-grams of tokens of the vocabulary, zeros for special ones: `max_ngrams` each.

        Raises:
            ValueError: when the numbers that say which n-grams there are exclude each other.
        """
        scheme, special = self.scheme, set(self.all_special_tokens)
        nothing = no_ngrams(scheme.max_ngrams)
        return [nothing if token in special else hash_ngrams(self.as_read(token), scheme) for token in tokens]

    def numbers_of(self, tokens: Sequence[tuple[int, str | None]]) -> list[Ngrams]:
        """The n-grams of tokens that are unknown words, zeros for all others; behind them those of groups of words."""
        own = self._numbers_of_words(tokens)
        if self.max_word_ngram == 1:
            return own
        written = [
            name if text is None else self._normalized(text)
            for (_, text), name in zip(tokens, self._names(tokens), strict=True)
        ]
        groups = hash_word_groups(written, self.scheme.num_ngram_buckets, self.max_word_ngram)
        return [(*ngrams, *group) for ngrams, group in zip(own, groups, strict=True)]

    def _names(self, tokens: Sequence[tuple[int, str | None]]) -> list[str]:
        return [self.as_read(str(self.convert_ids_to_tokens(token))) for token, _ in tokens]

    def _normalized(self, written: str) -> str:
        normalizer = self.backend_tokenizer.normalizer
        return self.as_read(normalizer.normalize_str(written) if normalizer else written)

    def _numbers_of_words(self, tokens: Sequence[tuple[int, str | None]]) -> list[Ngrams]:
        scheme, unknown, name = self.scheme, self.unk_token_id, self.unk_token
        nothing = no_ngrams(scheme.max_ngrams)
        numbers = []
        for token, written in tokens:
            if token != unknown or written is None or written == name:
                numbers.append(nothing)
            else:
                numbers.append(hash_ngrams(self._normalized(written), scheme))
        return numbers

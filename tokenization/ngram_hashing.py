"""Character n-grams of a word as numbers of hash buckets: the scheme of fastText (Bojanowski et al. 2017, section 3.2).

A word stands between `<` and `>`, so that its beginning and its end show. Its n-grams, in characters, are hashed as in
fastText's `dictionary.cc`: the same word has the same buckets there. Here they are numbered from 1, and 0 is left for
no n-gram.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

_OFFSET, _PRIME, _BITS = 2166136261, 16777619, 0xFFFFFFFF  # of FNV-1a in 32 bits
_GROUP_PRIME, _LONG_BITS, _UPPER = 116049371, 0xFFFFFFFFFFFFFFFF, 0xFFFFFFFF00000000

Ngrams = tuple[int, ...]  # (max_ngrams,)


class NgramScheme(NamedTuple):
    """Which n-grams a word has, and where they go.

    Args:
        num_ngram_buckets: numbers that there are.
        min_ngram: characters of an n-gram, at least.
        max_ngram: characters of an n-gram, at most; 0 for no n-grams.
        max_ngrams: n-grams of a word, at most; the first ones are kept.
    """

    num_ngram_buckets: int
    min_ngram: int = 3
    max_ngram: int = 6
    max_ngrams: int = 64


@lru_cache(1 << 16)  # words repeat
def hash_ngrams(word: str, scheme: NgramScheme) -> Ngrams:
    """The buckets of a word's n-grams, from 1 up, by where they begin and then by length; zeros behind.

    Raises:
        ValueError: when the scheme has no buckets, no room, or lengths that exclude each other.
    """
    if scheme.max_ngram == 0:
        return no_ngrams(scheme.max_ngrams)
    if min(scheme.num_ngram_buckets, scheme.min_ngram, scheme.max_ngrams) < 1 or scheme.max_ngram < scheme.min_ngram:
        raise ValueError(
            f"{scheme} must have num_ngram_buckets, min_ngram and max_ngrams of at least 1, and max_ngram of min_ngram"
        )
    buckets, shortest, longest, most = scheme
    characters = [character.encode("utf-8", "ignore") for character in f"<{word}>"]
    found: list[int] = []
    for first in range(len(characters)):
        if len(found) >= most:
            break
        value = _OFFSET
        for length, character in enumerate(characters[first : first + longest], 1):
            value = _hash(character, value)
            boundary = length == 1 and first in (0, len(characters) - 1)  # < or > alone
            if length >= shortest and not boundary:
                found.append(value % buckets + 1)
    return (*found[:most], *no_ngrams(most - len(found)))


def hash_word_groups(words: Sequence[str], num_buckets: int, longest: int) -> list[Ngrams]:
    """The buckets of groups of words that stand together, as in fastText's `addWordNgrams`.

    Args:
        words: of a text, in order.
        num_buckets: numbers that there are.
        longest: words of a group, at most.

    Returns:
        For each word the buckets, from 1 up, of the groups of 2, 3, … words that begin with it; zeros behind.
    """
    hashes = [_hash(word.encode("utf-8", "ignore"), _OFFSET) for word in words]
    # fastText keeps a hash as a signed number of 32 bits, and widens it to 64.
    hashes = [value | _UPPER if value >> 31 else value for value in hashes]
    groups = []
    for first, value in enumerate(hashes):
        found = []
        for following in hashes[first + 1 : first + longest]:
            value = (value * _GROUP_PRIME + following) & _LONG_BITS
            found.append(value % num_buckets + 1)
        groups.append((*found, *no_ngrams(longest - 1 - len(found))))
    return groups


def _hash(data: bytes, value: int) -> int:
    for byte in data:
        # fastText widens a byte with its sign: above 127, the three upper bytes are ones.
        value = ((value ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * _PRIME) & _BITS
    return value


def no_ngrams(max_ngrams: int) -> Ngrams:
    """What stands for a word without n-grams: zeros."""
    return (0,) * max_ngrams

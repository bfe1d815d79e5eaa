"""Vectors to gensim and from it, in memory: its files are pickles, which are not read here."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import UserError


def to_gensim(words: list[str], matrix: np.ndarray) -> Any:
    """A `gensim.models.KeyedVectors` of these words and a copy of their vectors, `(words, width)`.

    Raises:
        UserError: when gensim is not installed.
    """
    try:
        from gensim.models import KeyedVectors
    except ImportError:
        raise UserError("gensim is not installed: pip install gensim") from None
    vectors = KeyedVectors(matrix.shape[1], dtype=np.float32)
    # What `add_vectors` would do word by word.
    vectors.index_to_key = list(words)
    vectors.key_to_index = {word: index for index, word in enumerate(words)}
    vectors.vectors = np.array(matrix, np.float32)
    vectors.next_index = len(words)
    return vectors


def from_gensim(vectors: Any) -> tuple[list[str], np.ndarray, Callable[[str], str], Callable[[str], np.ndarray | None]]:
    """Words, vectors, the normalisation (none), and what unseen words have: the arguments of our `KeyedVectors`.

    Raises:
        UserError: for what is no `KeyedVectors` of gensim and has none as `wv`.
    """
    keyed = getattr(vectors, "wv", vectors)
    words, matrix = getattr(keyed, "index_to_key", None), getattr(keyed, "vectors", None)
    if not isinstance(words, list) or not isinstance(matrix, np.ndarray):
        raise UserError(f"{type(vectors).__name__} is no KeyedVectors of gensim, nor a model that has some as wv")
    if not all(isinstance(word, str) for word in words):
        raise UserError("the keys of these vectors are not all words")

    def compose(word: str) -> np.ndarray | None:
        """fastText's vector of a word, the mean of those of its n-grams; None without any."""
        try:
            vector: np.ndarray = keyed.get_vector(word)
        except KeyError:
            return None
        return vector if vector.any() else None  # gensim gives zeros where there is no n-gram

    has_ngrams = hasattr(keyed, "vectors_ngrams")
    return words, matrix.astype(np.float32, copy=False), str, compose if has_ngrams else lambda word: None

"""Vectors made of character n-grams, read from a model folder without the model: see `modeling/hashed_ngrams.py`."""

import json
from pathlib import Path

import numpy as np

from ..tokenization.ngram_hashing import NgramScheme, hash_ngrams
from .tensor_file import TensorFile

_TABLE = "ngram_embeddings.weight"
_WORDS = 1024  # whose n-grams' vectors are in memory at a time


class NgramVectors:
    """The rows of hashed n-grams in a folder.

    Args:
        weights: the tensors of the model.
        prefix: what stands before the names of the backbone's weights there.
        scheme: which n-grams a word has.
    """

    def __init__(self, weights: TensorFile, prefix: str, scheme: NgramScheme):
        self._weights, self._prefix, self._scheme = weights, prefix, scheme

    @classmethod
    def of(cls, folder: Path, weights: TensorFile) -> "NgramVectors | None":
        """Those of the model in a folder, whose tensors are `weights`; None where it has none."""
        prefixes = [name.removesuffix(_TABLE) for name in weights.names if name.endswith(_TABLE)]
        if not prefixes:
            return None
        fields = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        scheme = NgramScheme(*(fields[name] for name in NgramScheme._fields))
        return cls(weights, prefixes[0], scheme)

    def known_words(self, rows: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """From words' own rows to their vectors, both `(words, width)`; `ids (words,)` are theirs."""
        every = self._weights[f"{self._prefix}word_ngrams"]  # (vocabulary, max_ngrams), 0 for none
        vectors = np.empty_like(rows)
        for start in range(0, len(rows), _WORDS):
            part = slice(start, start + _WORDS)
            ngrams = every[ids[part]]
            found = self._weights.floats(self._prefix + _TABLE, ngrams)  # (some words, max_ngrams, width)
            sums = rows[part] + np.einsum("wnd,wn->wd", found, (ngrams != 0).astype(np.float32))
            vectors[part] = sums / (1 + np.count_nonzero(ngrams, axis=1, keepdims=True))
        return vectors

    def unseen_word(self, word: str) -> np.ndarray | None:
        """The mean of the rows of its n-grams, `(width,)`; None for a word without any."""
        buckets = [bucket for bucket in hash_ngrams(word, self._scheme) if bucket]
        if not buckets:
            return None
        mean: np.ndarray = self._weights.floats(self._prefix + _TABLE, np.array(buckets)).mean(0)
        return mean

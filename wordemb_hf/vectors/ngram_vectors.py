"""Vectors made of character n-grams, read from a model folder without the model: see `modeling/hashed_ngrams.py`."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..tokenization.ngram_hashing import NgramScheme, hash_ngrams

_TABLE = "ngram_embeddings.weight"
_WORDS = 1024  # whose n-grams' vectors are in memory at a time


class NgramVectors:
    """The rows of hashed n-grams in a folder.

    Args:
        file: the safetensors file.
        prefix: what stands before the names of the backbone's weights in it.
        scheme: which n-grams a word has.
    """

    def __init__(self, file: Path, prefix: str, scheme: NgramScheme):
        self._file, self._prefix, self._scheme = file, prefix, scheme

    @classmethod
    def of(cls, folder: Path, weights: Any) -> "NgramVectors | None":
        """Those of the model in a folder, whose open safetensors file is `weights`; None where it has none."""
        prefixes = [name.removesuffix(_TABLE) for name in weights.keys() if name.endswith(_TABLE)]  # noqa: SIM118
        if not prefixes:
            return None
        fields = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        scheme = NgramScheme(*(fields[name] for name in NgramScheme._fields))
        return cls(folder / "model.safetensors", prefixes[0], scheme)

    def known_words(self, rows: np.ndarray, weights: Any) -> np.ndarray:
        """From words' own rows to their vectors, both `(words, width)`."""
        table = weights.get_tensor(self._prefix + _TABLE).astype(np.float32)  # (1 + buckets, width)
        ngrams = weights.get_tensor(f"{self._prefix}word_ngrams")  # (words, max_ngrams), 0 for none
        table[0] = 0.0
        vectors = np.empty_like(rows)
        for start in range(0, len(rows), _WORDS):
            part = slice(start, start + _WORDS)
            sums = rows[part] + table[ngrams[part]].sum(1)
            vectors[part] = sums / (1 + np.count_nonzero(ngrams[part], axis=1, keepdims=True))
        return vectors

    def unseen_word(self, word: str) -> np.ndarray | None:
        """The mean of the rows of its n-grams, `(width,)`; None for a word without any."""
        from safetensors import safe_open

        buckets = [bucket for bucket in hash_ngrams(word, self._scheme) if bucket]
        if not buckets:
            return None
        with safe_open(self._file, framework="numpy") as weights:  # a few rows of millions
            table = weights.get_slice(self._prefix + _TABLE)
            rows = [table[bucket : bucket + 1] for bucket in buckets]
        return np.concatenate(rows).astype(np.float32).mean(0)

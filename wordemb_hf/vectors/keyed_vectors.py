"""Words, their vectors, and which lie near which."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..errors import UserError
from .ngram_vectors import NgramVectors

# Every family keeps its word vectors under this name, alone or inside a head's backbone.
_WEIGHT = "word_embeddings.weight"


class KeyedVectors:
    """Word vectors by word.

    Args:
        words: the words, the most frequent first; special tokens do not belong here.
        matrix: their vectors, float32 `(words, width)`.
        normalize: what the tokenizer does to a word before it looks it up, such as lower-casing.
        compose: the vector of a word that is not among `words`, `(width,)`, or None where it has none.
    """

    def __init__(
        self,
        words: Sequence[str],
        matrix: np.ndarray,
        normalize: Callable[[str], str] = str,
        compose: Callable[[str], np.ndarray | None] = lambda word: None,
    ):
        if matrix.ndim != 2 or len(words) != len(matrix):
            raise UserError(f"{len(words)} words do not go with vectors of shape {matrix.shape}")
        self.words, self.matrix = list(words), matrix
        self._normalize, self._compose = normalize, compose
        self._index = {word: index for index, word in enumerate(self.words)}
        norms = np.linalg.norm(matrix, axis=1, keepdims=True)
        self._directions = matrix / np.maximum(norms, 1e-12)  # (words, width), of length one

    @classmethod
    def from_folder(cls, folder: str | Path) -> "KeyedVectors":
        """Read the vectors of any model folder of this package with a word or character tokenizer.

        Where vectors are made of character n-grams, they come as they are used, and unseen words have some too.

        Raises:
            UserError: when a file is missing or does not fit.
        """
        from safetensors import SafetensorError, safe_open
        from tokenizers import Tokenizer

        folder = Path(folder)
        for name in ("tokenizer.json", "model.safetensors"):
            if not (folder / name).is_file():
                raise UserError(f"{folder} is no folder of word vectors: it has no {name}")
        try:
            tokens = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
            vocabulary = {token: int(index) for token, index in tokens["model"]["vocab"].items()}
            special = {int(token["id"]) for token in tokens["added_tokens"]}
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the tokenizers library raises bare Exceptions
            raise UserError(f"{folder / 'tokenizer.json'} is no tokenizer of words or characters: {error}") from error
        try:
            with safe_open(folder / "model.safetensors", framework="numpy") as weights:
                names = [name for name in weights.keys() if name.split(".", 1)[-1] == _WEIGHT or name == _WEIGHT]  # noqa: SIM118
                if not names:
                    raise UserError(f"{folder / 'model.safetensors'} holds no {_WEIGHT}")
                table = weights.get_tensor(names[0]).astype(np.float32)
                ngrams = NgramVectors.of(folder, weights)
                if ngrams is not None:
                    table = ngrams.known_words(table, weights)
        except (SafetensorError, TypeError) as error:
            raise UserError(f"{folder / 'model.safetensors'} cannot be read: {error}") from error
        words = sorted((word for word, index in vocabulary.items() if index not in special), key=vocabulary.__getitem__)
        rows = [vocabulary[word] for word in words]
        if rows and max(rows) >= len(table):
            raise UserError(f"{folder}: the tokenizer has {len(vocabulary)} words, but there are {len(table)} vectors")
        normalizer = tokenizer.normalizer
        normalize = normalizer.normalize_str if normalizer else str
        return cls(words, table[rows], normalize, **({} if ngrams is None else {"compose": ngrams.unseen_word}))

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return self._normalize(word) in self._index

    def __getitem__(self, word: str) -> np.ndarray:
        """The vector of a word `(width,)`, also of one that is not there but has n-grams that are.

        Raises:
            UserError: when it has no vector.
        """
        known = self._index.get(self._normalize(word))
        composed = self._compose(self._normalize(word)) if known is None else None
        return self.matrix[self.row(word)] if composed is None else composed

    def row(self, word: str) -> int:
        """The number of a word.

        Raises:
            UserError: when there is no such word.
        """
        index = self._index.get(self._normalize(word))
        if index is None:
            raise UserError(f"the word {word!r} is not in the vocabulary of {len(self.words)} words")
        return index

    def nearest(self, word: str, top: int = 10) -> list[tuple[str, float]]:
        """The `top` words with the largest cosine to `word`, which is not among them, and the cosines.

        Raises:
            UserError: when the word has no vector, or `top` is below 1.
        """
        if top < 1:
            raise UserError(f"top is {top}, but must be at least 1")
        vector = self[word]
        cosines = self._directions @ (vector / max(float(np.linalg.norm(vector)), 1e-12))  # (words,)
        row = self._index.get(self._normalize(word))
        if row is not None:
            cosines[row] = -np.inf
        top = min(top, len(self.words) - (row is not None))
        candidates = np.argpartition(-cosines, max(top - 1, 0))[:top]
        best = candidates[np.argsort(-cosines[candidates], kind="stable")]
        return [(self.words[index], float(cosines[index])) for index in best]

"""Approximate search: a graph of neighbours (HNSW; Malkov & Yashunin 2016), for many queries among very many words.

Exact search reads every vector once for a batch of queries; a graph reads a few hundred for each query, and misses some
neighbours. Making it takes as long as thousands of searches, and it holds a copy of the vectors: it pays for a service
and not for a command. faiss makes it (the extra `index`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UserError
from .search import unit

if TYPE_CHECKING:
    from .keyed_vectors import Found, KeyedVectors

_BLOCK = 1 << 14  # words that are added at a time


class ApproximateIndex:
    """Nearest neighbours, nearly all of them.

    Args:
        vectors: the vectors; those that are added to them later are not found.
        links: neighbours that each word is linked with; more of them find more, and take more time and memory.
        effort: words that a search keeps in view; more of them find more, and take more time.

    Raises:
        UserError: when faiss is not installed, or a number is below 2.
    """

    def __init__(self, vectors: "KeyedVectors", links: int = 32, effort: int = 128):
        try:
            import faiss
        except ImportError:
            raise UserError("an approximate index needs faiss: pip install 'wordemb-hf[index]'") from None
        for name, value in (("links", links), ("effort", effort)):
            if value < 2:
                raise UserError(f"{name} is {value}, but must be at least 2")
        self._vectors, self._effort = vectors, effort
        self._faiss: Any = faiss  # its types are incomplete
        self._index: Any = faiss.IndexHNSWFlat(vectors.matrix.shape[1], links, faiss.METRIC_INNER_PRODUCT)
        for start in range(0, len(vectors), _BLOCK):
            self._index.add(unit(vectors.matrix[start : start + _BLOCK]))

    def nearest_each(self, words: Sequence[str | np.ndarray], top: int = 10) -> "list[Found]":
        """As `KeyedVectors.nearest_each`; some neighbours may be missing.

        Raises:
            UserError: when a word has no vector, or `top` is below 1.
        """
        if top < 1:
            raise UserError(f"top is {top}, but must be at least 1")
        if not len(words):
            return []
        queries, own = self._vectors.looked_up(words)
        settings = self._faiss.SearchParametersHNSW(efSearch=max(self._effort, top + 1))
        scores, rows = self._index.search(queries, top + 1, params=settings)  # itself is among them
        for given, found in zip(own, rows, strict=True):
            found[np.isin(found, given)] = -1
        return [near[:top] for near in self._vectors.answers(rows, scores)]

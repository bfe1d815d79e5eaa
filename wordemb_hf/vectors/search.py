"""Exact search: of many rows those that score highest for each query, by blocked matrix products.

A block of scores is small enough for the processor's cache. Of each block only what beats the worst of the best so far
is looked at again, which after the first few blocks is next to nothing: sorting, or partitioning, the scores of all
words would cost more than the products. Numbers that are not finite are never found.
"""

from collections.abc import Callable, Sequence

import numpy as np

_SCORES = 1 << 19  # of a block: 2 MiB
_QUERIES = 256  # whose scores are computed at a time
_ROWS = 1 << 15  # of a block, at most
_FOUND = 1 << 22  # rows that are kept for queries at a time

# From queries (by number) and rows to scores `(queries, rows)`, which the search may change.
Score = Callable[[slice, slice], np.ndarray]


def inverse_norms(matrix: np.ndarray) -> np.ndarray:
    """One through the length of each row, float32 `(rows,)`; 0 for zeros, so that their cosine to anything is 0.

    The matrix may lie on disk: no more than a block of it is in memory.
    """
    inverse = np.zeros(len(matrix), np.float32)
    for start in range(0, len(matrix), _ROWS):
        block = matrix[start : start + _ROWS]
        norms = np.sqrt(np.einsum("ij,ij->i", block, block))
        np.divide(1, norms, out=inverse[start : start + len(block)], where=norms > 0)
    return inverse


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors `(..., width)` of length one and float32; zeros stay zeros."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.maximum(norms, 1e-12)).astype(np.float32)


def cosine_scores(matrix: np.ndarray, inverse: np.ndarray, queries: np.ndarray) -> Score:
    """Cosines between queries `(queries, width)`, of length one, and the rows of a matrix: see `inverse_norms`."""

    def score(asked: slice, rows: slice) -> np.ndarray:
        cosines: np.ndarray = queries[asked] @ matrix[rows].T  # (queries, rows)
        cosines *= inverse[rows]
        return cosines

    return score


def product_scores(
    matrix: np.ndarray, inverse: np.ndarray, positive: np.ndarray, negative: np.ndarray, small: float = 1e-6
) -> Score:
    """3CosMul (Levy & Goldberg 2014, equation 4): products of cosines, moved to between 0 and 1, divided.

    Args:
        matrix: the rows `(rows, width)`.
        inverse: one through their lengths, `(rows,)`.
        positive: vectors of length one, `(queries, terms, width)`.
        negative: those to be far from, `(queries, terms, width)`.
        small: what keeps a division from being by zero.
    """

    def product(terms: np.ndarray, rows: slice) -> np.ndarray:
        result = np.ones((len(terms), rows.stop - rows.start), np.float32)
        for term in range(terms.shape[1]):
            cosines = terms[:, term] @ matrix[rows].T
            cosines *= inverse[rows]
            result *= (1 + cosines) / 2
        return result

    def score(asked: slice, rows: slice) -> np.ndarray:
        return product(positive[asked], rows) / (product(negative[asked], rows) + np.float32(small))

    return score


def best_rows(
    score: Score, queries: int, rows: int, top: int, excluded: Sequence[Sequence[int]] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """The rows with the highest scores for each query, the highest first; of equal ones the first row.

    Args:
        score: the scores of a block of queries and rows.
        queries: how many there are.
        rows: how many of the first rows are looked at.
        top: how many to find.
        excluded: for each query, the rows that are not to be found.

    Returns:
        Rows int64 `(queries, found)`, -1 where there are no more, and their scores, `(queries, found)`, there -inf;
        `found` is `top`, or `rows` where that is less.
    """
    top = min(top, rows)
    found = np.full((queries, top), -1, np.int64)
    scores = np.full((queries, top), -np.inf, np.float32)
    if not top:
        return found, scores
    some = max(1, min(_QUERIES, _FOUND // top))
    for start in range(0, queries, some):
        asked = slice(start, min(start + some, queries))
        _search(score, asked, rows, found[asked], scores[asked], excluded[asked] if len(excluded) else ())
    return found, scores


def _search(
    score: Score, asked: slice, rows: int, found: np.ndarray, scores: np.ndarray, excluded: Sequence[Sequence[int]]
) -> None:
    """The same for a few queries, into `found` and `scores`."""
    count, top = found.shape
    banned = np.array([(query, row) for query, given in enumerate(excluded) for row in given], np.int64).reshape(-1, 2)
    size = min(max(_SCORES // count, 256), _ROWS)
    for start in range(0, rows, size):
        block = score(asked, slice(start, min(start + size, rows)))  # (count, size)
        here = banned[(banned[:, 1] >= start) & (banned[:, 1] < start + block.shape[1])]
        block[here[:, 0], here[:, 1] - start] = -np.inf
        worst = scores.min(1)  # (count,)
        if start == 0 and block.shape[1] > top:  # all beat nothing: only the best are worth a second look
            worst = np.nextafter(np.partition(block, -top, axis=1)[:, -top], np.float32(-np.inf))
            worst[~np.isfinite(worst)] = -np.inf
        better = np.flatnonzero(block > worst[:, None])  # in one dimension: in two, NumPy is much slower
        if len(better):
            query, column = np.divmod(better, block.shape[1])
            _merge(found, scores, query, column + start, block[query, column])
    order = np.lexsort((found, -scores), axis=1)
    found[:] = np.take_along_axis(found, order, 1)
    scores[:] = np.take_along_axis(scores, order, 1)
    found[scores == -np.inf] = -1


def _merge(found: np.ndarray, scores: np.ndarray, query: np.ndarray, row: np.ndarray, score: np.ndarray) -> None:
    """Keep the best of those found and new ones, which come in the order of their queries."""
    counts = np.bincount(query, minlength=len(found))
    changed = np.flatnonzero(counts)
    place = np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)  # among those of its query
    line = np.searchsorted(changed, query)
    top, most = found.shape[1], int(counts.max())
    all_rows = np.full((len(changed), top + most), -1, np.int64)
    all_scores = np.full((len(changed), top + most), -np.inf, np.float32)
    all_rows[:, :top], all_scores[:, :top] = found[changed], scores[changed]
    all_rows[line, top + place], all_scores[line, top + place] = row, score
    best = np.argpartition(-all_scores, top - 1, axis=1)[:, :top]
    found[changed] = np.take_along_axis(all_rows, best, 1)
    scores[changed] = np.take_along_axis(all_scores, best, 1)

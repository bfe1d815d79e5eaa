"""What is done to whole tables of word vectors: fewer dimensions, fewer bits, fewer words, two tables made one.

Each gives new `KeyedVectors`; what a word's unknown forms are made of is kept only where words alone change.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from ..errors import UserError
from .keyed_vectors import KeyedVectors
from .search import unit

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROWS = 1 << 14
Precision = Literal["int8", "binary"]


class Loss(NamedTuple):
    """What a change has cost.

    Args:
        neighbors: the share of the ten nearest neighbours that are still among them, on average.
        cosine: how far cosines between words have moved, on average.
    """

    neighbors: float
    cosine: float


def compare(before: KeyedVectors, after: KeyedVectors, words: int = 500, seed: int = 0) -> Loss:
    """What has become of neighbours and cosines, by a sample of words that both have.

    Raises:
        UserError: when they have fewer than 12 words in common.
    """
    common = [word for word in before.words if word in after]
    if len(common) < 12:
        raise UserError(f"the vectors have {len(common)} words in common, and 12 are needed to compare neighbours")
    chosen = np.random.default_rng(seed).choice(len(common), min(words, len(common)), replace=False)
    asked = [common[index] for index in chosen]
    pairs = zip(before.nearest_each(asked), after.nearest_each(asked), strict=True)
    kept = [len(dict(one).keys() & dict(other).keys()) / len(one) for one, other in pairs]
    others = [asked[index - 1] for index in range(len(asked))]
    now, then = ((unit(table[asked]) * unit(table[others])).sum(1) for table in (after, before))
    return Loss(float(np.mean(kept)), float(np.abs(now - then).mean()))


def reduce_dimensions(vectors: KeyedVectors, width: int, removed: int = 0) -> KeyedVectors:
    """Fewer dimensions by principal components (Raunak et al. 2019), the common ones taken out before.

    All vectors share a mean and a few directions that tell a word's frequency and little of its meaning: without them
    similarities agree better with people's ("all-but-the-top", Mu & Viswanath 2018, where `removed` is a hundredth of
    the width).

    Args:
        vectors: the vectors.
        width: dimensions that are left; the present number only takes the common ones out.
        removed: how many of the first components are taken out; 0 for none.

    Raises:
        UserError: for a width that is not from 1 to the present one, or more removed than there are.
    """
    present = vectors.matrix.shape[1]
    if not 1 <= width <= present:
        raise UserError(f"width is {width}, but must be from 1 to the present one, {present}")
    if not 0 <= removed < present:
        raise UserError(f"removed is {removed}, but must be from 0 to below the width, {present}")
    mean = vectors.matrix.mean(0, dtype=np.float64)
    covariance = np.zeros((present, present))
    for block in _blocks(vectors.matrix):
        centred = block - mean
        covariance += centred.T @ centred
    components = np.linalg.eigh(covariance)[1][:, ::-1]  # (present, present), the largest first
    if width == present:  # the axes stay as they are
        top = components[:, :removed]
        projection = np.eye(present) - top @ top.T
    else:
        projection = components[:, removed : removed + width]
    if projection.shape[1] < width:
        raise UserError(f"width {width} and {removed} removed are more than the present width, {present}")
    table = np.empty((len(vectors), width), np.float32)
    for start, block in zip(range(0, len(table), _ROWS), _blocks(vectors.matrix), strict=True):
        table[start : start + len(block)] = (block - mean) @ projection
    return KeyedVectors(vectors.words, table, vectors.normalize)


class QuantizedVectors(NamedTuple):
    """Vectors in fewer bits.

    Args:
        words: the words.
        codes: `int8 (words, width)`, or bits in `uint8 (words, width / 8, rounded up)`.
        scales: what a number of each row is worth, float32 `(words,)`; of bits the mean size of a row's numbers.
        width: dimensions.
    """

    words: list[str]
    codes: np.ndarray
    scales: np.ndarray
    width: int

    @property
    def nbytes(self) -> int:
        """Bytes of the table."""
        return self.codes.nbytes + self.scales.nbytes

    def restored(self) -> KeyedVectors:
        """As float32 again, with what was lost."""
        if self.codes.dtype == np.int8:
            return KeyedVectors(self.words, self.codes * self.scales[:, None])
        signs = np.unpackbits(self.codes, axis=1, count=self.width).astype(np.float32) * 2 - 1
        return KeyedVectors(self.words, signs * self.scales[:, None])


def quantize(vectors: KeyedVectors, precision: Precision = "int8") -> tuple[QuantizedVectors, Loss]:
    """A quarter of the size (`int8`, each row scaled by its largest number) or a thirtieth (`binary`, signs alone).

    Returns:
        The codes, and what neighbours and cosines lose.

    Raises:
        UserError: for another precision, or too few words to compare.
    """
    if precision not in ("int8", "binary"):
        raise UserError(f"precision is {precision!r}, but must be int8 or binary")
    rows, width = vectors.matrix.shape
    codes = np.empty((rows, width), np.int8) if precision == "int8" else np.empty((rows, -(-width // 8)), np.uint8)
    scales = np.empty(rows, np.float32)
    for start, block in zip(range(0, rows, _ROWS), _blocks(vectors.matrix), strict=True):
        part = slice(start, start + len(block))
        if precision == "int8":
            scales[part] = np.abs(block).max(1) / 127
            codes[part] = np.rint(block / np.maximum(scales[part], 1e-30)[:, None])
        else:
            scales[part] = np.abs(block).mean(1)
            codes[part] = np.packbits(block > 0, axis=1)
    quantized = QuantizedVectors(vectors.words, codes, scales, width)
    return quantized, compare(KeyedVectors(vectors.words, vectors.matrix), quantized.restored())


def trim(vectors: KeyedVectors, words: int | Sequence[str]) -> KeyedVectors:
    """The first, most frequent words only, or those that are named and known; unseen words stay as they were.

    Raises:
        UserError: for a number below 1, or when none of the words is known.
    """
    if isinstance(words, int):
        if words < 1:
            raise UserError(f"words is {words}, but must be at least 1")
        rows = list(range(min(words, len(vectors))))
    else:
        rows = sorted({vectors.row(word) for word in words if word in vectors})
        if not rows:
            raise UserError(f"none of the {len(words)} words has a vector")
    kept = [vectors.words[row] for row in rows]
    return KeyedVectors(kept, vectors.matrix[rows], vectors.normalize, vectors.compose)


def align(source: KeyedVectors, target: KeyedVectors, pairs: Sequence[tuple[str, str]] | None = None) -> KeyedVectors:
    """The source's vectors turned into the space of the target (orthogonal Procrustes; Schönemann 1966).

    Of two languages by pairs of a dictionary, of two years by the words that both have. Lengths and angles among the
    source's words stay as they are.

    Raises:
        UserError: for two widths, or fewer pairs that are known than there are dimensions.
    """
    width = source.matrix.shape[1]
    if target.matrix.shape[1] != width:
        raise UserError(f"the vectors have width {width} and {target.matrix.shape[1]}, but must have the same")
    pairs = [(word, word) for word in source.words] if pairs is None else pairs
    known = [(one, other) for one, other in pairs if one in source and other in target]
    if len(known) < width:
        raise UserError(f"{len(known)} pairs of words are known, and {width} are needed, as many as dimensions")
    ones, others = unit(source[[one for one, _ in known]]), unit(target[[other for _, other in known]])
    left, _, right = np.linalg.svd(ones.T.astype(np.float64) @ others)
    table = np.empty(source.matrix.shape, np.float32)
    for start, block in zip(range(0, len(table), _ROWS), _blocks(source.matrix), strict=True):
        table[start : start + len(block)] = block @ (left @ right)
    return KeyedVectors(source.words, table, source.normalize)


def merge(first: KeyedVectors, second: KeyedVectors) -> KeyedVectors:
    """All words of both: the first's vectors, and the second's of words that the first lacks, turned into its space.

    Raises:
        UserError: as `align`, by the words that both have.
    """
    turned = align(second, first)
    missing = [row for row, word in enumerate(second.words) if word not in first]
    table = np.concatenate([first.matrix, turned.matrix[missing]])
    return KeyedVectors([*first.words, *(second.words[row] for row in missing)], table, first.normalize)


def _blocks(matrix: np.ndarray) -> "Iterator[np.ndarray]":
    for start in range(0, len(matrix), _ROWS):
        yield matrix[start : start + _ROWS]

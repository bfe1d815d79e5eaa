"""gensim's `KeyedVectors.save`: a pickle, read without executing anything, and large arrays as .npy beside it.

Files of gensim 4 (`index_to_key`, `vectors`) and 3 (`index2word`, `vocab`) are read, and of fastText's the n-grams.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from .matrices import MatrixBuilder, all_finite
from .numpy_files import map_npy
from .packed_files import open_packed
from .plain_pickles import Thing, read_pickle
from .word_table import NgramRows, WordTable

_EXPORT = "gensim.models.{kind}.load({name!r}).wv.save_word2vec_format({out!r})"


def sniff(head: bytes) -> bool:
    """Whether a file begins as a pickle of protocol 2 or later."""
    return len(head) > 2 and head[0] == 0x80 and 2 <= head[1] <= 5


def read(path: Path, limit: int | None = None, target: Path | None = None, progress: bool = False) -> WordTable:
    """Read such a file; the arguments are those of `text_vectors.read`, and there is no bar.

    Raises:
        UserError: for a pickle of anything else, with the line that exports the vectors of a whole gensim model.
    """
    with open_packed(path) as (file, size):
        if size is None:
            raise UserError(f"{path} is packed: unpack it, for its arrays may lie in files beside it")
        try:
            found = read_pickle(file, size, path)
        except UserError as error:
            if path.suffix == ".model":
                raise UserError(_model(path)) from error
            raise
    if not isinstance(found, Thing) or not found.name.startswith("gensim."):
        raise UserError(f"{path} is a pickle of no vectors of gensim's")
    state = found.state
    words = _words(path, state)
    matrix = _array(path, state, ("vectors", "syn0"))
    rows = [row for row, word in enumerate(words) if word is not None][:limit]
    kept = [str(words[row]) for row in rows]
    ngrams = _ngrams(path, state, rows)
    if matrix is None and ngrams is not None:  # fastText's are made anew from what they are the means of
        matrix = np.zeros((len(words), ngrams.own.shape[1]), np.float32)
        composed = np.empty_like(ngrams.own)
        ngrams.compose(kept, composed)
        matrix[rows] = composed
    if matrix is None or matrix.ndim != 2:
        raise UserError(f"{path} holds no vectors")
    if len(words) > len(matrix):
        raise UserError(f"{path} has {len(words)} words, but {len(matrix)} vectors")
    counts = _counts(state, words)
    builder = MatrixBuilder(matrix.shape[1], len(rows), target)
    for start in range(0, len(rows), 4096):
        builder.append(np.asarray(matrix[rows[start : start + 4096]], np.float32))
    vectors = builder.close()
    if not all_finite(vectors):
        raise UserError(f"{path} has a vector that holds no finite number")
    return WordTable(kept, vectors, None if counts is None else counts[rows], ngrams).check(path)


def _model(path: Path) -> str:
    line = _EXPORT.format(kind="Word2Vec", name=path.name, out=f"{path.stem}.txt")
    return f"{path} is a whole model of gensim's, which only gensim reads; export its vectors there by {line}"


def _words(path: Path, state: dict[str, Any]) -> list[str | None]:
    """The words in the order of their rows; None where a row has none."""
    numbered = state.get("key_to_index")
    if not isinstance(numbered, dict):
        listed = state.get("index2word", state.get("index2entity"))
        if not isinstance(listed, list):
            raise UserError(_model(path) if "wv" in state else f"{path} holds no words")
        numbered = {word: row for row, word in enumerate(listed) if isinstance(word, str)}
    rows = numbered.values()
    if not all(isinstance(word, str) for word in numbered) or not all(
        isinstance(row, int) and row >= 0 for row in rows
    ):
        raise UserError(f"{path} has words that are no text, or rows that are no numbers")
    size = max(rows, default=-1) + 1
    if size > 2 * len(numbered) + (1 << 20):
        raise UserError(f"{path} has {len(numbered)} words, but a row {size - 1}")
    words: list[str | None] = [None] * size
    for word, row in numbered.items():
        words[row] = word
    return words


def _array(path: Path, state: dict[str, Any], names: tuple[str, ...]) -> np.ndarray | None:
    beside = state.get("__numpys")
    for name in names:
        found = state.get(name)
        found = getattr(found, "value", found)  # an array that came after what names it
        if isinstance(found, np.ndarray):
            return found
        if isinstance(beside, list) and name in beside:
            return map_npy(path.with_name(f"{path.name}.{name}.npy"))
    return None


def _counts(state: dict[str, Any], words: list[str | None]) -> np.ndarray | None:
    counts = state.get("expandos")
    counts = getattr(counts.get("count"), "value", counts.get("count")) if isinstance(counts, dict) else None
    if isinstance(counts, np.ndarray) and counts.ndim == 1 and counts.dtype.kind in "iu" and len(counts) >= len(words):
        return counts.astype(np.int64)
    vocabulary = state.get("vocab")
    if not isinstance(vocabulary, dict):
        return None
    numbers = [
        entry.state.get("count") if isinstance(entry, Thing) else None
        for entry in (vocabulary.get(word) for word in words)
    ]
    return np.array(numbers, np.int64) if all(isinstance(number, int) for number in numbers) else None


def _ngrams(path: Path, state: dict[str, Any], rows: list[int]) -> NgramRows | None:
    own, buckets = (_array(path, state, (name,)) for name in ("vectors_vocab", "vectors_ngrams"))
    shortest, longest, count = (state.get(name) for name in ("min_n", "max_n", "bucket"))
    if own is None or buckets is None or own.ndim != 2 or buckets.ndim != 2 or own.shape[1] != buckets.shape[1]:
        return None
    # Before its bugs were mended, gensim hashed otherwise than fastText, and kept fewer buckets.
    if state.get("compatible_hash") is False or len(buckets) != count or len(own) <= max(rows, default=0):
        return None
    if not isinstance(shortest, int) or not isinstance(longest, int) or not 1 <= shortest <= longest <= 1000:
        return None
    return NgramRows(np.asarray(own, np.float32)[rows], np.asarray(buckets, np.float32), shortest, longest)

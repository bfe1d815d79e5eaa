"""NumPy's .npy and .npz, and safetensors: an array of vectors, and the words in a file beside it.

vectors.npy, vectors.npz or vectors.safetensors    an array of two dimensions, of any kind of float
vectors.json, vectors.txt, vocab.json or vocab.txt  the words: a list or `{word: row}`, or a word a line
"""

import json
import os
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from .matrices import MatrixBuilder
from .packed_files import inner_name, pack
from .word_table import WordTable

_KEY = "vectors"
_ROWS = 4096
_HEADERS = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}


def read_npy(path: Path, limit: int | None = None, target: Path | None = None, progress: bool = False) -> WordTable:
    """Read a .npy; the arguments are those of `text_vectors.read`, and there is no bar."""
    return _table(path, map_npy(path), limit, target)


def map_npy(path: Path) -> np.ndarray:
    """The array of a .npy, which stays on disk.

    Raises:
        UserError: when it is damaged, or no array of numbers.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, OverflowError, MemoryError, SyntaxError, tokenize.TokenError) as error:
        raise UserError(f"{path} cannot be read: {next(iter(str(error).splitlines()), 'damaged')}") from error


def read_npz(path: Path, limit: int | None = None, target: Path | None = None, progress: bool = False) -> WordTable:
    """Read the one matrix of a .npz, row by row; the arguments are those of `text_vectors.read`."""
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if not member.filename.endswith(".npy"):
                    continue
                with archive.open(member) as file:
                    version, _ = np.lib.format.read_magic(file)
                    if version not in _HEADERS:
                        raise UserError(f"{path}: {member.filename} is of version {version}, but must be of 1 or 2")
                    shape, fortran, dtype = _HEADERS[version](file)
                    if len(shape) != 2 or dtype.kind != "f" or fortran:
                        continue
                    if shape[0] * shape[1] * dtype.itemsize > member.file_size:
                        raise UserError(f"{path}: {member.filename} promises the shape {shape}, but is shorter")
                    return _table(path, _Rows(path, file, shape, dtype), limit, target)
    except (OSError, ValueError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} cannot be read: {next(iter(str(error).splitlines()), 'damaged')}") from error
    raise UserError(f"{path} holds no matrix of floats")


class _Rows:
    """Rows that come one after another, as slices of an array in order."""

    ndim = 2

    def __init__(self, path: Path, file: Any, shape: tuple[int, int], dtype: np.dtype):
        self._path, self._file, self.shape, self.dtype = path, file, shape, dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        count = min(rows.stop, len(self)) - rows.start
        data = self._file.read(count * self.shape[1] * self.dtype.itemsize)
        if len(data) < count * self.shape[1] * self.dtype.itemsize:
            raise UserError(f"{self._path} ends within its vectors")
        return np.frombuffer(data, self.dtype).reshape(count, self.shape[1])


def read_safetensors(
    path: Path, limit: int | None = None, target: Path | None = None, progress: bool = False
) -> WordTable:
    """Read the one matrix of a .safetensors; the arguments are those of `text_vectors.read`."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as tensors:
            names = [name for name in tensors.keys() if len(tensors.get_slice(name).get_shape()) == 2]  # noqa: SIM118
            names = [name for name in names if name == _KEY] or names
            if len(names) != 1:
                raise UserError(
                    f"{path} must hold one matrix, or one named {_KEY}, but holds {', '.join(names) or 'none'}"
                )
            matrix = tensors.get_slice(names[0])
            rows, width = matrix.get_shape()
            return _table(path, _Slices(matrix, (rows, width)), limit, target)
    except (SafetensorError, OSError, TypeError, KeyError) as error:
        raise UserError(f"{path} cannot be read: {next(iter(str(error).splitlines()), 'damaged')}") from error


class _Slices:
    """A tensor in a file, of which slices are read."""

    ndim, dtype = 2, np.dtype(np.float32)

    def __init__(self, tensor: Any, shape: tuple[int, int]):
        self._tensor, self.shape = tensor, shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self._tensor[rows.start : min(rows.stop, len(self))]


def _table(path: Path, matrix: Any, limit: int | None, target: Path | None) -> WordTable:
    if matrix.ndim != 2 or matrix.dtype.kind != "f":
        raise UserError(f"{path} must hold a matrix of floats, but holds {matrix.dtype} of shape {matrix.shape}")
    words = _words_beside(path, len(matrix))
    rows = len(matrix) if limit is None else min(limit, len(matrix))
    builder = MatrixBuilder(matrix.shape[1], rows, target)
    for start in range(0, rows, _ROWS):
        with np.errstate(over="ignore"):
            block = np.asarray(matrix[start : min(start + _ROWS, rows)], np.float32)
        if not np.isfinite(block).all():
            raise UserError(f"{path} has a vector that holds no finite number, in row {start} or behind")
        builder.append(block)
    return WordTable(words[:rows], builder.close()).check(path)


def words_file(path: Path) -> Path:
    """Where the words of an array are.

    Raises:
        UserError: when there is no such file.
    """
    stem = Path(inner_name(path)).stem
    names = [f"{path.stem}.json", f"{path.stem}.txt", f"{stem}.json", f"{stem}.txt", "vocab.json", "vocab.txt"]
    for name in names:
        if path.with_name(name).is_file():
            return path.with_name(name)
    shown = ", ".join(dict.fromkeys(names))
    raise UserError(f"{path} needs a file of words beside it, one of {shown}")


def _words_beside(path: Path, rows: int) -> list[str]:
    source = words_file(path)
    if os.path.getsize(source) > (1 << 20) + 4096 * max(rows, 1):
        raise UserError(f"{source} is too long for the words of {rows} vectors")
    try:
        text = source.read_text(encoding="utf-8")
        found = json.loads(text) if source.suffix == ".json" else [line for line in text.split("\n") if line]
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{source} is no {'JSON' if source.suffix == '.json' else 'UTF-8'}: {error}") from error
    if isinstance(found, dict):
        if sorted(map(str, found.values())) != sorted(map(str, range(rows))):
            raise UserError(f"{source} must give each of {rows} rows to one word")
        rows_of = {str(word): int(row) for word, row in found.items()}
        found = sorted(rows_of, key=rows_of.__getitem__)
    if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
        raise UserError(f"{source} must hold a list of words, or rows by word")
    if len(found) != rows:
        raise UserError(f"{source} has {len(found)} words, but {path} has {rows} vectors")
    return found


def _write_words(table: WordTable, path: Path) -> None:
    with pack(path.with_name(f"{path.stem}.json")) as file:
        file.write(json.dumps(table.words, ensure_ascii=False, indent=0).encode("utf-8", "surrogatepass"))


def write_npy(table: WordTable, path: Path) -> None:
    """Write a .npy, and a .json of the words beside it."""
    _write_words(table, path)
    with pack(path) as file:
        np.lib.format.write_array(file, np.asarray(table.matrix), allow_pickle=False)


def write_npz(table: WordTable, path: Path) -> None:
    """Write a compressed .npz, and a .json of the words beside it."""
    _write_words(table, path)
    with pack(path) as file:
        np.savez_compressed(file, vectors=np.asarray(table.matrix))


def write_safetensors(table: WordTable, path: Path) -> None:
    """Write a .safetensors, and a .json of the words beside it."""
    from safetensors.numpy import save_file

    _write_words(table, path)
    beside = path.with_name(f".{path.name}.partial")
    save_file({_KEY: np.ascontiguousarray(table.matrix)}, beside)
    beside.replace(path)

"""All formats of word vectors in one table: which a file is of, and how it is read and written."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from . import fasttext_binary, gensim_kv, numpy_files, static_folders, text_vectors, word2vec_binary
from .packed_files import inner_name, open_packed
from .word_table import WordTable

_HEAD = 1 << 16


@dataclass(frozen=True)
class Format:
    """A format of files.

    Args:
        name: what `--to` calls it.
        read: `(path, limit, target, progress)` to a table.
        write: `(table, path)`; None for a format that is only read.
        suffixes: of files that are of it.
    """

    name: str
    read: Callable[..., WordTable]
    write: Callable[[WordTable, Path], None] | None = None
    suffixes: tuple[str, ...] = ()


def _write_glove(table: WordTable, path: Path) -> None:
    text_vectors.write(table, path, header=False)


FORMATS = {
    found.name: found
    for found in (
        Format("word2vec", text_vectors.read, text_vectors.write, (".txt", ".vec", ".w2v", ".word2vec")),
        Format("glove", text_vectors.read, _write_glove, (".glove",)),
        Format("word2vec-binary", word2vec_binary.read, word2vec_binary.write, (".bin",)),
        Format("fasttext", fasttext_binary.read, fasttext_binary.write),
        Format("gensim", gensim_kv.read, None, (".kv", ".model", ".wordvectors")),
        Format("npy", numpy_files.read_npy, numpy_files.write_npy, (".npy",)),
        Format("npz", numpy_files.read_npz, numpy_files.write_npz, (".npz",)),
        Format("safetensors", numpy_files.read_safetensors, numpy_files.write_safetensors, (".safetensors",)),
    )
}
# These are found by their content, whatever their names are.
_SNIFFED = (
    (fasttext_binary.sniff, "fasttext"),
    (gensim_kv.sniff, "gensim"),
    (word2vec_binary.sniff, "word2vec-binary"),
    (text_vectors.sniff, "word2vec"),
)
_BY_NAME = {".npy": "npy", ".npz": "npz", ".safetensors": "safetensors"}


def read_vectors(
    path: str | Path, limit: int | None = None, target: Path | None = None, progress: bool = False
) -> WordTable:
    """Read word vectors of any format, from a file, perhaps packed, or a folder.

    Args:
        path: the file or folder.
        limit: read the first so many words alone.
        target: a file that holds the matrix, memory-mapped, in place of memory.
        progress: whether to show a bar.

    Raises:
        UserError: when it is of no known format, is damaged, or is not what it says.
    """
    path = Path(path)
    if limit is not None and limit < 1:
        raise UserError(f"limit is {limit}, but must be at least 1")
    if path.is_dir():
        if not static_folders.is_folder(path):
            raise UserError(f"{path} is no folder of word vectors: it has no config.json and no modules.json")
        return static_folders.read(path, limit, target, progress)
    name = _BY_NAME.get(path.suffix.lower()) or _by_content(path)
    return FORMATS[name].read(path, limit, target, progress)


def _by_content(path: Path) -> str:
    with open_packed(path) as (file, _):
        head = file.read(_HEAD)
    for sniff, name in _SNIFFED:
        if sniff(head):
            return name
    if not head:
        raise UserError(f"{path} is empty")
    by_suffix = format_of(path)
    if by_suffix in ("word2vec", "word2vec-binary", "glove"):  # whose reader says what is wrong
        return by_suffix
    raise UserError(f"{path} is of no known format: {', '.join(FORMATS)}, or a folder")


def format_of(path: Path) -> str | None:
    """The format of files of this name; None for a name that tells none."""
    name = inner_name(path)
    for found in FORMATS.values():
        if name.endswith(found.suffixes or ("\0",)):
            return found.name
    return None

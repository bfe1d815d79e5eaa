"""Files as they are or packed: gz, bz2, zst and zip are read and written as if they were not."""

import bz2
import gzip
import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ..errors import UserError

PACKED = (".gz", ".bz2", ".zst", ".zip")


def inner_name(path: Path) -> str:
    """The name of what is in the file, in lower case: `glove.txt` of `glove.txt.gz`."""
    name = path.name.lower()
    return name.removesuffix(path.suffix.lower()) if path.suffix.lower() in PACKED else name


@contextmanager
def open_packed(path: Path, what: object = None) -> Iterator[tuple[Any, int | None]]:
    """What is in a file, and how many bytes it has; None where only unpacking would tell.

    Of a zip that holds several files, one is named behind it, as in `glove.6B.zip/glove.6B.100d.txt`.

    Raises:
        UserError: when there is no such file, or while it is read, when it is damaged or of no known kind.
    """
    archive = next((parent for parent in [path, *path.parents] if _is_zip(parent)), None)
    damaged: tuple[type[Exception], ...] = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
    try:
        with path.open("rb") if archive is None else archive.open("rb") as file:
            if archive is not None:
                yield from _member(archive, file, path)
            elif path.suffix.lower() == ".gz":
                with gzip.open(file) as unpacked:
                    yield unpacked, None
            elif path.suffix.lower() == ".bz2":
                with bz2.open(file) as unpacked:
                    yield unpacked, None
            elif path.suffix.lower() == ".zst":
                zstandard = _zstandard(path)
                damaged += (zstandard.ZstdError,)
                with zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as unpacked:
                    yield io.BufferedReader(unpacked, 1 << 20), None
            else:
                yield file, os.fstat(file.fileno()).st_size
    except damaged as error:
        # NotImplementedError and RuntimeError come from zip members that are packed in a strange way or encrypted.
        raise UserError(f"{what or path} cannot be read: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip" and path.is_file()


def _member(archive: Path, file: IO[bytes], path: Path) -> Iterator[tuple[IO[bytes], int | None]]:
    with zipfile.ZipFile(file) as members:
        names = [name for name in members.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
        wanted = PurePosixPath(path.relative_to(archive)).as_posix()
        if wanted == "." and len(names) == 1:
            wanted = names[0]
        if wanted not in names:
            shown = ", ".join(f"{archive}/{name}" for name in names[:10])
            raise UserError(f"{archive} holds {len(names)} files: give one of them, as in {shown or 'none'}")
        try:
            with members.open(wanted) as unpacked:
                yield unpacked, None
        except (NotImplementedError, RuntimeError) as error:
            raise UserError(f"{path} cannot be unpacked: {_reason(error)}") from error


@contextmanager
def pack(path: Path) -> Iterator[Any]:
    """A stream whose bytes become the file, packed as its name says; it appears when the block ends without an error.

    Raises:
        UserError: when it cannot be written.
    """
    beside = path.with_name(f".{path.name}.partial")
    kind = path.suffix.lower()
    try:
        with beside.open("wb", 1 << 20) as file:
            if kind == ".gz":
                with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
                    yield packed
            elif kind == ".bz2":
                with bz2.BZ2File(file, "wb") as packed:
                    yield packed
            elif kind == ".zst":
                with _zstandard(path).ZstdCompressor().stream_writer(file, closefd=False) as packed:
                    yield packed
            elif kind == ".zip":
                archive = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
                with archive, archive.open(path.stem, "w", force_zip64=True) as packed:
                    yield packed
            else:
                yield file
        beside.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {_reason(error)}") from error
    finally:
        beside.unlink(missing_ok=True)


def _zstandard(path: Path) -> Any:
    try:
        import zstandard
    except ImportError as error:
        raise UserError(f"{path} needs the package zstandard: pip install 'wordemb-hf[zst]'") from error
    return zstandard


def reading_bar(size: int | None, shown: bool) -> Any:
    """A progress bar over the bytes of a file."""
    from tqdm import tqdm

    return tqdm(total=size, unit="B", unit_scale=True, disable=not shown, leave=False)

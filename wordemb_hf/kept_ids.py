"""Ids of texts, kept on disk under the content of the text and the settings that they come from."""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tokenizers
from filelock import FileLock

from .cache import cache_folder
from .errors import UserError
from .token_ids import Ids

Mode = Literal["c", "r"]

FORMAT = 2
LIMIT_VARIABLE = "WORDEMB_HF_CACHE_GB"
IDS, OFFSETS, WORDS, HEADER = "ids.int32", "offsets.int64", "words.txt", "header.json"
BLOCK = 8 << 20  # bytes that a thread digests at a time
ABANDONED = 24 * 3600  # seconds after which nobody is still writing


@dataclass
class Header:
    """What an entry holds, to compare with what is found there."""

    key: str
    tokens: int
    documents: int
    digests: dict[str, str]  # by file name
    format: int = FORMAT

    def checksum(self) -> str:
        """Of all fields, in hexadecimal."""
        return hashlib.blake2b(json.dumps(asdict(self), sort_keys=True).encode(), digest_size=16).hexdigest()


def kept_folder() -> Path:
    """Where entries are; it need not exist yet."""
    return cache_folder() / "ids"


def kept_bytes() -> int:
    """How much may be kept: the environment variable WORDEMB_HF_CACHE_GB, 10 by default; 0 keeps nothing.

    Raises:
        UserError: when it is no number, or below 0.
    """
    given = os.environ.get(LIMIT_VARIABLE, "10")
    try:
        limit = float(given)
    except ValueError:
        limit = -1.0
    if not 0 <= limit < float("inf"):
        raise UserError(f"{LIMIT_VARIABLE} is {given!r}, but must be a number of gigabytes, at least 0")
    return int(limit * 1e9)


def digest_files(paths: Sequence[Path], pool: Executor) -> list[str]:
    """A digest of the bytes of each file.

    Raises:
        OSError: when one cannot be read.
    """
    blocks = [
        (number, start) for number, path in enumerate(paths) for start in range(0, max(path.stat().st_size, 1), BLOCK)
    ]
    whole = [hashlib.blake2b(digest_size=20) for _ in paths]
    digests = pool.map(_digest_block, [paths[number] for number, _ in blocks], [start for _, start in blocks])
    for (number, _), digest in zip(blocks, digests, strict=True):
        whole[number].update(digest)
    return [digest.hexdigest() for digest in whole]


def _digest_block(path: Path, start: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return hashlib.blake2b(file.read(BLOCK), digest_size=20).digest()


def key_of(files: Sequence[Path], settings: Sequence[Any], pool: Executor) -> str:
    """The name of an entry: of what decides the ids, the bytes and kinds of the files, and settings.

    Raises:
        OSError: when a file cannot be read.
    """
    digests = digest_files(files, pool)
    formats = ["".join(file.suffixes[-2:]).lower() for file in files]
    # Another release of tokenizers may know another Unicode.
    parts = [tokenizers.__version__, settings, formats, digests]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=20).hexdigest()


@contextmanager
def alone(key: str | None) -> Iterator[None]:
    """No other process makes the same entry meanwhile, and whoever waited finds it; `None` is no entry."""
    if key is None:
        yield
        return
    lock = FileLock(kept_folder() / ".locks" / key)
    try:
        Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError:  # nothing can be kept there
        yield
        return
    try:
        yield
    finally:
        lock.release()


def work_folder() -> Path:
    """Where ids are made: beside those that are kept, or where nothing can be kept there, for a time."""
    parent = kept_folder()
    try:
        parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".partial-", dir=parent))
    except OSError:
        return Path(tempfile.mkdtemp(prefix="wordemb-hf-ids-"))


@contextmanager
def named(folder: Path) -> Iterator[None]:
    """A full disk as one sentence."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"the ids of the text cannot be written in {folder.parent} ({error.strerror or error}): make room, or set "
            "WORDEMB_HF_CACHE to another folder"
        ) from error


def load_entry(key: str, pool: Executor, mode: Mode = "c") -> tuple[list[str], Ids] | None:
    """The words of a vocabulary in the order of their ids, and the ids; None unless all is there as it was written."""
    folder = kept_folder() / key
    try:
        content = json.loads((folder / HEADER).read_text(encoding="utf-8"))
        checksum = content.pop("checksum")
        header = Header(**content)
        names = sorted(header.digests)
        if checksum != header.checksum() or header.key != key or header.format != FORMAT:
            return None
        if digest_files([folder / name for name in names], pool) != [header.digests[name] for name in names]:
            return None
        words = (folder / WORDS).read_bytes().decode().split("\n")
        ids = open_ids(folder, header.tokens, header.documents, mode)
        os.utime(folder)  # those that are used stay longest
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return words, ids


def open_ids(folder: Path, tokens: int, documents: int, mode: Mode = "c") -> Ids:
    """The ids of a folder, mapped into memory. What is written to them stays in memory, or with `r` cannot be.

    Raises:
        ValueError: when the files are too short for them.
    """
    arrays = [
        np.asarray(np.memmap(folder / name, kind, mode, shape=(length,))) if length else np.zeros(0, kind)
        for name, kind, length in ((IDS, np.int32, tokens), (OFFSETS, np.int64, documents + 1))
    ]
    return Ids(*arrays)


def keep(folder: Path, key: str, words: Iterable[str], tokens: int, documents: int, pool: Executor) -> Path:
    """Make a folder with ids in it the entry of a key, and drop the oldest entries beyond `kept_bytes`.

    Returns:
        Where it is now: `folder` itself when it is too large to be kept, or cannot take its place.

    Raises:
        OSError: when it cannot be written.
    """
    (folder / WORDS).write_bytes("\n".join(words).encode())
    names = [IDS, OFFSETS, WORDS]
    digests = digest_files([folder / name for name in names], pool)
    header = Header(key, tokens, documents, dict(zip(names, digests, strict=True)))
    (folder / HEADER).write_text(json.dumps({**asdict(header), "checksum": header.checksum()}), encoding="utf-8")
    target = kept_folder() / key
    try:
        if not make_room(_size(folder), keeping=folder):
            return folder
        shutil.rmtree(target, ignore_errors=True)
        os.replace(folder, target)
    except OSError:  # another process was quicker, or its ids are in use on Windows
        return folder
    return target


def make_room(size: int, keeping: Path) -> bool:
    """Drop the oldest entries until `size` more bytes may be kept; False when they never can."""
    if size > kept_bytes():
        return False
    entries = []
    for entry in kept_folder().iterdir():
        if entry != keeping and entry.is_dir():
            age = entry.stat().st_mtime
            if entry.name.startswith(".") and time.time() - age > ABANDONED:
                shutil.rmtree(entry, ignore_errors=True)
            elif not entry.name.startswith("."):
                entries.append((age, _size(entry), entry))
    total = size + sum(bytes_ for _, bytes_, _ in entries)
    for _, bytes_, entry in sorted(entries):
        if total <= kept_bytes():
            break
        shutil.rmtree(entry, ignore_errors=True)
        total -= bytes_
    return True


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())

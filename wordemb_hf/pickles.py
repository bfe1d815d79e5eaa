"""Files that hold a pickle, by name and by what is in them; nothing is ever unpickled to find out.

A pickle runs what its author wrote when it is read, so none leaves for the Hub. What is found: the names that PyTorch,
Trainer and their kin give to pickles, pickles of protocol 2 and later (also inside gzip), archives of `torch.save`, and
numpy files of objects. A pickle of the oldest protocols under a name of its own is not told from text.
"""

import gzip
import re
import zipfile
from pathlib import Path

_SUFFIXES = {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill"}
_NAMES = re.compile(r"(pytorch_model.*|training_args|optimizer.*|scheduler.*|scaler.*|rng_state.*)\.bin")
_ZIP = b"PK\x03\x04"


def is_pickle(path: Path) -> bool:
    """Whether a file is a pickle or holds one. An unreadable file raises its `OSError`."""
    if path.suffix.lower() in _SUFFIXES or _NAMES.fullmatch(path.name.lower()):
        return True
    with path.open("rb") as file:
        start = file.read(4096)
    if path.suffix == ".safetensors" and start[8:9] == b"{":
        return False  # its first bytes are a number, which may be that of a pickle
    if start.startswith(_ZIP):
        return _archive_holds_pickle(path)
    if start.startswith(b"\x1f\x8b"):
        try:
            with gzip.open(path) as packed:
                start = packed.read(4096)
        except (OSError, EOFError):
            return False
    return _begins_pickle(start)


def _begins_pickle(start: bytes) -> bool:
    if start.startswith(b"\x93NUMPY"):
        return re.search(rb"'descr':[^}]*'\|?O", start[:4096]) is not None
    return start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")


def _archive_holds_pickle(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.is_dir() or member.flag_bits & 1:
                    continue
                if Path(member.filename).suffix.lower() in _SUFFIXES:
                    return True
                with archive.open(member) as file:
                    if _begins_pickle(file.read(4096)):
                        return True
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError):
        return False
    return False

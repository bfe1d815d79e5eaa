"""Compiled code that is kept on disk, under the content of all files that it may come from."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from ..cache import cache_folder

_FOLDER = Path(__file__).parent
# Sums may be taken in another order, but what is no number stays so.
_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "boundscheck": False,
    "error_model": "numpy",
    "fastmath": {"reassoc", "contract"},
}


def _folder() -> Path:
    """Numba looks at the one file that a function stands in, and would take what it calls from an older version."""
    digest = hashlib.blake2b(numba.__version__.encode(), digest_size=8)
    for path in sorted(_FOLDER.glob("*.py")):
        content = path.read_bytes()
        if b"compiled" in content:  # what is compiled says so
            digest.update(content)
    return cache_folder() / "compiled" / digest.hexdigest()


FOLDER = _folder()


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function on its first call, or read what was compiled before; it runs without a lock on Python."""
    settings: Any = numba.config
    before, settings.CACHE_DIR = settings.CACHE_DIR, str(FOLDER)
    try:
        return numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # no folder can be written to: it will be compiled again in each process
        return numba.njit(**_OPTIONS)(function)
    finally:
        settings.CACHE_DIR = before


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a function into those that call it: a call would cost as much as a short one does."""
    return numba.njit(forceinline=True, **_OPTIONS)(function)


def is_kept(function: Any) -> bool:
    """Whether a function was compiled before, in this process or an earlier one."""
    return bool(function.signatures) or any(FOLDER.rglob(f"*.{function.__name__}-*.nbi"))

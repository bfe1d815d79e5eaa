"""Output folders that appear whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import UserError


def check_output(output: str | Path, overwrite: bool) -> None:
    """Refuse an output folder that must not be written, before any work is done.

    Raises:
        UserError: when it is a file, or a folder with something in it and `overwrite` is false.
    """
    output = Path(output)
    if output.is_file():
        raise UserError(f"output {output} is a file: give a folder")
    if output.is_dir() and any(output.iterdir()) and not overwrite:
        raise UserError(f"output folder {output} is not empty: give another one, or --overwrite to replace it")


@contextmanager
def new_folder(output: str | Path) -> Iterator[Path]:
    """A folder beside `output` to write into; it takes the place of `output` when the block ends without an error.

    A run that is killed leaves what was there before untouched.
    """
    output = Path(output).resolve()
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{output.name}.partial-", dir=output.parent))
    partial.chmod(0o777 & ~_umask())  # mkdtemp makes folders that only their owner can read
    try:
        yield partial
        old = partial.with_name(partial.name.replace("partial", "old"))
        if output.exists():
            os.replace(output, old)
        os.replace(partial, output)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

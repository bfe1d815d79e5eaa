"""Output folders that appear whole or not at all."""

import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import UserError


def check_output(output: str | Path, overwrite: bool) -> None:
    """Refuse an output folder that must not be written, before any work is done.

    Raises:
        UserError: when it is a file or would lie in one, or is a folder with something in it that is not to be
            replaced: without `overwrite` nothing, with it a model folder and nothing else.
    """
    output = Path(output)
    if output.is_file():
        raise UserError(f"output {output} is a file: give a folder")
    for parent in output.parents:
        if parent.is_file():
            raise UserError(f"output {output} lies in {parent}, which is a file: give another folder")
    if not output.is_dir() or not any(output.iterdir()):
        return
    if not overwrite:
        raise UserError(f"output folder {output} is not empty: give another one, or --overwrite to replace it")
    if not any((output / name).is_file() for name in ("config.json", "tokenizer.json")):
        raise UserError(f"output folder {output} holds no model, so --overwrite does not replace it: give another one")


def check_output_file(output: str | Path | None) -> None:
    """Refuse an output file that cannot be written, before any work is done; `None` is fine.

    Raises:
        UserError: when it is a folder, or its folder is not there.
    """
    if output is not None and Path(output).is_dir():
        raise UserError(f"output {output} is a folder: give a file")
    if output is not None and not Path(output).parent.is_dir():
        raise UserError(f"output {output}: there is no folder {Path(output).parent}")


def place_for(output: Path | None, head: str | None, backbone: str | Path | None) -> tuple[Path, Path | None]:
    """Where a model goes: `output`, or the folder of a head beside its backbone; and the backbone's folder, for a head.

    Raises:
        UserError: when both or neither are given, there is no backbone in a folder, or the name is none for a folder.
    """
    if head is None:
        if output is None:
            raise UserError("give --output, the folder for the model, or --head, its name beside its backbone")
        return Path(output), None
    if output is not None:
        raise UserError(f"output is {output}, but head {head} has its place beside its backbone: leave one of them out")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", head):
        raise UserError(f"head is {head!r}, but must be a name of letters, digits, '-', '_' and '.'")
    if backbone is None or not (Path(backbone) / "config.json").is_file():
        raise UserError(f"head {head} lies in the folder of its backbone: give that by --model or --vectors")
    return Path(backbone) / "heads" / head, Path(backbone)


def share_code(head: Path, backbone: Path) -> None:
    """Give a backbone's folder the code of a head beside it: with `subfolder=`, code is sought there alone."""
    for path in sorted(head.glob("*.py")):
        if not (backbone / path.name).exists():
            beside = backbone / f".{path.name}.partial"
            shutil.copyfile(path, beside)
            beside.replace(backbone / path.name)


@contextmanager
def new_folder(output: str | Path) -> Iterator[Path]:
    """A folder beside `output` to write into; it takes the place of `output` when the block ends without an error.

    A run that is killed leaves what was there before untouched.
    """
    output = Path(output).resolve()
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{output.name}.partial-", dir=output.parent))
    try:
        yield partial
        # mkdtemp and safetensors make what only its owner can read.
        partial.chmod(0o777 & ~_umask())
        for file in partial.rglob("*"):
            file.chmod((0o777 if file.is_dir() else 0o666) & ~_umask())
        move_folder(partial, output)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def only_writer(output: Path) -> Iterator[None]:
    """Nobody else who asks for it writes `output` meanwhile; the system ends the lock with the process, killed or not.

    Raises:
        UserError: when somebody does.
    """
    from filelock import FileLock, Timeout

    file = output.resolve().with_name(f".{output.resolve().name}.lock")
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        number = ""
        with suppress(OSError, ValueError):
            number = f", number {int(file.read_text())}"
        raise UserError(
            f"{output} is being written by another process{number}: wait until it has ended, or give another --output"
        ) from None
    try:
        with suppress(OSError):  # where a file that is locked cannot be written
            file.write_text(str(os.getpid()))
        yield
    finally:
        with suppress(OSError):
            file.unlink()
        lock.release()


def move_folder(folder: Path, output: Path) -> None:
    """Put a folder in the place of another one on the same disk, if there is one."""
    old = output.with_name(f".{output.name}.old-{uuid.uuid4().hex[:8]}")
    if output.exists():
        os.replace(output, old)
    os.replace(folder, output)
    shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

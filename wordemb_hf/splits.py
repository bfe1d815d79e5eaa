"""The parts of a data set: which file is trained on, which decides when to stop, which is looked at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from .errors import UserError

EXAMPLE_SUFFIXES = (".tsv", ".csv", ".jsonl")

Part = TypeVar("Part")


@dataclass
class Splits(Generic[Part]):
    """The parts of a labelled data set. `dev` is None only where nothing could or should be cut off `train`."""

    train: Part
    dev: Part | None
    test: Part | None


def find_parts(
    data: str | Path, dev: str | Path | None, test: str | Path | None, suffixes: Sequence[str], dev_fraction: float
) -> tuple[Path, Path | None, Path | None]:
    """The files of the training, dev and test parts: `data` is the first, or a folder with any of them.

    Raises:
        UserError: for a folder without a training part, two files that claim the same part, or an impossible share.
    """
    if not 0 <= dev_fraction < 1:
        raise UserError(f"dev_fraction must be at least 0 and less than 1, not {dev_fraction}")
    data, dev, test = Path(data), None if dev is None else Path(dev), None if test is None else Path(test)
    if not data.is_dir():
        return data, dev, test
    train = part_file(data, "train", suffixes=suffixes)
    if train is None:
        raise UserError(f"the folder {data} has no training part: train{', train'.join(suffixes)} or .gz")
    dev = dev or part_file(data, "dev", "validation", "valid", suffixes=suffixes)
    return train, dev, test or part_file(data, "test", suffixes=suffixes)


def test_part(data: Path, suffixes: Sequence[str] = EXAMPLE_SUFFIXES) -> Path:
    """`data` itself, or the test part of a folder.

    Raises:
        UserError: for a folder without one.
    """
    if not data.is_dir():
        return data
    found = part_file(data, "test", suffixes=suffixes)
    if found is None:
        raise UserError(f"the folder {data} has no test part: test{', test'.join(suffixes)} or .gz")
    return found


def part_file(folder: Path, *names: str, suffixes: Sequence[str] = EXAMPLE_SUFFIXES) -> Path | None:
    """The one file in `folder` whose whole stem is one of `names`: `train.fine.tsv` is not `train`.

    Raises:
        UserError: for two of them.
    """
    allowed = {f"{name}{suffix}{gz}" for name in names for suffix in suffixes for gz in ("", ".gz")}
    found = sorted(file for file in folder.iterdir() if file.name.lower() in allowed and file.is_file())
    if len(found) > 1:
        listed = " and ".join(file.name for file in found)
        raise UserError(f"the folder {folder} has {listed}: keep one as {names[0]}, or name the files one by one")
    return found[0] if found else None

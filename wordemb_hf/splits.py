"""The parts of a data set: which file is trained on, which decides when to stop, which is looked at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from .errors import UserError
from .hub_datasets import dataset_name, find_split, split_names
from .records import Source

EXAMPLE_SUFFIXES = (".tsv", ".csv", ".jsonl", ".parquet")
DEV_FRACTION = 0.1  # of the training part, where there is no dev part
DEV_NAMES = ("dev", "validation", "valid", "val")

Part = TypeVar("Part")


@dataclass
class Splits(Generic[Part]):
    """The parts of a labelled data set. `dev` is None only where nothing could or should be cut off `train`."""

    train: Part
    dev: Part | None
    test: Part | None


def find_parts(
    data: str | Path, dev: str | Path | None, test: str | Path | None, suffixes: Sequence[str], dev_fraction: float
) -> tuple[Source, Source | None, Source | None]:
    """The training, dev and test parts: `data` is the first, or a folder or a data set of the Hub with any of them.

    `dev` and `test` may be names of data sets too, and are then their parts of that name.

    Raises:
        UserError: for a folder or data set without a training part, two files that claim the same part, or an
            impossible share.
    """
    if not 0 <= dev_fraction < 1:
        raise UserError(f"dev_fraction must be at least 0 and less than 1, not {dev_fraction}")
    data = Path(data)
    dev_part = None if dev is None else source_of(dev, *DEV_NAMES)
    test_part = None if test is None else source_of(test, "test")
    named = dataset_name(data)
    if named is not None:
        return (
            source_of(data, "train"),
            dev_part or find_split(named, *DEV_NAMES),
            test_part or find_split(named, "test"),
        )
    if not data.is_dir():
        return data, dev_part, test_part
    train = part_file(data, "train", suffixes=suffixes)
    if train is None:
        raise UserError(f"the folder {data} has no training part: train{', train'.join(suffixes)} or .gz")
    dev_part = dev_part or part_file(data, *DEV_NAMES, suffixes=suffixes)
    return train, dev_part, test_part or part_file(data, "test", suffixes=suffixes)


def source_of(data: str | Path, *names: str) -> Source:
    """A path as it is; of a data set of the Hub, the part that is called by one of `names`.

    Raises:
        UserError: for a data set that has none or cannot be read.
    """
    named = dataset_name(data)
    if named is None:
        return Path(data)
    found = find_split(named, *names)
    if found is None:
        raise UserError(
            f"{named} has no part called {names[0]}: it has {', '.join(split_names(named)) or 'none at all'}"
        )
    return found


def test_part(data: Path, suffixes: Sequence[str] = EXAMPLE_SUFFIXES) -> Source:
    """`data` itself, or the test part of a folder or a data set of the Hub.

    Raises:
        UserError: for one without it.
    """
    if not data.is_dir():
        return source_of(data, "test")
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

"""Data sets of the Hub by name, `namespace/name`, with `:config` and `@revision` where they are needed.

They are read through `datasets`, in the formats that hold text; a data set that is a program is refused there.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UserError

if TYPE_CHECKING:
    from datasets import DatasetBuilder

    from .records import Record

_NAME = re.compile(r"(?P<path>[\w.-]+/[\w.-]+)(?::(?P<config>[^/@\s]+))?(?:@(?P<revision>[^\s]+))?")
# Who calls a file of one of these kinds means a file, though it is not there.
_FILES = (".tsv", ".csv", ".jsonl", ".json", ".txt", ".parquet", ".conll", ".bio", ".bmes", ".iob", ".gz")
# Builders of `datasets` for text. Others read pictures, archives and whatever the next release brings.
_FORMATS = ("arrow", "conll", "csv", "json", "parquet", "text")


@dataclass(frozen=True)
class HubSplit:
    """One part of a data set of the Hub, which is not read yet."""

    dataset: str
    split: str

    def __str__(self) -> str:
        return f"{self.dataset} ({self.split})"

    @property
    def name(self) -> str:
        """As the name of a file, which has an ending."""
        return str(self)


def dataset_name(data: str | Path) -> str | None:
    """The data set that is meant, where no file or folder of that name is there; `None` where a file is."""
    text = Path(data).as_posix()
    found = _NAME.fullmatch(text)
    if found is None or found["path"].lower().endswith(_FILES) or found["path"].startswith(".") or Path(data).exists():
        return None
    return text


def name_of(data: Path) -> str:
    """What data are called: the name of the file or folder, or that on the Hub."""
    named = dataset_name(data)
    if named is not None:
        return named
    return data.resolve().name if data.is_dir() else data.stem


def find_split(dataset: str, *names: str) -> HubSplit | None:
    """The part of a data set that is called by one of these names.

    Raises:
        UserError: for a data set that cannot be read.
    """
    present = split_names(dataset)
    return next((HubSplit(dataset, name) for name in names if name in present), None)


def split_names(dataset: str) -> list[str]:
    """The names of its parts.

    Raises:
        UserError: for a data set that cannot be read.
    """
    return [str(name) for name in builder_of(dataset).config.data_files or ()]


def split_columns(split: HubSplit) -> list[str]:
    """The names of its columns.

    Raises:
        UserError: for a data set that cannot be read.
    """
    return list(_prepared(split).column_names)


def split_records(split: HubSplit, columns: Sequence[str]) -> "Iterator[Record]":
    """The rows of a part, counted from 1, each with these columns; it is downloaded whole, and kept by `datasets`.

    Raises:
        UserError: for a data set that cannot be read, or lacks a column.
    """
    from .tables import ROWS, table_records

    table = _prepared(split)
    rows = table.with_format("arrow").iter(batch_size=ROWS)
    yield from table_records(str(split), rows, table.features.arrow_schema, table.features.to_dict(), columns)


def stream_records(split: HubSplit, columns: Sequence[str]) -> "Iterator[Record]":
    """The same without keeping anything: as they come over the network."""
    import pyarrow

    from .tables import ROWS, table_records

    with _told(split.dataset):
        stream = builder_of(split.dataset).as_streaming_dataset(split=split.split).with_format("arrow")
        tables = stream.iter(batch_size=ROWS)
        first = next(tables, None)

    def following() -> Iterator[Any]:
        line, table = 0, first
        while table is not None:
            yield table
            line += len(table)
            with _told(split.dataset, f", behind line {line}"):
                table = next(tables, None)

    if first is not None:
        # Formats without a schema are known by their first rows, as `datasets` knows them.
        features = {} if stream.features is None else stream.features.to_dict()
        assert isinstance(first, pyarrow.Table)
        yield from table_records(str(split), following(), first.schema, features, columns)


@lru_cache(maxsize=8)
def builder_of(dataset: str) -> "DatasetBuilder":
    """What reads a data set, by its name.

    Raises:
        UserError: for a data set that is not there, needs a config, or is of a kind that holds no text.
    """
    import datasets

    found = _NAME.fullmatch(dataset)
    assert found is not None
    with _told(dataset):
        try:
            builder = datasets.load_dataset_builder(found["path"], found["config"], revision=found["revision"])
        except ValueError as error:
            configs = "" if found["config"] else _listed(str(error))
            if not configs:
                raise
            raise UserError(f"{dataset} has several configs: name one of {configs} as {dataset}:CONFIG") from None
    kind = _format_of(builder)
    if kind not in _FORMATS:
        raise UserError(f"{dataset} holds files of the kind {kind!r}, but data sets are read of {', '.join(_FORMATS)}")
    return builder


def _format_of(builder: "DatasetBuilder") -> str:
    """The name of the module of `datasets` that reads it."""
    for kind in type(builder).__mro__:
        if kind.__module__.startswith("datasets.packaged_modules."):
            return kind.__module__.split(".")[2]
    return type(builder).__module__


def _listed(message: str) -> str:
    found = re.search(r"Config name is missing.*?(\[.*?\])", message, re.DOTALL)
    return "" if found is None else found[1]


def _prepared(split: HubSplit) -> Any:
    builder = builder_of(split.dataset)
    with _told(split.dataset):
        builder.download_and_prepare()
        return builder.as_dataset(split=split.split)


@contextmanager
def _told(dataset: str, where: str = "") -> Iterator[None]:
    """Whatever goes wrong with somebody's files, in one sentence."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        # `datasets` says what it was doing, and keeps what went wrong as the cause.
        cause = error.__cause__ or error
        said = " ".join(str(cause).split())[:300] or type(cause).__name__
        raise UserError(f"{dataset} is no file or folder, and cannot be read from the Hub{where}: {said}") from error

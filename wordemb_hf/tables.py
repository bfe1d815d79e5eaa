"""Tables as Arrow knows them, parquet files and data sets of the Hub, as records.

A column is called by its name; one inside another by both, `translation.de`, or by its own where the outer one is
called `translation`. Numbers of classes become the classes' names where the table knows them.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UserError
from .records import Record, check_columns

if TYPE_CHECKING:
    import pyarrow

ROWS = 1000  # in memory at a time


def parquet_records(path: Path, columns: Sequence[str]) -> Iterator[Record]:
    """The rows of a parquet file, counted from 1, each with these columns.

    Raises:
        UserError: for a file that cannot be read, or lacks a column.
    """
    import pyarrow.parquet

    try:
        # Without these two settings a group of rows, which may be the whole file, is read at once.
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            schema = file.schema_arrow
            outer = list(dict.fromkeys(way[0] for way in _ways(str(path), columns, schema)))
            tables = file.iter_batches(batch_size=ROWS, columns=outer)
            yield from table_records(str(path), tables, schema, _features(schema), columns)
    except UserError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as parquet: {' '.join(str(error).split())[:200]}") from None


def parquet_columns(path: Path) -> list[str]:
    """The names of a parquet file's columns.

    Raises:
        UserError: for a file that cannot be read.
    """
    import pyarrow.parquet

    try:
        return list(pyarrow.parquet.read_schema(path).names)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as parquet: {' '.join(str(error).split())[:200]}") from None


def table_records(
    where: str,
    tables: "Iterable[pyarrow.RecordBatch | pyarrow.Table]",
    schema: "pyarrow.Schema",
    features: dict[str, Any],
    columns: Sequence[str],
) -> Iterator[Record]:
    """The rows of tables that follow one another, counted from 1.

    Args:
        where: what messages call them.
        tables: some rows each; they may have further columns.
        schema: of all of them.
        features: what `datasets` knows of the columns, as its JSON has it.
        columns: those that are wanted.

    Raises:
        UserError: for a missing column, or the number of a class that is none.
    """
    ways = _ways(where, columns, schema)
    classes = [_class_names(features.get(way[0])) if len(way) == 1 else None for way in ways]
    line = 0
    for table in tables:
        for row in table.select(list(dict.fromkeys(way[0] for way in ways))).to_pylist():
            line += 1
            cells: dict[str, object] = {}
            for column, way, names in zip(columns, ways, classes, strict=True):
                cell = row[way[0]]
                for step in way[1:]:
                    cell = None if cell is None else cell[step]
                cells[column] = cell if names is None else _named(f"{where}, line {line}: {column}", cell, names)
            yield line, cells


def _ways(where: str, columns: Sequence[str], schema: "pyarrow.Schema") -> list[list[str]]:
    """For each column the names that lead to it."""
    names = set(schema.names)
    inner = {f"{field.name}.{part.name}": [field.name, part.name] for field in schema for part in _parts(field.type)}
    ways = []
    for column in columns:
        if column not in names:
            found = inner.get(column) or inner.get(f"translation.{column}")
            if found is None:
                check_columns(where, (column,), [*schema.names, *inner])
            ways.append(found or [column])
        else:
            ways.append([column])
    return ways


def _parts(kind: "pyarrow.DataType") -> "list[pyarrow.Field]":
    import pyarrow.types

    return [kind.field(number) for number in range(kind.num_fields)] if pyarrow.types.is_struct(kind) else []


def _features(schema: "pyarrow.Schema") -> dict[str, Any]:
    """What `datasets` wrote beside a table, which anyone may have written."""
    try:
        found = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _class_names(feature: Any) -> list[str] | None:
    """The names of the classes of a column, or of the items of its lists; `None` for anything else."""
    for _ in range(8):  # lists of lists are none of ours, but may be there
        if isinstance(feature, list) and len(feature) == 1:
            feature = feature[0]
        elif isinstance(feature, dict) and isinstance(feature.get("feature"), dict | list):
            feature = feature["feature"]
    names = feature.get("names") if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" else None
    # As the metadata of a repository has them: by number.
    names = list(names.values()) if isinstance(names, dict) else names
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def _named(where: str, cell: Any, names: list[str]) -> Any:
    """The name in place of a class's number; -1 is no class, as in test parts whose labels are kept secret."""
    if isinstance(cell, list):
        return [_named(where, item, names) for item in cell]
    if type(cell) is not int:
        return cell
    if cell >= len(names) or cell < -1:
        raise UserError(f"{where} is {cell}, but the classes are 0 to {len(names) - 1}")
    return None if cell == -1 else names[cell]

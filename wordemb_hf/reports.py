"""Figures as they are shown, and the small text files that a run leaves."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .messages import translate


def write_history(history: Iterable[dict[str, Any]], folder: Path) -> None:
    """Write the rows of a training, one JSON object a line, to `training_log.jsonl`."""
    write_lines((json.dumps(row, ensure_ascii=False) for row in history), folder / "training_log.jsonl")


def told(figures: dict[str, Any]) -> str:
    """Figures in one line, named in the language of the user; what is no single number is left out."""
    return ", ".join(f"{translate(name)} {value:.4f}" for name, value in figures.items() if isinstance(value, float))


def write_json(value: Any, path: Path) -> None:
    """Write readable JSON."""
    write_lines([json.dumps(value, ensure_ascii=False, indent=2)], path)


def write_lines(lines: Iterable[str], path: Path) -> None:
    """Write lines in UTF-8. The file appears whole or not at all: it is written beside and renamed."""
    beside = path.with_name(f".{path.name}.partial")
    with beside.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(line + "\n" for line in lines)
    beside.replace(path)

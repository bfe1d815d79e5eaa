"""The parts of a data set as files of a comparison's own, so that every training has the same development part."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..conll import TaggedSentences
from ..corpus import Examples
from ..reports import write_lines
from ..splits import Splits


def write_parts(parts: Splits[Any], folder: Path) -> None:
    """Write `train.jsonl`, `dev.jsonl` and `test.jsonl`, in columns that the verbs look for."""
    folder.mkdir(parents=True)
    for name, lines in _lines(parts).items():
        write_lines(lines, folder / f"{name}.jsonl")


def fingerprint(parts: Splits[Any]) -> str:
    """A number for the contents of all parts, in hexadecimal digits."""
    digest = hashlib.sha256()
    for name, lines in _lines(parts).items():
        digest.update(f"{name}\n".encode())
        for line in lines:
            digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def _lines(parts: Splits[Any]) -> dict[str, Iterator[str]]:
    named = {"train": parts.train, "dev": parts.dev, "test": parts.test}
    return {name: _lines_of(part) for name, part in named.items() if part is not None}


def _lines_of(part: Examples | TaggedSentences) -> Iterator[str]:
    rows: Iterator[dict[str, Any]]
    if isinstance(part, TaggedSentences):
        rows = ({"tokens": tokens, "tags": tags} for tokens, tags in zip(part.tokens, part.tags, strict=True))
    else:
        rows = ({"text": text, "label": label} for text, label in zip(part.texts, part.labels, strict=True))
    return (json.dumps(row, ensure_ascii=False) for row in rows)

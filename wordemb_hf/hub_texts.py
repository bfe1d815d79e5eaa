"""Text of the Hub on disk: streamed once, so that it can be read as often as it is wanted."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .corpus import read_texts
from .hub_datasets import HubSplit, builder_of
from .kept_ids import alone, kept_bytes, kept_folder, make_room, named, work_folder
from .splits import source_of

_FILE = "text.jsonl"


@contextmanager
def local_texts(corpus: Sequence[Path], text_column: str) -> Iterator[list[Path]]:
    """The paths of a corpus, with a file for each data set of the Hub in it, which is its training part.

    Such a file is kept beside ids of texts (`kept_ids`) by the commit it comes from; one that is too large for that is
    deleted at the end.

    Raises:
        UserError: for a data set that cannot be read, or has no training part or no such column.
    """
    with ExitStack() as stack:
        sources = [source_of(path, "train") for path in corpus]
        yield [
            stack.enter_context(_on_disk(source, text_column)) if isinstance(source, HubSplit) else source
            for source in sources
        ]


@contextmanager
def _on_disk(split: HubSplit, text_column: str) -> Iterator[Path]:
    parts = [split.dataset, builder_of(split.dataset).hash, split.split, text_column]
    key = "text-" + hashlib.blake2b(json.dumps(parts).encode(), digest_size=20).hexdigest()
    place = kept_folder() / key
    with alone(key):
        if not (place / _FILE).is_file():
            place = _write(split, text_column, place)
        elif kept_bytes():
            os.utime(place)  # those that are used stay longest
    try:
        yield place / _FILE
    finally:
        if place.name != key:
            shutil.rmtree(place, ignore_errors=True)


def _write(split: HubSplit, text_column: str, target: Path) -> Path:
    """Stream it to a folder, which is `target` if it may be kept."""
    folder = work_folder()
    try:
        with named(folder), (folder / _FILE).open("w", encoding="utf-8") as file:
            for text in read_texts(split, text_column=text_column, keep_empty=True):
                file.write(json.dumps({text_column: text}, ensure_ascii=False) + "\n")
        if make_room((folder / _FILE).stat().st_size, keeping=folder):
            os.replace(folder, target)
            return target
    except OSError:  # it cannot take its place
        return folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder

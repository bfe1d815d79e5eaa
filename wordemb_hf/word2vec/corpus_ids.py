"""Text files to a tokenizer and the ids of the text: what `build_tokenizer` and `encode_corpus` give, much sooner.

The text is cut into chunks by a compiled scanner, in threads. The tokenizer reads each different chunk once, and the
numbers of the chunks become ids. Memory is that of the different chunks and some megabytes for each thread; the ids
lie in a file that is mapped into memory, and are kept for the next time.
"""

from __future__ import annotations

import json
import shutil
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import PreTrainedTokenizerFast

from .. import kept_ids
from ..corpus import read_texts, text_files
from ..errors import UserError
from ..processors import count_processors
from ..token_ids import Ids, encode_corpus
from ..tokenizer_kinds import PAD, UNK, all_special_tokens, kind_of
from ..vocabulary import (
    build_tokenizer,
    check_tokenizer,
    extend_tokenizer,
    frequent_words,
    tokenizer_from_words,
    with_words,
)
from .chunk_words import ChunkWords
from .id_files import NumberWriter, write_ids
from .scanned_text import Groups, merged_chunks, scan_text, scanner_classes
from .text_pieces import Refusal

if TYPE_CHECKING:
    from ..tokenization.ngram_hashing import NgramScheme


@dataclass(frozen=True)
class _Settings:
    """Of the tokenizer, and the column that is read: with the bytes of the text, they say what the ids are."""

    kind: str
    min_count: int
    max_size: int | None
    lowercase: bool
    special_tokens: tuple[str, ...]
    text_column: str
    line_ends: bool = False
    drop_unknown: bool = True
    given: str = ""  # a tokenizer.json


def index_corpus(
    paths: str | Path | Sequence[str | Path],
    *,
    kind: str = "word",
    min_count: int = 5,
    max_size: int | None = 50000,
    lowercase: bool = True,
    special_tokens: Sequence[str] = (),
    ngrams: NgramScheme | None = None,
    text_column: str = "text",
    threads: int | None = None,
) -> tuple[PreTrainedTokenizerFast, Ids]:
    """The tokenizer of a text, and the text as ids without unknown words.

    Equal to `build_tokenizer` and `encode_corpus` on `read_texts(paths)`, to the last id, for any number of threads.
    It is they who do the work where Numba is missing, for little text, for the kind `char-space`, for special tokens
    with white space or beyond ASCII, and for text with NUL characters or, in the kind `whitespace`, with the
    separators U+001C to U+001F.

    The ids are a file mapped into memory. Those of 4 MB of text and more are kept in the folder `ids` of
    `cache_folder()`, up to 10 GB (the environment variable `WORDEMB_HF_CACHE_GB`; 0 keeps nothing), under the content
    of the text and the settings.

    Args:
        paths: as `read_texts` takes them, with `text_column`.
        kind: as in `build_tokenizer`; so are `min_count`, `max_size`, `lowercase`, `special_tokens` and `ngrams`.
        threads: that read at once, as many as the process has processors by default.

    Returns:
        The tokenizer, and ids int32 `(tokens,)` with offsets int64 `(documents + 1,)`.

    Raises:
        UserError: as those two, and when the ids cannot be written.
    """
    check_tokenizer(kind, min_count, max_size, special_tokens)
    if threads is not None and threads < 1:
        raise UserError(f"threads must be at least 1, not {threads}")
    kept_ids.kept_bytes()  # refused before any work, if it is no number
    groups = text_files(paths)
    settings = _Settings(kind, min_count, max_size, lowercase, tuple(special_tokens), text_column)
    make_tokenizer = partial(
        tokenizer_from_words,
        kind=settings.kind,
        lowercase=settings.lowercase,
        special_tokens=settings.special_tokens,
        ngrams=ngrams,
    )
    classes = scanner_classes(groups, settings.kind, settings.special_tokens)
    if classes is not None:
        threads = threads or count_processors()
        with ThreadPoolExecutor(threads) as pool, suppress(Refusal):
            return _index(groups, settings, make_tokenizer, classes, threads, pool, kept_ids.kept_bytes() > 0)
        # What is wrong with the text is said before it is counted.
        deque(read_texts(paths, text_column=text_column), maxlen=0)
    tokenizer = build_tokenizer(
        read_texts(paths, text_column=text_column),
        kind=kind,
        min_count=min_count,
        max_size=max_size,
        lowercase=lowercase,
        special_tokens=special_tokens,
        ngrams=ngrams,
    )
    return tokenizer, encode_corpus(tokenizer, read_texts(paths, text_column=text_column))


def scan_corpus(
    paths: Sequence[Path],
    make_tokenizer: Callable[[list[str]], PreTrainedTokenizerFast],
    given: PreTrainedTokenizerFast | None,
    *,
    line_ends: bool,
    drop_unknown: bool,
    **settings: Any,
) -> tuple[PreTrainedTokenizerFast, Ids] | None:
    """`indexing.index_text` by the scanner; None where it cannot read the text, or not as the tokenizer does.

    Args:
        make_tokenizer: of words in the order of `frequent_words`.
        given: a tokenizer that knows its words already.
        settings: the others of `index_corpus`.
    """
    groups = text_files(paths)
    if given is not None:
        cutting, specials = kind_of(given), _special_tokens(given)
        if cutting is None or specials is None:
            return None
        settings |= {"kind": cutting[0], "lowercase": cutting[1], "special_tokens": specials}
        settings["given"] = given.backend_tokenizer.to_str()
    settings["special_tokens"] = tuple(settings["special_tokens"])
    scanned = _Settings(**settings, line_ends=line_ends, drop_unknown=drop_unknown)
    classes, threads = scanner_classes(groups, scanned.kind, scanned.special_tokens), count_processors()
    if classes is None:
        return None
    with ThreadPoolExecutor(threads) as pool, suppress(Refusal):
        keeping = kept_ids.kept_bytes() > 0
        made = (lambda words: given) if given is not None else make_tokenizer
        return _index(groups, scanned, made, classes, threads, pool, keeping, mode="r")
    return None


def extend_corpus(
    tokenizer: PreTrainedTokenizerFast,
    paths: str | Path | Sequence[str | Path],
    *,
    min_count: int = 1,
    text_column: str = "text",
    threads: int | None = None,
) -> tuple[PreTrainedTokenizerFast, Ids]:
    """A tokenizer that also knows the words of more text, and that text as ids without unknown words.

    Equal to `extend_tokenizer` and `encode_corpus`, as `index_corpus` is to its two. These ids are not kept.

    Args:
        tokenizer: of whole words or characters.
        paths: of the new text; the rest is as in `index_corpus`.

    Raises:
        UserError: as those two, and when the ids cannot be written.
    """
    groups, cutting = text_files(paths), kind_of(tokenizer)
    if cutting is not None and type(tokenizer).__name__ != "CharWordTokenizer":
        specials = tuple(token for token in tokenizer.all_special_tokens if token not in all_special_tokens(()))
        settings = _Settings(cutting[0], min_count, None, cutting[1], specials, text_column)
        classes = scanner_classes(groups, settings.kind, settings.special_tokens)
        threads = threads or count_processors()
        if classes is not None:
            with ThreadPoolExecutor(threads) as pool, suppress(Refusal):
                return _index(groups, settings, partial(with_words, tokenizer), classes, threads, pool, known=True)
    longer = extend_tokenizer(tokenizer, read_texts(paths, text_column=text_column), min_count=min_count)
    return longer, encode_corpus(longer, read_texts(paths, text_column=text_column))


def _special_tokens(tokenizer: PreTrainedTokenizerFast) -> list[str] | None:
    """Those beside padding and the unknown token; None if it finds anything but them and words of its vocabulary."""
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    if content["model"]["type"] != "WordLevel" or not all(token["special"] for token in content["added_tokens"]):
        return None
    return [token["content"] for token in content["added_tokens"] if token["content"] not in (PAD, UNK)]


def _index(
    groups: Groups,
    settings: _Settings,
    make_tokenizer: Callable[[list[str]], PreTrainedTokenizerFast],
    classes: np.ndarray,
    threads: int,
    pool: Executor,
    keeping: bool = False,
    known: bool = False,
    mode: kept_ids.Mode = "c",
) -> tuple[PreTrainedTokenizerFast, Ids]:
    """`index_corpus` by the scanner, for a tokenizer that knows words already or not.

    Raises:
        Refusal: where it cannot read the text.
    """
    key = _key(groups, settings, pool) if keeping else ""
    found = kept_ids.load_entry(key, pool, mode) if keeping else None
    if found is not None:
        words, ids = found
        return make_tokenizer(words), ids

    folder = kept_ids.work_folder()
    try:
        with kept_ids.named(folder):
            readers = scan_text(
                groups,
                settings.text_column,
                threads,
                pool,
                lambda number: NumberWriter(folder / f"chunks-{number}", classes, settings.line_ends),
            )
        chunks, times, numbers = merged_chunks(readers)
        words_of_chunks = ChunkWords(chunks, settings.kind, settings.lowercase, settings.special_tokens)
        counts = words_of_chunks.counts(times)
        enough = not settings.given and (not known or bool((counts >= settings.min_count).any()))
        words = []
        if enough:
            words = frequent_words(
                words_of_chunks.words,
                counts,
                kind=settings.kind,
                min_count=settings.min_count,
                max_size=settings.max_size,
            )
        tokenizer = make_tokenizer(words)
        if len(tokenizer) == len(all_special_tokens(settings.special_tokens)):
            raise Refusal  # every word is spelled like a special token
        with kept_ids.named(folder):
            rows = words_of_chunks.encode(tokenizer, settings.drop_unknown)
            line_end = tokenizer.eos_token_id if settings.line_ends else -1
            tokens, documents = write_ids(readers, numbers, rows, line_end, folder, pool)
            place = kept_ids.keep(folder, key, words, tokens, documents, pool) if keeping else folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    ids = kept_ids.open_ids(place, tokens, documents, mode)
    if place == folder:
        weakref.finalize(ids, shutil.rmtree, folder, ignore_errors=True)
    return tokenizer, ids


def _key(groups: Groups, settings: _Settings, pool: Executor) -> str:
    """Of what decides the ids: the bytes and kinds of the files, how they are grouped, and the tokenizer."""
    files = [file for _, files in groups for file in files]
    try:
        return kept_ids.key_of(files, [asdict(settings), [len(files) for _, files in groups]], pool)
    except OSError as error:
        raise Refusal from error

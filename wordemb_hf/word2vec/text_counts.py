"""Text files to a tokenizer and its report: what `build_tokenizer` and `measure_tokenizer` give, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerFast

from ..corpus import text_files
from ..processors import count_processors
from ..token_ids import in_batches
from ..tokenizer_kinds import all_special_tokens
from ..tokenizer_report import TokenizerReport, TokenTally
from ..vocabulary import check_tokenizer, frequent_words, tokenizer_from_words
from .chunk_words import ChunkWords
from .scanned_text import TextReader, merged_chunks, scan_text, scanner_classes
from .text_pieces import Refusal


def count_text(
    paths: Sequence[Path],
    *,
    kind: str,
    min_count: int,
    max_size: int | None,
    lowercase: bool,
    special_tokens: Sequence[str] = (),
    max_characters: int | None = None,
    text_column: str = "text",
    threads: int | None = None,
) -> tuple[PreTrainedTokenizerFast, TokenizerReport] | None:
    """The tokenizer of a text, and what it makes of that text; None where the scanner cannot read it.

    The memory is that of the different chunks of the text and some megabytes for each thread.

    Args:
        paths: as `read_texts` takes them, with `text_column`.
        kind: as in `build_tokenizer`; so are the others.
        threads: that read at once, as many as the process has processors by default.

    Raises:
        UserError: as `build_tokenizer`.
    """
    groups = text_files(paths)
    classes = scanner_classes(groups, kind, special_tokens)
    if classes is None:
        return None
    check_tokenizer(kind, min_count, max_size, special_tokens, max_characters=max_characters)
    threads = threads or count_processors()
    with ThreadPoolExecutor(threads) as pool, suppress(Refusal):
        readers = scan_text(groups, text_column, threads, pool, lambda number: _Counter(classes))
        chunks, times, numbers = merged_chunks(readers)
        words = ChunkWords(chunks, kind, lowercase, special_tokens)
        found = frequent_words(words.words, words.counts(times), kind=kind, min_count=min_count, max_size=max_size)
        tokenizer = tokenizer_from_words(
            found, kind=kind, lowercase=lowercase, special_tokens=special_tokens, max_characters=max_characters
        )
        if len(tokenizer) == len(all_special_tokens(special_tokens)):
            raise Refusal  # every word is spelled like a special token
        order = _first_met(readers, numbers, len(chunks))
        return tokenizer, _report(tokenizer, [chunks[number] for number in order.tolist()], times[order], readers)
    return None


class _Counter(TextReader):
    """A reader that measures the text, and knows in which piece it met its chunks first."""

    def __init__(self, classes: np.ndarray):
        super().__init__(classes)
        self.characters = self.texts = 0
        self.pieces: list[int] = []
        self.met: list[int] = []  # different chunks, when each of these had been read

    def take(self, number: int, piece: np.ndarray, chunks: np.ndarray) -> None:
        from .text_size import text_size

        characters, texts = text_size(piece)
        self.characters += characters
        self.texts += texts
        self.pieces.append(number)
        self.met.append(len(self.table))


def _first_met(readers: Sequence[_Counter], numbers: Sequence[np.ndarray], chunks: int) -> np.ndarray:
    """The chunks in the order of the text, whoever read them: their numbers, int64 `(chunks,)`."""
    places = np.full(chunks, np.iinfo(np.int64).max)
    for reader, own in zip(readers, numbers, strict=True):
        ends = np.array(reader.met, np.int64)
        pieces = np.array(reader.pieces, np.int64)[np.searchsorted(ends, np.arange(len(own)), side="right")]
        np.minimum.at(places, own, pieces << 32 | np.arange(len(own)))
    return np.argsort(places)


def _report(
    tokenizer: PreTrainedTokenizerFast, chunks: list[str], times: np.ndarray, readers: Sequence[_Counter]
) -> TokenizerReport:
    """By what the tokenizer makes of each chunk."""
    tally = TokenTally(tokenizer)
    start = 0
    for batch in in_batches(chunks):
        tally.add(batch, times[start : start + len(batch)])
        start += len(batch)
    return tally.report(sum(reader.texts for reader in readers), sum(reader.characters for reader in readers))

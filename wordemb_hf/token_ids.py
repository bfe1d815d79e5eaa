"""A corpus as one array of ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from .growing_array import GrowingArray
from .records import check_text
from .text_parts import batches_of_parts, cuts_for

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Text = TypeVar("Text", str, Sequence[str])


@dataclass
class Ids:
    """A corpus as ids: document `i` is `ids[offsets[i]:offsets[i + 1]]`.

    Shapes: ids int32 (tokens,); offsets int64 (documents + 1,).
    """

    ids: np.ndarray
    offsets: np.ndarray

    def counts(self, vocab_size: int) -> np.ndarray:
        """How often each id occurs: int64 (vocab_size,)."""
        total = np.zeros(vocab_size, np.int64)
        # In slices, since bincount first widens what it counts to 8 bytes an id.
        for start in range(0, len(self.ids), 1 << 20):
            total += np.bincount(self.ids[start : start + (1 << 20)], minlength=vocab_size)
        return total


def encode_corpus(
    tokenizer: PreTrainedTokenizerFast,
    texts: Iterable[str],
    *,
    drop_unknown: bool = True,
    files: tuple[Path, Path] | None = None,
) -> Ids:
    """Encode all `texts` whole, no special tokens around them, in the memory of a chunk of text (`text_parts`).

    The ids and offsets are written to `files` if they are given; else they stay in memory as long as they are small
    (`GrowingArray`).

    With `drop_unknown` unknown tokens (and a literal `<pad>`) are taken out before any window is made, as word2vec.c
    does. Documents that are then empty are left out.
    """
    encode = _encoder(tokenizer)
    dropped = {tokenizer.pad_token_id, tokenizer.unk_token_id} - {None} if drop_unknown else set()
    places = files or (None, None)
    ids, offsets = GrowingArray(np.int32, places[0]), GrowingArray(np.int64, places[1])
    offsets.append(np.zeros(1))
    total = last = 0  # tokens so far, and where the last document ends that has any
    for parts, ends in batches_of_parts(texts, cuts_for(tokenizer)):
        row, counts = encode(parts)
        keep = np.ones(len(row), bool)
        for token in dropped:
            keep &= row != token
        kept = np.concatenate([[0], np.cumsum(keep)])  # how many tokens before each place are
        stops = total + kept[np.cumsum(counts)[np.asarray(ends)]]
        stops = stops[np.diff(stops, prepend=last) > 0]
        ids.append(row[keep])
        offsets.append(stops)
        total += int(kept[-1])
        last = int(stops[-1]) if len(stops) else last
    return Ids(ids.finish(), offsets.finish())


def _encoder(tokenizer: PreTrainedTokenizerFast) -> Callable[[Sequence[str]], tuple[np.ndarray, np.ndarray]]:
    """What gives the ids of a chunk end to end, int32 `(tokens,)`, and how many each document has, `(documents,)`."""
    from .segmentation.batches import BatchSegmenter, reads_in_batches

    backend = tokenizer.backend_tokenizer
    # Left over from an earlier call; every call of the tokenizer itself sets them anew.
    backend.no_truncation()
    backend.no_padding()
    if reads_in_batches(backend):
        return BatchSegmenter(backend).encode

    def encode(chunk: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        rows = [encoding.ids for encoding in backend.encode_batch_fast(chunk, add_special_tokens=False)]
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        return np.fromiter(chain.from_iterable(rows), np.int32, int(lengths.sum())), lengths

    return encode


def in_batches(texts: Iterable[Text], characters: int = 1 << 18) -> Iterator[list[Text]]:
    """Lists of texts of about so many characters, or words, together.

    Raises:
        UserError: for half of a surrogate pair, which no tokenizer takes.
    """
    chunk: list[Text] = []
    size = 0
    for number, text in enumerate(texts, 1):
        check_text(f"text {number}", text if isinstance(text, str) else "".join(text))
        chunk.append(text)
        size += len(text) + 1
        if size >= characters:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk

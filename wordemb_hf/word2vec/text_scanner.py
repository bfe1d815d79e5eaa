"""Bytes of text to numbers of chunks: a compiled scanner, and the table of the different chunks that it has met.

A chunk is what stands between ASCII white space, cut further where the tokenizer cuts in any case (`byte_classes`), so
that a text has few different ones. A tokenizer that reads every different chunk once has therefore read the text.

This file needs Numba, and is imported only where it is used.
"""

from collections.abc import Sequence

import numpy as np

from ..errors import UserError
from ..records import MAX_LINE
from .compiled import compiled
from .text_pieces import Refusal

# What a byte means to the scanner.
ORDINARY = 0  # part of a chunk
SPACE = 1  # between chunks
NEWLINE = 2  # between documents
SYMBOL = 3  # ASCII that is a token by itself, unless an accent from beyond ASCII follows
POINT = 4  # a symbol, but for one in 3.5, 1,000 or 10:30
WIDE = 5  # may begin a Chinese or Japanese character
REFUSED = 6  # a text with this is for others to read

END_OF_DOCUMENT = -1

# How `_scan` ended.
DONE, FULL, REFUSAL = 0, 1, 2
# What `_scan` goes on from.
POSITION, LINE, WRITTEN, ENTRIES, USED = range(5)

SHORT = 7  # a chunk of so many bytes is its own key, which leaves the highest byte for LONG
LONG = np.uint64(1 << 63)
FNV_START, FNV_PRIME = np.uint64(14695981039346656037), np.uint64(1099511628211)  # the hash FNV-1a
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Fibonacci hashing (Knuth, volume 3, section 6.4)
EIGHT, ONE, TWO = np.uint64(8), np.uint64(1), np.uint64(2)

LINE_LIMIT = MAX_LINE - len(b"\xef\xbb\xbf")  # a byte order mark was cut off perhaps
MAX_CHUNKS = 2**31 - 2  # numbers are int32


def byte_classes(kind: str, special_tokens: Sequence[str]) -> np.ndarray | None:
    """What each byte means where a tokenizer of `kind` is to read the chunks: uint8 `(256,)`.

    None where chunks cannot be read one by one: `char-space` has tokens of white space, and a special token that holds
    white space, or is not ASCII, could be cut.
    """
    if kind not in ("word", "char", "whitespace"):
        return None
    if any(not token.isascii() or set(token) & set(" \t\n\v\f\r\0") for token in special_tokens):
        return None
    classes = np.full(256, ORDINARY, np.uint8)
    if kind == "char":
        classes[33:127] = SYMBOL
    elif kind == "word":
        classes[list(b'!"#$%&()*+-/;<=>?@[\\]^_`{|}~')] = SYMBOL
        classes[list(b".,:")] = POINT
    # Special tokens are found in the text before anything else is.
    classes[list("".join(special_tokens).encode())] = ORDINARY
    if kind == "whitespace":
        # Separators that Python strips from a document's ends, and that do not separate words in between.
        classes[0x1C:0x20] = REFUSED
    else:
        classes[0xE3:0xEA] = WIDE
    classes[list(b" \t\v\f\r")] = SPACE
    classes[ord("\n")] = NEWLINE
    classes[0] = REFUSED
    return classes


# Chunks that are known already, separated by spaces, are not cut again.
SEPARATED = np.full(256, ORDINARY, np.uint8)
SEPARATED[ord(" ")] = SPACE


class ChunkTable:
    """The different chunks of a text, numbered as they are met, and how often each occurs.

    A hash table with open addressing. The bytes of a chunk decide, never its hash alone.
    """

    def __init__(self, slots: int = 1 << 16, room: int = 1 << 20):
        self._slots = np.zeros((slots, 2), np.uint64)  # key, and number + 1; at most half of them are taken
        self._starts = np.zeros(slots // 2 + 1, np.int64)
        self._counts = np.zeros(slots // 2, np.int64)
        self._bytes = np.empty(room, np.uint8)  # each chunk with a space behind it
        self._entries = self._used = 0

    def __len__(self) -> int:
        return self._entries

    @property
    def counts(self) -> np.ndarray:
        """How often each chunk was met: int64 `(chunks,)`."""
        return self._counts[: self._entries]

    @property
    def joined(self) -> np.ndarray:
        """All chunks in order, each with a space behind it: uint8, read-only."""
        view = self._bytes[: self._used]
        view.flags.writeable = False
        return view

    def absorb(self, other: "ChunkTable") -> np.ndarray:
        """Add the chunks and counts of another table; return which numbers its chunks have here, int32 `(chunks,)`."""
        numbers = self.scan(other.joined, SEPARATED, longest=len(other.joined) + 1)[: len(other)]
        self._counts[numbers] += other.counts - 1  # each was met once now
        return numbers

    def scan(
        self, text: np.ndarray, classes: np.ndarray, longest: int = LINE_LIMIT, keep_empty: bool = False
    ) -> np.ndarray:
        """The numbers of the chunks of `text`: int32, with `END_OF_DOCUMENT` behind every line that has any.

        Args:
            text: whole lines as UTF-8, uint8 `(bytes,)`, read-only.
            classes: of the bytes, as `byte_classes` or `SEPARATED` has them.
            longest: bytes of a line.
            keep_empty: put it behind the others too.

        Raises:
            Refusal: for a byte of that class, or too long a line.
            UserError: when there are more different chunks than an int32 can number.
        """
        numbers = np.empty(len(text) + 1, np.int32)
        state = np.zeros(5, np.int64)
        while True:
            state[ENTRIES], state[USED] = self._entries, self._used
            table = self._slots, self._starts, self._counts, self._bytes
            ended = _scan(text, classes, *table, numbers, longest, keep_empty, state)
            self._entries, self._used = int(state[ENTRIES]), int(state[USED])
            if ended == DONE:
                break
            if ended == REFUSAL:
                raise Refusal
            self._grow()
        written = int(state[WRITTEN])
        open_line = len(text) and text[-1] != ord("\n")
        if open_line if keep_empty else written and numbers[written - 1] != END_OF_DOCUMENT:
            numbers[written] = END_OF_DOCUMENT
            written += 1
        return numbers[:written]

    def _grow(self) -> None:
        if self._entries < len(self._counts):
            self._bytes = np.concatenate([self._bytes[: self._used], np.empty(len(self._bytes) * 2, np.uint8)])
            return
        if self._entries >= MAX_CHUNKS:
            raise UserError(
                f"the text has more than {MAX_CHUNKS:,} different words, which ids of 32 bits cannot number"
            )
        slots = np.zeros((2 * len(self._slots), 2), np.uint64)
        _move(self._slots, slots)
        self._slots = slots
        self._starts = np.concatenate([self._starts, np.zeros(len(slots) // 4, np.int64)])
        self._counts = np.concatenate([self._counts, np.zeros(len(slots) // 4, np.int64)])


@compiled
def _scan(text, classes, slots, starts, counts, joined, numbers, longest, keep_empty, state):
    position, line, written, entries, used = state[0], state[1], state[2], state[3], state[4]
    end, mask, shift = len(text), np.uint64(len(slots) - 1), _shift(len(slots))
    ended = DONE
    while position < end:
        first = classes[text[position]]
        if first == SPACE:
            position += 1
            continue
        if first == NEWLINE:
            if position - line >= longest:
                ended = REFUSAL
                break
            if keep_empty or (written and numbers[written - 1] != END_OF_DOCUMENT):
                numbers[written] = END_OF_DOCUMENT
                written += 1
            position += 1
            line = position
            continue
        if first == REFUSED:
            ended = REFUSAL
            break

        stop, key, hashed = position, np.uint64(0), FNV_START
        alone = first == SYMBOL or (first == POINT and not _may_go_on(text, position + 1))
        while True:
            byte = np.uint64(text[stop])
            key = key << EIGHT | byte
            hashed = (hashed ^ byte) * FNV_PRIME
            stop += 1
            if stop == end or (alone and text[stop] < 128):
                break
            alone = False
            if classes[text[stop]] != ORDINARY and _begins_another(text, stop, classes):
                break
        length = stop - position
        if length > SHORT:
            key = hashed | LONG

        slot = (key * GOLDEN) >> shift
        while True:
            number = np.int64(slots[slot, 1]) - 1
            if number < 0:
                break
            if slots[slot, 0] == key and (length <= SHORT or _equal(text, position, length, joined, starts, number)):
                break
            slot = (slot + ONE) & mask
        if number < 0:
            if entries == len(counts) or used + length + 1 > len(joined):
                ended = FULL
                break
            number = entries
            entries += 1
            slots[slot, 0], slots[slot, 1] = key, np.uint64(entries)
            for index in range(length):
                joined[used + index] = text[position + index]
            joined[used + length] = 32
            used += length + 1
            starts[entries] = used
        counts[number] += 1
        numbers[written] = number
        written += 1
        position = stop
    if ended == DONE and end - line > longest:
        ended = REFUSAL
    state[0], state[1], state[2], state[3], state[4] = position, line, written, entries, used
    return ended


@compiled
def _begins_another(text, at, classes):
    """Whether a chunk ends before the byte, which is of no ordinary class."""
    kind = classes[text[at]]
    if kind == POINT:
        return not _may_go_on(text, at + 1)
    if kind == WIDE:
        return _is_kana_or_ideograph(text, at)
    return True


@compiled
def _may_go_on(text, at):
    """Whether a number can go on here behind a point: the digit may be none of ASCII's."""
    return at < len(text) and (text[at] >= 128 or 48 <= text[at] <= 57)


@compiled
def _is_kana_or_ideograph(text, at):
    """Whether one of the characters begins here that no token holds beside others, and NFKC never joins with the last.

    U+3041 to U+3096, U+30A1 to U+30FC and U+4E00 to U+9FFF. An accent may follow one, so that it ends no chunk.
    """
    if at + 2 >= len(text):
        return False
    point = (np.int64(text[at]) & 15) << 12 | (np.int64(text[at + 1]) & 63) << 6 | np.int64(text[at + 2]) & 63
    return 0x3041 <= point <= 0x3096 or 0x30A1 <= point <= 0x30FC or 0x4E00 <= point <= 0x9FFF


@compiled
def _equal(text, position, length, joined, starts, number):
    start = starts[number]
    if starts[number + 1] - start - 1 != length:
        return False
    for index in range(length):  # noqa: SIM110 — Numba compiles a loop, and no generator
        if joined[start + index] != text[position + index]:
            return False
    return True


@compiled
def _shift(slots):
    """What leaves the highest bits of a product, as many as number the slots."""
    shift = 64
    while slots > 1:
        slots >>= 1
        shift -= 1
    return np.uint64(shift)


@compiled
def _move(slots, larger):
    """Put what stands in a table into an empty one of another size."""
    mask, shift = np.uint64(len(larger) - 1), _shift(len(larger))
    for old in range(len(slots)):
        if slots[old, 1] != 0:
            slot = (slots[old, 0] * GOLDEN) >> shift
            while larger[slot, 1] != 0:
                slot = (slot + ONE) & mask
            larger[slot, 0], larger[slot, 1] = slots[old, 0], slots[old, 1]


@compiled
def measure(numbers, lengths, line_end):
    """How many tokens, and documents with any, `expand` makes of the numbers."""
    tokens = documents = begun = 0
    for number in numbers:
        if number != END_OF_DOCUMENT:
            tokens += lengths[number]
            continue
        tokens += line_end >= 0
        if tokens > begun:
            documents += 1
            begun = tokens
    return tokens, documents


@compiled
def expand(numbers, starts, lengths, tokens, line_end, ids, ends):
    """Write the ids of the chunks to `ids`, and to `ends` where each document that has any ends among them.

    The ids of chunk `c` are `tokens[starts[c] : starts[c] + lengths[c]]`; that of the end of a document is `line_end`,
    if it is not negative.
    """
    written = documents = begun = 0
    for number in numbers:
        if number == END_OF_DOCUMENT:
            if line_end >= 0:
                ids[written] = line_end
                written += 1
            if written > begun:
                ends[documents] = written
                documents += 1
                begun = written
            continue
        start = starts[number]
        for index in range(start, start + lengths[number]):
            ids[written] = tokens[index]
            written += 1

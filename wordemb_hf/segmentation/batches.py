"""Batches of text to Chinese words: what a segmenter's `encode_batch` gives, several times as fast.

Chinese characters, which make up most of the text, go through a `Lattice`. What stands between them recurs, so that
the segmenter reads each different piece of it once. Documents with a character that is not so easily told apart, as one
that normalisation makes Chinese, are such pieces as a whole.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .dictionaries import is_han
from .lattice import END, LONGEST_RUN, Lattice
from .narrow import FIRST, LAST, PLAIN, NarrowSegmenter

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# What a character is.
_SPACE, _HAN, _OTHER, _UNCLEAR, _SPECIAL = range(5)
_IDEOGRAPHS = (
    (0x2E80, 0x2FDF),
    (0x3005, 0x3007),
    (0x3021, 0x303B),
    (0x3400, 0x4DBF),
    (FIRST, LAST),
    (0xF900, 0xFAFF),
)
_SHORT, _MANY = 32, 200_000  # pieces that are remembered


@cache
def _classes() -> np.ndarray:
    """What each character of the Basic Multilingual Plane is, and in the last place all others: uint8 `(65536,)`."""
    classes = np.full(1 << 16, _OTHER, np.uint8)
    for code in range(1 << 16):
        plain = unicodedata.normalize("NFKC", chr(code))
        if any(
            unicodedata.category(letter)[0] == "M" or any(low <= ord(letter) <= high for low, high in _IDEOGRAPHS)
            for letter in plain
        ):
            classes[code] = _UNCLEAR
    classes[FIRST : LAST + 1] = _HAN
    classes[list(b" \t\n\v\f\r")] = _SPACE
    classes[-1] = _UNCLEAR
    return classes


def reads_in_batches(tokenizer: Tokenizer) -> bool:
    """Whether `BatchSegmenter` gives the same words as a tokenizer."""
    from .chinese_words import blank_segmenter

    content = json.loads(tokenizer.to_str())
    added = content["added_tokens"]
    if content["model"]["type"] != "Unigram" or any(token["normalized"] or token["single_word"] for token in added):
        return False
    steps = ("normalizer", "pre_tokenizer")
    return any(
        all(content[step] == own[step] for step in steps)
        for own in (json.loads(blank_segmenter(lowercase).to_str()) for lowercase in (True, False))
    )


class _Reading(NamedTuple):
    """Where the words of a batch begin and which they are, and the pieces between them with their places."""

    codes: np.ndarray
    ends: np.ndarray
    places: np.ndarray
    numbers: np.ndarray
    between: np.ndarray
    pieces: list[str]


class _Batches:
    """What reads batches of text.

    Args:
        lattice: of Chinese words.
        specials: tokens that are found first, the longest of several; what is between them is read by itself.
    """

    def __init__(self, lattice: Lattice, specials: Sequence[str]):
        longest_first = sorted(specials, key=len, reverse=True)
        self._lattice, self._specials = lattice, re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    def _read(self, texts: Sequence[str]) -> _Reading:
        joined = "".join(f"{text}\n" for text in texts)
        codes = np.frombuffer(joined.encode("utf-32-le"), np.uint32)
        ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
        classes = _classes()[np.minimum(codes, 0xFFFF)]
        for special in self._specials.finditer(joined):
            classes[special.start() : special.end()] = _SPECIAL
        for document in _unclear(classes, ends):
            classes[ends[document] - len(texts[document]) - 1 : ends[document] - 1] = _OTHER
        places, numbers = self._lattice.cut(np.where(classes == _HAN, codes, END))
        edges = [_runs(classes == kind) for kind in (_OTHER, _SPECIAL)]
        starts, stops = (np.sort(np.concatenate(places)) for places in zip(*edges, strict=True))
        pieces = [joined[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]
        return _Reading(codes, ends, places, numbers, starts, pieces)


class BatchSegmenter(_Batches):
    """A segmenter of `chinese_words` for many texts at once.

    Args:
        segmenter: one that `reads_in_batches` says yes of.
    """

    def __init__(self, segmenter: Tokenizer):
        content = json.loads(segmenter.to_str())
        vocabulary = content["model"]["vocab"]
        known = {piece: index for index, (piece, _) in enumerate(vocabulary) if PLAIN.fullmatch(piece)}
        scores = {word: vocabulary[index][1] for word, index in known.items()}
        least = min(score for _, score in vocabulary)
        super().__init__(Lattice(scores, least), [token["content"] for token in content["added_tokens"]])
        self._segmenter = segmenter
        self._ids = np.array([*known.values(), content["model"]["unk_id"]], np.int32)  # the last is that of number -1
        self._remembered: dict[str, list[int]] = {}

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The ids of all texts end to end, int32 `(tokens,)`, and how many each text has, int64 `(texts,)`."""
        read = self._read(texts)
        rows = self._rows(read.pieces)
        places, ids = _fused(read.places, read.numbers), self._ids
        lengths = np.zeros(len(read.codes), np.int64)  # of what begins at each place
        lengths[read.places[places]] = 1
        lengths[read.between] = list(map(len, rows))
        stops = np.cumsum(lengths)
        words = stops[read.places[places]] - 1
        flat = np.empty(stops[-1] if len(stops) else 0, np.int32)
        others = np.ones(len(flat), bool)
        others[words] = False
        flat[words] = ids[read.numbers[places]]
        flat[others] = np.fromiter(chain.from_iterable(rows), np.int32)
        return flat, np.diff(stops[read.ends - 1], prepend=0)

    def _rows(self, pieces: list[str]) -> list[list[int]]:
        """The ids of each piece."""
        new = list(dict.fromkeys(piece for piece in pieces if piece not in self._remembered))
        found = self._segmenter.encode_batch_fast(new, add_special_tokens=False)
        rows = {piece: encoding.ids for piece, encoding in zip(new, found, strict=True)}
        known = self._remembered
        answer = [known[piece] if piece in known else rows[piece] for piece in pieces]
        if len(known) > _MANY:
            known.clear()
        known.update((piece, row) for piece, row in rows.items() if len(piece) <= _SHORT)
        return answer


class BatchCounter(_Batches):
    """How often words and characters occur in many texts.

    Args:
        segmenter: what tells them.
    """

    def __init__(self, segmenter: NarrowSegmenter):
        super().__init__(segmenter.lattice, segmenter.specials)
        self._segmenter = segmenter

    def count(self, texts: Sequence[str]) -> Counter[str]:
        """How often each word, character and symbol occurs; of unknown Chinese words, their characters."""
        read = self._read(texts)
        counts: Counter[str] = Counter()
        times = np.bincount(read.numbers + 1, minlength=1)[1:]
        for number in np.flatnonzero(times).tolist():
            counts[self._segmenter.words[number]] = int(times[number])
        counts.update(map(chr, read.codes[read.places[read.numbers < 0]].tolist()))
        pieces = Counter(read.pieces)
        found = self._segmenter.encode_batch(list(pieces), add_special_tokens=False)
        for times_, encoding in zip(pieces.values(), found, strict=True):
            for token in encoding.tokens:
                unknown = len(token) > 1 and is_han(token) and token not in self._segmenter.scores
                for part in token if unknown else (token,):
                    counts[part] += times_
        return counts


def _unclear(classes: np.ndarray, ends: np.ndarray) -> list[int]:
    """The documents that are left to the segmenter as a whole."""
    starts, stops = _runs(classes == _HAN)
    places = np.append(np.flatnonzero(classes == _UNCLEAR), starts[stops - starts > LONGEST_RUN])
    return np.unique(np.searchsorted(ends, places, side="right")).tolist()


def _runs(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where stretches of true begin and end: int64 `(stretches,)` both."""
    edges = np.flatnonzero(np.diff(chosen.view(np.int8), prepend=0, append=0))
    return edges[::2], edges[1::2]


def _fused(places: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Which words are tokens: of unknown characters that stand together, the first is."""
    follows = np.zeros(len(places), bool)
    follows[1:] = (numbers[1:] < 0) & (numbers[:-1] < 0) & (places[1:] == places[:-1] + 1)
    return np.flatnonzero(~follows)

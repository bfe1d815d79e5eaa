"""Words that a raw text alone tells: strings of characters behind and before which more may follow than within them.

What follows the beginning of a word is soon certain, and at its end it is open again (Harris 1955, "From Phoneme to
Morpheme"). Sentences are cut into the strings of which this is true most (Magistry & Sagot 2012, "Unsupervized Word
Segmentation: the Case for Mandarin Chinese", ACL), and these are counted.
"""

import re
from collections.abc import Iterable, Iterator

import numpy as np

from ..errors import UserError
from .dictionaries import HAN
from .lattice import END, LONGEST_RUN, Lattice, in_parts

LONGEST = 5  # characters of a word
SAMPLE = 10_000_000  # characters of text that are looked at
# A string that is met often is met beside more characters, which alone makes it no word (benchmarks/segmentation.md).
FAMILIARITY = 0.2
# Nats that the two parts of a word tell of each other, wherever it is cut in two, which spares small texts.
INFORMATION = 1.0
_RUN = re.compile(f"[{HAN}]{{1,{LONGEST_RUN}}}")


def discover_words(texts: Iterable[str], *, min_count: int = 2) -> dict[str, float]:
    """The words of a text and how often each occurs, characters among them.

    Args:
        texts: of some million characters (`sample_of`); each of them takes about 100 bytes of memory.
        min_count: of a word.

    Raises:
        UserError: when there is no Chinese text.
    """
    text = "".join(f"{run}\n" for text in texts for run in _RUN.findall(text))
    if not text:
        raise UserError("the corpus holds no Chinese text, of which words could be learned: give text, or a dictionary")
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    scores = autonomies(codes, min_count)
    lattice, counts = Lattice(scores), np.zeros(len(scores) + 1, np.int64)
    for part in in_parts(codes):
        counts += np.bincount(lattice.cut(part)[1] + 1, minlength=len(counts))
    found = zip(scores, counts[1:].tolist(), strict=True)
    return {word: float(count) for word, count in found if count >= (1 if len(word) == 1 else min_count)}


def sample_of(texts: Iterable[str], characters: int = SAMPLE) -> tuple[list[str], Iterator[str]]:
    """The first texts, of so many characters together, and the others."""
    others, sample, size = iter(texts), [], 0
    for text in others:
        sample.append(text)
        size += len(text)
        if size >= characters:
            break
    return sample, others


def autonomies(text: np.ndarray, min_count: int) -> dict[str, float]:
    """How much each string of at most `LONGEST` characters is a word; the sum over a sentence is to be large.

    It is by how much the entropy of what stands behind a string exceeds that behind the string without its last
    character, and the same in front, each in standard deviations of the strings of the same length; times the length,
    less `FAMILIARITY` of the logarithm of how often the string occurs.

    Args:
        text: code points of Chinese characters, with `END` behind those that stand together: uint32 `(characters,)`.
        min_count: of a string.
    """
    letters, codes = np.unique(text, return_inverse=True)
    if letters[0] != END:
        raise ValueError("the text has no end")
    total = np.count_nonzero(codes)
    scores: dict[str, float] = {}
    # By length: the number of the string that begins at each place, -1 for a rare one, and the logarithm of its share.
    strings, shares = [np.where(codes > 0, 0, -1).astype(np.int32)], [np.zeros(1)]
    sides = [np.zeros(1), np.zeros(1)]  # the entropies before and behind the strings of the last length
    for length in range(1, LONGEST + 1):
        # A string is one that is shorter by its last character, and that character.
        shorter = strings[-1]
        places = np.flatnonzero(shorter[: len(shorter) - length + 1] >= 0)
        last = codes[places + length - 1]
        places, last = places[last > 0], last[last > 0]
        keys = shorter[places].astype(np.int64) * len(letters) + last
        _, own, times = np.unique(keys, return_inverse=True, return_counts=True)
        frequent = times >= min_count
        if not frequent.any():
            break
        own, times = np.where(frequent, np.cumsum(frequent) - 1, -1)[own], times[frequent]
        places, own = places[own >= 0], own[own >= 0]
        numbers = np.full(len(codes), -1, np.int32)
        numbers[places] = own
        strings.append(numbers)
        shares.append(np.log(times / total))
        first = np.empty(len(times), np.int64)
        first[own[::-1]] = places[::-1]  # where each stands first
        inner = (first + 1, first) if length > 1 else (first, first)
        outside = codes[places - 1], codes[places + length]
        varied = [entropies(own, beside, len(letters)) for beside in outside]
        gains = [new - old[shorter[place]] for new, old, place in zip(varied, sides, inner, strict=True)]
        sides = varied
        autonomy = sum((gain - gain.mean()) / (gain.std() or 1.0) for gain in gains)
        values = autonomy * length - FAMILIARITY * np.log(times)
        information = np.full(len(times), np.inf)
        for cut in range(1, length):
            parts = shares[cut][strings[cut][first]] + shares[length - cut][strings[length - cut][first + cut]]
            information = np.minimum(information, shares[length] - parts)
        together = information >= INFORMATION
        for start, value in zip(first[together].tolist(), values[together].tolist(), strict=True):
            scores[text[start : start + length].tobytes().decode("utf-32-le")] = value
    return scores


def entropies(strings: np.ndarray, beside: np.ndarray, letters: int) -> np.ndarray:
    """Of the letters beside each string, in nats: float64 `(strings,)`. The end of a run is a new letter each time."""
    keys, times = np.unique(strings * letters + beside, return_counts=True)
    owner, end = keys // letters, keys % letters == 0
    total = np.bincount(owner, weights=times)
    shares = times / total[owner]
    return np.bincount(owner, weights=np.where(end, shares * np.log(total[owner]), -shares * np.log(shares)))

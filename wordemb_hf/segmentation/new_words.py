"""Words of a text that a dictionary lacks: names above all, which no dictionary has.

Where the dictionary finds single characters side by side, a string of them is a word if it is frequent, if its parts
meet more often than by chance (mutual information), and if what stands before and behind it varies (branching entropy;
Harris 1955; Jin & Tanaka-Ishii 2006, "Unsupervised Segmentation of Chinese Text by Use of Branching Entropy",
COLING-ACL).
"""

import re
from collections.abc import Iterable, Mapping

import numpy as np

from ..text_parts import batches_of_parts, cuts_of
from ..tokenizer_kinds import PAD, UNK
from .chinese_words import log_probabilities
from .dictionaries import HAN
from .discovery import LONGEST, entropies
from .narrow import NarrowSegmenter

SAMPLE_BETWEEN = 3_000_000  # characters of text that are looked at, which a dictionary cuts first
_RUN = re.compile(f"[{HAN}]+")


def with_new_words(
    dictionary: Mapping[str, float],
    texts: Iterable[str],
    *,
    min_count: int = 5,
    min_information: float = 3.0,
    min_entropy: float = 1.5,
) -> dict[str, float]:
    """A dictionary that also has words of a text that it lacks: names above all.

    They are looked for where the dictionary finds single characters side by side, as jieba's hidden Markov model does,
    but by how often they come together in this text. A person who is named twice is not found; a novel's are.

    Args:
        dictionary: words and how often they are used.
        texts: of some million characters (`sample_of`).
        min_count: and so on, as in `candidates`.
    """
    segmenter = NarrowSegmenter(log_probabilities(dict(dictionary)), lowercase=False)
    between: list[str] = []
    cut, rest = 0, ""
    for batch, ends in batches_of_parts(texts, cuts_of("word-zh", [PAD, UNK])):
        for encoding, ends_text in zip(segmenter.encode_batch(batch), ends, strict=True):
            pieces = encoding.tokens
            cut += len(pieces)
            rest += "".join(piece if len(piece) == 1 or piece not in dictionary else "\n" for piece in pieces)
            if ends_text:
                between += [run for run in _RUN.findall(rest) if len(run) > 1]
                rest = ""
    if not between:
        return dict(dictionary)
    found = candidates(between, min_count=min_count, min_information=min_information, min_entropy=min_entropy)
    scale = sum(dictionary.values()) / cut  # as often as the dictionary's words, in a text of its size
    new = {word: scale * count for word, count in found.items() if len(word) > 1 and word not in dictionary}
    return {**dictionary, **new}


def candidates(runs: list[str], *, min_count: int, min_information: float, min_entropy: float) -> dict[str, float]:
    """Sub-strings that are likely words, and how often each occurs; single characters among them.

    Args:
        runs: of Chinese characters, as long as they stand together.
        min_count: of a word.
        min_information: nats that its two parts tell of each other, wherever it is cut in two.
        min_entropy: nats, of what stands before it and of what stands behind it.
    """
    text = np.frombuffer("\n".join(["", *runs, ""]).encode("utf-32-le"), np.uint32)
    letters, codes = np.unique(text, return_inverse=True)  # a line feed is the first letter
    total = float(len(text) - len(runs) - 1)
    counts = np.bincount(codes)
    found = {chr(letter): float(count) for letter, count in zip(letters[1:], counts[1:], strict=True)}
    # The number of the frequent gram that begins at each place, or none; and what is known of grams by number.
    numbers = np.where(codes > 0, codes, -1).astype(np.int64)
    logs = np.log(np.maximum(counts, 1) / total)
    shorter = {1: (numbers, logs)}
    for length in range(2, LONGEST + 1):
        before, _ = shorter[length - 1]
        heads, tails = before[:-1], numbers[length - 1 :][: len(before) - 1]
        joined = np.where((heads >= 0) & (tails >= 0), heads * len(letters) + tails, -1)
        keys, where, times = np.unique(joined, return_inverse=True, return_counts=True)
        frequent = (times >= min_count) & (keys >= 0)
        if not frequent.any():
            break
        renumbered = np.where(frequent, np.cumsum(frequent) - 1, -1)
        grams = renumbered[where]  # of each place
        own = np.log(times[frequent] / total)
        shorter[length] = grams, own
        first = np.full(len(own), -1)
        places = np.flatnonzero(grams >= 0)
        first[grams[places[::-1]]] = places[::-1]  # where each gram stands first
        information = np.full(len(own), np.inf)
        for cut in range(1, length):
            left, right = shorter[cut], shorter[length - cut]
            information = np.minimum(information, own - left[1][left[0][first]] - right[1][right[0][first + cut]])
        likely = information >= min_information
        entropy = np.minimum(
            entropies(grams[places], codes[places - 1], len(letters)),
            entropies(grams[places], codes[places + length], len(letters)),
        )
        likely &= entropy >= min_entropy
        for gram in np.flatnonzero(likely):
            start = int(first[gram])
            word = text[start : start + length].tobytes().decode("utf-32-le")
            found[word] = float(times[frequent][gram])
    return found

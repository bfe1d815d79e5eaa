"""A segmenter of a large dictionary in little memory: for each batch of text, one of the words that stand in it.

The Unigram model of the tokenizers library takes a kilobyte for each word that it knows, and a `Lattice` a tenth of
that. Words that a text does not hold are on no path through it: without them the best path is the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tokenizer_kinds import PAD, UNK
from .lattice import END, Lattice

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FIRST, LAST = 0x4E00, 0x9FFF  # Chinese characters that no normalisation changes
PLAIN = re.compile(f"[{chr(FIRST)}-{chr(LAST)}]+")


class NarrowSegmenter:
    """What `with_pieces(blank_segmenter(lowercase), [PAD, UNK], scores)` does to batches of text.

    Args:
        scores: words, and their log-probabilities.
        lowercase: put text into lower case.
    """

    specials = (PAD, UNK)

    def __init__(self, scores: Mapping[str, float], lowercase: bool):
        self.scores, self._lowercase = scores, lowercase
        least = min(scores, key=scores.__getitem__, default=None)
        # How probable an unknown character is follows from the least probable piece.
        self._always = {word: score for word, score in scores.items() if word == least or not PLAIN.fullmatch(word)}
        plain = {word: score for word, score in scores.items() if PLAIN.fullmatch(word)}
        self.words = list(plain)
        self.lattice = Lattice(plain, min(scores.values(), default=0.0))
        self._normalizer = self._with({}).normalizer

    def encode_batch(self, texts: Sequence[str], add_special_tokens: bool = False) -> list[Any]:
        """The encodings of texts; the ids in them are of no use."""
        text = self._normalizer.normalize_str("\n".join([*texts, ""]))
        codes = np.frombuffer(f"{text}\n".encode("utf-32-le"), np.uint32)
        found = self.lattice.words_within(np.where((codes >= FIRST) & (codes <= LAST), codes, END))
        narrow = {word: self.scores[word] for word in map(self.words.__getitem__, found.tolist())}
        encodings: list[Any] = self._with(narrow | self._always).encode_batch(
            texts, add_special_tokens=add_special_tokens
        )
        return encodings

    def _with(self, scores: dict[str, float]) -> Tokenizer:
        from .chinese_words import blank_segmenter, with_pieces

        return with_pieces(blank_segmenter(self._lowercase), list(self.specials), scores)

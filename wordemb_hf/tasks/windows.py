"""Sentences of words as windows that a model can read: whole where they fit, else in overlapping parts.

A word of a long sentence is answered in the window where it has words on either side, so a window's border cuts no
context off that a model would look at, and sentences of any length are answered whole.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from transformers import PreTrainedTokenizerBase

from ..encoding import EncodedTexts, max_length_of
from ..errors import UserError

_WHOLE = 1 << 30  # tokens


class Window(NamedTuple):
    """Words `start` to `stop` of a sentence are read together, and `first` to `last` are answered there."""

    sentence: int
    start: int
    stop: int
    first: int
    last: int


class EncodedSentences:
    """Sentences of words, tokenised once, as windows: the examples of `encoded`, in the order of `windows`.

    A word that the tokenizer drops, such as one of a zero-width space alone, is read as the unknown token, so that it
    keeps its place. `heads[i][j]` is the position of the first token of word `j` in window `i`, -1 only where the
    tokenizer has no unknown token.

    Args:
        tokenizer: a fast tokenizer of the Transformers library.
        sentences: lists of words; a sentence of none has no window.
        max_length: tokens in a window; `None` for the tokenizer's own limit.
        cut: only the first window of each sentence, and all of its words are answered.

    Raises:
        UserError: for a tokenizer that does not tell which word a token is from.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        sentences: Sequence[Sequence[str]],
        max_length: int | None = None,
        cut: bool = False,
    ):
        if not tokenizer.is_fast:
            raise UserError(f"{type(tokenizer).__name__} is a slow tokenizer: tags of words need a fast one")
        limit = max_length or max_length_of(tokenizer)
        kept = [row for row, words in enumerate(sentences) if len(words)]
        texts = [list(sentences[row]) for row in kept]
        self.windows = [Window(row, 0, len(words), 0, len(words)) for row, words in zip(kept, texts, strict=True)]
        self._encode(tokenizer, texts, _WHOLE)
        if self._name_dropped(tokenizer, texts):
            self._encode(tokenizer, texts, _WHOLE)
        if any(self.encoded.lengths > limit):
            texts = self._divide(texts, max(limit - tokenizer.num_special_tokens_to_add(), 1), cut)
            self._encode(tokenizer, texts, limit)

    def answered(self, example: int) -> slice:
        """The words of a window that are answered there."""
        _, start, _, first, last = self.windows[example]
        return slice(first - start, last - start)

    def _encode(self, tokenizer: PreTrainedTokenizerBase, texts: list[list[str]], limit: int) -> None:
        self.encoded = EncodedTexts(tokenizer, texts, limit, split_into_words=True)
        self.heads = []
        for ids, words in zip(self.encoded.word_ids, texts, strict=True):
            heads = np.full(len(words), -1, dtype=np.int64)
            positions = np.flatnonzero(ids >= 0)[::-1]
            heads[ids[positions]] = positions  # of several tokens the one that is written last: the first
            self.heads.append(heads)

    def _name_dropped(self, tokenizer: PreTrainedTokenizerBase, texts: list[list[str]]) -> bool:
        """Put the unknown token in place of words without a token; whether there was any."""
        dropped = [(row, word) for row, heads in enumerate(self.heads) for word in np.flatnonzero(heads < 0)]
        if tokenizer.unk_token is None:
            return False
        for row, word in dropped:
            texts[row][word] = tokenizer.unk_token
        return bool(dropped)

    def _divide(self, texts: list[list[str]], room: int, cut: bool) -> list[list[str]]:
        """Windows of at most `room` tokens in place of whole sentences; returns their words."""
        windows, parts = [], []
        for whole, words, ids in zip(self.windows, texts, self.encoded.word_ids, strict=True):
            tokens = np.bincount(ids[ids >= 0], minlength=len(words))
            for start, stop, first, last in plan(tokens, room)[: 1 if cut else None]:
                answered = (start, stop) if cut else (first, last)
                windows.append(Window(whole.sentence, start, stop, *answered))
                parts.append(words[start:stop])
        self.windows = windows
        return parts


def plan(tokens: np.ndarray, room: int) -> list[tuple[int, int, int, int]]:
    """Windows over a sentence as `(start, stop, first, last)`, each of at most `room` tokens.

    Every word is answered once, in order, with about an eighth of a window on either side of it.

    Args:
        tokens: of each word, `(words,)`; a word of more than `room` has a window of its own.
        room: at least 1.
    """
    ends = np.concatenate([[0], np.cumsum(np.clip(tokens, 1, room))])  # before word i there are ends[i] tokens
    margin, count = room // 8, len(tokens)
    windows, first = [], 0
    while first < count:
        start = int(np.searchsorted(ends, ends[first] - margin))
        if ends[first + 1] - ends[start] > room:
            start = first
        stop = int(np.searchsorted(ends, ends[start] + room, side="right")) - 1
        last = int(np.searchsorted(ends, ends[stop] - margin, side="right")) - 1 if stop < count else count
        last = max(last, first + 1)
        windows.append((start, stop, first, last))
        first = last
    return windows

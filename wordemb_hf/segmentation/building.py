"""From a text and a dictionary to a tokenizer of Chinese words."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from ..errors import UserError
from ..records import check_text
from ..text_parts import cuts_of, in_parts
from ..tokenizer_kinds import nothing_left, without_tokens
from .chinese_words import blank_segmenter, count_pieces, log_probabilities, marked, starts_word, with_pieces
from .dictionaries import has_installed_dictionary, installed_dictionary, is_han, with_traditional
from .discovery import discover_words, sample_of
from .narrow import NarrowSegmenter
from .new_words import SAMPLE_BETWEEN, with_new_words

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def build_segmenter(
    texts: Iterable[str],
    dictionary: Mapping[str, float] | None,
    *,
    min_count: int,
    max_size: int | None,
    lowercase: bool,
    specials: Sequence[str],
    new_words: bool = False,
) -> Tokenizer:
    """A tokenizer of the words of a dictionary that a text uses, and of the text's characters, symbols and other words.

    Ids: special tokens, then pieces by how often the text has them. Every character that the text has often enough is a
    piece, also one that it has within words only: it is there for words which the tokenizer does not know.

    Args:
        texts: read once.
        dictionary: words and how often they are used; None for jieba's, or what the text tells where that is missing.
        min_count: what is rarer in the text has no id; 0 also keeps words of the dictionary that the text does not use.
        max_size: at most so many pieces; the rarest words go first, and characters stay longest.
        lowercase: put text into lower case.
        specials: special tokens.
        new_words: add words of the text that the dictionary lacks.

    Raises:
        UserError: when the text holds nothing that is frequent enough, or half of a surrogate pair.
    """
    if dictionary is None:
        if has_installed_dictionary():
            dictionary = with_traditional(installed_dictionary())
        else:
            sample, rest = sample_of(texts)
            dictionary, texts = discover_words(sample), chain(sample, rest)
            new_words = False  # all of them are
    if new_words:
        sample, rest = sample_of(texts, SAMPLE_BETWEEN)
        dictionary, texts = with_new_words(dictionary, sample), chain(sample, rest)
    check_text("the dictionary", "".join(dictionary))
    scores = log_probabilities(dictionary)
    counts = count_pieces(
        NarrowSegmenter(scores, lowercase),
        in_parts(without_tokens(list(specials), texts), cuts_of("word-zh")),
    )
    for token in specials:
        counts.pop(token, None)
    if max(counts.values(), default=0) < max(min_count, 1):
        raise UserError(nothing_left(counts, "word-zh", min_count))
    pieces = _chosen(counts, scores, min_count, max_size)
    least, total = min(scores.values(), default=0.0), counts.total()
    known = {
        piece: scores.get(piece, least) if is_han(piece) else math.log(max(counts[piece], 1) / total)
        for piece in pieces
    }
    return with_pieces(blank_segmenter(lowercase), specials, known)


def _chosen(counts: Counter[str], scores: Mapping[str, float], min_count: int, max_size: int | None) -> list[str]:
    """The pieces of a tokenizer, in the order of their ids."""
    characters: Counter[str] = Counter()
    for piece, count in counts.items():
        if is_han(piece):
            for character in piece:
                characters[character] += count
    within = sorted(characters, key=lambda character: (-characters[character], character))
    within = [character for character in within if characters[character] >= min_count][:max_size]
    by_count = sorted(counts, key=lambda piece: (-counts[piece], piece))
    words = [piece for piece in by_count if counts[piece] >= max(min_count, 1)]
    if not min_count:
        words += sorted(word for word in scores if word not in counts)
    first = set(within)
    others = [piece for piece in words if piece not in first]
    if max_size is not None:
        others = others[: max_size - len(within)]
    return sorted([*within, *others], key=lambda piece: (-counts[piece], piece))


def extended_segmenter(segmenter: Tokenizer, texts: Iterable[str], min_count: int) -> Tokenizer:
    """A copy that also knows characters and other words of more text, behind what it knows; no Chinese words."""
    from tokenizers import Tokenizer

    content = json.loads(segmenter.to_str())
    pieces = content["model"]["vocab"]
    known = {piece for piece, _ in pieces}
    lowercase = segmenter.normalizer.__getstate__() == blank_segmenter(lowercase=True).normalizer.__getstate__()
    counts = count_pieces(NarrowSegmenter(dict(pieces), lowercase), texts)
    total = max(counts.total(), 1)
    new = [piece for piece, count in counts.items() if piece not in known and count >= min_count]
    least = min(score for _, score in pieces)
    for piece in sorted(new, key=lambda piece: (-counts[piece], piece)):
        pieces.append([piece, least if is_han(piece) else math.log(counts[piece] / total)])
    return Tokenizer.from_str(json.dumps(content))


def segmenter_of_words(words: Sequence[str], lowercase: bool, specials: Sequence[str]) -> Tokenizer:
    """A tokenizer of these words, the most frequent first; how much more frequent they are is told by Zipf's law."""
    ranked = {(marked(word) if starts_word(word) else word): -math.log(rank) for rank, word in enumerate(words, 1)}
    return with_pieces(blank_segmenter(lowercase), specials, ranked)

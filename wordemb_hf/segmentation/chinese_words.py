"""Chinese words inside a tokenizer.json: a Unigram model whose pieces are the words of a dictionary.

The words of a sentence are those whose probabilities have the largest product, as in jieba without its hidden Markov
model; where no word fits, characters stand alone. What is not Chinese is never cut: a word, a number or a date of other
letters is found whole or is unknown. For that it carries a mark on both sides, `▁iphone▁`, so that no piece can be
found within another word. Chinese characters and symbols carry none.

The segmenter is that of Kudo 2018, "Subword Regularization" (ACL), section 3.2, with words in place of sub-words.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from ..token_ids import in_batches
from ..tokenizer_kinds import PAD, UNK
from .batches import BatchCounter
from .dictionaries import HAN
from .narrow import NarrowSegmenter

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MARK = "▁"

_CJK = r"\p{Han}\p{Hiragana}\p{Katakana}ー"
_START = rf"[\p{{L}}\p{{N}}&&[^{_CJK}]]"
_INNER = rf"[\p{{L}}\p{{N}}\p{{M}}&&[^{_CJK}]]"
# Symbols that stand inside of words and numbers become their full-width forms there, of which NFKC has left none in the
# text: as themselves they would be found as symbols.
_WITHIN = (
    (".", "．", r"(?<=\p{Nd})\.(?=\p{Nd})"),
    (":", "：", r"(?<=\p{Nd}):(?=\p{Nd})"),
    ("-", "－", r"(?<=\p{Nd})-(?=\p{Nd})"),
    ("/", "／", r"(?<=\p{Nd})/(?=\p{Nd})"),
    ("'", "＇", rf"(?<={_INNER})'(?={_START})"),
)
_CJK_LETTER = re.compile(f"[{HAN}\u3041-\u309f\u30a1-\u30ff\uff66-\uff9f]")
_JOINED = "".join(joint for _, joint, _ in _WITHIN)
_PIECES = rf"\p{{Han}}+|{_START}[^{MARK}]*{MARK}|[^\s\p{{Cc}}\p{{Cf}}]\p{{M}}*"


def blank_segmenter(lowercase: bool) -> Tokenizer:
    """A tokenizer that knows no word: it marks those that are not Chinese, and finds where Chinese ones may be."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.Unigram([(PAD, 0.0), (UNK, 0.0)], unk_id=1))
    steps: list[normalizers.Normalizer] = [
        normalizers.NFKC(),
        normalizers.Replace(MARK, "_"),
        normalizers.Replace("’", "'"),
    ]
    if lowercase:
        steps.append(normalizers.Lowercase())
    steps.append(normalizers.Replace(Regex(r"(?<=\p{Nd}),(?=\p{Nd}{3}(?!\p{Nd}))"), ""))  # 1,000 is 1000
    steps += [normalizers.Replace(Regex(pattern), joint) for _, joint, pattern in _WITHIN]
    steps.append(normalizers.Replace(Regex(rf"(?<={_INNER})(?![{_JOINED}]|{_INNER})"), MARK))
    tokenizer.normalizer = normalizers.Sequence(steps)
    # A mark that the normalizer put before a word would take the place of the character before it. The second step
    # puts one before all pieces, in its right place, and the third takes those away again that are no words.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="removed", invert=True),
            pre_tokenizers.Metaspace(replacement=MARK, prepend_scheme="always", split=False),
            pre_tokenizers.Split(Regex(rf"^{MARK}(?!{_START})"), behavior="removed"),
        ]
    )
    spelled = [decoders.Replace(joint, symbol) for symbol, joint, _ in _WITHIN]
    tokenizer.decoder = decoders.Sequence(
        [decoders.Fuse(), decoders.Replace(MARK + MARK, " "), decoders.Replace(MARK, ""), *spelled]
    )
    return tokenizer


def marked(word: str) -> str:
    """The piece of a word that is not Chinese."""
    for symbol, joint, _ in _WITHIN:
        word = word.replace(symbol, joint)
    return f"{MARK}{word}{MARK}"


def starts_word(word: str) -> bool:
    """Whether a word begins with a letter or number that is not Chinese or Japanese, and is marked therefore."""
    return word[:1].isalnum() and not _CJK_LETTER.match(word)


def unmarked(piece: str) -> str:
    """A piece of a segmenter, or text that its normalizer has changed, as it is read."""
    for symbol, joint, _ in _WITHIN:
        piece = piece.replace(joint, symbol)
    return piece.replace(MARK, "")


def is_segmenter(content: dict[str, Any]) -> bool:
    """Whether a tokenizer.json, read as JSON, is one of this module's."""
    own = json.loads(blank_segmenter(lowercase=False).to_str())
    return content["model"].get("type") == "Unigram" and content["pre_tokenizer"] == own["pre_tokenizer"]


def word_numbers(tokenizer: Any, encoding: Any) -> list[int | None]:
    """The number of the word that each token of a text is from, None where it is from none.

    It is what the text was cut into before the vocabulary was looked at (`word_ids`); but of a segmenter, which is
    not cut between Chinese words before that, each token is a word.

    Args:
        tokenizer: a fast one.
        encoding: of a text, as the tokenizers library gives it.
    """
    numbers: list[int | None] = encoding.word_ids
    step = tokenizer.backend_tokenizer.pre_tokenizer
    if step is None or step.__getstate__() != _cutting():
        return numbers
    return [None if number is None else place for place, number in enumerate(numbers)]


@cache
def _cutting() -> bytes:
    state: bytes = blank_segmenter(lowercase=False).pre_tokenizer.__getstate__()
    return state


def count_pieces(segmenter: NarrowSegmenter, texts: Iterable[str]) -> Counter[str]:
    """How often each word, character and symbol occurs; of unknown Chinese words, their characters."""
    read = BatchCounter(segmenter)
    counts: Counter[str] = Counter()
    for batch in in_batches(texts):
        counts.update(read.count(batch))
    return counts


def log_probabilities(dictionary: Mapping[str, float]) -> dict[str, float]:
    """Of words by their frequencies; a word of frequency 0 is as probable as its parts together, and somewhat more.

    Single characters of words are words too, as rare as the rarest.
    """
    total = sum(dictionary.values())
    least = min((frequency for frequency in dictionary.values() if frequency > 0), default=1.0)
    total = total or 1.0
    scores = {word: math.log(frequency / total) for word, frequency in dictionary.items() if frequency > 0}
    for character in sorted(set("".join(dictionary))):
        scores.setdefault(character, math.log(least / total))
    unweighted = [word for word, frequency in dictionary.items() if frequency == 0 and word not in scores]
    if unweighted:
        segmenter = with_pieces(blank_segmenter(lowercase=False), [PAD, UNK], scores)
        for word, encoding in zip(
            unweighted, segmenter.encode_batch(unweighted, add_special_tokens=False), strict=True
        ):
            scores[word] = sum(scores[piece] for piece in encoding.tokens) + 1.0
    return scores


def with_pieces(segmenter: Tokenizer, specials: Sequence[str], scores: dict[str, float]) -> Tokenizer:
    """The same segmenter, which knows pieces now, by their log-probabilities; special tokens have the first ids."""
    from tokenizers import models

    pieces = [(token, 0.0) for token in specials] + [item for item in scores.items() if item[0] not in specials]
    segmenter.model = models.Unigram(pieces, unk_id=list(specials).index(UNK))
    segmenter.add_special_tokens(list(specials))
    return segmenter

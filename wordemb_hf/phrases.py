"""Words that belong together, as `new_york`: found in a text, and taken for one word by the tokenizer itself.

Two scores of a pair of words (a, b) that are neighbours:

- `mikolov`: (n(ab) - minimum) * N / (n(a) * n(b)), with N words in the text (Mikolov et al. 2013, "Distributed
  Representations of Words and Phrases and their Compositionality", section 4; N as gensim has it, which makes the score
  independent of the length of the text);
- `npmi`: ln(p(ab) / (p(a) * p(b))) / -ln p(ab), from -1 to 1 (Bouma 2009, "Normalized (Pointwise) Mutual Information in
  Collocation Extraction").

Longer phrases come of further rounds, in which phrases are words.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from .errors import UserError
from .token_ids import in_batches

if TYPE_CHECKING:
    from tokenizers import Tokenizer

JOINT = "_"
Score = Literal["npmi", "mikolov"]
THRESHOLDS: dict[str, float] = {"npmi": 0.5, "mikolov": 100.0}


def find_phrases(
    tokenizer: Tokenizer,
    texts: Sequence[str] | Iterable[str],
    *,
    score: Score = "npmi",
    threshold: float | None = None,
    min_count: int = 5,
    most: int = 20_000,
) -> list[str]:
    """Pairs of words of a text that belong together, each as it stands there with a space, the surest first.

    Args:
        tokenizer: knows the words of which phrases are made; of the kind `word`.
        texts: read once.
        score: how pairs are judged.
        threshold: the least score of a phrase.
        min_count: of a phrase.
        most: at most so many.

    Raises:
        UserError: for an unknown score.
    """
    if score not in THRESHOLDS:
        raise UserError(f"phrases must be one of {', '.join(THRESHOLDS)}, not {score!r}")
    least = THRESHOLDS[score] if threshold is None else threshold
    words: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    for batch in in_batches(texts):
        for encoding in tokenizer.encode_batch(batch, add_special_tokens=False):
            tokens = encoding.tokens
            words.update(tokens)
            # Only what a single space parts in the text is a pair: nothing that punctuation stands between.
            ends = [stop for _, stop in encoding.offsets]
            starts = [start for start, _ in encoding.offsets]
            pairs.update(
                (tokens[place], tokens[place + 1])
                for place in range(len(tokens) - 1)
                if starts[place + 1] == ends[place] + 1
            )
    total = sum(words.values())
    found: dict[str, float] = {}
    for (first, second), count in pairs.items():
        if count < min_count or not (_is_word(first) and _is_word(second)):
            continue
        chance = words[first] * words[second]
        if score == "mikolov":
            value = (count - min_count) * total / chance
        else:
            value = math.log(count * total / chance) / -math.log(count / total) if count < total else 1.0
        if value >= least:
            found[f"{first} {second}"] = value
    return sorted(found, key=lambda phrase: (-found[phrase], phrase))[:most]


def _is_word(token: str) -> bool:
    return token[:1].isalpha()  # no number, no symbol, and not what is unknown


def join_phrases(tokenizer: Tokenizer, phrases: Iterable[str]) -> None:
    """Have a tokenizer of the kind `word` take each of these phrases for one word, with `_` in place of its spaces.

    Decoding puts the spaces back: a `_` of the text is a token of its own.
    """
    from tokenizers import Regex, decoders, pre_tokenizers

    from .tokenizer_kinds import WORD_PATTERN

    found = rf"(?<![\p{{L}}\p{{N}}])(?:{phrase_pattern(phrases)})(?![\p{{L}}\p{{N}}\p{{M}}])"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(f"{found}|{WORD_PATTERN}"), behavior="removed", invert=True),
            pre_tokenizers.Metaspace(replacement=JOINT, prepend_scheme="never", split=False),
        ]
    )
    # The second step joins words by spaces, which is what it does to all that does not begin with `##`.
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(Regex(f"(?<=.){JOINT}(?=.)"), " "), decoders.WordPiece(cleanup=False)]
    )


def phrase_pattern(phrases: Iterable[str]) -> str:
    """A regular expression that finds the longest of these phrases, and is short where they begin alike."""
    tree: dict[str, dict] = {}
    for phrase in phrases:
        node = tree
        for letter in phrase:
            node = node.setdefault(letter, {})
        node[""] = {}
    return _pattern(tree)


def _pattern(node: dict[str, dict]) -> str:
    from re import escape

    branches = [escape(letter) + _pattern(below) for letter, below in sorted(node.items()) if letter]
    if not branches:
        return ""
    joined = branches[0] if len(branches) == 1 and "" not in node else f"(?:{'|'.join(branches)})"
    return f"{joined}?" if "" in node else joined

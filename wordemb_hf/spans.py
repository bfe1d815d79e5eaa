"""From tags of words to spans: the schemes IOB1, IOB2, BMES, BIOES, BMEWO and BILOU, with types (`B-PER`) or not (`B`).

Tags that a scheme forbids, such as `I-PER` after `O`, are read as conlleval reads them (Sang & Buchholz 2000): a span
begins where none can go on.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from .modeling.tag_constraints import tag_constraints

# The part of a span that a word is: begin, inside, end, single; M is another name of I, L of E, U and W of S.
_PARTS = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S", "W": "S"}
_TAG = re.compile(r"([BIMELSUW])(?:[-_](.+))?", re.DOTALL)


class Span(NamedTuple):
    """Words `start` to `stop`, the latter not included."""

    type: str
    start: int
    stop: int


def parse_tag(tag: str) -> tuple[str, str]:
    """The part of a span (`B`, `I`, `E`, `S`, or `O`) and its type, which is empty for a tag without one."""
    match = _TAG.fullmatch(tag)
    return (_PARTS[match[1]], match[2] or "") if match else ("O", "")


def mark_spans(labels: Sequence[str]) -> bool:
    """Whether tags mark spans: their names follow a scheme.

    >>> mark_spans(["O", "B-PER", "I-PER"]), mark_spans(["NOUN", "VERB", "X"])
    (True, False)
    """
    return tag_constraints(labels) is not None


def spans_of(tags: Sequence[str]) -> list[Span]:
    """The spans that a sentence's tags mark, from left to right.

    >>> spans_of(["B-PER", "I-PER", "O", "S-LOC"])
    [Span(type='PER', start=0, stop=2), Span(type='LOC', start=3, stop=4)]
    """
    spans: list[Span] = []
    start: int | None = None
    before, type_before = "O", ""
    for index, tag in enumerate([*tags, "O"]):
        part, type_ = parse_tag(tag)
        begins = part in "BS" or before in "OES" or type_ != type_before
        if start is not None and (part == "O" or begins):
            spans.append(Span(type_before, start, index))
            start = None
        if part != "O" and begins:
            start = index
        before, type_before = part, type_
    return spans


def continuation(tag: str, labels: Sequence[str]) -> str | None:
    """The tag of a further piece of a word that has `tag`, so that a tagger of pieces marks the same spans.

    `B-X` goes on as `I-X` where there is one, and all other tags of IOB as themselves; so do tags that mark no spans.
    `None` in the schemes that mark the end of a span, where the pieces of a word would need tags of their own.
    """
    if tag == "O" or not mark_spans(labels):
        return tag
    if any(label[:1] in "MELSUW" for label in labels):
        return None
    inside = "I" + tag[1:]
    return inside if inside in labels else None

"""Which tags may follow each other, from their names: the schemes that mark spans.

- IOB2 (also BIO): `B-X` begins a span of kind `X`, `I-X` goes on with it, `O` is outside (Tjong Kim Sang & Veenstra
  1999, section 2).
- Schemes that mark ends and spans of one token as well: BIOES, BMES, BMEWO, BILOU. There, what has begun must end.

The kind stands behind a hyphen or an underscore, or nowhere, as in the `B M E S` of word segmentation.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

# The part of a span that a token is. M is another name of I, L of E, U and W of S.
_PARTS = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S", "W": "S"}
_TAG = re.compile(r"([BIMELSUW])(?:[-_](.+))?", re.DOTALL)


class TagConstraints(NamedTuple):
    """Which tags may begin a sentence, which may follow which (`[before][after]`), and which may end it."""

    start: list[bool]
    transitions: list[list[bool]]
    end: list[bool]


class ForbiddenTag(NamedTuple):
    """Where a sequence breaks the rules, counted from 0, and how: `I-ORG cannot follow B-PER`."""

    position: int
    reason: str


def tag_constraints(names: Sequence[str]) -> TagConstraints | None:
    """What the scheme of these names allows; `None` if they follow none, as parts of speech and `LABEL_0`.

    Names that a scheme would have and that are not there are made up for, so that there is a path of every length:
    without `B-X`, a span begins with what else there is of `X`; without `E-X` it ends anywhere; and where no tag stands
    for a single token, `B-X` does.

    >>> tag_constraints(["O", "B", "I"]).start
    [True, True, False]
    """
    return _constraints(tuple(names))


def first_forbidden(tags: Sequence[str | None], names: Sequence[str]) -> ForbiddenTag | None:
    """The first tag of a sentence that the scheme of `names` forbids; `None` if there is none, or no scheme.

    Args:
        tags: of one sentence, one for each token; `None` where it is not known.
        names: all tags that there are.

    Raises:
        ValueError: for a tag that is not among `names`.

    >>> first_forbidden(["B-PER", "I-ORG"], ["O", "B-PER", "I-PER", "B-ORG", "I-ORG"])
    ForbiddenTag(position=1, reason='I-ORG cannot follow B-PER')
    """
    names = tuple(names)
    constraints, number = _constraints(names), {name: number for number, name in enumerate(names)}
    for tag in tags:
        if tag is not None and tag not in number:
            raise ValueError(f"the tag is {tag!r}, but must be one of {', '.join(names)}")
    if constraints is None or not tags:
        return None
    if tags[0] is not None and not constraints.start[number[tags[0]]]:
        return ForbiddenTag(0, f"{tags[0]} cannot begin a sentence")
    for position, (before, tag) in enumerate(pairwise(tags), 1):
        if before is not None and tag is not None and not constraints.transitions[number[before]][number[tag]]:
            return ForbiddenTag(position, f"{tag} cannot follow {before}")
    if tags[-1] is not None and not constraints.end[number[tags[-1]]]:
        return ForbiddenTag(len(tags) - 1, f"{tags[-1]} cannot end a sentence")
    return None


@lru_cache(maxsize=64)  # one sentence after another is asked about with the same names
def _constraints(names: tuple[str, ...]) -> TagConstraints | None:
    tags = [_parse(name) for name in names]
    present = {tag for tag in tags if tag is not None}
    parts = {part for part, _ in present}
    if len(present) < len(tags) or not (any(kind for _, kind in present) or "B" in parts):
        return None
    marks_ends, single = bool(parts & {"E", "S"}), bool(parts & {"O", "S"})

    def begins(part: str, kind: str) -> bool:
        return part in "BSO" or ("B", kind) not in present

    def must_go_on(part: str, kind: str) -> bool:
        return marks_ends and ("E", kind) in present and (part == "I" or (part == "B" and single))

    def may_follow(before: tuple[str, str], after: tuple[str, str]) -> bool:
        if before[1] == after[1] and before[0] in "BI" and after[0] in "IE":
            return True
        return begins(*after) and not must_go_on(*before)

    known = [tag for tag in tags if tag is not None]
    return TagConstraints(
        start=[begins(*tag) for tag in known],
        transitions=[[may_follow(before, after) for after in known] for before in known],
        end=[not must_go_on(*tag) for tag in known],
    )


def _parse(name: str) -> tuple[str, str] | None:
    """The part of a span and its kind; `None` for a name of another form."""
    if name == "O":
        return "O", ""
    match = _TAG.fullmatch(name)
    return (_PARTS[match[1]], match[2] or "") if match else None

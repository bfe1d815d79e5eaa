"""Long texts in parts of which a tokenizer makes the same tokens as of the whole.

The tokenizers library takes about 100 bytes for each character that it reads at once, and 2 GB for a line of 16 MB.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from .records import check_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PART = 1 << 16  # characters from which on a text is cut where it may be
BATCH = 1 << 18  # characters of a batch of parts, about

# No token goes on behind ASCII white space, where there are words on both sides of it, and no accent joins with it.
_SPACES = r"(?<=\S)[ \t\n\v\f\r]+(?=\S)"
# None but symbols end here, and letters begin: an accent belongs to what stands before it, a number has digits inside.
_SYMBOLS = "(?<=[,;，。、！？；])(?=[A-Za-z\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff])"
_MARKS = frozenset(",;，。、！？； \t\n\v\f\r")
_AT_SPACES = re.compile(_SPACES)
_AT_BOTH = re.compile(f"{_SPACES}|{_SYMBOLS}")
# The first word of a text, or an accent that is taken away, stands elsewhere in a part of it than in the whole.
_MOVED = ("word-space", "bpe", "wordpiece", "unigram")
_CUTS = dict.fromkeys(("word", "word-zh", "char", "char-space"), _AT_BOTH) | dict.fromkeys(
    (*_MOVED, "whitespace", "word-text8", "word-glove"), _AT_SPACES
)


def cuts_of(kind: str, special_tokens: Iterable[str] = (), places: bool = False) -> re.Pattern[str] | None:
    """Where a text may be cut for a tokenizer of a kind: each match begins a part. None where it is not known.

    Args:
        kind: as `build_tokenizer` or `train_subwords` has it.
        special_tokens: found in the text before anything else is.
        places: where each token stands in the text must be told too.
    """
    if _MARKS & set("".join(special_tokens)) or (places and kind in _MOVED):
        return None
    return _CUTS.get(kind)


def cuts_for(tokenizer: PreTrainedTokenizerFast, places: bool = False) -> re.Pattern[str] | None:
    """Where a text may be cut for a tokenizer: as `cuts_of`, and None for those that are not of our kinds."""
    from .tokenizer_kinds import kind_of

    kind, _ = kind_of(tokenizer) or ("", False)
    added = tokenizer.backend_tokenizer.get_added_tokens_decoder().values()
    if any(token.single_word or token.lstrip or token.rstrip for token in added):
        return None  # they look at, or take, what stands beside them
    return cuts_of(kind, [token.content for token in added], places)


def parts_of(text: str, cuts: re.Pattern[str] | None) -> Iterator[str]:
    """The parts of a text; itself where it is short, or cannot be cut."""
    start = 0
    while cuts is not None and len(text) - start > PART:
        found = cuts.search(text, start + PART)
        if found is None:
            break
        yield text[start : found.start()]
        start = found.start()
    yield text[start:] if start else text


def in_parts(texts: Iterable[str], cuts: re.Pattern[str] | None) -> Iterator[str]:
    """The parts of all texts, for whoever need not know which texts they are of."""
    return chain.from_iterable(parts_of(text, cuts) for text in texts)


def batches_of_parts(
    texts: Iterable[str], cuts: re.Pattern[str] | None
) -> Iterator[tuple[Sequence[str], Sequence[bool]]]:
    """Batches of about `BATCH` characters: parts of texts, and which of them end a text.

    Raises:
        UserError: for half of a surrogate pair, which no tokenizer takes.
    """
    batch: list[str] = []
    ends: list[bool] = []
    size = 0
    for number, text in enumerate(texts, 1):
        check_text(f"text {number}", text)
        for part in parts_of(text, cuts):
            if size >= BATCH:
                yield batch, ends
                batch, ends, size = [], [], 0
            batch.append(part)
            ends.append(False)
            size += len(part) + 1
        ends[-1] = True
    if batch:
        yield batch, ends

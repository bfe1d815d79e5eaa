"""Dictionaries of Chinese words and how often they are used: of jieba, of the user, and of text that is cut already.

A dictionary is `{word: frequency}`; a frequency of 0 says that a word is one, and not how often it is used.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from ..conll import CONLL_SUFFIXES, read_tagged
from ..errors import UserError
from ..records import read_lines, suffix_of

HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # \p{Han} where words are made of it
_HAN_WORD = re.compile(f"[{HAN}]+")
_LONGEST = 32  # characters of a word: a line that is longer is no word
_PART_OF_SPEECH = re.compile("[a-zA-Z]{1,5}")  # jieba's files may have one in place of a frequency
_BEGINS = frozenset("BS")


def is_han(word: str) -> bool:
    """Whether a word is of Chinese characters alone."""
    return _HAN_WORD.fullmatch(word) is not None


def read_dictionary(path: Path) -> dict[str, float]:
    """A dictionary from a file with a word in each line, and behind a space or tab perhaps how often it is used.

    What else is in a line, as the part of speech in jieba's files, is passed over, and so are empty lines. Words that
    hold something other than Chinese characters are left out: other words need no dictionary.

    Raises:
        UserError: naming the line, for a frequency that is no number, a word that is too long, a carriage return in the
            middle, or a file without words.
    """
    words: dict[str, float] = {}
    for number, line in read_lines(path):
        cells = line.split()
        if not cells:
            continue
        if "\r" in line.strip():
            raise UserError(f"{path}, line {number}: a carriage return in the middle; a line feed ends a line")
        word, frequency = cells[0], 0.0
        if len(word) > _LONGEST:
            raise UserError(
                f"{path}, line {number}: a word of {len(word)} characters, but a line holds one of at most {_LONGEST}, "
                "and perhaps a space and its frequency"
            )
        if len(cells) > 1:
            try:
                frequency = float(cells[1])
            except ValueError:
                if not _PART_OF_SPEECH.fullmatch(cells[1]):
                    raise UserError(
                        f"{path}, line {number}: {cells[1]!r} is no frequency; a line is a word, a space and a number"
                    ) from None
            if not 0 <= frequency < float("inf"):
                raise UserError(
                    f"{path}, line {number}: a frequency is {cells[1]}, but must be finite and not negative"
                )
        if is_han(word):
            words[word] = words.get(word, 0.0) + frequency
    if not words:
        raise UserError(f"{path} holds no Chinese word: a line is a word, and perhaps a space and its frequency")
    return words


def installed_dictionary() -> dict[str, float]:
    """The dictionary of jieba, which is installed with the extra `zh`; the program itself is not run.

    Raises:
        UserError: when it is not installed.
    """
    found = find_spec("jieba")
    if found is None or not found.submodule_search_locations:
        raise UserError(
            "jieba is not installed, whose dictionary was asked for: pip install 'wordemb-hf[zh]', or give --dictionary"
        )
    return read_dictionary(Path(found.submodule_search_locations[0]) / "dict.txt")


def has_installed_dictionary() -> bool:
    """Whether `installed_dictionary` finds one."""
    return find_spec("jieba") is not None


def installed_sources() -> list[str]:
    """What decides which words a tokenizer has that is given no dictionary."""
    return [name for name in ("jieba", "opencc") if find_spec(name) is not None]


def counted_words(sentences: Iterable[Sequence[str]]) -> dict[str, float]:
    """The Chinese words of sentences that are cut already, and how often each occurs."""
    counts: Counter[str] = Counter()
    for words in sentences:
        counts.update(words)
    return {word: float(count) for word, count in counts.items() if is_han(word) and len(word) <= _LONGEST}


def read_segmented(path: Path) -> Iterator[list[str]]:
    """Sentences as words: of a file of text with spaces between words, or one whose characters have the tags B M E S.

    Raises:
        UserError: as `read_lines` and `read_tagged` do.
    """
    if suffix_of(path) in CONLL_SUFFIXES:
        tagged = read_tagged(path)
        for characters, tags in zip(tagged.tokens, tagged.tags, strict=True):
            yield joined_words(characters, tags)
    else:
        for _, line in read_lines(path):
            if words := line.split():
                yield words


def joined_words(characters: Sequence[str], tags: Sequence[str]) -> list[str]:
    """The words that characters make: one begins with each B or S (Xue 2003), and with whatever else stands first."""
    words: list[str] = []
    for character, tag in zip(characters, tags, strict=True):
        if tag[:1] in _BEGINS or not words:
            words.append(character)
        else:
            words[-1] += character
    return words


def merged(dictionaries: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """One dictionary of several, whose frequencies add up."""
    together: dict[str, float] = {}
    for words in dictionaries:
        for word, frequency in words.items():
            together[word] = together.get(word, 0.0) + frequency
    return together


def scaled(words: Mapping[str, float], total: float) -> dict[str, float]:
    """The same words with frequencies that add up to `total`."""
    factor = total / (sum(words.values()) or 1.0)
    return {word: factor * frequency for word, frequency in words.items()}


def filled_up(cut: Mapping[str, float], known: Mapping[str, float] | None = None) -> dict[str, float]:
    """The words of text that is cut already, and those of a dictionary (jieba's where it is installed), as rare ones.

    What was cut by people tells best how words are used; a dictionary adds words that it lacks.
    """
    known = known or (installed_dictionary() if has_installed_dictionary() else {})
    return merged([cut, scaled(known, 0.01 * sum(cut.values()))])


def with_traditional(words: dict[str, float]) -> dict[str, float]:
    """A dictionary that also has its words in traditional characters, where OpenCC (extra `zh`) is installed."""
    if find_spec("opencc") is None:
        return words
    import opencc

    known = list(words)
    converted = opencc.OpenCC("s2t").convert("\n".join(known)).split("\n")
    together = dict(words)
    for word, other in zip(known, converted, strict=True):
        together.setdefault(other, words[word])
    return together

"""How a word is spelled in numbers, the same for every language and every model: the scheme of ELMo.

A word is its UTF-8 bytes between a begin and an end; padding follows up to a fixed length. All numbers stand one higher
than the byte, so that 0 is left for what is no word at all. There is no alphabet to build, a Chinese character is three
bytes, and the official weights of Peters et al. 2018 (section 3.2; `ELMoCharacterMapper` in AllenNLP's
`elmo_indexer.py`) can be read as they are.
"""

from functools import lru_cache

MAX_CHARACTERS = 50  # of the official models
NUM_CHARACTERS = 262  # 0, 256 bytes, and the five below
BEGIN_SENTENCE, END_SENTENCE, BEGIN_WORD, END_WORD, PADDING = range(257, NUM_CHARACTERS)

Spelling = tuple[int, ...]  # (max_characters,)


@lru_cache(1 << 16)  # words repeat, and a hit costs a tenth of the spelling
def spell(word: str, max_characters: int = MAX_CHARACTERS) -> Spelling:
    """The bytes of a word, as many as fit between begin and end.

    Raises:
        ValueError: when not a single byte would fit.
    """
    return _enclose([byte + 1 for byte in word.encode("utf-8", "ignore")], max_characters)


@lru_cache
def spell_mark(mark: int, max_characters: int = MAX_CHARACTERS) -> Spelling:
    """A whole word of one code: `BEGIN_SENTENCE` or `END_SENTENCE`.

    Raises:
        ValueError: when it does not fit.
    """
    return _enclose([mark], max_characters)


def no_word(max_characters: int = MAX_CHARACTERS) -> Spelling:
    """What stands where there is no word: zeros."""
    return (0,) * max_characters


def _enclose(characters: list[int], max_characters: int) -> Spelling:
    if max_characters < 3:
        raise ValueError(f"max_characters is {max_characters}, but must be at least 3: two go to begin and end of word")
    characters = characters[: max_characters - 2]
    return (BEGIN_WORD, *characters, END_WORD) + (PADDING,) * (max_characters - 2 - len(characters))

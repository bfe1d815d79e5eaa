"""What language a text is in, as far as models here care."""

from collections.abc import Sequence


def guess_language(texts: Sequence[str]) -> str:
    """`zh` where a fifth of the letters are Han characters, else `en`."""
    letters = [letter for text in texts[:1000] for letter in text if letter.isalpha()]
    han = sum("\u4e00" <= letter <= "\u9fff" for letter in letters)
    return "zh" if han > 0.2 * len(letters) else "en"

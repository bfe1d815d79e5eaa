"""How much a text in UTF-8 holds, as Python's `str` counts it."""

import numpy as np

from .compiled import compiled


@compiled
def text_size(text):
    """How many characters are no white space (`str.isspace`), and how many lines have any.

    Args:
        text: valid UTF-8, uint8 `(bytes,)`.
    """
    characters = lines = 0
    filled = False
    for place in range(len(text)):
        byte = text[place]
        if byte == 10:
            lines += filled
            filled = False
        elif byte & 0xC0 != 0x80 and not _begins_space(text, place):  # else it goes on with a character
            characters += 1
            filled = True
    return characters, lines + filled


@compiled
def _begins_space(text, place):
    byte = text[place]
    if byte < 128:
        return 9 <= byte <= 13 or 28 <= byte <= 32
    if byte == 0xC2:
        return place + 1 < len(text) and (text[place + 1] == 0x85 or text[place + 1] == 0xA0)
    if not 0xE1 <= byte <= 0xE3 or place + 2 >= len(text):
        return False
    point = (np.int64(byte) & 15) << 12 | (np.int64(text[place + 1]) & 63) << 6 | np.int64(text[place + 2]) & 63
    return (
        point == 0x1680
        or 0x2000 <= point <= 0x200A
        or 0x2028 <= point <= 0x2029
        or point == 0x202F
        or point == 0x205F
        or point == 0x3000
    )

"""Lines of text, a word and its numbers, as words and rows of a matrix: a compiled scanner.

A number of at most 19 digits whose value below 2^53 is multiplied or divided by a power of ten up to 10^22 is exact but
for one rounding (Clinger 1990, "How to Read Floating Point Numbers Accurately"). Lines with any other number are left
to Python, and so are those that are not a word and as many numbers as there should be.

This file needs Numba, and is imported only where it is used.
"""

import numpy as np

from .compiled import compiled

# How `scan_lines` ended.
DONE, FULL, STRANGE = 0, 1, 2
# What it goes on from.
POSITION, ROWS, USED = range(3)

_POWERS = 10.0 ** np.arange(23)
_POWERS.flags.writeable = False
_EXACT = np.uint64(1 << 53)
_TEN = np.uint64(10)


def scan(text: np.ndarray, matrix: np.ndarray, words: np.ndarray, state: np.ndarray) -> int:
    """Read lines until the text ends (`DONE`), the matrix is full (`FULL`) or a line is `STRANGE`.

    Args:
        text: whole lines, uint8 `(bytes,)`.
        matrix: what rows are written to, float32 `(rows, width)`.
        words: what words are written to, each with a newline behind it: uint8, of the length of the text.
        state: int64 `(3,)`: where in the text it is, rows written, bytes of `words` written; it is moved on.
    """
    return _scan_lines(text, matrix, words, state, _POWERS)


@compiled
def _scan_lines(text, matrix, words, state, powers):
    position, row, used = state[POSITION], state[ROWS], state[USED]
    end, width = len(text), matrix.shape[1]
    ended = DONE
    while position < end:
        first = text[position]
        if first == 10:  # an empty line
            position += 1
            continue
        if row == len(matrix):
            ended = FULL
            break
        stop = position + 1
        while stop < end and text[stop] != 32 and text[stop] != 9 and text[stop] != 10:
            stop += 1
        at, column = stop, 0
        while column < width:
            # Past what is between numbers.
            while at < end and (text[at] == 32 or text[at] == 9):
                at += 1
            begin = at
            negative = False
            if at < end and (text[at] == 45 or text[at] == 43):
                negative = text[at] == 45
                at += 1
            mantissa, digits, scale = np.uint64(0), 0, 0
            seen = False
            while at < end and 48 <= text[at] <= 57:
                mantissa = mantissa * _TEN + np.uint64(text[at] - 48)
                digits += 1 if mantissa else 0
                seen = True
                at += 1
            if at < end and text[at] == 46:
                at += 1
                while at < end and 48 <= text[at] <= 57:
                    mantissa = mantissa * _TEN + np.uint64(text[at] - 48)
                    digits += 1 if mantissa else 0
                    scale -= 1
                    seen = True
                    at += 1
            if not seen or digits > 19:
                break
            if at < end and (text[at] == 101 or text[at] == 69):
                at += 1
                down = False
                if at < end and (text[at] == 45 or text[at] == 43):
                    down = text[at] == 45
                    at += 1
                exponent, seen = 0, False
                while at < end and 48 <= text[at] <= 57 and exponent < 10000:
                    exponent = exponent * 10 + int(text[at]) - 48
                    seen = True
                    at += 1
                if not seen:
                    break
                scale += -exponent if down else exponent
            if at < end and text[at] != 32 and text[at] != 9 and text[at] != 10 and text[at] != 13:
                break
            if begin == stop or mantissa > _EXACT or scale < -22 or scale > 22:
                break
            value = np.float64(mantissa)
            value = value / powers[-scale] if scale < 0 else value * powers[scale]
            matrix[row, column] = -value if negative else value
            column += 1
        # What may stand behind the last number.
        while at < end and (text[at] == 32 or text[at] == 9 or text[at] == 13):
            at += 1
        if column < width or (at < end and text[at] != 10):
            ended = STRANGE
            break
        for index in range(position, stop):
            words[used] = text[index]
            used += 1
        words[used] = 10
        used += 1
        row += 1
        position = at + 1
    state[POSITION], state[ROWS], state[USED] = position, row, used
    return ended

"""How long the tokens of a text are.

matplotlib is imported inside functions.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from .canvas import BLUE, FAINT, INK, PAPER, Fonts, in_language, new_canvas, write

WORDS = {
    "en": {"title": "Tokens by length", "length": "characters", "share": "share of the tokens"},
    "zh": {"title": "词元长度分布", "length": "字符数", "share": "占全部词元的比例"},
}
_LEAST, _MOST = 8, 15  # places for bars
_SMALL = 0.0005  # a share that would be written as 0.0 %


def length_histogram(counts: Sequence[int], path: str | os.PathLike[str], *, language: str = "en") -> None:
    """Writes the shares of tokens by their length as a PNG; the longest ones share a bar.

    Args:
        counts: tokens of one character, of two, and so on.
        path: file to write.
        language: of the labels.
    """
    from matplotlib.ticker import PercentFormatter

    words = in_language(WORDS, language)
    fonts = Fonts(list(words.values()))
    total = max(sum(counts), 1)
    last = next(place for place in range(1, _MOST + 1) if place == _MOST or sum(counts[place:]) < _SMALL * total)
    shown = [*counts[: last - 1], sum(counts[last - 1 :])]
    canvas = new_canvas((1200, 750))
    axes = canvas.figure.add_axes((0.09, 0.12, 0.88, 0.76))
    axes.set_facecolor(PAPER)
    places = range(1, len(shown) + 1)
    axes.bar(places, [count / total for count in shown], color=BLUE, width=0.75)
    for place, count in zip(places, shown, strict=True):
        if count / total >= _SMALL:
            axes.text(place, count / total, f"{count / total:.1%}", ha="center", va="bottom", color=INK, fontsize=9)
    axes.set_xlim(0.4, max(last, _LEAST) + 0.6)
    axes.set_xticks(list(places), [*map(str, places[:-1]), f"{last}+" if any(counts[last:]) else str(last)])
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(colors=INK, labelsize=10, length=0)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel(words["length"], color=INK, fontproperties=fonts.of(words["length"], size=11))
    axes.set_ylabel(words["share"], color=INK, fontproperties=fonts.of(words["share"], size=11))
    canvas.figure.text(0.09, 0.93, words["title"], color=INK, fontproperties=fonts.of(words["title"], size=16))
    write(canvas, path)

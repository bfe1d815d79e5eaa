"""Pictures as one PNG: words in lines, groups of words below them, and matrices in bands."""

from pathlib import Path
from typing import Any, NamedTuple

from ..errors import UserError
from ..plots.canvas import BLUE, INK, ORANGE, Fonts, new_canvas, write
from .panels import Highlights, Matrix, Panel, shown

WIDTH, MARGIN, LINE, CELL = 1400, 60, 46, 30  # pixels
TALLEST = 20_000  # pixels: 110 MB while it is drawn
SIZE, SMALL = 13.0, 9.5  # points


class _Text(NamedTuple):
    x: float
    y: float
    text: str
    size: float
    align: str = "left"
    turned: bool = False


class _Box(NamedTuple):
    x: float
    y: float
    width: float
    height: float
    strength: float  # 1 is orange, -1 blue


class _Layout:
    """Where everything goes, from the top down; `y` is where the next thing begins."""

    def __init__(self, fonts: Fonts):
        self.fonts, self.y = fonts, float(MARGIN)
        self.texts: list[_Text] = []
        self.boxes: list[_Box] = []
        self._canvas = new_canvas((WIDTH, 100))
        self._widths: dict[tuple[str, float], float] = {}

    def width(self, text: str, size: float) -> float:
        """Of a text, in pixels."""
        if (text, size) not in self._widths:
            drawn = self._canvas.figure.text(
                0, 0, text, parse_math=False, fontproperties=self.fonts.of(text, size=size)
            )
            self._widths[text, size] = drawn.get_window_extent(self._canvas.get_renderer()).width
            drawn.remove()
        return self._widths[text, size]

    def lines(self, text: str, size: float) -> None:
        """A text that is cut where a line is full."""
        line = ""
        for character in text:
            if self.width(line + character, size) > WIDTH - 2 * MARGIN:
                self.texts.append(_Text(MARGIN, self.y, line, size))
                self.y += LINE
                line = ""
            line += character
        self.texts.append(_Text(MARGIN, self.y, line, size))
        self.y += LINE

    def highlights(self, panel: Highlights) -> None:
        """Words one behind the other, then the groups one below the other."""
        x = float(MARGIN)
        for word, strength in zip(map(shown, panel.words), panel.strengths(), strict=True):
            width = self.width(word, SIZE) + 12
            if x + width > WIDTH - MARGIN and x > MARGIN:
                x, self.y = float(MARGIN), self.y + LINE
            self.boxes.append(_Box(x, self.y - 17, width, 34, float(strength)))
            self.texts.append(_Text(x + 6, self.y, word, SIZE))
            x += width + 6
        self.y += 1.4 * LINE
        largest = max((abs(weight) for _, weight in panel.groups), default=1.0)
        for group, weight in panel.groups:
            self.texts.append(_Text(MARGIN + 80, self.y, f"{weight:+.3f}", SMALL, "right"))
            self.boxes.append(_Box(MARGIN + 96, self.y - 14, self.width(group, SMALL) + 12, 28, weight / largest))
            self.texts.append(_Text(MARGIN + 102, self.y, group, SMALL))
            self.y += 34
        self.y += 20

    def matrix(self, panel: Matrix) -> None:
        """Bands of as many columns as fit side by side."""
        panel = panel.cut()
        rows, columns = [shown(name) for name in panel.rows], [shown(name) for name in panel.columns]
        left = MARGIN + max(self.width(name, SMALL) for name in rows) + 12
        fit, strengths = max(int((WIDTH - MARGIN - left) // CELL), 1), panel.strengths()
        for start in range(0, len(columns), fit):
            band = columns[start : start + fit]
            self.y += max(self.width(name, SMALL) for name in band) - 10
            for place, name in enumerate(band):
                self.texts.append(_Text(left + (place + 0.5) * CELL, self.y, name, SMALL, "center", turned=True))
            self.y += 8
            for row, name in enumerate(rows):
                self.texts.append(_Text(left - 8, self.y + CELL / 2, name, SMALL, "right"))
                for place in range(len(band)):
                    strength = -float(strengths[row, start + place])
                    self.boxes.append(_Box(left + place * CELL, self.y, CELL - 2, CELL - 2, strength))
                self.y += CELL
            self.y += 30


def write_drawing(sentence: str, panels: list[Panel], path: Path) -> None:
    """Write the answer and its panels.

    Raises:
        UserError: for a text so long that no picture could hold it.
    """
    from matplotlib.patches import Rectangle

    texts = [shown(name) for panel in panels for name in _names(panel)]
    fonts = Fonts([sentence, *(panel.title for panel in panels), *texts])
    with fonts.quiet():
        layout = _Layout(fonts)
        if sentence:
            layout.lines(" ".join(sentence.split()), SIZE)
        for panel in panels:
            title = f"{panel.title}  ·  {panel.range()}" if isinstance(panel, Matrix) else panel.title
            layout.lines(title, SMALL + 1)
            if isinstance(panel, Highlights):
                layout.highlights(panel)
            else:
                layout.matrix(panel)
        height = int(layout.y) + MARGIN // 2
        if height > TALLEST:
            raise UserError(f"explain {path}: the text is too long for a picture of {height} pixels, give an .html")
        canvas = new_canvas((WIDTH, height))
        figure: Any = canvas.figure
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, WIDTH), ylim=(height, 0))  # data units are pixels, from the top
        axes.axis("off")
        for x, y, width, tall, strength in layout.boxes:
            colour = ORANGE if strength > 0 else BLUE
            axes.add_patch(
                Rectangle((x, y), width, tall, color=colour, alpha=min(abs(strength), 1.0) * 0.85, linewidth=0)
            )
        for text in layout.texts:
            axes.text(
                text.x,
                text.y,
                text.text,
                color=INK,
                ha=text.align,
                va="bottom" if text.turned else "center",
                rotation=90 if text.turned else 0,
                parse_math=False,
                fontproperties=fonts.of(text.text, size=text.size),
            )
        write(canvas, path)


def _names(panel: Panel) -> list[str]:
    return panel.words if isinstance(panel, Highlights) else [*panel.rows, *panel.columns]

"""What the pictures share: the figure and its file, colours, and fonts that can draw the text.

Pictures are drawn on an Agg canvas of their own, so no global state of matplotlib is read or changed, and written
beside the target first, so that a reader never sees half a file. matplotlib is imported inside functions.

Chinese text needs a font with Chinese characters: the system's, or that of the package `pylopdf-fonts-zh-cn` (Noto Sans
SC, SIL Open Font License); where there is neither, one warning says so and the picture is still written.
"""

from __future__ import annotations

import importlib.util
import os
import re
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..errors import UserError

if TYPE_CHECKING:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.font_manager import FontProperties

Text = TypeVar("Text")

PAPER, INK, FAINT = "#fcfbf8", "#2f3437", "#d9d6cf"
BLUE, ORANGE, GREEN = "#3b6ea5", "#d08442", "#4f8f6f"
PALETTE = (
    "#3b6ea5", "#c8553d", "#4f8f6f", "#8a5a9e", "#a97714", "#2a8c94", "#b04a78", "#6b7a2f", "#6a6fb8", "#8c6045",
)  # fmt: skip

# Families that the systems ship or their users install, nicest first; matched as the beginning of a font's name.
CHINESE_FAMILIES = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "PingFang SC",
    "PingFang",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "DengXian",
    "HarmonyOS Sans SC",
    "Sarasa",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Heiti SC",
    "STHeiti",
    "SimHei",
    "Noto Sans CJK",
    "Droid Sans Fallback",
    "Heiti TC",
    "Microsoft JhengHei",
    "Arial Unicode MS",
    "Noto Serif CJK SC",
    "Source Han Serif",
    "Songti SC",
    "STSong",
    "SimSun",
    "LXGW WenKai",
    "AR PL UMing",
    "AR PL UKai",
)
FONT_PACKAGE = "pylopdf-fonts-zh-cn"
HAN = re.compile("[\u2e80-\u303f\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")


def in_language(texts: Mapping[str, Text], language: str) -> Text:
    """What `texts` has for `language`.

    Raises:
        UserError: it has nothing for it.
    """
    if language not in texts:
        raise UserError(f"language must be one of {', '.join(texts)}, got {language!r}")
    return texts[language]


def new_canvas(pixels: tuple[int, int]) -> FigureCanvasAgg:
    """An empty figure of `pixels`, width and height, on a canvas that nothing else draws on."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    return FigureCanvasAgg(Figure(figsize=(pixels[0] / 140, pixels[1] / 140), dpi=140, facecolor=PAPER))


def write(canvas: FigureCanvasAgg, path: str | os.PathLike[str]) -> None:
    """Writes the canvas as a PNG, whole or not at all; folders are made."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        canvas.print_png(beside, metadata={"Software": None})
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)


class Fonts:
    """A font for each text of one picture: matplotlib's own, or for texts beyond it one that was found.

    Warns once when the texts have characters that no font at hand can draw.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        from matplotlib.font_manager import FontProperties

        self.own = FontProperties(family=["DejaVu Sans"])  # comes with matplotlib
        characters = {c for text in texts for c in text if not c.isspace()}
        beyond = characters - _drawn(self.own, characters)
        self.other = _font_for({c for c in beyond if HAN.match(c)} or beyond)
        missing = beyond - _drawn(self.other, beyond)
        if missing:
            advice = f"`pip install {FONT_PACKAGE}` or install Noto Sans CJK" if any(map(HAN.match, missing)) else ""
            warnings.warn(
                f"no font here can draw {' '.join(sorted(missing)[:5])}: {advice or 'install one that can'}, "
                "then draw the picture again",
                stacklevel=3,
            )

    def of(self, text: str, *, size: float) -> FontProperties:
        """The font for `text`, `size` in points: one picture keeps to one font as far as it reaches."""
        characters = {c for c in text if not c.isspace()}
        font = self.other if self.other is not None and characters == _drawn(self.other, characters) else self.own
        font = font.copy()
        font.set_size(size)
        return font

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """While drawing: matplotlib's warning for each missing glyph adds nothing to the one above."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            yield


def _font_for(characters: set[str]) -> FontProperties | None:
    """The first font that draws all `characters`, else the one that draws most, else None."""
    best, most = None, 0
    for font in _candidates() if characters else ():
        count = len(_drawn(font, characters))
        if count > most:
            best, most = font, count
        if most == len(characters):
            break
    return best


def _candidates() -> Iterator[FontProperties]:
    """Fonts that may draw Chinese, nicest first."""
    from matplotlib.font_manager import FontProperties, findSystemFonts, fontManager

    # "Last Resort" has a box for every character there is, which is what must not be drawn.
    installed = {e.name: e.fname for e in reversed(fontManager.ttflist) if not e.name.startswith("Last Resort")}
    known = [name for family in CHINESE_FAMILIES for name in installed if name.startswith(family)]
    yield from (FontProperties(family=[name]) for name in dict.fromkeys(known))
    package = importlib.util.find_spec(FONT_PACKAGE.replace("-", "_"))
    for folder in package.submodule_search_locations or () if package else ():
        yield from (FontProperties(fname=str(file)) for file in sorted(Path(folder).glob("*Sans*.otf")))
    # matplotlib remembers its list of fonts: one installed since is found on the disk alone, in all its weights.
    others = set(findSystemFonts()) - {entry.fname for entry in fontManager.ttflist}
    others_by_weight = sorted(others, key=lambda file: ("Regular" not in Path(file).name, file))
    yield from (FontProperties(fname=file) for file in others_by_weight)
    yield from (FontProperties(fname=file) for name, file in installed.items() if name not in known)


def _drawn(font: FontProperties | None, characters: set[str]) -> set[str]:
    """Those of `characters` that `font` has a glyph for."""
    from matplotlib.font_manager import findfont, get_font

    if font is None:
        return set()
    try:
        face = get_font(findfont(font, fallback_to_default=False))
    except (OSError, RuntimeError, ValueError):  # a broken file, or one that FreeType cannot read
        return set()
    return {c for c in characters if face.get_char_index(ord(c))}

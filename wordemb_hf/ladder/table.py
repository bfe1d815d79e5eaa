"""The figures of a comparison as cells, for the terminal and the page."""

import unicodedata
from collections.abc import Sequence

from ..messages import translate
from .records import Comparison, Rung


def percent(share: float) -> str:
    """A share of one as a number of hundredths."""
    return f"{100 * share:.1f}"


def milliseconds(value: float) -> str:
    """Two digits that count, at least."""
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def size(count: int) -> str:
    """Bytes in kB or MB."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def name_of(rung: Rung) -> str:
    """A family's name, or what a baseline is called in the language of the user."""
    name = rung.name
    return translate(name) if rung.is_baseline else name


def heads(comparison: Comparison) -> list[str]:
    """The names of the columns."""
    metric = comparison.metric
    test = [f"{translate('test')} %"] if comparison.data["sizes"]["test"] else []
    return [
        translate("model"),
        f"{translate('dev')} % · {translate(metric)}",
        *test,
        translate("parameters"),
        translate("size"),
        translate("training, s"),
        translate("p50, ms"),
        translate("p95, ms"),
        translate("texts/s"),
    ]


def cells(comparison: Comparison, rung: Rung) -> list[str]:
    """A row for them."""
    parts = ["dev", *(["test"] if comparison.data["sizes"]["test"] else [])]
    speed = rung.speed
    return [
        name_of(rung),
        *(_spread(rung.quality(part, comparison.metric)) for part in parts),
        *([f"{rung.parameters:,}", size(rung.bytes)] if speed else ["–", "–"]),
        f"{rung.seconds:.1f}",
        *([milliseconds(speed.p50), milliseconds(speed.p95), f"{speed.per_second:,.0f}"] if speed else ["–"] * 3),
    ]


def table(comparison: Comparison) -> str:
    """All rows as text, the best on the development part first."""
    rows = [heads(comparison), *(cells(comparison, rung) for rung in ordered(comparison))]
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def ordered(comparison: Comparison) -> list[Rung]:
    """The rungs, the best on the development part first."""

    def quality(rung: Rung) -> float:
        found = rung.quality("dev", comparison.metric)
        return found[0] if found else -1.0

    return sorted(comparison.rungs.values(), key=quality, reverse=True)


def _spread(found: tuple[float, float | None] | None) -> str:
    if found is None:
        return "–"
    value, spread = found
    return percent(value) if spread is None else f"{percent(value)} ± {percent(spread)}"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    """The first cell to the left, numbers to the right."""
    first, *others = (" " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
    return "  ".join([row[0] + first, *(space + cell for space, cell in zip(others, row[1:], strict=True))]).rstrip()


def _width(text: str) -> int:
    """Columns of a terminal: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)

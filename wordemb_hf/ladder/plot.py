"""A scatter of quality against cost as inline SVG, with the line that nothing lies above."""

import math
from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise
from typing import NamedTuple

WIDTH, HEIGHT = 460, 330
LEFT, RIGHT, TOP, BOTTOM = 48, 14, 24, 46
LETTER, LINE = 7.0, 14.0  # about the width and the height of a letter


class Point(NamedTuple):
    """One model.

    Args:
        name: what stands beside it.
        cost: above 0.
        shown: the cost as text.
        quality: in hundredths.
        spread: of the quality, half the length of a bar.
        kind: `model`, `taken` or `baseline`.
        on_front: whether the line goes through it.
    """

    name: str
    cost: float
    shown: str
    quality: float
    spread: float
    kind: str
    on_front: bool


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "_Box") -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def scatter(points: Sequence[Point], across: str, upwards: str, tick: Callable[[float], str]) -> str:
    """Points over a logarithmic axis of costs.

    Args:
        points: at least one.
        across: what the cost is.
        upwards: what the quality is.
        tick: a round cost as text.
    """
    costs = [math.log10(max(point.cost, 1e-6)) for point in points]
    low, high = min(costs) - 0.12, max(costs) + 0.12
    bottom = min(point.quality - point.spread for point in points)
    top = max(point.quality + point.spread for point in points)
    rest = max(0.06 * (top - bottom), 0.5)
    bottom, top = bottom - rest, top + rest

    def x(cost: float) -> float:
        return LEFT + (math.log10(max(cost, 1e-6)) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(quality: float) -> float:
        return TOP + (top - quality) / (top - bottom) * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(f"{upwards} / {across}")}">']
    for quality in _steps(bottom, top):
        line = f'<path class="grid" d="M{LEFT} {y(quality):.1f}H{WIDTH - RIGHT}"/>'
        parts.append(line + _text(LEFT - 6, y(quality) + 4, f"{quality:g}", "end"))
    for cost in _decades(10**low, 10**high):
        line = f'<path class="axis" d="M{x(cost):.1f} {HEIGHT - BOTTOM}v5"/>'
        parts.append(line + _text(x(cost), HEIGHT - BOTTOM + 18, tick(cost), "middle"))
    parts.append(f'<path class="axis" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>')
    parts.append(_text(LEFT - 40, 13, upwards, "start") + _text(WIDTH - RIGHT, HEIGHT - 8, across, "end"))
    corners = sorted((x(point.cost), y(point.quality)) for point in points if point.on_front)
    path = "".join(f"H{right:.1f}V{up:.1f}" for right, up in corners[1:])
    parts.append(f'<path class="front" d="M{corners[0][0]:.1f} {corners[0][1]:.1f}{path}H{WIDTH - RIGHT}"/>')
    taken = [_Box(x(point.cost) - 6, y(point.quality) - 6, x(point.cost) + 6, y(point.quality) + 6) for point in points]
    for (left, down), (right, up) in pairwise([*corners, (WIDTH - RIGHT, corners[-1][1])]):
        taken += [_Box(left, down - 2, right, down + 2), _Box(right - 2, up, right + 2, down)]
    for point in points:
        parts.append(_mark(point, x(point.cost), y(point.quality), y(point.quality + point.spread)))
        place, anchor, box = _free_place(point.name, x(point.cost), y(point.quality), taken)
        taken.append(box)
        parts.append(_text(*place, point.name, anchor))
    return "".join([*parts, "</svg>"])


def _mark(point: Point, x: float, y: float, upper: float) -> str:
    title = f"<title>{escape(f'{point.name}: {point.quality:.1f}, {point.shown}')}</title>"
    bar = f'<path class="{point.kind}" d="M{x:.1f} {upper:.1f}V{2 * y - upper:.1f}"/>' if point.spread else ""
    if point.kind == "baseline":
        return f'{bar}<rect class="baseline" x="{x - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9">{title}</rect>'
    return f'{bar}<circle class="{point.kind}" cx="{x:.1f}" cy="{y:.1f}" r="5">{title}</circle>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _free_place(name: str, x: float, y: float, taken: Sequence[_Box]) -> tuple[tuple[float, float], str, _Box]:
    """Where a name meets the fewest marks and names: right of its mark, left, below or above."""
    wide = sum(LETTER if character.isascii() else 1.75 * LETTER for character in name)
    places = []
    for step in range(3):
        for sign in (-1, 1) if step else (1,):
            middle = y + sign * step * LINE
            places += [((x + 9, middle + 4), "start", _Box(x + 8, middle - 7, x + 9 + wide, middle + 7))]
            places += [((x - 9, middle + 4), "end", _Box(x - 9 - wide, middle - 7, x - 8, middle + 7))]
            if step:
                box = _Box(x - wide / 2, middle - 7, x + wide / 2, middle + 7)
                places += [((x, middle + 4), "middle", box)]

    def badness(place: tuple[tuple[float, float], str, _Box]) -> int:
        box = place[2]
        outside = box.left < LEFT or box.right > WIDTH or box.top < TOP - 10 or box.bottom > HEIGHT - BOTTOM
        return sum(box.meets(other) for other in taken) + 10 * outside

    return min(places, key=badness)


def _steps(low: float, high: float) -> list[float]:
    """Round numbers between two, about five."""
    rough = (high - low) / 5
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    return [round(step * number, 6) for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten between two numbers, with their doubles and fivefold where there is room."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fine = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    found = [value for value in fine if low <= value <= high]
    if len(found) > 6:
        found = [value for value in found if f"{value:e}".startswith("1")]
    return found

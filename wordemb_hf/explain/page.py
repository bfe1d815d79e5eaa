"""Pictures as one HTML file: no script, nothing from elsewhere, every text escaped."""

from html import escape
from pathlib import Path

from ..pages import write_page
from ..plots.canvas import BLUE, ORANGE
from .panels import Highlights, Matrix, Panel, shown

_STYLE = """
.word { padding: 0.15em 0.25em; border-radius: 0.25em; }
table { border-spacing: 2px; font-size: 0.8rem; line-height: 1.3; }
th { font-weight: 400; text-align: right; white-space: nowrap; padding-right: 0.4em; }
thead th { writing-mode: vertical-rl; text-align: end; vertical-align: bottom; padding: 0.3em 0; }
td { min-width: 1.5rem; height: 1.5rem; border-radius: 2px; }
td.number { text-align: right; padding-left: 1em; }
"""


def write_panels(sentence: str, panels: list[Panel], path: Path) -> None:
    """Write the answer and its panels."""
    body = (_highlights(panel) if isinstance(panel, Highlights) else _matrix(panel) for panel in panels)
    write_page(sentence, body, path, _STYLE)


def _highlights(panel: Highlights) -> str:
    words = (
        f'<span class="word" style="background:{_colour(strength)}" title="{weight:+.3f}">{escape(shown(word))}</span>'
        for word, weight, strength in zip(panel.words, panel.weights, panel.strengths(), strict=True)
    )
    parts = [f"<h2>{escape(panel.title)}</h2>", f"<p>{' '.join(words)}</p>"]
    if panel.groups:
        largest = max(abs(weight) for _, weight in panel.groups)
        rows = (
            f'<tr><td><span class="word" style="background:{_colour(weight / largest)}">{escape(group)}</span></td>'
            f'<td class="number">{weight:+.3f}</td></tr>'
            for group, weight in panel.groups
        )
        parts.append(f"<table>{''.join(rows)}</table>")
    return "\n".join(parts)


def _matrix(panel: Matrix) -> str:
    panel = panel.cut()
    head = "".join(f"<th>{escape(shown(name))}</th>" for name in panel.columns)
    rows = "".join(
        f"<tr><th>{escape(shown(name))}</th>"
        + "".join(
            f'<td style="background:{_colour(-strength)}" title="{value:.3f}"></td>'
            for value, strength in zip(values, strengths, strict=True)
        )
        + "</tr>"
        for name, values, strengths in zip(panel.rows, panel.values, panel.strengths(), strict=True)
    )
    return (
        f"<h2>{escape(panel.title)} · {panel.range()}</h2>"
        f'<div class="scroll"><table><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _colour(strength: float) -> str:
    """Orange for 1, blue for -1, and nothing for 0."""
    shade = (ORANGE if strength > 0 else BLUE).lstrip("#")
    red, green, blue = (int(shade[start : start + 2], 16) for start in (0, 2, 4))
    return f"rgba({red},{green},{blue},{abs(float(strength)) * 0.85:.3f})"

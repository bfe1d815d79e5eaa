"""HTML pages that are one file: no script, nothing from elsewhere, readable in light and dark and on a narrow screen.

Whoever writes a body escapes every text in it.
"""

from collections.abc import Iterable
from html import escape
from pathlib import Path

from .messages import language
from .plots.canvas import BLUE, FAINT, GREEN, INK, ORANGE, PAPER
from .reports import write_lines

_STYLE = f"""
:root {{ color-scheme: light dark; --paper: {PAPER}; --ink: {INK}; --faint: {FAINT};
  --blue: {BLUE}; --orange: {ORANGE}; --green: {GREEN}; }}
@media (prefers-color-scheme: dark) {{ :root {{ --paper: #1d2023; --ink: #dcdad5; --faint: #41464b;
  --blue: #7fb0e3; --orange: #e5a062; --green: #7cc3a0; }} }}
body {{ margin: 2.5rem auto; max-width: 76rem; padding: 0 1.5rem; background: var(--paper); color: var(--ink);
  font: 17px/2 "DejaVu Sans", "Noto Sans", "Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei",
  "WenQuanYi Micro Hei", sans-serif; }}
h1 {{ font-size: 1.15rem; font-weight: 600; line-height: 1.5; }}
h2 {{ font-size: 0.95rem; font-weight: 400; opacity: 0.75; margin: 2rem 0 0.5rem; }}
.scroll {{ overflow-x: auto; }}
"""


def write_page(title: str, body: Iterable[str], path: Path, style: str = "") -> None:
    """Write a page whose title is also its first heading. The file appears whole or not at all.

    Args:
        title: a plain text.
        body: pieces of HTML.
        path: the file.
        style: more CSS; `--paper`, `--ink`, `--faint`, `--blue`, `--orange` and `--green` are colours for both lights.
    """
    write_lines(
        [
            "<!DOCTYPE html>",
            f'<html lang="{language()}"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}{style}</style></head><body><h1>{escape(title)}</h1>",
            *body,
            "</body></html>",
        ],
        path,
    )

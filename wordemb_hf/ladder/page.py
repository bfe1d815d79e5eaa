"""The report as one page: the recommendation, a table, and what quality costs in latency and in size."""

from html import escape
from pathlib import Path

from ..explain.panels import shown
from ..messages import translate
from ..pages import write_page
from .choice import Choice, front, latency, quality_of
from .plot import Point, scatter
from .records import PAGE_FILE, Comparison, Rung
from .table import cells, heads, milliseconds, name_of, ordered, size

_STYLE = """
body { line-height: 1.6; }
.choice { border-left: 4px solid var(--orange); padding: 0.2rem 1rem; }
table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
th { font-weight: 400; opacity: 0.75; }
th, td { padding: 0.35rem 0.7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--faint); }
th:first-child, td:first-child { text-align: left; padding-left: 0.4rem; }
tr.taken td { font-weight: 600; }
tr.taken td:first-child { border-left: 4px solid var(--orange); }
tr.baseline td { font-style: italic; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem 2rem;
  margin-top: 2rem; }
figure { margin: 0; }
figcaption, .notes { font-size: 0.85rem; opacity: 0.8; }
svg { width: 100%; height: auto; display: block; }
svg text { font-size: 12px; fill: var(--ink); stroke: var(--paper); stroke-width: 3px; paint-order: stroke; }
svg .axis, svg .grid { stroke: var(--faint); fill: none; }
svg .front { stroke: var(--green); stroke-width: 2; fill: none; }
svg .model { fill: var(--blue); stroke: var(--blue); }
svg .taken { fill: var(--orange); stroke: var(--orange); }
svg .baseline { fill: var(--paper); stroke: var(--ink); stroke-width: 1.5; }
@media (max-width: 40rem) { body { margin: 1rem auto; padding: 0 0.8rem; font-size: 15px; }
  th, td { padding: 0.3rem 0.45rem; } }
"""


def write_report(comparison: Comparison, choice: Choice | None) -> None:
    """Write `report.html`."""
    title = translate("{data}: which model is enough", data=shown(comparison.data["name"]))
    body = [f'<p class="choice">{escape(choice.sentence)}</p>'] if choice else []
    body += [f"<p>{escape(_about(comparison))}</p>"]
    if comparison.rungs:
        body += [_table(comparison, choice)]
    if len(comparison.finished) > 1:
        body += ['<div class="plots">', *_plots(comparison, choice), "</div>"]
    if comparison.failures:
        body += [f"<h2>{escape(translate('Not trained'))}</h2>", "<ul>"]
        body += [f"<li>{escape(name)}: {escape(why)}</li>" for name, why in comparison.failures.items()]
        body += ["</ul>"]
    body += ['<ul class="notes">', *(f"<li>{escape(note)}</li>" for note in _notes(comparison)), "</ul>"]
    write_page(title, body, Path(comparison.folder) / PAGE_FILE, _STYLE)


def _about(comparison: Comparison) -> str:
    sizes, labels = comparison.data["sizes"], comparison.data["labels"]
    names = ", ".join(map(shown, labels[:12])) + (" …" if len(labels) > 12 else "")
    if comparison.task == "tagging":
        return translate(
            "{train} sentences to train on, {dev} for development, {test} for the test; {labels} tags: {names}",
            train=sizes["train"],
            dev=sizes["dev"],
            test=sizes["test"],
            labels=len(labels),
            names=names,
        )
    return translate(
        "{train} texts to train on, {dev} for development, {test} for the test; {labels} labels: {names}",
        train=sizes["train"],
        dev=sizes["dev"],
        test=sizes["test"],
        labels=len(labels),
        names=names,
    )


def _table(comparison: Comparison, choice: Choice | None) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads(comparison))
    rows = (
        f'<tr class="{_kind(rung, choice)}">'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells(comparison, rung))
        + "</tr>"
        for rung in ordered(comparison)
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _kind(rung: Rung, choice: Choice | None) -> str:
    return "baseline" if rung.is_baseline else "taken" if choice and rung.name == choice.name else "model"


def _plots(comparison: Comparison, choice: Choice | None) -> list[str]:
    quality, metric = quality_of(comparison), comparison.metric
    upwards = f"{translate('dev')} % · {translate(metric)}"
    drawn = []
    for cost, shown_cost, tick, axis, caption in (
        (
            latency,
            lambda rung: f"{milliseconds(latency(rung))} ms",
            lambda value: f"{value:g}",
            translate("milliseconds for one text, on the CPU"),
            translate("Quality against latency; nothing lies above the green line."),
        ),
        (
            lambda rung: float(rung.bytes),
            lambda rung: size(rung.bytes),
            lambda value: f"{value / 1e6:g} MB" if value >= 1e6 else f"{value / 1e3:g} kB",
            translate("size of weights and vocabulary"),
            translate("Quality against size; nothing lies above the green line."),
        ),
    ):
        on_front = {rung.name for rung in front(comparison.finished, quality, cost)}
        points = [
            Point(
                name_of(rung),
                cost(rung),
                shown_cost(rung),
                100 * quality(rung),
                100 * ((rung.quality("dev", metric) or (0.0, None))[1] or 0.0),
                _kind(rung, choice),
                rung.name in on_front,
            )
            for rung in comparison.finished
        ]
        svg = scatter(points, axis, upwards, tick)
        drawn.append(f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>")
    return drawn


def _notes(comparison: Comparison) -> list[str]:
    settings, start = comparison.settings, comparison.settings.get("vectors")
    return [
        *(
            [translate("Families with word vectors of their own start from those of {vectors}.", vectors=start)]
            if start
            else []
        ),
        translate(
            "Mean ± sample standard deviation; trainings of each model: {seeds}. The development part decides which of "
            "them is kept and which model is recommended; the test part decides nothing.",
            seeds=settings["seeds"],
        ),
        translate(
            "One spread is the standard deviation of the best model over its trainings or, with one, the standard "
            "error of a share of {texts} texts.",
            texts=comparison.data["sizes"]["dev"],
        ),
        translate(
            "Training is the wall time of one, from the texts to the finished folder. Size is that of weights and "
            "vocabulary."
        ),
        translate(
            "Latency: texts of the data one at a time, from the string to the scores, warm, on the CPU; p50 is the "
            "median. Texts in a second: in batches. Threads of PyTorch: {threads}.",
            threads=settings["threads"],
        ),
    ]

"""What several trainings say together: means, standard deviations, and where these are told."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from .messages import translate
from .model_card import read_card_facts, write_model_card
from .reports import told, write_json


def spread_of(figures: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The `mean` and the standard `deviation` of each figure that is a number, and `each` one's."""
    numbers = [{name: value for name, value in row.items() if isinstance(value, float)} for row in figures]
    names = [name for name in numbers[0] if all(name in row for row in numbers)] if numbers else []
    return {
        "mean": {name: mean(row[name] for row in numbers) for name in names},
        "deviation": {name: stdev([row[name] for row in numbers]) if len(numbers) > 1 else 0.0 for name in names},
        "each": numbers,
    }


def record(folder: Path, measured: dict[str, dict[str, Any]]) -> None:
    """Write what was repeated into the metrics and the card of a folder, beside the figures of its model."""
    write_json(measured, folder / "metrics.json")
    facts = read_card_facts(folder)
    if facts is not None:
        for what, part in (("folds", ""), ("seeds", "dev"), ("seeds", "test")):
            found = measured.get(what, {})
            found = {**found, **found.get(part, {})} if part else found
            if "mean" in found:
                rows = {
                    name: (value, found["deviation"][name], [row[name] for row in found["each"]])
                    for name, value in found["mean"].items()
                }
                facts.repeated.append((what, found["count"], part, rows))
        write_model_card(folder, facts)


def told_measured(measured: dict[str, dict[str, Any]]) -> list[str]:
    """The figures of a model and of what was repeated, a line each."""
    lines = [f"{part}: {figures}" for part, figures in told_parts(measured).items()]
    if "folds" in measured:
        found = measured["folds"]
        lines.append(translate("{count} folds: {figures}", count=found["count"], figures=_told(found)))
    for part in ("dev", "test"):
        if part in measured.get("seeds", {}):
            found, count = measured["seeds"][part], measured["seeds"]["count"]
            text = translate(
                "{count} seeds, {part}: {figures}", count=count, part=translate(part), figures=_told(found)
            )
            lines.append(text)
    return lines


def told_parts(measured: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The figures of dev and test by the name of the part, but for the loss."""
    return {
        translate(part): told({name: value for name, value in measured[part].items() if name != "loss"})
        for part in ("dev", "test")
        if part in measured
    }


def _told(spread: dict[str, Any]) -> str:
    return ", ".join(
        f"{translate(name)} {value:.4f} ± {spread['deviation'][name]:.4f}"
        for name, value in spread["mean"].items()
        if name != "loss"
    )

"""A comparison from its first model to its last, with the report written anew after each."""

import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from io import StringIO
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from ..families import make_config
from ..folders import move_folder
from ..loading import load_trained
from ..messages import translate
from .baselines import baselines_for, fit_baseline
from .choice import choose
from .page import write_report
from .parts import write_parts
from .records import PAGE_FILE, Comparison, Run, Rung
from .speed import sample, size_of, speed_of_model
from .table import name_of, percent, table

if TYPE_CHECKING:
    from ..jobs import Job
    from ..splits import Splits

RUNNING = ".running"  # the folder of what is under way; nothing in it is needed after a kill

# Trains one model, by `family`, `data`, `output`, `overwrite`, `task` and `seed` of finetune, and returns its figures.
Train = Callable[..., dict[str, dict[str, Any]]]


def climb(
    comparison: Comparison, job: "Job", parts: "Splits[Any]", families: Sequence[str], train: Train
) -> dict[str, Any]:
    """Train what is missing, one after the other.

    Args:
        comparison: what is known by now; it is filled.
        job: the task.
        parts: the data, with a development part.
        families: what to train.
        train: how.

    Returns:
        What `report.json` holds.
    """
    running = comparison.folder / RUNNING
    shutil.rmtree(running, ignore_errors=True)
    assert parts.dev is not None
    texts = sample(parts.dev.texts)
    report = _write(comparison)
    try:
        write_parts(parts, running / "data" / comparison.data["name"])
        for name in baselines_for(comparison.task):
            if name not in comparison.rungs:
                with _telling(comparison, name):
                    comparison.rungs[name] = fit_baseline(name, parts, comparison.settings["language"], texts)
                    _tell(comparison, comparison.rungs[name], 0)
                report = _write(comparison)
        for family in families:
            with _telling(comparison, family):
                # Here, since a message names a place in the user's own file, and not in a copy.
                job.check(make_config(family, **job.presets[family].settings), parts.train)
                for seed in range(comparison.settings["seeds"]):
                    if family not in comparison.rungs or comparison.rungs[family].run_of(seed) is None:
                        _train(comparison, family, seed, train)
                        report = _write(comparison)
                if comparison.rungs[family].speed is None:
                    _measure(comparison, comparison.rungs[family], job, texts)
            report = _write(comparison)
    finally:
        shutil.rmtree(running, ignore_errors=True)
    print(table(comparison))
    if report["choice"]:
        print(report["choice"]["sentence"])
    for name, why in comparison.failures.items():
        print(translate("{name} is missing: {why}", name=name, why=why))
    print(translate("The report is in {file}.", file=comparison.folder / PAGE_FILE))
    return report


def _train(comparison: Comparison, family: str, seed: int, train: Train) -> None:
    """One training; its model is kept where it is the best so far on the development part."""
    running = comparison.folder / RUNNING
    print(translate("{name}, seed {seed} …", name=family, seed=seed), flush=True)
    started = time.monotonic()
    with redirect_stdout(StringIO()):  # each of its lines once for every family and seed would be pages
        measured = train(
            data=running / "data" / comparison.data["name"],
            output=running / "model" / family,  # the card is called like the folder
            overwrite=True,
            task=comparison.task,
            family=family,
            seed=seed,
        )
    seconds = time.monotonic() - started
    numbers = {
        part: {name: float(value) for name, value in figures.items() if isinstance(value, float)}
        for part, figures in measured.items()
    }
    rung = comparison.rungs.setdefault(family, Rung(family))
    best = rung.run_of(rung.best_seed)
    run = Run(seed, seconds, numbers["dev"], numbers.get("test", {}))
    if best is None or run.dev[comparison.metric] > best.dev[comparison.metric]:
        move_folder(running / "model" / family, comparison.folder / family)
        rung.best_seed, rung.speed = seed, None
    rung.runs.append(run)
    _tell(comparison, rung, seed)


def _measure(comparison: Comparison, rung: Rung, job: "Job", texts: Sequence[str]) -> None:
    """Size and speed of the model that is kept."""
    folder = comparison.folder / rung.name
    model, tokenizer = load_trained(str(folder), job.auto_class, job.noun)
    rung.parameters, rung.bytes = model.num_parameters(), size_of(folder)
    rung.speed = speed_of_model(model, tokenizer, texts)


def _write(comparison: Comparison) -> dict[str, Any]:
    """Write both reports; returns what `report.json` holds."""
    choice = choose(comparison)
    report = comparison.save(choice=asdict(choice) if choice else None)
    write_report(comparison, choice)
    return report


@contextmanager
def _telling(comparison: Comparison, name: str) -> Iterator[None]:
    """What fails is told in the report and ends nothing but itself; a mistake of ours keeps its traceback."""
    comparison.failures.pop(name, None)
    try:
        yield
    except Exception as error:
        first = next(iter(str(error).strip().splitlines()), "")
        comparison.failures[name] = first if isinstance(error, UserError) else f"{type(error).__name__}: {first}"
        if not isinstance(error, UserError):
            traceback.print_exc()
        print(f"{name}: {comparison.failures[name]}", file=sys.stderr)


def _tell(comparison: Comparison, rung: Rung, seed: int) -> None:
    run = rung.run_of(seed)
    assert run is not None
    parts = {"dev": run.dev, "test": run.test}
    shown = ", ".join(f"{translate(part)} {percent(row[comparison.metric])} %" for part, row in parts.items() if row)
    print(translate("{name}: {figures}; {seconds} s", name=name_of(rung), figures=shown, seconds=f"{run.seconds:.1f}"))

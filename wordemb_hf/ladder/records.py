"""What a comparison knows, and the file that holds it between two starts, `report.json`."""

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from ..errors import UserError
from ..folders import check_output
from ..modeling import FAMILIES
from ..reports import write_json

REPORT_FILE, PAGE_FILE = "report.json", "report.html"
_FORMAT = "wordemb-hf comparison 1"  # what the file begins with


@dataclass
class Run:
    """One training.

    Args:
        seed: of everything that is random.
        seconds: wall time, from the texts to the finished folder.
        dev: figures on the development part.
        test: those on the test part, empty where there is none.
    """

    seed: int
    seconds: float
    dev: dict[str, float]
    test: dict[str, float] = field(default_factory=dict)


@dataclass
class Speed:
    """How fast texts are answered on the CPU.

    Args:
        p50: milliseconds for one text, the median.
        p95: milliseconds that 95 of 100 texts stay below.
        texts: how many were timed, one at a time.
        per_second: texts in a second, in batches.
    """

    p50: float
    p95: float
    texts: int
    per_second: float


@dataclass
class Rung:
    """One way to do the task.

    Args:
        name: of the family, which is also that of its folder, or of the baseline.
        is_baseline: whether it is a classical method, of which no folder is kept.
        runs: its trainings.
        best_seed: that of the run whose model is kept, the best on the development part.
        parameters: numbers that were learnt.
        bytes: of its weights and its vocabulary on disk.
        speed: of the model that is kept.
    """

    name: str
    is_baseline: bool = False
    runs: list[Run] = field(default_factory=list)
    best_seed: int = 0
    parameters: int = 0
    bytes: int = 0
    speed: Speed | None = None

    def run_of(self, seed: int) -> Run | None:
        """The run with a seed, if it is there."""
        return next((run for run in self.runs if run.seed == seed), None)

    def quality(self, part: str, metric: str) -> tuple[float, float | None] | None:
        """Mean over the runs of a figure on `dev` or `test`, and the sample standard deviation of two runs or more."""
        values = [getattr(run, part)[metric] for run in self.runs if metric in getattr(run, part)]
        if not values:
            return None
        return mean(values), stdev(values) if len(values) > 1 else None

    @property
    def seconds(self) -> float:
        """Mean wall time of a run."""
        return mean(run.seconds for run in self.runs) if self.runs else 0.0


@dataclass
class Comparison:
    """Everything that is reported.

    Args:
        folder: where the report and the models lie.
        data: `name`, `fingerprint`, `labels` and the `sizes` of the parts.
        task: `classification` or `tagging`.
        metric: the figure that decides, on the development part.
        settings: the options that the figures depend on.
        rungs: by name, in the order of their training.
        failures: what went wrong, by name.
    """

    folder: Path
    data: dict[str, Any]
    task: str
    metric: str
    settings: dict[str, Any]
    rungs: dict[str, Rung] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def finished(self) -> list[Rung]:
        """What all is known of."""
        return [rung for rung in self.rungs.values() if rung.speed is not None]

    def save(self, **more: Any) -> dict[str, Any]:
        """Write `report.json`, with what follows from it as `more`, whole or not at all; returns what it holds."""
        rungs = [
            asdict(rung)
            | {
                part: None if found is None else {"mean": found[0], "spread": found[1]}
                for part in ("dev", "test")
                for found in [rung.quality(part, self.metric)]
            }
            for rung in self.rungs.values()
        ]
        facts = {"data": self.data, "task": self.task, "metric": self.metric, "settings": self.settings}
        self.folder.mkdir(parents=True, exist_ok=True)
        report = {"format": _FORMAT, **facts, **more, "models": rungs, "failures": self.failures}
        write_json(report, self.folder / REPORT_FILE)
        return report

    def take_up(self) -> None:
        """Take the results of an earlier start over, those whose models are still there.

        Raises:
            UserError: when these were got from other data or by other options, naming the first difference, or the
                file cannot be read.
        """
        path = self.folder / REPORT_FILE
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            rungs = [_rung(row) for row in saved["models"]]
            before = {"task": saved["task"], **saved["settings"]}
            data = {name: str(saved["data"][name]) for name in ("name", "fingerprint")}
            if saved["format"] != _FORMAT:
                raise ValueError(f"{saved['format']} is not {_FORMAT}")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(f"{path} is damaged ({error!r}): give another --output, or --overwrite") from None
        now: dict[str, Any] = {"task": self.task, **self.settings}
        again = "give the same again, another --output, or --overwrite to begin anew"
        if data["fingerprint"] != self.data["fingerprint"]:
            raise UserError(
                f"{self.folder} holds a comparison on other data ({data['name']}, {data['fingerprint'][:8]}, and not "
                f"{self.data['name']}, {self.data['fingerprint'][:8]}): {again}"
            )
        for name in {**before, **now}:
            if before.get(name) != now.get(name):
                raise UserError(
                    f"{self.folder} holds a comparison with {name} {before.get(name)}, and now it is {now.get(name)}: "
                    + again
                )
        here = [rung for rung in rungs if rung.is_baseline or (self.folder / rung.name / "config.json").is_file()]
        self.rungs = {rung.name: rung for rung in here}


def check_place(folder: Path) -> None:
    """Refuse a folder that a comparison must not be written to, before any work is done.

    Raises:
        UserError: when it is a file or would lie in one, or holds something, but no comparison.
    """
    path = folder / REPORT_FILE
    if not path.is_file():
        check_output(folder, overwrite=False)
    else:
        with path.open("rb") as file:
            begins = file.read(100)
        if b"wordemb-hf comparison" not in begins:
            raise UserError(f"{path} is no report of a comparison: give another --output")


def clear_place(folder: Path) -> None:
    """Remove an earlier comparison: its reports and models, and nothing else."""
    for family in FAMILIES:
        if (folder / family / "config.json").is_file():
            shutil.rmtree(folder / family)
    for name in (REPORT_FILE, PAGE_FILE):
        (folder / name).unlink(missing_ok=True)


def _rung(row: dict[str, Any]) -> Rung:
    """A row of the file; anything but a row raises a ValueError, KeyError or TypeError."""
    return Rung(
        name=_name(row["name"], row["is_baseline"]),
        is_baseline=bool(row["is_baseline"]),
        runs=[
            Run(int(run["seed"]), float(run["seconds"]), _figures(run["dev"]), _figures(run["test"]))
            for run in row["runs"]
        ],
        best_seed=int(row["best_seed"]),
        parameters=int(row["parameters"]),
        bytes=int(row["bytes"]),
        speed=Speed(
            float(row["speed"]["p50"]),
            float(row["speed"]["p95"]),
            int(row["speed"]["texts"]),
            float(row["speed"]["per_second"]),
        )
        if row["speed"]
        else None,
    )


def _figures(row: dict[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in row.items()}


def _name(name: Any, is_baseline: Any) -> str:
    """A name that is also that of a folder is one of a family, and nothing that leads elsewhere."""
    if not isinstance(name, str) or not (is_baseline or name in FAMILIES):
        raise ValueError(f"{name!r} is no name of a model")
    return name

"""Trainings by one recipe again and again, with other seeds or on other folds, and what is known of those that ended.

Each one's figures are kept beside the output (`.NAME.runs/runs.json`) as soon as it has ended, so that a command that
was killed goes on with the first that is missing, and within that from its own checkpoint.
"""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from . import __version__
from .errors import UserError
from .folders import move_folder
from .messages import translate
from .model_card import read_card_facts, write_model_card
from .recipe import Measured, Recipe, follow
from .reports import told, write_json
from .splits import Splits

_FILE = "runs.json"


class Runs:
    """The trainings of one command.

    Args:
        output: the folder that the command writes.
        recipe: how each of them is made.
        parts: of what.

    Raises:
        UserError: when those that are kept are of other data or another recipe.
    """

    def __init__(self, output: Path, recipe: Recipe, parts: Splits[Any]):
        self.folder = output.with_name(f".{output.name}.runs")
        self._alone = PartialState().is_main_process
        text = json.dumps(asdict(parts), ensure_ascii=False).encode("utf-8", "surrogatepass")
        given = {"version": __version__, "data": hashlib.blake2b(text, digest_size=16).hexdigest()}
        self._described = json.loads(json.dumps({**given, **recipe.described()}, default=str))
        self._known: dict[str, Measured] = {}
        if recipe.resume == "never" and self._alone:
            self.forget()
        PartialState().wait_for_everyone()
        read: list[Any] = [self._read() if self._alone else None]
        if PartialState().num_processes > 1:  # all of them must agree on what is missing
            broadcast_object_list(read)
        kept = read[0]
        if kept is not None and kept["of"] != self._described:
            names = [
                key for key in {**kept["of"], **self._described} if kept["of"].get(key) != self._described.get(key)
            ]
            raise UserError(
                f"{self.folder} holds trainings of another command, which differs in {', '.join(names)}: repeat that "
                "one to go on with it, or give --resume never to begin anew"
            )
        self._known = {} if kept is None else kept["runs"]

    def of(self, name: str, train: Callable[[Path], Measured]) -> Measured:
        """The figures of a training: known ones, or those that `train` gives when it has written its folder."""
        if name not in self._known:
            self._known[name] = train(self.folder / name)
            if self._alone:
                self.folder.mkdir(parents=True, exist_ok=True)
                write_json({"of": self._described, "runs": self._known}, self.folder / _FILE)
            else:  # only the first process has measured the baseline
                self._known[name] = {}
            PartialState().wait_for_everyone()
        return self._known[name]

    def forget(self) -> None:
        """Delete what is kept."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self) -> dict[str, Any] | None:
        try:
            kept = json.loads((self.folder / _FILE).read_text(encoding="utf-8"))
            return kept if isinstance(kept["of"], dict) and isinstance(kept["runs"], dict) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def over_seeds(recipe: Recipe, parts: Splits[Any], output: Path, seeds: int, runs: Runs, **place: Any) -> Measured:
    """Train with several seeds, from that of the recipe on; the folder is that of the best one on dev.

    Returns:
        Its figures, and as `seeds` the means and standard deviations of all.
    """
    first = recipe.training.seed
    each: list[Measured] = []
    for seed in range(first, first + seeds):

        def train(folder: Path, seed: int = seed) -> Measured:
            return follow(recipe.with_seed(seed), parts, folder, **place)

        each.append(runs.of(f"seed-{seed}", train))
        _tell(translate("seed {seed}", seed=seed), each[-1])
    if not PartialState().is_main_process:
        return {}
    metric = recipe.job.best(recipe.job.labels(parts.train)).removeprefix("eval_")
    deciding = "dev" if "dev" in each[0] else "test"
    sign = -1 if metric == "loss" else 1
    best = max(range(seeds), key=lambda number: sign * each[number].get(deciding, {}).get(metric, 0.0))
    move_folder(runs.folder / f"seed-{first + best}", output.resolve())
    spread = {part: spread_of([measured[part] for measured in each]) for part in each[0]}
    return {**each[best], "seeds": {"first": first, "count": seeds, **spread}}


def over_folds(recipe: Recipe, parts: Splits[Any], folds: int, seeds: int, runs: Runs) -> dict[str, Any]:
    """Cross-validation over all texts but those of the test part, each fold with its own vocabulary.

    A tenth of what is not held out decides when a training stops.

    Returns:
        `count`, and the `mean`, the `deviation` and `each` of the figures on what was held out.
    """
    job, first = recipe.job, recipe.training.seed
    pool = parts.train if parts.dev is None else _joined(parts.train, parts.dev)
    each: list[dict[str, Any]] = []
    for number, (kept, held_out) in enumerate(folds_of(job, pool, folds, first)):
        train, dev = job.hold_out(kept, first)
        for seed in range(first, first + seeds):
            part = Splits(train, dev, held_out)

            def one(folder: Path, part: Splits[Any] = part, seed: int = seed) -> Measured:
                measured = follow(recipe.with_seed(seed), part, folder)
                if PartialState().is_main_process:
                    shutil.rmtree(folder, ignore_errors=True)
                return measured

            measured = runs.of(f"fold-{number}-seed-{seed}", one)
            each.append(measured.get("test", {}))
            _tell(translate("fold {fold} of {folds}", fold=number + 1, folds=folds), measured)
    return {"count": folds, **spread_of(each)} if PartialState().is_main_process else {}


def folds_of(job: Any, part: Any, folds: int, seed: int) -> list[tuple[Any, Any]]:
    """What is trained on and what is held out, for each fold; of classes every fold has its share.

    Raises:
        UserError: for fewer texts than folds, or a label that a fold would have to itself.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    if not 2 <= folds <= len(part):
        raise UserError(f"folds is {folds}, but must be at least 2 and at most the {len(part)} texts of {part.source}")
    labels: list[Any] = getattr(part, "labels", [])
    classes = bool(labels) and all(isinstance(label, str) for label in labels)
    if classes:
        rarest, count = Counter(labels).most_common()[-1]
        if count < folds:
            raise UserError(
                f"label {rarest!r} has {count} texts in {part.source}, but each of {folds} folds needs one: take fewer "
                "folds"
            )
    splitter = (StratifiedKFold if classes else KFold)(folds, shuffle=True, random_state=seed)
    pairs = []
    for number, (kept, held_out) in enumerate(splitter.split(np.zeros(len(part)), labels if classes else None)):
        named = f"{part.source} (fold {number + 1})"
        pairs.append((part.take(kept.tolist(), part.source), part.take(held_out.tolist(), named)))
    return pairs


def spread_of(figures: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The `mean` and the standard `deviation` of each figure that is a number, and `each` one's."""
    numbers = [{name: value for name, value in row.items() if isinstance(value, float)} for row in figures]
    names = [name for name in numbers[0] if all(name in row for row in numbers)] if numbers else []
    return {
        "mean": {name: mean(row[name] for row in numbers) for name in names},
        "deviation": {name: stdev([row[name] for row in numbers]) if len(numbers) > 1 else 0.0 for name in names},
        "each": numbers,
    }


def record(folder: Path, measured: Measured) -> None:
    """Write what was repeated into the metrics and the card of a folder, beside the figures of its model."""
    write_json(measured, folder / "metrics.json")
    facts = read_card_facts(folder)
    if facts is not None:
        for what, part in (("folds", ""), ("seeds", "dev"), ("seeds", "test")):
            found = measured.get(what, {})
            found = {**found, **found.get(part, {})} if part else found
            if "mean" in found:
                values = {name: [value, found["deviation"][name]] for name, value in found["mean"].items()}
                facts.repeated.append((what, found["count"], part, values))
        write_model_card(folder, facts)


def _joined(first: Any, second: Any) -> Any:
    """Two parts as one."""
    fields = {name: value + getattr(second, name) for name, value in vars(first).items() if isinstance(value, list)}
    return type(first)(**{**vars(first), **fields})


def told_spreads(measured: Measured) -> list[str]:
    """What was repeated, a line each."""
    lines = []
    if "folds" in measured:
        text = translate("{count} folds: {figures}", count=measured["folds"]["count"], figures=_told(measured["folds"]))
        lines.append(text)
    for part in ("dev", "test"):
        if part in measured.get("seeds", {}):
            found, count = measured["seeds"][part], measured["seeds"]["count"]
            lines.append(translate("{count} seeds, {part}: {figures}", count=count, part=part, figures=_told(found)))
    return lines


def _told(spread: dict[str, Any]) -> str:
    return ", ".join(
        f"{translate(name)} {value:.4f} ± {spread['deviation'][name]:.4f}"
        for name, value in spread["mean"].items()
        if name != "loss"
    )


def _tell(what: str, measured: Measured) -> None:
    if PartialState().is_main_process:
        for part in ("test", "dev"):
            if part in measured:
                figures = {name: value for name, value in measured[part].items() if name != "loss"}
                print(f"{what}, {translate(part)}: {told(figures)}", flush=True)
                return

"""Trainings by one recipe again and again, with other seeds or on other folds, and what is known of those that ended.

Each one's figures are kept beside the output (`.NAME.runs/runs.json`) as soon as it has ended, so that a command that
was killed goes on with the first that is missing, and within that from its own checkpoint.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from math import inf, isnan, nan
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from . import __version__
from .checkpoints import forget_training
from .errors import UserError
from .folders import move_folder
from .folds import folds_of
from .messages import translate
from .recipe import Measured, Recipe, follow
from .reports import write_json
from .splits import Splits
from .spreads import record, spread_of, told_parts

_FILE = "runs.json"


class Runs:
    """The trainings of one command.

    Args:
        output: the folder that the command writes.
        recipe: how each of them is made.
        parts: of what.
        folds: how many there are; the first seed and they decide what a fold holds out.

    Raises:
        UserError: when those that are kept are of other data or another recipe.
    """

    def __init__(self, output: Path, recipe: Recipe, parts: Splits[Any], folds: int):
        self.folder = _folder_of(output)
        self._alone = PartialState().is_main_process
        text = json.dumps(asdict(parts), ensure_ascii=False).encode("utf-8", "surrogatepass")
        data = hashlib.blake2b(text, digest_size=16).hexdigest()
        given = {"version": __version__, "data": data, "folds": folds, "seed": recipe.training.seed}
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

    def of(self, name: str, train: Callable[[Path], Measured], *, keep: bool) -> Measured:
        """The figures of a training: known ones, or those that `train` gives when it has written its folder.

        Args:
            name: of the training and its folder.
            train: trains, and writes the folder that it is given.
            keep: whether the folder is still needed when the figures are known.
        """
        folder = self.folder / name
        if name not in self._known:
            self._known[name] = train(folder)
            if self._alone:
                write_json({"of": self._described, "runs": self._known}, self.folder / _FILE)
                if not keep:
                    shutil.rmtree(folder, ignore_errors=True)
            PartialState().wait_for_everyone()
        return self._known[name]

    def forget(self) -> None:
        """Delete what is kept."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self) -> dict[str, Any] | None:
        """What is kept, but for trainings whose model was to stay and is gone."""
        try:
            kept = json.loads((self.folder / _FILE).read_text(encoding="utf-8"))
            runs = {
                name: measured
                for name, measured in kept["runs"].items()
                if name.startswith("fold-") or (self.folder / name / "config.json").is_file()
            }
            return {"of": dict(kept["of"]), "runs": runs}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def repeat(recipe: Recipe, parts: Splits[Any], output: Path, seeds: int, folds: int, **place: Any) -> Measured:
    """Train with several seeds, and cross-validate before; the folder is that of the seed that is best on dev.

    Args:
        recipe: how; its seed is the first one.
        parts: the data.
        output: the folder.
        seeds: how many.
        folds: of the cross-validation; 0 for none.
        place: `name` and `subfolder` as `follow` takes them.

    Returns:
        The figures of the model that is written, with those of all trainings as `seeds` and `folds`.
    """
    runs = Runs(output, recipe, parts, folds)
    crossed = {"folds": over_folds(recipe, parts, folds, seeds, runs)} if folds else {}
    best, measured = over_seeds(recipe, parts, seeds, runs, **place)
    measured = measured | crossed
    if PartialState().is_main_process:
        record(best, measured)
        move_folder(best, output.resolve())
        runs.forget()
        forget_training(output)  # what a single one may have left
    return measured


def over_seeds(
    recipe: Recipe, parts: Splits[Any], seeds: int, runs: Runs, **place: Any
) -> tuple[Path, dict[str, dict[str, Any]]]:
    """Train with several seeds, from that of the recipe on; all on the same parts.

    Returns:
        The folder of the one that is best on dev, or of the first where there is no such part; its figures and, of
        several, as `seeds` the means and standard deviations of all.
    """
    first = recipe.training.seed
    each: list[Measured] = []
    for seed in range(first, first + seeds):

        def train(folder: Path, seed: int = seed) -> Measured:
            return follow(recipe.with_seed(seed), parts, folder, **place)

        each.append(runs.of(f"seed-{seed}", train, keep=True))
        _tell(translate("seed {seed}", seed=seed), each[-1])
    metric = recipe.job.best(recipe.job.labels(parts.train)).removeprefix("eval_")

    def quality(number: int) -> float:
        value = each[number].get("dev", {}).get(metric, nan)
        return -inf if isnan(value) else -value if metric == "loss" else value

    best = max(range(seeds), key=quality)
    measured = dict(each[best])
    if seeds > 1:
        spread = {part: spread_of([row[part] for row in each]) for part in each[0]}
        measured["seeds"] = {"first": first, "count": seeds, **spread}
    return runs.folder / f"seed-{first + best}", measured


def over_folds(recipe: Recipe, parts: Splits[Any], folds: int, seeds: int, runs: Runs) -> dict[str, Any]:
    """Cross-validation over all texts but those of the test part, each fold with its own vocabulary.

    A tenth of what is not held out decides when a training stops. Every seed has the same folds.

    Returns:
        `count`, and the `mean`, the `deviation` and `each` of the figures on what was held out.
    """
    job, first = recipe.job, recipe.training.seed
    pool = parts.train if parts.dev is None else _joined(parts.train, parts.dev)
    each: list[dict[str, Any]] = []
    for number, (kept, held_out) in enumerate(folds_of(job, pool, folds, first), 1):
        part = Splits(*job.hold_out(kept, first), held_out)
        for seed in range(first, first + seeds):

            def train(folder: Path, part: Splits[Any] = part, seed: int = seed) -> Measured:
                return follow(recipe.with_seed(seed), part, folder)

            measured = runs.of(f"fold-{number}-seed-{seed}", train, keep=False)
            each.append(measured["test"])
            label = translate("fold {fold} of {folds}", fold=number, folds=folds)
            _tell(label + (f", {translate('seed {seed}', seed=seed)}" if seeds > 1 else ""), {"test": each[-1]})
    return {"count": folds, **spread_of(each)}


def _joined(first: Any, second: Any) -> Any:
    """Two parts as one."""
    fields = {name: value + getattr(second, name) for name, value in vars(first).items() if isinstance(value, list)}
    return type(first)(**{**vars(first), **fields})


def _tell(what: str, measured: Measured) -> None:
    if PartialState().is_main_process:
        shown = "; ".join(f"{part} {figures}" for part, figures in told_parts(measured).items())
        print(f"{what}: {shown}", flush=True)


def check_alone(output: Path, resume: str) -> None:
    """Refuse a single training where others were stopped that wait to go on; with `resume` `never` they are deleted.

    Raises:
        UserError: when there are any.
    """
    folder = _folder_of(output)
    if resume == "never":
        if PartialState().is_main_process:
            shutil.rmtree(folder, ignore_errors=True)
    elif (folder / _FILE).is_file():
        raise UserError(
            f"{folder} holds trainings of a command with --seeds or --folds: repeat that one to go on with it, or give "
            "--resume never to begin anew"
        )


def _folder_of(output: Path) -> Path:
    output = output.resolve()
    return output.with_name(f".{output.name}.runs")

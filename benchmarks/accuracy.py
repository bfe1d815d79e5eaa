"""The accuracy campaign: every family with its preset on real data, beside classical tools, fastText and papers.

    pip install fasttext-wheel                           # for the entry fastText alone
    python benchmarks/accuracy.py run trec mr            # these sets, every entry that is missing
    python benchmarks/accuracy.py run trec --entries textcnn --seeds 1
    python benchmarks/accuracy.py table                  # write accuracy.md from what was measured

Each training is kept as a line of accuracy.jsonl as soon as it has ended, so that a run which was stopped goes on, and
two runs side by side add to the same table. Nothing is tuned here: a family has the preset that `finetune` has, and a
set without a development part gives a tenth of its training part. The test part is looked at once in each training.
"""

import argparse
import gzip
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from accuracy_rivals import RIVALS
from accuracy_sets import DATA_SETS, ENTRIES, FOLDS, DataSet

HERE = Path(__file__).resolve().parent
RECORDS, TABLE = HERE / "accuracy.jsonl", HERE / "accuracy.md"
VECTORS = {"en": "enwiki17m/enwiki17m.txt.gz", "zh": "zhwiki/zhwiki.txt.gz"}
WIDTH = 200


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("sets", nargs="*", help="by default all")
    parser.add_argument("--entries", help="comma-separated; by default all of the task")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each entry; folds are as many by themselves")
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data", help="where the sets are")
    parser.add_argument("--vectors", type=Path, help="folder of the word vectors that are trained for +wv")
    options = parser.parse_args()
    if options.what == "run":
        for name in options.sets or DATA_SETS:
            if name not in DATA_SETS:
                parser.error(f"{name!r} is none of {', '.join(DATA_SETS)}")
            entries = options.entries.split(",") if options.entries else ENTRIES[DATA_SETS[name].task]
            for entry in entries:
                measure(name, entry, options)
    write_table()


def measure(name: str, entry: str, options: argparse.Namespace) -> None:
    """Train an entry on a set, once for each seed or fold that has no figure yet."""
    data_set = DATA_SETS[name]
    known = {row["run"] for row in records() if (row["set"], row["entry"]) == (name, entry)}
    vectors = _vectors(data_set.language, options) if entry.endswith("+wv") else None
    with TemporaryDirectory() as place:
        for run, folder in _runs(data_set, options.data, options.seeds, Path(place)):
            if run in known:
                continue
            started = time.monotonic(), time.process_time()
            dev, test = _train(entry, data_set, folder, 0 if data_set.test is None else run, vectors, Path(place))
            row = {
                "set": name,
                "entry": entry,
                "run": run,
                "dev": dev,
                "test": test,
                "seconds": round(time.monotonic() - started[0], 1),
                "cpu_seconds": round(time.process_time() - started[1], 1),
            }
            with RECORDS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(f"{name} {entry} {run}: dev {dev:.4f}, test {test:.4f}, {row['seconds']} s", flush=True)


def _runs(data_set: DataSet, data: Path, seeds: int, place: Path) -> Iterator[tuple[int, Path]]:
    """The number of each seed or fold, and a folder with its parts."""
    suffix = Path(data_set.train).suffix
    if data_set.test is not None:
        folder = place / "parts"
        folder.mkdir()
        for part in ("train", "dev", "test"):
            file = getattr(data_set, part)
            if file is not None:
                (folder / f"{part}{suffix}").symlink_to((data / file).resolve())
        yield from ((seed, folder) for seed in range(seeds))
        return
    lines = (data / data_set.train).read_text(encoding="utf-8").splitlines(keepends=True)
    folds = np.array_split(np.random.default_rng(0).permutation(len(lines)), FOLDS)
    for number, fold in enumerate(folds):
        folder = place / f"fold-{number}"
        folder.mkdir()
        held_out = set(fold.tolist())
        kept = [line for row, line in enumerate(lines) if row not in held_out]
        (folder / f"train{suffix}").write_text("".join(kept), encoding="utf-8")
        (folder / f"test{suffix}").write_text("".join(lines[row] for row in sorted(held_out)), encoding="utf-8")
        yield number, folder


def _train(
    entry: str, data_set: DataSet, folder: Path, seed: int, vectors: Path | None, place: Path
) -> tuple[float, float]:
    """The figure on the development part and on the test part."""
    if entry in RIVALS:
        return RIVALS[entry](folder, data_set.task, data_set.metric, data_set.language, seed)
    from wordemb_hf import evaluate, finetune, pretrain

    family, output = entry.removesuffix(" +wv"), place / "model"
    how: dict[str, Any] = {"family": family, "seed": seed, "overwrite": True, **data_set.settings}
    figures: Any
    if data_set.task == "language-modelling":
        pretrain([folder / "train.txt"], output, dev=folder / "dev.txt", **how)
        figures = {part: evaluate(output, folder / f"{part}.txt") for part in ("dev", "test")}
    else:
        figures = finetune(folder, output, vectors=vectors, task=data_set.task, **how)
    return figures["dev"][data_set.metric], figures["test"][data_set.metric]


def _vectors(language: str, options: argparse.Namespace) -> Path:
    """Word vectors, or for Chinese vectors of characters, of Wikipedia: trained where there are none."""
    from wordemb_hf import pretrain

    folder = (options.vectors or options.data.parent / "vectors") / language
    if not (folder / "config.json").is_file():
        with TemporaryDirectory() as place:
            with gzip.open(options.data / VECTORS[language], "rt", encoding="utf-8") as file:
                text = file.read()
            corpus = Path(place) / "corpus.txt"
            corpus.write_text(text.replace(" ", "") if language == "zh" else text, encoding="utf-8")
            pretrain([corpus], folder, hidden_size=WIDTH)
    return folder


def records() -> list[dict[str, Any]]:
    """What was measured."""
    if not RECORDS.is_file():
        return []
    return [json.loads(line) for line in RECORDS.read_text(encoding="utf-8").splitlines()]


def write_table() -> None:
    """Write accuracy.md."""
    lines = [
        "# Accuracy",
        "",
        "Written by `python benchmarks/accuracy.py table` from `accuracy.jsonl`. Every family has the preset that "
        "`wordemb-hf finetune --family NAME` has; nothing is set for one data set. Presets were chosen on development "
        "parts. Figures are those of test parts, in per cent, with the standard deviation over seeds or, where there "
        f"is no test part, over {FOLDS} folds; a tenth of the training part decides when to stop where there is no "
        f"development part. `+wv` starts from our own {WIDTH}-dimensional skip-gram vectors of 17 million words of "
        "English or 12 million characters of Chinese Wikipedia; everything else saw the training part and nothing "
        "more. Seconds are those of one training on one thread, from the texts to the finished folder.",
        "",
    ]
    rows = records()
    for name, data_set in DATA_SETS.items():
        own = [row for row in rows if row["set"] == name]
        if not own:
            continue
        floor = data_set.floor and f"floor: {data_set.floor}"
        beside = "; ".join(filter(None, (floor, data_set.published)))
        lines += [f"## {name}", "", f"{data_set.metric.replace('_', ' ')}. {beside}", ""]
        if data_set.settings:
            told = ", ".join(f"`{name}={value}`" for name, value in data_set.settings.items())
            lines += [f"Beside the presets: {told}.", ""]
        lines += ["| | test | dev | runs | CPU seconds | goal | |", "|---|---|---|---|---|---|---|"]
        for entry in dict.fromkeys((*ENTRIES[data_set.task], *(row["entry"] for row in own))):
            runs = [row for row in own if row["entry"] == entry]
            if runs:
                lines.append(_row(entry, runs, data_set))
        lines += ["", *_verdict(own, data_set)]
    TABLE.write_text("\n".join(lines), encoding="utf-8")


def _verdict(rows: list[dict[str, Any]], data_set: DataSet) -> list[str]:
    """A sentence on the best family and the best rival of a set, where both were measured."""
    figures: dict[str, list[float]] = {}
    for row in rows:
        figures.setdefault(row["entry"], []).append(data_set.scale * row["test"])
    rivals = {entry: mean(found) for entry, found in figures.items() if entry in RIVALS}
    ours = {entry: mean(found) for entry, found in figures.items() if entry not in RIVALS}
    if not rivals or not ours:
        return []
    best, rival = max(ours, key=ours.__getitem__), max(rivals, key=rivals.__getitem__)
    told = "beats" if ours[best] > rivals[rival] else "does not beat"
    return [f"{best} with {ours[best]:.1f} {told} {rival} with {rivals[rival]:.1f}.", ""]


def _row(entry: str, runs: list[dict[str, Any]], data_set: DataSet) -> str:
    test, goal = [data_set.scale * row["test"] for row in runs], data_set.goals.get(entry)
    spread = f" ± {stdev(test):.1f}" if len(test) > 1 else ""
    dev, seconds = mean(data_set.scale * row["dev"] for row in runs), mean(row["cpu_seconds"] for row in runs)
    told = "" if goal is None else "met" if data_set.reaches(mean(test), goal) else "missed"
    shown = "" if goal is None else f"{goal:.1f}"
    return f"| {entry} | {mean(test):.1f}{spread} | {dev:.1f} | {len(runs)} | {seconds:.0f} | {shown} | {told} |"


if __name__ == "__main__":
    sys.exit(main())

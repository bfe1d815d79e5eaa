"""What the families are measured against: TF-IDF with logistic regression, a CRF on features, fastText's classifier."""

import itertools
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from wordemb_hf.jobs import job_for_data
from wordemb_hf.ladder.baselines import CRF, TFIDF, fit_baseline

_UNITS = re.compile(r"[\u4e00-\u9fff]|\w+|[^\w\s]")  # Chinese characters stand alone, as for every other model here


def _parts(folder: Path, task: str, seed: int) -> Any:
    return job_for_data(folder, task, "").read(folder, None, None, "text", "label", seed)


def _classical(folder: Path, task: str, metric: str, language: str, seed: int) -> tuple[float, float]:
    parts = _parts(folder, task, seed)
    name = TFIDF if task == "classification" else CRF
    (run,) = fit_baseline(name, parts, language, parts.dev.texts[:1]).runs
    return run.dev[metric], run.test[metric]


def _fasttext(folder: Path, task: str, metric: str, language: str, seed: int) -> tuple[float, float]:
    """fastText's classifier with pairs of words (Joulin et al. 2017); its rate and epochs are chosen on dev."""
    import fasttext

    fasttext.FastText.eprint = lambda *_: None  # a warning with every model
    parts = _parts(folder, task, seed)
    with TemporaryDirectory() as place:
        files = {name: str(Path(place) / name) for name in ("train", "dev", "test")}
        for name, file in files.items():
            part = getattr(parts, name)
            lines = [
                f"__label__{label.replace(' ', '_')} {' '.join(_UNITS.findall(text.lower()))}\n"
                for text, label in zip(part.texts, part.labels, strict=True)
            ]
            # It reads them as they stand: of a file that is sorted by label, it would remember the last one.
            np.random.default_rng(seed).shuffle(lines)
            Path(file).write_text("".join(lines), encoding="utf-8")

        def fit(rate: float, epochs: int) -> Any:
            how = {"wordNgrams": 2, "bucket": 300_000, "dim": 100, "thread": 1, "seed": seed, "verbose": 0}
            return fasttext.train_supervised(files["train"], lr=rate, epoch=epochs, **how)

        def accuracy(model: Any, name: str) -> float:
            return float(model.test(files[name])[1])

        models = [fit(*chosen) for chosen in itertools.product((0.1, 0.25, 0.5), (10, 25))]
        best = max(models, key=lambda model: accuracy(model, "dev"))
        return accuracy(best, "dev"), accuracy(best, "test")


# Each takes a folder of parts, the task, the figure in question, the language and a seed; returns its dev and its test.
RIVALS = {"TF-IDF + LR": _classical, "CRF": _classical, "fastText": _fasttext}

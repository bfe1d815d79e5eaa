"""A language model before a classifier of few labels: how much of the error does it take away?

    python benchmarks/few_labels.py chnsenticorp thucnews_titles [--models FOLDER]

ULMFiT (Howard & Ruder 2018) in three commands: `pretrain --family rnn` on raw text, `pretrain --model` on the texts of
the task without their labels, `finetune --model` with gradual unfreezing, rates that fall by layer, and the slanted
triangle. Beside it the same model from nothing and TF-IDF with logistic regression, on the same labels. Everything
stops by the development part of the set; the test part is looked at once in each training. The rate of the last step
was chosen on development parts: 0.01 before 0.004 on both sets, and before 0.02 on the titles.
"""

import argparse
import gzip
import time
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from accuracy_rivals import RIVALS
from accuracy_sets import DATA_SETS

from wordemb_hf import finetune, pretrain

HERE = Path(__file__).resolve().parent
GENERAL = {"en": ["enwiki17m/enwiki17m.txt.gz"], "zh": ["zhwiki/zhwiki.txt.gz", "news_zh/train.txt"]}
KIND = {"en": "word", "zh": "word-zh"}
LABELS, DEV_TEXTS, ADAPTING_EPOCHS, TUNING_EPOCHS = 100, 1000, 5, 30
SIZES = {"embedding_size": 256, "hidden_size": 256, "num_hidden_layers": 2, "embedding_dropout": 0.2}
SIZES |= {"hidden_dropout_prob": 0.2, "pooling": "mean", "classifier_dropout": 0.3, "num_softmax_samples": 1024}
FIELDS = [f"{field}={value}" for field, value in SIZES.items()]
FROM_NOTHING, BASELINE = "from nothing", "TF-IDF + LR"


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=["chnsenticorp", "thucnews_titles"])
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data", help="where the sets are")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=1, help="of the language model on raw text")
    parser.add_argument("--models", type=Path, help="folder for the language models, which are trained if missing")
    options = parser.parse_args()
    with TemporaryDirectory() as place:
        models = options.models or Path(place)
        for language in dict.fromkeys(DATA_SETS[name].language for name in options.sets):
            chosen = [name for name in options.sets if DATA_SETS[name].language == language]
            prepare(language, chosen, models, options)
        for name in options.sets:
            compare(name, models, options)


def parts_of(name: str, data: Path) -> dict[str, list[str]]:
    """The lines of each part, of `dev` a thousand at most; a part that there is none of is a tenth of `train`."""
    data_set = DATA_SETS[name]
    parts = {
        part: (data / file).read_text(encoding="utf-8").splitlines(keepends=True)
        for part in ("train", "dev", "test")
        if (file := getattr(data_set, part)) is not None
    }
    for part in ("test", "dev"):  # where one is missing
        if part not in parts:
            mixed = np.random.default_rng(0).permutation(parts["train"]).tolist()
            parts[part], parts["train"] = mixed[: len(mixed) // 10], mixed[len(mixed) // 10 :]
    parts["dev"] = np.random.default_rng(0).permutation(parts["dev"])[:DEV_TEXTS].tolist()
    return parts


def prepare(language: str, names: list[str], models: Path, options: argparse.Namespace) -> None:
    """A language model of raw text, and one of it that has gone on with the texts of each set."""
    models.mkdir(parents=True, exist_ok=True)
    own = {name: models / f"{name}.txt" for name in names}
    for name, file in own.items():
        texts = [line.split("\t", 1)[1] for line in parts_of(name, options.data)["train"]]
        file.write_text("".join(texts), encoding="utf-8")
    general = models / f"general-{language}"
    if not (general / "config.json").is_file():
        texts = []
        for number, source in enumerate(GENERAL[language]):
            texts.append(models / f"raw-{language}-{number}.txt")
            opened = gzip.open if source.endswith(".gz") else open
            with opened(options.data / source, "rt", encoding="utf-8") as file:
                text = file.read()
            texts[-1].write_text(text.replace(" ", "") if language == "zh" else text, encoding="utf-8")
        # The words of all texts are the vocabulary, which the second step cannot add to.
        kept: dict[str, Any] = {"min_count": 5, "max_vocab_size": 60_000, "tokenizer_kind": KIND[language]}
        timed(pretrain, [*texts, *own.values()], general, family="rnn", fields=FIELDS, epochs=options.epochs, **kept)
    for name, file in own.items():
        adapted = models / f"adapted-{name}"
        if not (adapted / "config.json").is_file():
            timed(pretrain, [file], adapted, family="rnn", model=str(general), epochs=ADAPTING_EPOCHS)


def timed(train: Any, texts: list[Path], output: Path, **settings: Any) -> None:
    """Train, and say how long it took."""
    started = time.process_time()
    train(texts, output, **settings)
    print(f"{output.name}: {time.process_time() - started:.0f} CPU s", flush=True)


def compare(name: str, models: Path, options: argparse.Namespace) -> None:
    """Fine-tune with and without the language model on several drawings of labels."""
    parts = parts_of(name, options.data)
    adapted = str(models / f"adapted-{name}")
    how: dict[str, dict[str, Any]] = {
        FROM_NOTHING: {"family": "rnn", "settings": FIELDS, "tokenizer": adapted},
        "ULMFiT": {
            "family": "rnn",
            "model": adapted,
            "unfreezing": "gradual",
            "layer_decay": 1 / 2.6,
            "schedule": "slanted",
            "warmup": 0.1,
            "learning_rate": 1e-2,
        },
    }
    errors: dict[str, list[float]] = {way: [] for way in (BASELINE, *how)}
    for seed in range(options.seeds):
        chosen = np.random.default_rng(seed).permutation(len(parts["train"]))[:LABELS]
        with TemporaryDirectory() as place:
            folder = Path(place) / "parts"
            folder.mkdir()
            for part, rows in {**parts, "train": [parts["train"][row] for row in chosen]}.items():
                (folder / f"{part}.tsv").write_text("".join(rows), encoding="utf-8")
            data_set = DATA_SETS[name]
            found = {
                BASELINE: RIVALS[BASELINE](folder, "classification", "accuracy", data_set.language, seed),
                **{way: tuned(folder, Path(place) / "model", seed, settings) for way, settings in how.items()},
            }
        for way, (dev, test) in found.items():
            errors[way].append(100 * (1 - test))
            print(f"{name} {way} {seed}: error {100 * (1 - dev):.1f} on dev, {errors[way][-1]:.1f} on test", flush=True)
    for way, tested in errors.items():
        spread = f" ± {stdev(tested):.1f}" if len(tested) > 1 else ""
        print(f"{name}, {LABELS} labels, {way}: error {mean(tested):.1f}{spread} %")
    before, after = mean(errors[FROM_NOTHING]), mean(errors["ULMFiT"])
    print(f"{name}: {100 * (1 - after / before):.0f} % of the error is gone", flush=True)


def tuned(folder: Path, output: Path, seed: int, settings: dict[str, Any]) -> tuple[float, float]:
    """The accuracies of a classifier on the development part and on the test part."""
    figures: Any = finetune(
        folder, output, overwrite=True, seed=seed, epochs=TUNING_EPOCHS, patience=0, batch_size=16, **settings
    )
    return figures["dev"]["accuracy"], figures["test"]["accuracy"]


if __name__ == "__main__":
    main()

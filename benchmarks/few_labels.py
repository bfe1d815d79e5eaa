"""A language model before a classifier of few labels: how much of the error does it take away?

    python benchmarks/few_labels.py chnsenticorp thucnews_titles

ULMFiT (Howard & Ruder 2018) in three commands: `pretrain --family rnn` on raw text, `pretrain --model` on the texts of
the task without their labels, `finetune --model` with gradual unfreezing, rates that fall by layer, and the slanted
triangle. Beside it the same model from nothing, on the same labels. Both stop by the development part of the set.
"""

import argparse
import time
from itertools import islice
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory

import numpy as np
from accuracy_sets import DATA_SETS

from wordemb_hf import finetune, pretrain
from wordemb_hf.corpus import read_texts

HERE = Path(__file__).resolve().parent
GENERAL = {"en": "enwiki17m/enwiki17m.txt.gz", "zh": "news_zh/train.txt"}
LABELS = 100
SIZES = {"embedding_size": 256, "hidden_size": 256, "num_hidden_layers": 2, "embedding_dropout": 0.2}
SIZES |= {"hidden_dropout_prob": 0.2, "pooling": "mean", "classifier_dropout": 0.3}


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=["chnsenticorp", "thucnews_titles"])
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data", help="where the sets are")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--general-lines", type=int, default=20_000, help="lines of raw text for the first step")
    options = parser.parse_args()
    for name in options.sets:
        with TemporaryDirectory() as place:
            compare(name, options, Path(place))


def compare(name: str, options: argparse.Namespace, place: Path) -> None:
    """Pre-train once, then fine-tune with and without it on several drawings of labels."""
    data_set = DATA_SETS[name]
    train, dev, test = (
        (options.data / file).read_text(encoding="utf-8").splitlines(keepends=True)
        for file in (data_set.train, data_set.dev, data_set.test)
    )
    started = time.monotonic()
    fields = [f"{field}={value}" for field, value in SIZES.items()]
    general, own = place / "general.txt", place / "own.txt"
    # The words of both texts are the vocabulary, which the second step cannot add to.
    texts = "".join(line.split("\t", 1)[1] for line in train)
    own.write_text(texts, encoding="utf-8")
    file = options.data / GENERAL[data_set.language]
    raw = list(islice(read_texts([file]), options.general_lines))
    general.write_text("\n".join(raw), encoding="utf-8")
    language_model = pretrain(
        [general, own], place / "language_model", family="rnn", fields=fields, min_count=3, epochs=2
    )
    adapted = pretrain([own], place / "adapted", family="rnn", model=str(language_model), epochs=4)
    print(f"{name}: language model in {time.monotonic() - started:.0f} s", flush=True)
    how = {
        "from nothing": {"family": "rnn", "settings": fields},
        "ULMFiT": {
            "family": "rnn",
            "model": str(adapted),
            "unfreezing": "gradual",
            "layer_decay": 1 / 2.6,
            "schedule": "slanted",
            "warmup": 0.1,
            "learning_rate": 4e-3,
        },
    }
    errors: dict[str, list[float]] = {way: [] for way in how}
    for seed in range(options.seeds):
        parts = place / f"parts-{seed}"
        parts.mkdir()
        chosen = np.random.default_rng(seed).permutation(len(train))[:LABELS]
        for part, rows in (("train", [train[row] for row in chosen]), ("dev", dev), ("test", test)):
            (parts / f"{part}.tsv").write_text("".join(rows), encoding="utf-8")
        for way, settings in how.items():
            figures = finetune(
                parts, place / "model", overwrite=True, seed=seed, epochs=30, patience=0, batch_size=16, **settings
            )
            errors[way].append(100 * (1 - figures["test"]["accuracy"]))
            print(f"{name} {way} {seed}: error {errors[way][-1]:.1f}", flush=True)
    for way, found in errors.items():
        print(f"{name}, {LABELS} labels, {way}: error {mean(found):.1f} ± {stdev(found):.1f} %")
    before, after = (mean(found) for found in errors.values())
    print(f"{name}: {100 * (1 - after / before):.0f} % of the error is gone")


if __name__ == "__main__":
    main()

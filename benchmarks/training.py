"""Seconds of an epoch through our loop, through a plain PyTorch loop, and through transformers' Trainer.

    python benchmarks/training.py [--data ../shared/data] [--threads 2] [--only titles reviews …] [--memory]

The same model from the same seed, the same texts tokenised beforehand, the same batch size, rate and number of epochs;
the accuracy on the development texts stands beside the seconds; when it is the same, training.md tells.

- plain: batches in random order, padded to their longest text, `torch.optim.AdamW`;
- Trainer: its own batches and optimizer, logging and checkpoints switched off.

`titles` are titles of news of about 20 characters (THUCNews), `reviews` have 10 to 3000 (chnsenticorp), `vocabulary` is
a model of 100,000 words, as one has that starts from given vectors, on sentences (MR). A part of each is taken, and all
read characters or words. `rows` is a step of one optimizer alone: AdamW, and rows that wait until they are read, by the
size of the table. `--memory` adds what a process takes at most, beyond what it had before the training.

The folder of `--data` holds `thucnews_titles/train33k.tsv`, `dev.tsv`, `chnsenticorp/train.tsv`, `dev.dedup.tsv` and
`mr/all.tsv`, each with `label<TAB>text`.
"""

import argparse
import copy
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from accelerate.utils import set_seed
from measuring import compare, report
from transformers import PrinterCallback, Trainer, TrainingArguments
from transformers.utils import logging

from wordemb_hf.corpus import Examples, label_names, read_examples
from wordemb_hf.new_models import new_model
from wordemb_hf.optimization import make_optimizer
from wordemb_hf.row_updates import large_tables
from wordemb_hf.tasks.classification import TextClassification
from wordemb_hf.training import TrainingSettings, make_accelerator, train

EPOCHS, RATE = 2, 2e-3
FAMILIES = {
    "textcnn": {},
    "bilstm": {"pooling": "attention"},
}


@dataclass
class Set:
    """Texts to train on and to measure on.

    Args:
        train: a file.
        dev: another; with the same one, its last texts are measured on.
        texts: how many are trained on.
        measured: how many are measured on, at most.
        words: rows of the table of words, at least.
    """

    train: str
    dev: str
    texts: int
    measured: int
    words: int = 0


SETS = {
    "titles": Set("thucnews_titles/train33k.tsv", "thucnews_titles/dev.tsv", 6400, 2000),
    "reviews": Set("chnsenticorp/train.tsv", "chnsenticorp/dev.dedup.tsv", 640, 800),
    "vocabulary": Set("mr/all.tsv", "mr/all.tsv", 3200, 1000, words=100_000),
}


@cache
def examples_of(data: Path, name: str) -> tuple[Examples, Examples]:
    """Random texts of a set: those to train on and those to measure on."""
    described = SETS[name]
    parts = []
    for file, count in ((described.train, described.texts), (described.dev, described.measured)):
        if not (data / file).is_file():
            raise SystemExit(f"{data / file} is not there: --data must name a folder that holds it")
        whole = read_examples(data / file)
        order = np.random.default_rng(0).permutation(len(whole.texts))
        chosen = order[:count] if file == described.train and not parts else order[-count:]
        parts.append(
            Examples([whole.texts[row] for row in chosen], [whole.labels[row] for row in chosen], whole.source)
        )
    return parts[0], parts[1]


class Work:
    """One family on one set."""

    def __init__(self, data: Path, name: str, family: str, batch_size: int):
        self.examples, self.dev = examples_of(data, name)
        labels = label_names(self.examples)
        self.label2id = {label: number for number, label in enumerate(labels)}
        set_seed(0)
        kind = "word" if name == "vocabulary" else "char"
        self.model, self.tokenizer = new_model(
            "AutoModelForSequenceClassification",
            family,
            FAMILIES[family],
            labels,
            self.examples.texts,
            kind=kind,
            min_count=1,
            lowercase=True,
            max_length=4096,
        )
        if SETS[name].words:
            self.model.resize_token_embeddings(max(SETS[name].words, len(self.tokenizer)), mean_resizing=False)
        self.source = self._source(self.examples, batch_size)
        self.batch_size = batch_size
        self.accuracies: dict[str, list[float]] = {}

    def _source(self, examples: Examples, batch_size: int) -> TextClassification:
        return TextClassification(self.tokenizer, examples, self.label2id, batch_size=batch_size, max_length=4096)

    def ours(self, model, seed: int) -> None:
        """`train`, with the clipping and the schedule of Trainer."""
        settings = TrainingSettings(EPOCHS, RATE, max_grad_norm=1.0, seed=seed)
        train(model, self.source, settings, make_accelerator(settings))

    def plain(self, model, seed: int) -> None:
        """What one writes by hand."""
        encoded, generator = self.source.encoded, np.random.default_rng(seed)
        optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0)
        steps = -(-len(encoded) // self.batch_size)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, EPOCHS * steps)
        model.train()
        for _ in range(EPOCHS):
            order = generator.permutation(len(encoded))
            for first in range(0, len(order), self.batch_size):
                batch = encoded.collate(order[first : first + self.batch_size])
                model(**batch).loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                schedule.step()

    def trainer(self, model, seed: int) -> None:
        """`transformers.Trainer`."""
        encoded = self.source.encoded
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                folder,
                num_train_epochs=EPOCHS,
                per_device_train_batch_size=self.batch_size,
                learning_rate=RATE,
                seed=seed,
                use_cpu=True,
                report_to=[],
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
            )
            trainer = Trainer(
                model,
                arguments,
                data_collator=lambda rows: encoded.collate(np.array(rows)),
                train_dataset=range(len(encoded)),
            )
            trainer.remove_callback(PrinterCallback)
            trainer.train()

    def run(self, rival: str) -> None:
        """Train once, and remember how well."""
        seed = len(self.accuracies.setdefault(rival, []))
        set_seed(seed)
        model = copy.deepcopy(self.model)
        {"ours": self.ours, "plain": self.plain, "Trainer": self.trainer}[rival](model, seed)
        self.trained = model

    def measure(self, rival: str) -> None:
        """The accuracy of what was trained last."""
        figures = self._source(self.dev, 32).measure(self.trained, make_accelerator())
        self.accuracies[rival].append(figures["accuracy"])


RIVALS = ("ours", "plain", "Trainer")


def epochs(arguments: argparse.Namespace, name: str, family: str) -> None:
    """Time of an epoch."""
    work = Work(arguments.data, name, family, arguments.batch_size)
    lengths = work.source.encoded.lengths
    print(
        f"{name}, {family}: {len(lengths)} texts of {lengths.min()} to {lengths.max()} tokens, median "
        f"{int(np.median(lengths))}; {work.model.get_input_embeddings().num_embeddings:,} rows"
    )
    measured = compare(
        {rival: lambda rival=rival: work.run(rival) for rival in RIVALS},
        arguments.repeats,
        between=work.measure,
    )
    report("an epoch", {rival: (wall / EPOCHS, cpu / EPOCHS) for rival, (wall, cpu) in measured.items()})
    for rival in RIVALS:
        found = work.accuracies[rival]
        line = f"  {rival:32} accuracy {statistics.mean(found):.4f} (spread {max(found) - min(found):.4f})"
        if arguments.memory:
            command = [sys.executable, __file__, "--alone", rival, name, family, *sys.argv[1:]]
            took = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            line += f", {took / 2**20:.0f} MiB at most"
        print(line)


def alone(arguments: argparse.Namespace) -> None:
    """What one training takes at most, in bytes, beyond what was there."""
    rival, name, family = arguments.alone
    work = Work(arguments.data, name, family, arguments.batch_size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work.run(rival)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)


def rows(repeats: int) -> None:
    """Forward, backward, clipping and a step of AdamW, by the size of the table."""
    accelerator = make_accelerator()
    generator = np.random.default_rng(0)
    for length in (20, 300):
        for size, width in ((10_000, 2), (100_000, 2), (262_144, 10), (5_000, 128), (16_384, 128), (100_000, 128)):
            # Words by the law of Zipf.
            batches = [
                torch.from_numpy((size ** generator.random((32, length))).astype(np.int64)) - 1 for _ in range(20)
            ]
            rivals: dict[str, Callable[[], object]] = {}
            for name, smallest in (("waiting", 1), ("AdamW, fused", 1 << 62)):
                table = torch.nn.EmbeddingBag(size, width, mode="sum")
                optimizer = make_optimizer(
                    table, "adamw", 1e-3, 0.01, tables=large_tables(table, accelerator, smallest)
                )
                optimizer.__enter__()

                def steps(table=table, optimizer=optimizer, batches=batches):
                    for ids in batches:
                        table(ids).square().mean().backward()
                        optimizer.step()
                        optimizer.zero_grad()

                rivals[name] = steps
            measured = compare(rivals, repeats)
            report(
                f"a step, 32 x {length} words, table of {size:,} x {width}",
                {name: (wall / len(batches), cpu / len(batches)) for name, (wall, cpu) in measured.items()},
            )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--only", nargs="+", choices=[*SETS, "rows"])
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--alone", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    logging.set_verbosity_error()
    if arguments.alone:
        alone(arguments)
        return
    for name in arguments.only or [*SETS, "rows"]:
        if name == "rows":
            rows(arguments.repeats)
        else:
            for family in arguments.families:
                epochs(arguments, name, family)


if __name__ == "__main__":
    main()

"""Word vectors: our CPU engine beside gensim's and fastText's, on the same text with the same settings.

    pip install gensim==4.4.0 fasttext-wheel
    python benchmarks/word2vec.py TEXT [--size 100] [--epochs 1] [--threads 1] [--repeats 3] [--analogies FILE]
        [--similarities FILE ...] [--only skipgram defaults cbow hierarchical ngrams] [--copies N [--apart]]

Each run is a process of its own; the rivals take turns. Speeds are words of the text for a CPU second of training; the
whole is the process from the text to vectors on disk. All are medians over the repeats, each with a seed of its own;
qualities are means with their standard deviation. The text has a document on each line, its words separated by spaces.
It can be repeated for more work, and with `--apart` each copy has words of its own, for a larger vocabulary.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

WORKLOADS: dict[str, dict[str, Any]] = {
    "skipgram": {"rivals": ("ours", "gensim")},
    "defaults": {"rivals": ("ours",)},  # skip-gram with the settings that `pretrain` has, where gensim's are above
    "cbow": {"rivals": ("ours", "gensim")},
    "hierarchical": {"rivals": ("ours", "gensim")},
    "ngrams": {"rivals": ("ours", "fasttext")},
}
BUCKETS = 2_000_000  # rows for n-grams, fastText's default


def train_ours(text: str, workload: str, options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Our engine, through the functions that `pretrain` calls."""
    from accelerate import Accelerator
    from transformers import AutoModelForPreTraining

    import wordemb_hf  # noqa: F401
    from wordemb_hf.families import make_config, ngrams_read, word_vector_settings
    from wordemb_hf.training import TrainingSettings
    from wordemb_hf.word2vec.corpus_ids import index_corpus
    from wordemb_hf.word2vec.engine_training import train_by_engine

    fields = {
        "hierarchical": {"loss": "hierarchical_softmax"},
        "ngrams": {"num_ngram_buckets": BUCKETS},
        "cbow": {"algorithm": "cbow"},
    }.get(workload, {})
    config = make_config("word2vec", hidden_size=options.size, **fields)
    os.environ["WORDEMB_HF_CACHE_GB"] = "0"  # the text is read anew
    began = time.process_time()
    tokenizer, ids = index_corpus(
        text,
        kind="whitespace",
        lowercase=False,
        min_count=options.min_count,
        max_size=None,
        ngrams=ngrams_read(config),
        threads=options.threads,
    )
    read = time.process_time() - began
    config.vocab_size = len(tokenizer)
    model = AutoModelForPreTraining.from_config(config)
    import torch

    from wordemb_hf.new_models import spell_vocabulary

    model.set_word_counts(torch.from_numpy(ids.counts(len(tokenizer))))
    spell_vocabulary(model, tokenizer)
    rate = 0.05 if workload in ("cbow", "ngrams") else 0.025
    if workload == "defaults":
        rate, config.subsample_threshold, _ = word_vector_settings(config, len(ids.ids))
    settings = TrainingSettings(options.epochs, options.rate or rate, floor=1e-4, seed=options.seed)
    began, wall = time.process_time(), time.perf_counter()
    train_by_engine("cpu", model, ids, settings, Accelerator(cpu=True), options.threads)
    trained, wall = time.process_time() - began, time.perf_counter() - wall
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    words = tokenizer.convert_ids_to_tokens(range(2, len(tokenizer)))
    save(folder, words, model.word2vec.word_vectors()[2:].detach().numpy())
    return {"words": len(ids.ids), "read": read, "train": trained, "wall": wall}


def train_gensim(text: str, workload: str, options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """gensim with `corpus_file`, its fastest way."""
    from gensim.models import Word2Vec

    began = time.process_time()
    model = Word2Vec(
        vector_size=options.size,
        window=5,
        min_count=options.min_count,
        sample=1e-3,
        negative=0 if workload == "hierarchical" else 5,
        hs=int(workload == "hierarchical"),
        sg=int(workload != "cbow"),
        workers=options.threads,
        seed=options.seed + 1,
        epochs=options.epochs,
    )
    model.build_vocab(corpus_file=text)
    read = time.process_time() - began
    began, wall = time.process_time(), time.perf_counter()
    model.train(
        corpus_file=text, total_words=model.corpus_total_words, total_examples=model.corpus_count, epochs=options.epochs
    )
    trained, wall = time.process_time() - began, time.perf_counter() - wall
    save(folder, model.wv.index_to_key, model.wv.vectors)
    return {"words": sum(model.wv.expandos["count"].tolist()), "read": read, "train": trained, "wall": wall}


def train_fasttext(text: str, workload: str, options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """fastText counts and trains in one call; what it takes without an epoch is counting."""
    import fasttext

    def run(epochs: int) -> tuple[Any, float, float]:
        began, wall = time.process_time(), time.perf_counter()
        model = fasttext.train_unsupervised(
            text, model="skipgram", dim=options.size, ws=5, neg=5, minCount=options.min_count, t=1e-3, epoch=epochs,
            thread=options.threads, bucket=BUCKETS, verbose=0,
        )  # fmt: skip
        return model, time.process_time() - began, time.perf_counter() - wall

    _, read, before = run(0)
    model, trained, wall = run(options.epochs)
    words = model.get_words()
    save(folder, words, np.stack([model.get_word_vector(word) for word in words]))
    total = sum(model.get_words(include_freq=True)[1])
    return {"words": float(total), "read": read, "train": trained - read, "wall": wall - before}


def save(folder: Path, words: list[str], vectors: np.ndarray) -> None:
    """Keep vectors for the measures."""
    np.save(folder / "vectors.npy", vectors)
    (folder / "words.txt").write_text("\n".join(words), encoding="utf-8")


RIVALS = {"ours": train_ours, "gensim": train_gensim, "fasttext": train_fasttext}


def qualities(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Analogies by 3CosAdd among the 30,000 most frequent words; Spearman's correlation of similarities."""
    from wordemb_hf.vectors import KeyedVectors

    words = (folder / "words.txt").read_text(encoding="utf-8").split("\n")
    vectors = KeyedVectors(words, np.load(folder / "vectors.npy"))
    figures = {}
    if options.analogies:
        figures["analogies"] = 100 * vectors.evaluate_analogies(options.analogies, restrict_vocab=30_000).accuracy
    for path in options.similarities:
        figures[path.stem] = 100 * vectors.evaluate_word_pairs(path, restrict_vocab=None).spearman
    return figures


def run_alone(rival: str, workload: str, seed: int, options: argparse.Namespace) -> dict[str, float]:
    """One training in a process of its own, and the quality of what it leaves."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, *sys.argv[1:], "--alone", rival, workload, folder, "--seed", str(seed)]
        command += ["--instead", options.text]
        before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        figures: dict[str, float] = json.loads(answer.splitlines()[-1])
        figures["whole"] = time.perf_counter() - wall
        figures["whole CPU"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return figures | qualities(Path(folder), options)


def main() -> None:
    """Let the rivals take turns, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text")
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--analogies", type=Path)
    parser.add_argument("--similarities", type=Path, nargs="*", default=[])
    parser.add_argument("--only", nargs="*", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--min-count", type=int, default=5)
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--apart", action="store_true")
    parser.add_argument("--rivals", nargs="*", choices=RIVALS, default=list(RIVALS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--alone", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--instead", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.text = options.instead or options.text
    if options.alone:
        rival, workload, folder = options.alone
        figures = RIVALS[rival](options.text, workload, options, Path(folder))
        figures["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(figures))
        return
    with tempfile.TemporaryDirectory() as folder:
        if options.copies > 1:
            options.text = copy(Path(options.text), Path(folder) / "copies.txt", options.copies, options.apart)
        compare(options)


def copy(text: Path, target: Path, copies: int, apart: bool) -> str:
    """Write a text several times; `apart` marks the words of each copy but the first, so that they are others."""
    with target.open("wb") as file:
        for number in range(copies):
            mark = f"~{number} ".encode() if apart and number else b" "
            for line in text.open("rb"):
                file.write(mark.join(line.split()) + mark.rstrip() + b"\n")
    return str(target)


def compare(options: argparse.Namespace) -> None:
    """Every workload in turn."""
    for workload in options.only:
        rivals = [rival for rival in WORKLOADS[workload]["rivals"] if rival in options.rivals]
        runs: dict[str, list[dict[str, float]]] = {rival: [] for rival in rivals}
        for seed in range(options.repeats):
            for rival in rivals:
                runs[rival].append(run_alone(rival, workload, seed, options))
        words = runs[rivals[0]][0]["words"]
        print(
            f"{workload}: size {options.size}, {options.epochs} epochs, {options.threads} threads, {words:,.0f} words"
        )
        for rival, figures in runs.items():
            print(f"  {rival:9}" + describe(figures, options))
        sys.stdout.flush()


def describe(runs: list[dict[str, float]], options: argparse.Namespace) -> str:
    """The medians of a rival's runs in one line."""

    def median(name: str) -> float:
        return statistics.median(run[name] for run in runs)

    read = statistics.median(run["words"] * options.epochs / run["train"] for run in runs)
    wall = statistics.median(run["words"] * options.epochs / run["wall"] for run in runs)
    line = (
        f" {read / 1e3:8,.0f}k words per CPU second, {wall / 1e3:8,.0f}k per second;"
        f" reading {median('read'):5.1f} CPU s, whole {median('whole'):6.1f} s, {median('whole CPU'):6.1f} CPU s,"
        f" {median('memory'):6.0f} MB"
    )
    known = {"words", "read", "train", "wall", "memory", "whole", "whole CPU"}
    for name in runs[0].keys() - known if len(runs) else ():
        values = [run[name] for run in runs]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        line += f"; {name} {statistics.mean(values):.1f} ± {spread:.1f}"
    return line


if __name__ == "__main__":
    main()

"""Texts that a classifier answers in a second, and the seconds from `wordemb-hf predict` to its first answer.

    python benchmarks/answering.py [--data ../shared/data] [--threads 2] [--only texts start]

Texts: `textcnn` and `bow` from text to probabilities, as `predict` and `evaluate` do it, beside scikit-learn's pipeline
of TF-IDF and logistic regression on the same texts and, for scale, an encoder of 6 layers of width 768 with random
weights (`DistilBertForSequenceClassification`), which is given 64 of them, in batches of similar length. Our models are
not trained: that would not change their speed. Start: a process for one text, beside one that only imports torch and
transformers; both with CPU seconds.

The folder of `--data` holds `thucnews_titles/` and `chnsenticorp/`, as for `benchmarks/training.py`.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from accelerate.utils import set_seed
from measuring import compare
from training import examples_of
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from wordemb_hf.batching import by_length
from wordemb_hf.corpus import label_names
from wordemb_hf.encoding import EncodedTexts
from wordemb_hf.evaluation.baseline import fit_tfidf
from wordemb_hf.families import FINETUNING
from wordemb_hf.new_models import fit_to_texts, new_model
from wordemb_hf.tasks.classification import logits_of, softmax
from wordemb_hf.training import make_accelerator

ENCODED = 64  # texts for the encoder, of which more would take minutes


def classifier(family: str, texts: list[str], labels: list[str]):
    """A model with its preset's settings, and a tokenizer."""
    set_seed(0)
    names = sorted(set(labels))
    model, tokenizer = new_model(
        "AutoModelForSequenceClassification",
        family,
        FINETUNING[family].settings,
        names,
        texts,
        kind="char",
        min_count=1,
        lowercase=True,
        max_length=512,
    )
    encoded = EncodedTexts(tokenizer, texts)
    encoded.labels = torch.tensor([names.index(label) for label in labels]).numpy()
    fit_to_texts(model, tokenizer, encoded)
    return model.eval(), tokenizer


def answer(model, tokenizer, texts: list[str], accelerator) -> None:
    """Texts to probabilities, as `predict` takes them there."""
    softmax(logits_of(model, tokenizer, texts, accelerator))


@torch.inference_mode()
def encode(model, tokenizer, texts: list[str]) -> None:
    """Batches of 16 texts of similar length through an encoder."""
    encoded = EncodedTexts(tokenizer, texts)
    for batch in encoded.batches(by_length(encoded.lengths, 16)):
        model(**batch).logits.softmax(-1)


def texts(data: Path, repeats: int) -> None:
    """Texts in a second."""
    accelerator = make_accelerator()
    for name in ("titles", "reviews"):
        train, dev = examples_of(data, name)
        pipeline = fit_tfidf(train.texts, train.labels, language="zh")
        models = {family: classifier(family, train.texts, train.labels) for family in ("textcnn", "bow")}
        _, tokenizer = models["textcnn"]
        config = DistilBertConfig(vocab_size=len(tokenizer), num_labels=len(label_names(train)))
        encoder = DistilBertForSequenceClassification(config).eval()
        some = dev.texts[:ENCODED]
        rivals = {
            family: partial(answer, model, tokenizer, dev.texts, accelerator)
            for family, (model, tokenizer) in models.items()
        }
        rivals["TF-IDF, logistic regression"] = partial(pipeline.predict_proba, dev.texts)
        rivals["encoder, 6 x 768"] = partial(encode, encoder, tokenizer, some)
        measured = compare(rivals, repeats)
        lengths = sorted(map(len, dev.texts))
        print(f"{name}: {len(dev.texts)} texts, median of {lengths[len(lengths) // 2]} characters")
        for rival, (wall, cpu) in measured.items():
            count = ENCODED if rival.startswith("encoder") else len(dev.texts)
            print(f"  {rival:32} {count / wall:9.0f} texts/s of wall {count / cpu:9.0f} of CPU")


def start(data: Path, repeats: int) -> None:
    """Seconds to the first answer."""
    train, _ = examples_of(data, "titles")
    with tempfile.TemporaryDirectory() as folder:
        commands = {"import torch, transformers": [sys.executable, "-c", "import torch, transformers"]}
        for family in ("textcnn", "bow"):
            model, tokenizer = classifier(family, train.texts, train.labels)
            place = Path(folder) / family
            model.save_pretrained(place)
            tokenizer.save_pretrained(place)
            commands[f"predict, {family}"] = [sys.executable, "-m", "wordemb_hf", "predict", place, train.texts[0]]
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for turn in range(repeats + 1):
            for name, command in commands.items():
                wall, cpu = time.perf_counter(), _children()
                subprocess.run(list(map(str, command)), check=True, capture_output=True)
                if turn:
                    taken[name].append((time.perf_counter() - wall, _children() - cpu))
    print("to the first answer")
    for name, runs in taken.items():
        wall, cpu = (statistics.median(run[number] for run in runs) for number in (0, 1))
        print(f"  {name:32} {wall:9.2f} s wall {cpu:9.2f} s CPU")


def _children() -> float:
    """CPU seconds of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=["texts", "start"], default=["texts", "start"])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if "texts" in arguments.only:
        texts(arguments.data, arguments.repeats)
    if "start" in arguments.only:
        start(arguments.data, arguments.repeats)


if __name__ == "__main__":
    main()

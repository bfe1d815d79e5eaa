"""The inner loop of word2vec's CPU engine: what it was compiled to, and how near it comes to the processor's bound.

    python benchmarks/word2vec_kernel.py TEXT [--size 100] [--words 5000000] [--repeats 5]

The bound is the same kernel on the same windows, with the words folded to so few that all rows lie in the first cache:
what is lost beyond it is waiting for memory. One thread; both take turns, and medians are compared. The instructions
are counted in the assembly of a kernel that was compiled just now. The text has a document on each line.
"""

import argparse
import os
import re
import statistics
import tempfile
import time
from collections import Counter
from typing import Any

import numpy as np

FEW = 24  # words whose vectors of 300 floats, read and predicted, would still fill 58 kB; those of 100 fit well


def count_instructions(kernel: Any) -> Counter[str]:
    """Multiply-adds in the assembly of a compiled function, by the width of their registers."""
    counts: Counter[str] = Counter()
    for assembly in kernel.inspect_asm().values():
        for line in assembly.splitlines():
            found = re.match(r"\s*(vfn?m(?:add|sub)\w*([ps])s|fmla)\s+(.*)", line)
            if found:
                name, kind, operands = found.groups()
                width = re.search(r"[xyz]mm|v\d+\.4s", operands)
                counts["scalar" if kind == "s" else width.group()[:3] if width else name] += 1
    return counts


def thinned(ids: Any, keep: np.ndarray) -> Any:
    """The words that sub-sampling leaves, so that all runs read the same ones."""
    from wordemb_hf.token_ids import Ids

    kept = np.random.default_rng(0).random(len(ids.ids)) < keep[ids.ids]
    ends = np.concatenate([[0], np.cumsum(kept)])
    return Ids(np.ascontiguousarray(ids.ids[kept]), ends[ids.offsets])


def main() -> None:
    """Count, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text")
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--words", type=int, default=5_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:  # code that was compiled before cannot be looked at
        os.environ["WORDEMB_HF_CACHE"] = folder
        measure(options)


def measure(options: argparse.Namespace) -> None:
    """Each kernel by itself."""
    import torch
    from wordemb_hf.modeling import Word2VecForPreTraining

    import wordemb_hf  # noqa: F401
    from wordemb_hf.families import make_config
    from wordemb_hf.objectives.windows import keep_probabilities
    from wordemb_hf.token_ids import Ids
    from wordemb_hf.word2vec import means, skipgram
    from wordemb_hf.word2vec.corpus_ids import index_corpus
    from wordemb_hf.word2vec.cpu_engine import CPUEngine

    tokenizer, ids = index_corpus(options.text, kind="whitespace", lowercase=False, max_size=None, threads=1)
    counts = ids.counts(len(tokenizer))
    last = min(options.words, len(ids.ids))
    offsets = np.append(ids.offsets[ids.offsets < last], last)
    text = thinned(Ids(ids.ids[:last], offsets), keep_probabilities(counts, 1e-3))
    folded = Ids((text.ids % FEW + 2).astype(np.int32), text.offsets)
    for algorithm, kernel in (("skipgram", skipgram.train_skipgram), ("cbow", means.train_cbow)):
        speeds: dict[str, list[float]] = {"text": [], "first cache": []}
        for repeat in range(options.repeats + 1):
            for name, given, size in (("text", text, len(tokenizer)), ("first cache", folded, FEW + 2)):
                config = make_config(
                    "word2vec", hidden_size=options.size, algorithm=algorithm, subsample_threshold=0.0, vocab_size=size
                )
                model = Word2VecForPreTraining(config)
                model.set_word_counts(torch.from_numpy(given.counts(size)))
                with CPUEngine(model, given, epochs=1, learning_rate=0.025, threads=1) as engine:
                    began = time.process_time()
                    engine.train()
                    if repeat:  # the first one compiles
                        speeds[name].append(last / (time.process_time() - began))
        medians = {name: statistics.median(values) for name, values in speeds.items()}
        found = ", ".join(f"{number} {width}" for width, number in sorted(count_instructions(kernel).items()))
        text_speed, bound = medians["text"], medians["first cache"]
        print(
            f"{algorithm}, size {options.size}: multiply-adds {found}; {text_speed / 1e6:.2f} M words per CPU second,"
            f" with all rows in the first cache {bound / 1e6:.2f} M: {text_speed / bound:.0%} of it",
            flush=True,
        )


if __name__ == "__main__":
    main()

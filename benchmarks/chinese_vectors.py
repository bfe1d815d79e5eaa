"""Chinese word vectors: characters, words and n-grams of characters beside gensim on jieba's words, from the same text.

    pip install 'wordemb-hf[zh]' gensim==4.4.0
    python benchmarks/chinese_vectors.py TEXT PAIRS [--seeds 3] [--size 200] [--epochs 5] [--only NAME ...]

TEXT is raw Chinese, a document on each line; spaces in it are taken out, also those between words that it is cut into.
PAIRS is wordsim-240 or another file of two words and a judgement. All share window 5, 5 noise words, words that occur 5
times or more, thinning out at 1e-4 and a rate of 0.04, on one thread. Each way of cutting is made once, each training
is a process of its own, and the rivals take turns. Printed are Spearman's correlation (mean and standard deviation over
the seeds), how many pairs are known, and the CPU seconds of cutting and of training.
"""

import argparse
import gzip
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import wordemb_hf
from wordemb_hf.vectors import KeyedVectors

# How `wordemb-hf tokenizer` cuts the text, and what `pretrain` is given beside the settings that all share.
CHARACTERS = [f"--set={name}" for name in ("num_ngram_buckets=500000", "min_ngram=1", "max_ngram=1")]
NGRAMS = [*CHARACTERS[:2], "--set=max_ngram=3"]
OURS: dict[str, tuple[list[str], list[str]]] = {
    "characters": (["--kind=char"], []),
    "words: jieba's": (["--kind=word-zh"], []),
    "words: jieba's and new ones": (["--kind=word-zh", "--new-words"], []),
    "words: learned": (["--kind=word-zh", "--learn"], []),
    "words and their characters": (["--kind=word-zh"], CHARACTERS),
    "words and 1-3 characters": (["--kind=word-zh"], NGRAMS),
}
GENSIM = "gensim, words by jieba"
WINDOW, NEGATIVES, MIN_COUNT, THRESHOLD, RATE = 5, 5, 5, 1e-4, 0.04


def cut_by_jieba(text: str, target: str) -> None:
    """Words with spaces between them, found by jieba as it comes, with its hidden Markov model."""
    import jieba

    with open(text, encoding="utf-8") as lines, open(target, "w", encoding="utf-8") as file:
        for line in lines:
            file.write(" ".join(jieba.lcut(line.strip())) + "\n")


def train_gensim(words: str, target: str, size: str, epochs: str, seed: str) -> None:
    """Skip-gram by gensim from a file of words."""
    from gensim.models import Word2Vec

    model = Word2Vec(
        corpus_file=words,
        vector_size=int(size),
        window=WINDOW,
        min_count=MIN_COUNT,
        sample=THRESHOLD,
        negative=NEGATIVES,
        alpha=RATE,
        sg=1,
        workers=1,
        seed=int(seed) + 1,
        epochs=int(epochs),
    )
    model.wv.save_word2vec_format(target)


STEPS = {"cut_by_jieba": cut_by_jieba, "train_gensim": train_gensim}


def seconds_of(command: list[str]) -> float:
    """Run it, and say the CPU seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def spell(vectors: KeyedVectors, pairs: Path) -> KeyedVectors:
    """Vectors of the words of a file, each the mean of its characters'."""
    asked = {word for line in pairs.read_text(encoding="utf-8").splitlines() for word in line.split()[:2]}
    known = sorted(word for word in asked if all(character in vectors for character in word))
    return KeyedVectors(known, np.stack([vectors[[*word]].mean(0) for word in known]))


def main() -> None:
    """Cut, train in turns, and print a line for each rival."""
    if sys.argv[1:2] and sys.argv[1] in STEPS:
        STEPS[sys.argv[1]](*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=[*OURS, GENSIM], default=[*OURS, GENSIM])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = folder / "raw.txt"
        opened = gzip.open if options.text.suffix == ".gz" else open
        with opened(options.text, "rt", encoding="utf-8") as lines, raw.open("w", encoding="utf-8") as file:
            file.writelines("".join(line.split()) + "\n" for line in lines)
        compare(raw, folder, options)


def compare(raw: Path, folder: Path, options: argparse.Namespace) -> None:
    """Every rival with every seed."""
    ways = {rival: " ".join(OURS[rival][0]) if rival in OURS else rival for rival in options.only}
    cuts = {way: str(folder / f"cut {number}") for number, way in enumerate(dict.fromkeys(ways.values()))}
    cutting: dict[str, float] = {}
    for way, place in cuts.items():
        if way == GENSIM:
            cutting[way] = seconds_of([__file__, "cut_by_jieba", str(raw), place])
        else:
            command = ["-m", "wordemb_hf", "tokenizer", "--corpus", str(raw), "--output", place]
            cutting[way] = seconds_of([*command, *way.split()])
    figures: dict[str, list[tuple[float, int, float]]] = {rival: [] for rival in options.only}
    for seed in range(options.seeds):
        for rival in options.only:
            cut = cuts[ways[rival]]
            output = folder / ("vectors.txt" if rival == GENSIM else "model")
            if rival == GENSIM:
                step = [__file__, "train_gensim", cut, str(output), str(options.size), str(options.epochs), str(seed)]
            else:
                step = ["-m", "wordemb_hf", "pretrain", "--corpus", str(raw), "--tokenizer", cut, "--overwrite"]
                step += [f"--output={output}", f"--hidden-size={options.size}", f"--epochs={options.epochs}"]
                step += [f"--window-size={WINDOW}", f"--num-negatives={NEGATIVES}", f"--learning-rate={RATE}"]
                step += [f"--subsample-threshold={THRESHOLD}", "--threads=1", f"--seed={seed}", *OURS[rival][1]]
            took = seconds_of(step)
            if rival == "characters":
                result = spell(KeyedVectors.load(output), options.pairs).evaluate_word_pairs(options.pairs)
            else:
                result = wordemb_hf.similarity(str(output), file=options.pairs)
            figures[rival].append((100 * result.spearman, result.pairs, took))
            print(f"{rival}, seed {seed}: {figures[rival][-1]}", file=sys.stderr, flush=True)
    for rival, runs in figures.items():
        found, known, took = zip(*runs, strict=True)
        spread = statistics.stdev(found) if len(found) > 1 else 0.0
        print(
            f"{rival:30} {statistics.mean(found):5.1f} ± {spread:3.1f} of {known[0]} pairs;"
            f" cutting {cutting[ways[rival]]:4.0f} CPU s, training {statistics.median(took):4.0f} CPU s"
        )


if __name__ == "__main__":
    main()

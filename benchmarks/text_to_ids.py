"""A large text counted and encoded to ids in a file: MB in a second, CPU seconds and memory, beside what others take.

    pip install gensim==4.4.0 jieba rjieba
    python benchmarks/text_to_ids.py [--data ../shared/data] [--megabytes 1000] [--chinese-megabytes 100]
        [--repeats 1] [--only english chinese] [--rivals NAME ...] [--word2vec PROGRAM]

English: `enwiki17m`, repeated. `index_corpus` is what word vectors are trained from (kinds `whitespace` and `word`),
`index_text` what language models are; both write a file of ids, and find none that was kept. gensim only counts
(`Word2Vec.build_vocab` over `LineSentence`), and so does word2vec.c without `-output`, if its compiled PROGRAM is named
(PyPI's source archive word2vec 0.11.1 has the file: gcc -O3 -march=native -funroll-loops word2vec.c -lm -pthread);
plain Python counts with a `Counter` and encodes with a `dict`. Chinese:
`news_zh`, repeated, or with `--raw FILE` another text; `word-zh` with jieba's dictionary beside jieba and rjieba with
the same `Counter` and `dict`. A MB is of UTF-8. Each run is a process of its own, the rivals take turns, and the
figures are medians, after a first run over a few MB, so that code is loaded and compiled.
"""

import argparse
import gzip
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

MIN_COUNT = 5
WORD2VEC_C = "word2vec.c, counts alone"


def vectors(text: Path, kind: str) -> int:
    """Tokenizer and ids, for word vectors."""
    from wordemb_hf.word2vec.corpus_ids import index_corpus

    return len(index_corpus(text, kind=kind, min_count=MIN_COUNT, max_size=None)[1].ids)


def language_model(text: Path, kind: str) -> int:
    """Tokenizer and ids, unknown words and ends of lines among them."""
    from wordemb_hf.indexing import index_text

    _, ids = index_text(
        [text],
        kind=kind,
        min_count=MIN_COUNT,
        max_size=None,
        lowercase=True,
        special_tokens=("</s>",),
        max_characters=None,
        text_column="text",
        line_ends=True,
    )
    return len(ids.ids)


def gensim_counts(text: Path) -> int:
    """Only the vocabulary."""
    from gensim.models import Word2Vec
    from gensim.models.word2vec import LineSentence

    model = Word2Vec(min_count=MIN_COUNT)
    model.build_vocab(LineSentence(str(text)))
    return model.corpus_total_words


def word2vec_c_counts(text: Path) -> int:
    """Only the vocabulary, in a process of its own."""
    program, words = os.environ["WORD2VEC_PROGRAM"], text.with_suffix(".words")
    command = [program, "-train", str(text), "-save-vocab", str(words), "-min-count", str(MIN_COUNT), "-debug", "2"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(told.rsplit(":", 1)[1])


def plain(text: Path, cut: Callable[[str], Iterable[str]]) -> int:
    """Counted with a `Counter`, encoded with a `dict`, line by line."""
    counts: Counter[str] = Counter()
    with text.open(encoding="utf-8") as lines:
        for line in lines:
            counts.update(cut(line))
    frequent = (word for word, count in counts.most_common() if count >= MIN_COUNT)
    numbers = {word: index for index, word in enumerate(frequent, 2)}
    tokens = 0
    with text.open(encoding="utf-8") as lines, text.with_suffix(".ids").open("wb") as file:
        for line in lines:
            ids = np.array([numbers[word] for word in cut(line) if word in numbers], np.int32)
            file.write(ids.data)
            tokens += len(ids)
    return tokens


def jieba_cut(text: Path) -> int:
    """jieba, HMM off."""
    import jieba

    return plain(text, lambda line: jieba.cut(line, HMM=False))


def rjieba_cut(text: Path) -> int:
    """rjieba, HMM off."""
    import rjieba

    return plain(text, lambda line: rjieba.cut(line, hmm=False))


def tokenizers_alone(text: Path) -> int:
    """Our tokenizer of Chinese words by the batches of tokenizers, without `BatchSegmenter`."""
    from wordemb_hf import token_ids
    from wordemb_hf.segmentation import batches, chinese_words

    def count(segmenter: object, texts: Iterable[str]) -> Counter[str]:
        counts: Counter[str] = Counter()
        for batch in token_ids.in_batches(texts):
            for encoding in segmenter.encode_batch(batch, add_special_tokens=False):
                counts.update(encoding.tokens)
        return counts

    batches.reads_in_batches = lambda tokenizer: False
    chinese_words.count_pieces = count
    from wordemb_hf.segmentation import building

    building.count_pieces = count
    return language_model(text, "word-zh")


RIVALS: dict[str, dict[str, Callable[[Path], int]]] = {
    "english": {
        "ours, vectors, whitespace": lambda text: vectors(text, "whitespace"),
        "ours, vectors, word": lambda text: vectors(text, "word"),
        "ours, language model, word": lambda text: language_model(text, "word"),
        "ours, language model, char": lambda text: language_model(text, "char"),
        "gensim, counts alone": gensim_counts,
        WORD2VEC_C: word2vec_c_counts,
        "Counter and dict": lambda text: plain(text, str.split),
    },
    "chinese": {
        "ours, language model, word-zh": lambda text: language_model(text, "word-zh"),
        "tokenizers alone, word-zh": tokenizers_alone,
        "ours, language model, char": lambda text: language_model(text, "char"),
        "jieba, Counter and dict": jieba_cut,
        "rjieba, Counter and dict": rjieba_cut,
    },
}


def measure(language: str, rival: str, text: Path) -> dict[str, float]:
    """One run, in this process."""
    os.environ["WORDEMB_HF_CACHE_GB"] = "0"
    first = text.with_suffix(".first.txt")
    with text.open(encoding="utf-8") as lines:
        first.write_text("".join(line for _, line in zip(range(20_000), lines, strict=False))[:6_000_000], "utf-8")
    RIVALS[language][rival](first)
    clock, cpu = time.perf_counter(), sum(os.times()[:4])
    tokens = RIVALS[language][rival](text)
    whose = resource.RUSAGE_CHILDREN if rival == WORD2VEC_C else resource.RUSAGE_SELF
    return {
        "clock": time.perf_counter() - clock,
        "cpu": sum(os.times()[:4]) - cpu,
        "memory": resource.getrusage(whose).ru_maxrss / 1e3,
        "tokens": tokens,
    }


def repeated(source: Path, target: Path, size: int) -> None:
    """The lines of a text, as often as make so many bytes."""
    with gzip.open(source) if source.suffix == ".gz" else source.open("rb") as file:
        content = file.read()
    content = content if content.endswith(b"\n") else content + b"\n"
    with target.open("wb") as file:
        while file.tell() + len(content) <= size:
            file.write(content)
        file.write(content[: content.rfind(b"\n", 0, size - file.tell()) + 1])


def main() -> None:
    """Make the texts, run the rivals by turns, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--megabytes", type=float, default=1000)
    parser.add_argument("--chinese-megabytes", type=float, default=100)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=tuple(RIVALS), default=tuple(RIVALS))
    parser.add_argument("--rivals", nargs="+")
    parser.add_argument("--word2vec", help="the compiled word2vec.c")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        print(json.dumps(measure(*given.run[:2], Path(given.run[2]))))
        return
    if given.word2vec:
        os.environ["WORD2VEC_PROGRAM"] = given.word2vec
    with tempfile.TemporaryDirectory() as folder:
        for language in given.only:
            text = Path(folder) / f"{language}.txt"
            if language == "english":
                repeated(given.data / "enwiki17m/enwiki17m.txt.gz", text, int(1e6 * given.megabytes))
            else:
                source = given.raw or given.data / "news_zh/train.txt"
                repeated(source, text, int(1e6 * given.chinese_megabytes))
            size = text.stat().st_size / 1e6
            print(f"{language}, {size:,.0f} MB")
            names = given.rivals or [name for name in RIVALS[language] if given.word2vec or name != WORD2VEC_C]
            runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
            for _ in range(given.repeats):
                for name, own in runs.items():
                    command = [sys.executable, __file__, "--run", language, name, str(text)]
                    own.append(json.loads(subprocess.check_output(command).splitlines()[-1]))
            for name, own in runs.items():
                clock, cpu, memory, tokens = (
                    statistics.median(run[column] for run in own) for column in ("clock", "cpu", "memory", "tokens")
                )
                print(
                    f"  {name:30} {clock:8.1f} s {size / clock:8.1f} MB/s {cpu:8.1f} CPU s {size / cpu:8.1f} MB/CPU s"
                    f" {memory:7.0f} MB  {int(tokens):,} tokens",
                    flush=True,
                )


if __name__ == "__main__":
    main()

"""Chinese words: how right, how fast and how large segmenters are, ours beside jieba and rjieba.

    pip install 'wordemb-hf[zh,fast]' rjieba
    python benchmarks/segmentation.py [--data ../shared/data] [--part dev] [--model FOLDER] [--repeats 5]
        [--only gold agreement loading speed discovery]

Right: F1 of words on `ud_zh_udc` (`--part test` for the test part), where everything that was chosen was chosen on the
development part. `--model` is the folder of a tagger of the tags B M E S, made by

    wordemb-hf finetune --data ud_zh_udc/train.cws.conll --dev ud_zh_udc/dev.cws.conll --family bilstm --output FOLDER

Agreement: F1 of Chinese words on `news_zh` beside `jieba.cut(HMM=False)`. Loading: a process of its own, which loads a
tokenizer and cuts one sentence. Speed: `news_zh`, the rivals taking turns, medians; the tokenizer's own threads are as
many as RAYON_NUM_THREADS says.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jieba
import rjieba
from measuring import compare, report

from wordemb_hf.corpus import read_texts
from wordemb_hf.segmentation.batches import BatchSegmenter
from wordemb_hf.segmentation.dictionaries import (
    counted_words,
    installed_dictionary,
    is_han,
    merged,
    read_segmented,
    scaled,
)
from wordemb_hf.segmentation.discovery import discover_words
from wordemb_hf.token_ids import in_batches
from wordemb_hf.vocabulary import build_tokenizer

MASS = 0.01  # of jieba's dictionary beside gold words
LOADED = """
import os, resource, sys, time
from tokenizers import Tokenizer
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
before, clock, cpu = resident(), time.perf_counter(), time.process_time()
loaded = Tokenizer.from_file(sys.argv[1])
loaded.encode("我们研究生命的起源")
print(loaded.get_vocab_size(), time.perf_counter() - clock, time.process_time() - cpu, resident() - before)
"""


def spans(words: Iterator[str] | list[str]) -> set[tuple[int, int]]:
    """Where words begin and end in the sentence that they make, end to end."""
    found, start = set(), 0
    for word in words:
        found.add((start, start + len(word)))
        start += len(word)
    return found


def f1(gold: list[set[tuple[int, int]]], found: list[set[tuple[int, int]]]) -> float:
    """Of words: twice those that both have, by those that each has; times 100."""
    both = sum(len(one & other) for one, other in zip(gold, found, strict=True))
    return 200 * both / (sum(map(len, gold)) + sum(map(len, found)))


def tokenizer_spans(tokenizer, sentences: list[str]) -> list[set[tuple[int, int]]]:
    """Where the tokens of each sentence begin and end."""
    encodings = tokenizer.backend_tokenizer.encode_batch(sentences, add_special_tokens=False)
    return [set(encoding.offsets) for encoding in encodings]


def gold_table(data: Path, part: str, model: str | None) -> None:
    """F1 on segmented sentences."""
    cut = {name: list(read_segmented(data / f"ud_zh_udc/{name}.cws.conll")) for name in ("train", part)}
    gold = [spans(words) for words in cut[part]]
    sentences = ["".join(words) for words in cut[part]]
    training = ["".join(words) for words in cut["train"]]
    news = list(read_texts(data / "news_zh/train.txt"))
    own, jiebas = counted_words(cut["train"]), installed_dictionary()
    mixed = merged([own, scaled(jiebas, MASS * sum(own.values()))])

    print(f"F1 on the {part} part of ud_zh_udc")
    cutters: dict[str, Callable[[str], list[str]]] = {
        "jieba": jieba.lcut,
        "jieba, HMM off": lambda text: jieba.lcut(text, HMM=False),
        "rjieba": lambda text: rjieba.cut(text),
        "rjieba, HMM off": lambda text: rjieba.cut(text, hmm=False),
    }
    for name, cutter in cutters.items():
        print(f"  {name:44} {f1(gold, [spans(cutter(sentence)) for sentence in sentences]):6.2f}")
    for name, words, texts in (
        ("ours, jieba's dictionary", jiebas, training),
        ("ours, words of the training part", own, training),
        ("ours, these and 1 % of jieba's", mixed, training),
        ("ours, learned from raw news", discover_words(news), news),
        ("ours, learned from raw news + training part", discover_words(news + training), news + training),
    ):
        # As the verb does, but that words are kept which the text does not use.
        made = _segmenter(texts, words)
        print(f"  {name:44} {f1(gold, tokenizer_spans(made, sentences)):6.2f}")
    if model is not None:
        from wordemb_hf.segmentation.by_model import ModelSegmenter
        from wordemb_hf.training import make_accelerator

        found = ModelSegmenter(model, make_accelerator())(sentences)
        print(f"  {'ours, ' + model:44} {f1(gold, [spans(words) for words in found]):6.2f}")


def _segmenter(texts: list[str], words: dict[str, float], min_count: int = 0):
    """With `min_count` 0, a tokenizer of all words of a dictionary."""
    from wordemb_hf.segmentation.building import build_segmenter
    from wordemb_hf.tokenizer_kinds import PAD, UNK, as_transformers

    if min_count:
        return build_tokenizer(texts, kind="word-zh", dictionary=words, min_count=min_count, max_size=None)
    made = build_segmenter(texts, words, min_count=0, max_size=None, lowercase=True, specials=[PAD, UNK])
    return as_transformers(made, [PAD, UNK])


def agreement(texts: list[str]) -> None:
    """F1 of Chinese words beside jieba's, for the whole dictionary and for what the text uses of it."""

    def chinese(text: str, places: set[tuple[int, int]]) -> set[tuple[int, int]]:
        return {place for place in places if is_han(text[slice(*place)])}

    wanted = [chinese(text, spans(jieba.lcut(text, HMM=False))) for text in texts]
    for name, min_count in (("whole dictionary", 0), ("words of the text", 1), ("… five times and more", 5)):
        made = _segmenter(texts, installed_dictionary(), min_count)
        found = [chinese(*pair) for pair in zip(texts, tokenizer_spans(made, texts), strict=True)]
        print(f"  {name:44} {f1(wanted, found):6.2f}  ({len(made):,} entries)")


def loading(texts: list[str], repeats: int) -> None:
    """Seconds and memory of a tokenizer in a process of its own."""
    entries = dict(sorted(installed_dictionary().items(), key=lambda item: -item[1])[:92_000])
    with tempfile.TemporaryDirectory() as folder:
        for name, made in (
            ("news_zh", _segmenter(texts, installed_dictionary(), 1)),
            ("large", _segmenter(texts, entries)),
        ):
            path = Path(folder) / f"{name}.json"
            made.backend_tokenizer.save(str(path))
            runs = [
                list(map(float, subprocess.check_output([sys.executable, "-c", LOADED, str(path)]).split()))
                for _ in range(repeats)
            ]
            size, clock, cpu, memory = (statistics.median(column) for column in zip(*runs, strict=True))
            print(
                f"  {int(size):7,} entries, {path.stat().st_size / 1e6:.1f} MB: "
                f"{clock:.2f} s, {cpu:.2f} CPU s, {memory:.0f} MB"
            )


def speed(texts: list[str], repeats: int) -> None:
    """Characters in a second, one text at a time and in batches."""
    made = _segmenter(texts, installed_dictionary(), 1)
    backend, batches = made.backend_tokenizer, list(in_batches(texts))
    characters = sum(map(len, texts))
    reader = BatchSegmenter(backend)
    measured = compare(
        {
            "jieba, HMM off": lambda: [jieba.lcut(text, HMM=False) for text in texts],
            "jieba": lambda: [jieba.lcut(text) for text in texts],
            "rjieba, HMM off": lambda: [rjieba.cut(text, hmm=False) for text in texts],
            "ours, text by text": lambda: [backend.encode(text).ids for text in texts],
            "ours, the tokenizer's batches": lambda: [backend.encode_batch_fast(batch) for batch in batches],
            "ours, a corpus to ids": lambda: [reader.encode(batch) for batch in batches],
            "ours, a corpus counted": lambda: [reader.count(batch) for batch in batches],
        },
        repeats,
    )
    report(f"{characters:,} characters, {os.environ.get('RAYON_NUM_THREADS', 'all')} threads", measured)
    for name, (wall, cpu) in measured.items():
        print(
            f"  {name:32} {characters / wall / 1e3:9,.0f} thousand characters/s {characters / cpu / 1e3:9,.0f} /CPU s"
        )


def discovery(texts: list[str]) -> None:
    """Seconds to learn words from raw text."""
    clock, cpu = time.perf_counter(), time.process_time()
    words = discover_words(texts)
    print(
        f"  {sum(map(len, texts)):,} characters: {len(words):,} words in {time.perf_counter() - clock:.1f} s, "
        f"{time.process_time() - cpu:.1f} CPU s"
    )


def main() -> None:
    """Print what is asked for."""
    sections = ("gold", "agreement", "loading", "speed", "discovery")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--part", choices=("dev", "test"), default="dev")
    parser.add_argument("--only", nargs="+", choices=sections, default=sections)
    parser.add_argument("--model")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    jieba.setLogLevel("ERROR")
    jieba.initialize()
    texts = list(read_texts(given.data / "news_zh/train.txt"))
    if "gold" in given.only:
        gold_table(given.data, given.part, given.model)
    if "agreement" in given.only:
        print("agreement with jieba, HMM off, on news_zh")
        agreement(texts)
    if "loading" in given.only:
        print("loading")
        loading(texts, given.repeats)
    if "speed" in given.only:
        speed(texts[:10_000], given.repeats)
    if "discovery" in given.only:
        print("words from raw text")
        discovery(texts)


if __name__ == "__main__":
    main()

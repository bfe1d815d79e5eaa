"""Reading word vectors from files, beside gensim: the same file, by turns, medians, CPU seconds.

    python benchmarks/vector_files.py [--words 40000 --width 300 --repeats 3]

The file is made of random words and numbers, as text with 5 decimals (as fastText writes it) or all digits (as gensim
does), and as word2vec's binary.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from gensim.models import KeyedVectors
from measuring import compare, report

from wordemb_hf.vectors import text_vectors
from wordemb_hf.vectors.formats import FORMATS, read_vectors
from wordemb_hf.vectors.word_table import WordTable


def read_without_numba(path: Path) -> WordTable:
    """The fall-back, where the extra `fast` is not installed."""
    found, text_vectors.find_spec = text_vectors.find_spec, lambda name: None
    try:
        return read_vectors(path)
    finally:
        text_vectors.find_spec = found


def main() -> None:
    """Make the files, read them, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=40_000)
    parser.add_argument("--width", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(given.words, given.width)).astype(np.float32)
    words = [f"w{row}" for row in range(given.words)]
    with tempfile.TemporaryDirectory() as folder:
        digits, rounded, binary = (Path(folder) / name for name in ("digits.txt", "rounded.txt", "vectors.bin"))
        FORMATS["word2vec"].write(WordTable(words, matrix), digits)
        FORMATS["word2vec-binary"].write(WordTable(words, matrix), binary)
        with rounded.open("w") as file:
            file.write(f"{given.words} {given.width}\n")
            for word, row in zip(words, matrix.tolist(), strict=True):
                file.write(f"{word} {' '.join(f'{number:.5f}' for number in row)}\n")
        for path in (rounded, digits):
            ours, theirs = read_vectors(path), KeyedVectors.load_word2vec_format(path)
            assert ours.words == theirs.index_to_key and np.array_equal(ours.matrix, theirs.vectors)
            target = Path(folder) / "matrix"
            measured = compare(
                {
                    "ours": lambda path=path: read_vectors(path),
                    "ours, matrix on disk": lambda path=path, target=target: read_vectors(path, target=target),
                    "ours, without Numba": lambda path=path: read_without_numba(path),
                    "gensim": lambda path=path: KeyedVectors.load_word2vec_format(path),
                },
                given.repeats,
            )
            report(f"{path.name}, {path.stat().st_size / 1e6:.0f} MB", measured)
        measured = compare(
            {
                "ours": lambda: read_vectors(binary),
                "gensim": lambda: KeyedVectors.load_word2vec_format(binary, binary=True),
            },
            given.repeats,
        )
        report(f"{binary.name}, {binary.stat().st_size / 1e6:.0f} MB", measured)


if __name__ == "__main__":
    main()

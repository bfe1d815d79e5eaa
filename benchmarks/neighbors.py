"""Nearest neighbours of a batch of words: our exact search beside gensim's, and an approximate index.

    pip install gensim==4.4.0 faiss-cpu
    python benchmarks/neighbors.py [--words 100000] [--width 100] [--queries 1 100 1000] [--threads 1] [--top 10]

Vectors are random, the hardest for an index. The rivals take turns on the same queries; medians of the clock and of CPU
seconds. The rivals' answers are compared before anything is measured.
"""

import argparse
import os
import sys
import time

from measuring import compare, report


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--words", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=100)
    parser.add_argument("--queries", type=int, nargs="+", default=[1, 100, 1000])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--top", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--index", action="store_true", help="an approximate index as well")
    options = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != str(options.threads):  # read when NumPy is loaded
        os.environ["OMP_NUM_THREADS"] = str(options.threads)
        os.execv(sys.executable, [sys.executable, *sys.argv])

    import numpy as np

    from wordemb_hf.vectors import KeyedVectors

    rng = np.random.default_rng(0)
    names = [f"word{index}" for index in range(options.words)]
    ours = KeyedVectors(names, rng.standard_normal((options.words, options.width), dtype=np.float32))
    gensim = ours.to_gensim()
    index = None
    if options.index:
        from wordemb_hf.vectors.approximate import ApproximateIndex

        began = time.process_time()
        index = ApproximateIndex(ours)
        print(f"the index took {time.process_time() - began:.1f} CPU seconds to make")
    for count in options.queries:
        asked = [names[row] for row in rng.choice(options.words, count, replace=False)]
        rivals = {
            "ours": lambda asked=asked: ours.nearest_each(asked, options.top),
            "gensim": lambda asked=asked: [gensim.most_similar(word, topn=options.top) for word in asked],
        }
        wanted, theirs = (rival() for rival in rivals.values())
        same = sum(dict(one).keys() == dict(other).keys() for one, other in zip(wanted, theirs, strict=True))
        title = f"{count} queries among {options.words} words of width {options.width}: {same} answers are the same"
        if index is not None:
            rivals["index"] = lambda asked=asked: index.nearest_each(asked, options.top)
            found = rivals["index"]()
            shared = sum(len(dict(one).keys() & dict(other).keys()) for one, other in zip(wanted, found, strict=True))
            title += f"; the index finds {100 * shared / (count * options.top):.1f} % of them"
        report(title, compare(rivals, options.repeats))


if __name__ == "__main__":
    main()

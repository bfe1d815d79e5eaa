"""The most probable words of Chinese characters, for a million of them at once: the best path of a Unigram model.

What `tokenizers` finds sentence by sentence (Kudo 2018, "Subword Regularization", ACL, section 3.2) is found here for
all sentences side by side, by the same sums in the same order, so that ties fall to the same words.
"""

from collections.abc import Iterator, Mapping

import numpy as np

LONGEST_RUN = 2000  # characters that stand together; each of them is a step
END = ord("\n")  # behind each run

_NOTHING = -2
_UNKNOWN = 10.0  # nats by which an unknown character is less probable than anything known
_LETTERS = np.uint64(2**21)  # more than Unicode has
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Fibonacci hashing (Knuth, volume 3, section 6.4)


class Lattice:
    """A trie of words, and the best path through the words of a text.

    Args:
        scores: words, and their log-probabilities.
        least: the lowest log-probability of the model, where it has other words too.
    """

    def __init__(self, scores: Mapping[str, float], least: float = 0.0):
        words = list(scores)
        own = np.fromiter(scores.values(), np.float64, len(words))
        self._scores = np.append(own, min(least, own.min(initial=0.0)) - _UNKNOWN)  # the last is that of number -1
        lengths = np.fromiter(map(len, words), np.int64, len(words))
        starts = np.cumsum(lengths) - lengths
        text = np.frombuffer("".join(words).encode("utf-32-le"), np.uint32).astype(np.uint64)
        nodes = np.zeros(len(words), np.uint64)  # where each word has come to; the root is 0
        keys, ends, known = [np.zeros(0, np.uint64)], [np.array([-1])], 1
        self._longest = int(lengths.max(initial=1))
        for depth in range(self._longest):
            going = np.flatnonzero(lengths > depth)
            different, where = np.unique(nodes[going] * _LETTERS + text[starts[going] + depth], return_inverse=True)
            nodes[going] = (where + known).astype(np.uint64)
            ending = np.full(len(different), -1)
            last = lengths[going] == depth + 1
            ending[where[last]] = going[last]
            keys.append(different)
            ends.append(ending)
            known += len(different)
        self._ends = np.concatenate(ends)  # the number of the word that ends at each node, or -1
        self._children = _Places(np.concatenate(keys))

    def cut(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cut runs of characters into words.

        Args:
            codes: code points of runs of at most `LONGEST_RUN` characters with `END` behind each, uint32
                `(characters,)`.

        Returns:
            Where each word begins, in order, and which it is by its place in `scores`, both int64 `(words,)`; -1 for an
            unknown character.
        """
        stops = np.flatnonzero(codes == END)
        begins = np.append(0, stops[:-1] + 1)[: len(stops)]
        origin = np.repeat(begins, stops - begins + 1)  # of the run of each place
        starts, lengths, words = self._found(codes, np.flatnonzero(codes != END))
        # By their distance from the beginning of the run, and their length: each group is a step of all runs at once.
        keys = (starts - origin[starts]) * self._longest + lengths - 1
        keys = keys.astype(np.min_scalar_type(LONGEST_RUN * self._longest))  # 16 bits, which are sorted by radix
        order = np.argsort(keys, kind="stable")
        starts, words, weights = starts[order], words[order], self._scores[words[order]]
        sizes = np.bincount(keys)
        groups = np.flatnonzero(sizes)
        best = np.full(len(codes), -np.inf)  # of the words that end before each place
        best[begins] = 0.0
        step, word = np.zeros(len(codes), np.int64), np.zeros(len(codes), np.int64)  # the last of these words
        last = 0
        for group, size in zip(groups.tolist(), sizes[groups].tolist(), strict=True):
            first, last = last, last + size
            length = group % self._longest + 1
            start = starts[first:last]
            total = best[start] + weights[first:last]
            better = total > best[start + length]
            target = start[better] + length
            best[target], step[target], word[target] = total[better], length, words[first:last][better]
        return _followed(origin, stops, step, word)

    def words_within(self, codes: np.ndarray) -> np.ndarray:
        """The places in `scores` of all words that stand in runs of characters, on whatever path: int64 `(words,)`.

        Args:
            codes: as in `cut`, but runs may be of any length.
        """
        found = self._found(codes, np.flatnonzero(codes != END))[2]
        return np.flatnonzero(np.bincount(found[found >= 0]))

    def _found(self, codes: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All words at all places: where each begins, how long it is, and its number, -1 for an unknown character."""
        starts, lengths, words = [], [], []
        nodes = np.zeros(len(places), np.int64)
        letters = codes.astype(np.uint64)
        depth = 0
        while depth == 0 or len(places):
            children = self._children[nodes.astype(np.uint64) * _LETTERS + letters[places + depth]] + 1
            depth += 1
            ending = self._ends[children]
            ends_here = ending >= 0 if depth > 1 else np.ones(len(places), bool)
            starts.append(places[ends_here])
            words.append(ending[ends_here])
            lengths.append(np.full(len(words[-1]), depth))
            places, nodes = places[children > 0], children[children > 0]
        return np.concatenate(starts), np.concatenate(lengths), np.concatenate(words)


def _followed(
    origin: np.ndarray, stops: np.ndarray, step: np.ndarray, word: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The path from the end of each run back to its origin, as `Lattice.cut` returns it."""
    number = np.full(len(step), _NOTHING)
    stops = stops[stops > origin[stops]]
    while len(stops):
        before = stops - step[stops]
        number[before] = word[stops]
        stops = before[before > origin[before]]
    places = np.flatnonzero(number != _NOTHING)
    return places, number[places]


def in_parts(codes: np.ndarray, size: int = 1 << 18) -> Iterator[np.ndarray]:
    """Runs of characters as `Lattice.cut` takes them, in parts of about so many characters."""
    stops = np.flatnonzero(codes == END)
    start = 0
    while start < len(codes):
        stop = int(stops[min(int(np.searchsorted(stops, start + size)), len(stops) - 1)]) + 1
        yield codes[start:stop]
        start = stop


class _Places:
    """Where each of many different numbers stands in an array: a hash table with open addressing.

    Args:
        keys: uint64 `(keys,)`.
    """

    def __init__(self, keys: np.ndarray):
        bits = max(int(2 * len(keys)).bit_length(), 4)
        self._shift = np.uint64(64 - bits)
        self._mask = (1 << bits) - 1
        self._keys = np.zeros(1 << bits, np.uint64)
        self._numbers = np.full(1 << bits, -1)
        left = np.arange(len(keys))
        slots = (keys * _GOLDEN >> self._shift).astype(np.int64)
        while len(left):
            free = self._numbers[slots] < 0
            self._numbers[slots[free]] = left[free]
            placed = self._numbers[slots] == left
            self._keys[slots[placed]] = keys[left[placed]]
            left, slots = left[~placed], slots[~placed] + 1 & self._mask

    def __getitem__(self, keys: np.ndarray) -> np.ndarray:
        """The place of each key, -1 where there is none: int64 `(keys,)`."""
        slots = (keys * _GOLDEN >> self._shift).astype(np.int64)
        found = self._numbers[slots]
        left = np.flatnonzero((self._keys[slots] != keys) & (found >= 0))
        while len(left):
            slots[left] = slots[left] + 1 & self._mask
            found[left] = self._numbers[slots[left]]
            left = left[(self._keys[slots[left]] != keys[left]) & (found[left] >= 0)]
        return found

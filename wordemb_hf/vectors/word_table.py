"""Words and their vectors as files hold them: the one value between reading a format and writing another."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import UserError
from ..messages import translate
from ..tokenization.ngram_hashing import NgramScheme, hash_ngrams

_WORDS = 1024  # whose n-grams' rows are in memory at a time
_ALL_NGRAMS = 4096  # of a word; longer words than any have more
END_OF_LINE = "</s>"  # a word of fastText's without n-grams


@dataclass
class NgramRows:
    """What fastText makes words of: a row for each word, and one for each bucket of hashed n-grams.

    Shapes: own `(words, width)`; buckets `(buckets, width)`; both float32, perhaps memory-mapped.

    Args:
        own: the words' own rows.
        buckets: the rows of buckets.
        min_ngram: characters of an n-gram, at least.
        max_ngram: characters of an n-gram, at most; 0 for none.
    """

    own: np.ndarray
    buckets: np.ndarray
    min_ngram: int
    max_ngram: int

    def of(self, word: str) -> list[int]:
        """The rows of `buckets` that a word has."""
        if not self.max_ngram or not len(self.buckets) or word == END_OF_LINE:
            return []
        scheme = NgramScheme(len(self.buckets), self.min_ngram, self.max_ngram, _ALL_NGRAMS)
        # Past the cache, which would keep thousands of zeros for each word.
        return [bucket - 1 for bucket in hash_ngrams.__wrapped__(word, scheme) if bucket]

    def unseen(self, word: str) -> np.ndarray | None:
        """The mean of the rows of its n-grams, `(width,)`; None for a word without any."""
        rows = self.of(word)
        return np.asarray(self.buckets[rows], np.float32).mean(0) if rows else None

    def compose(self, words: Sequence[str], vectors: np.ndarray) -> None:
        """Write the vectors of known words, the means of all their rows, to `vectors (words, width)`."""
        for start in range(0, len(words), _WORDS):
            part = words[start : start + _WORDS]
            rows = [self.of(word) for word in part]
            sums = np.array(self.own[start : start + len(part)], np.float32)  # (part, width)
            counts = np.array([1 + len(own) for own in rows])
            flat = [bucket for own in rows for bucket in own]
            if flat:
                places = np.repeat(np.arange(len(part)), counts - 1)
                np.add.at(sums, places, self.buckets[flat])
            vectors[start : start + len(part)] = sums / counts[:, None].astype(np.float32)


@dataclass
class Classifier:
    """fastText's classifier: a linear layer on the mean of all rows of a text.

    Args:
        labels: their names.
        counts: how often each occurred in training.
        weight: float32 `(labels, width)`.
        activation: `softmax`, `sigmoid`, or `tree` for hierarchical softmax.
        max_word_ngram: words in a hashed group of words, at most; 1 for none.
    """

    labels: list[str]
    counts: list[int]
    weight: np.ndarray
    activation: str
    max_word_ngram: int = 1


@dataclass
class WordTable:
    """Words and their vectors.

    Shapes: matrix float32 `(words, width)`, perhaps memory-mapped; counts int64 `(words,)`.

    Args:
        words: different ones, in the order of the file, which mostly is that of their frequency.
        matrix: their vectors.
        counts: how often each occurred, where the file knows.
        ngrams: what the vectors are made of, where they are.
        classifier: that of a supervised fastText model.
        lowercase: whether a word is to be put into lower case before it is looked up, where the file knows.
        training: further settings that the file tells of, by their fastText names.
        notes: what was lost in reading, as sentences.
    """

    words: list[str]
    matrix: np.ndarray
    counts: np.ndarray | None = None
    ngrams: NgramRows | None = None
    classifier: Classifier | None = None
    lowercase: bool | None = None
    training: dict[str, int | float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return self.matrix.shape[1]

    def compose(self, word: str) -> np.ndarray | None:
        """The vector of a word that is not among `words`, `(width,)`; None where it has none."""
        return None if self.ngrams is None else self.ngrams.unseen(word)

    def check(self, source: object) -> "WordTable":
        """The same table, after a look at what every format promises.

        Raises:
            UserError: without any word, or with a word that is there twice.
        """
        if not self.words:
            raise UserError(f"{source} holds no words")
        if len(self.words) != len(self.matrix):
            raise UserError(f"{source} has {len(self.words)} words, but {len(self.matrix)} vectors")
        if len(set(self.words)) == len(self.words):
            return self
        rows = sorted({word: row for row, word in reversed(list(enumerate(self.words)))}.values())
        return self._only(rows, len(self.words) - len(rows))

    def _only(self, rows: list[int], repeated: int) -> "WordTable":
        """The first of each of the repeated words; the matrix is closed up where it stands."""
        matrix = self.matrix if self.matrix.flags.writeable else np.array(self.matrix)
        for start in range(0, len(rows), _WORDS):
            part = rows[start : start + _WORDS]
            matrix[start : start + len(part)] = matrix[part]
        self.words, self.matrix = [self.words[row] for row in rows], matrix[: len(rows)]
        self.counts = None if self.counts is None else self.counts[rows]
        if self.ngrams is not None:
            self.ngrams.own = self.ngrams.own[rows]
        self.notes.append(
            translate("{count} words are there more than once; the first vector of each was kept.", count=repeated)
        )
        return self

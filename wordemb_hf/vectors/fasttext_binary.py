"""fastText's binary model, version 12 (and 11), as `fasttext skipgram`, `cbow` and `supervised` write it.

    int32     793712314, version
    int32     dim ws epoch minCount neg wordNgrams loss model bucket minn maxn lrUpdateRate;  float64  t
    int32     entries, words, labels;  int64  tokens, pruned (-1 for not)
    an entry  its bytes in UTF-8, a zero byte, int64 count, int8 0 for a word and 1 for a label; words come first
    bool      quantised;  int64 rows, columns;  float32 rows of words, then of buckets of n-grams
    bool      quantised;  int64 rows, columns;  float32 output vectors, of words or of labels

All in little endian. A word's vector is the mean of its row and those of its n-grams.
"""

import struct
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import UserError
from ..messages import translate
from .matrices import MAX_WIDTH, MatrixBuilder, all_finite
from .packed_files import open_packed, pack, reading_bar
from .word_table import Classifier, NgramRows, WordTable

MAGIC = 793712314
_ARGS = (
    "dim",
    "ws",
    "epoch",
    "min_count",
    "neg",
    "word_ngrams",
    "loss",
    "model",
    "bucket",
    "minn",
    "maxn",
    "lr_update",
)
_DEFAULTS = {"ws": 5, "epoch": 5, "min_count": 1, "neg": 5, "word_ngrams": 1, "lr_update": 100, "t": 1e-4}
_LOSSES = {1: "tree", 2: "sigmoid", 3: "softmax", 4: "sigmoid"}  # hierarchical, negative sampling, softmax, one-vs-all
_SUPERVISED, _SKIPGRAM, _NEGATIVE_SAMPLING, _SOFTMAX, _ONE_VS_ALL = 3, 2, 2, 3, 4
_MAX_WORD = 1 << 16
_LABEL = "__label__"


def sniff(head: bytes) -> bool:
    """Whether a file begins as fastText's do."""
    return head[:4] == struct.pack("<i", MAGIC)


def read(path: Path, limit: int | None = None, target: Path | None = None, progress: bool = False) -> WordTable:
    """Read words, n-grams and, of a supervised model, the classifier.

    Rows of a file that is not packed stay on disk, memory-mapped. With `limit`, n-grams are read all the same. The
    arguments are those of `text_vectors.read`.

    Raises:
        UserError: for a quantised model, or a file that is damaged.
    """
    with open_packed(path) as (file, size), reading_bar(size, progress):
        reader = _Reader(path, file, size)
        if reader.take("<i", "its beginning")[0] != MAGIC:
            raise UserError(f"{path} is no fastText model: it does not begin with {MAGIC}")
        (version,) = reader.take("<i", "its version")
        if version not in (11, 12):
            raise UserError(f"{path} is of fastText's version {version}, but must be of 11 or 12")
        args: dict[str, Any] = dict(zip(_ARGS, reader.take("<12i", "its settings"), strict=True))
        args["t"] = reader.take("<d", "its settings")[0]
        supervised = args["model"] == _SUPERVISED
        if version == 11 and supervised:
            args["maxn"] = 0  # as fastText itself reads it
        if not (1 <= args["dim"] <= MAX_WIDTH and args["bucket"] >= 0 and args["word_ngrams"] <= 100):
            raise UserError(
                f"{path} has vectors of width {args['dim']} and {args['bucket']} buckets, which no fastText model has"
            )
        if args["maxn"] > 0 and not 1 <= args["minn"] <= args["maxn"] <= 1000:
            raise UserError(f"{path} has n-grams of {args['minn']} to {args['maxn']} characters, which there are not")
        entries, count_words, count_labels, args["tokens"], pruned = reader.take("<3i2q", "the size of its vocabulary")
        if min(entries, count_words, count_labels) < 0 or entries != count_words + count_labels:
            raise UserError(f"{path} has {entries} entries, but {count_words} words and {count_labels} labels")
        if pruned >= 0:
            raise UserError(_quantised(path))
        words, counts = reader.entries(entries, count_words)
        rows = reader.matrix(args["dim"], "vectors of words")
        outputs = reader.matrix(args["dim"], "output vectors")
        reader.end()
    used = args["maxn"] > 0 or args["word_ngrams"] > 1
    if len(rows) < count_words + (args["bucket"] if used else 0):
        raise UserError(f"{path} has {len(rows):,} rows, but {count_words:,} words and {args['bucket']:,} buckets")
    kept = count_words if limit is None else min(limit, count_words)
    buckets = rows[count_words : count_words + args["bucket"]] if used else rows[:0]
    ngrams = NgramRows(rows[:kept], buckets, max(args["minn"], 1), max(args["maxn"], 0))
    classifier = None
    if supervised:
        if len(outputs) < count_labels:
            raise UserError(f"{path} has {count_labels} labels, but output vectors of {len(outputs)}")
        labels = [label.removeprefix(_LABEL) for label in words[count_words:]]
        numbers = counts[count_words:].tolist()
        activation = _LOSSES.get(args["loss"], "softmax")
        classifier = Classifier(labels, numbers, outputs[:count_labels], activation, max(args["word_ngrams"], 1))
    if used:
        builder = MatrixBuilder(args["dim"], kept, target)
        ngrams.compose(words[:kept], builder.free()[:kept])
        builder.add(kept)
        matrix = builder.close()
    else:
        matrix = np.asarray(ngrams.own)
    if not all_finite(matrix):
        raise UserError(f"{path} has a vector that holds no finite number")
    notes = []
    if not supervised:
        notes.append(translate("The output vectors, which only training needs, are left out."))
    table = WordTable(words[:kept], matrix, counts[:kept], ngrams if used else None, classifier, False, args, notes)
    return table.check(path)


def _quantised(path: Path) -> str:
    return f"{path} is quantised, which is not supported: convert the .bin that `fasttext quantize` made it from"


class _Reader:
    """Numbers, words and matrices of a file, none larger than the file is."""

    def __init__(self, path: Path, file: IO[bytes], size: int | None):
        self._path, self._file, self._size, self._at = path, file, size, 0
        self._ahead = b""  # read from the file, but not yet taken

    def _bytes(self, count: int, what: str) -> bytes:
        data = self._ahead[:count]
        self._ahead = self._ahead[count:]
        data += self._file.read(count - len(data))
        self._at += len(data)
        if len(data) < count:
            raise UserError(f"{self._path} ends within {what}")
        return data

    def take(self, form: str, what: str) -> tuple:
        """Numbers, in struct's notation."""
        return struct.unpack(form, self._bytes(struct.calcsize(form), what))

    def entries(self, count: int, count_words: int) -> tuple[list[str], np.ndarray]:
        """Words and labels, and how often each occurred."""
        self._check(count * 10, f"{count:,} words")
        words: list[str] = []
        counts: list[int] = []
        pending = self._ahead
        while len(words) < count:
            zero = pending.find(b"\0")
            if zero < 0 or len(pending) < zero + 10:
                if len(pending) > _MAX_WORD + 10:
                    raise UserError(f"{self._path}: word {len(words) + 1:,} is longer than {_MAX_WORD:,} bytes")
                more = self._file.read(1 << 12)
                if not more:
                    raise UserError(f"{self._path} ends within its vocabulary, of which {count:,} entries are promised")
                pending += more
                continue
            try:
                words.append(pending[:zero].decode())
            except UnicodeDecodeError:
                raise UserError(
                    f"{self._path}: word {len(words) + 1:,}, {pending[:zero][:40]!r}, is no UTF-8"
                ) from None
            number, kind = struct.unpack_from("<qb", pending, zero + 1)
            if kind != (len(words) > count_words):
                raise UserError(
                    f"{self._path}: entry {len(words):,} is of kind {kind}, out of the order of words and labels"
                )
            counts.append(number)
            pending = pending[zero + 10 :]
            self._at += zero + 10
        self._ahead = pending
        return words, np.array(counts, np.int64)

    def matrix(self, width: int, what: str) -> np.ndarray:
        """A matrix that is not quantised, float32 `(rows, width)`."""
        quantised = self._bytes(1, what)
        if quantised != b"\0":
            raise UserError(_quantised(self._path))
        rows, columns = self.take("<2q", what)
        if rows < 0 or columns != width:
            raise UserError(f"{self._path}: the {what} are {rows} of width {columns}, but should have width {width}")
        self._check(rows * columns * 4, f"{rows:,} {what} of width {columns}")
        if self._size is not None:
            place = self._at
            self._at += rows * columns * 4
            self._file.seek(self._at)
            self._ahead = b""
            if not rows:
                return np.empty((0, columns), np.float32)
            return np.memmap(self._path, "<f4", "r", place, (rows, columns))
        builder = MatrixBuilder(columns)
        for start in range(0, rows, 4096):
            part = min(4096, rows - start)
            builder.append(np.frombuffer(self._bytes(part * columns * 4, what), "<f4").reshape(part, columns))
        return builder.close()

    def _check(self, count: int, what: str) -> None:
        if self._size is not None and self._at + count > self._size:
            raise UserError(f"{self._path} promises {what}, which its {self._size:,} bytes cannot hold")

    def end(self) -> None:
        """Nothing may follow."""
        if self._ahead or self._file.read(1):
            raise UserError(f"{self._path} goes on behind its last matrix")


def write(table: WordTable, path: Path) -> None:
    """Write a model that fastText and gensim load; its output vectors are zeros, or those of the classifier."""
    ngrams, classifier = table.ngrams, table.classifier
    rows = [row for row, word in enumerate(table.words) if "\0" not in word]
    buckets = np.empty((0, table.width), np.float32) if ngrams is None else ngrams.buckets
    own = table.matrix if ngrams is None else ngrams.own
    args: dict[str, Any] = {
        **_DEFAULTS,
        "loss": _NEGATIVE_SAMPLING,
        "model": _SKIPGRAM,
        **table.training,
        "dim": table.width,
    }
    args |= {"bucket": len(buckets)}
    args |= {"minn": ngrams.min_ngram if ngrams and ngrams.max_ngram else 0, "maxn": ngrams.max_ngram if ngrams else 0}
    labels: list[str] = []
    if classifier is not None:
        if classifier.activation == "tree":
            loss = 1
        else:
            loss = _SOFTMAX if classifier.activation == "softmax" else _ONE_VS_ALL
            loss = args["loss"] if _LOSSES.get(args["loss"]) == classifier.activation else loss
        args |= {"model": _SUPERVISED, "loss": loss, "word_ngrams": classifier.max_word_ngram}
        labels = [_LABEL + label for label in classifier.labels]
    elif args["model"] == _SUPERVISED:
        args |= {"model": _SKIPGRAM, "loss": _NEGATIVE_SAMPLING, "word_ngrams": 1}
    counts = range(len(rows), 0, -1) if table.counts is None else np.maximum(table.counts[rows], 1).tolist()
    numbers = [*counts, *(classifier.counts if classifier else [])]
    with pack(path) as file:
        file.write(struct.pack("<2i", MAGIC, 12))
        file.write(struct.pack("<12id", *(int(args[name]) for name in _ARGS), args["t"]))
        file.write(
            struct.pack("<3i2q", len(rows) + len(labels), len(rows), len(labels), args.get("tokens", sum(numbers)), -1)
        )
        for index, (word, number) in enumerate(
            zip([*(table.words[row] for row in rows), *labels], numbers, strict=True)
        ):
            file.write(word.encode() + b"\0" + struct.pack("<qb", number, index >= len(rows)))
        file.write(struct.pack("<?2q", False, len(rows) + len(buckets), table.width))
        for matrix, part in ((own, rows), (buckets, list(range(len(buckets))))):
            for start in range(0, len(part), 4096):
                file.write(np.asarray(matrix[part[start : start + 4096]], "<f4").tobytes())
        outputs = len(labels) if classifier else len(rows)
        file.write(struct.pack("<?2q", False, outputs, table.width))
        for start in range(0, outputs, 4096):
            part_rows = min(4096, outputs - start)
            block = np.zeros((part_rows, table.width), "<f4")
            if classifier is not None:
                block[:] = classifier.weight[start : start + part_rows]
            file.write(block.tobytes())
    if len(rows) < len(table.words):
        table.notes.append(translate("{count} words hold a zero byte: left out.", count=len(table.words) - len(rows)))

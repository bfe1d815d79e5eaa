"""Texts as padded batches of ids, and whatever else their tokenizer tells of each token."""

from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from .batching import Batch, LazyBatches
from .growing_array import GrowingRows
from .vocabulary import in_batches

MAX_LENGTH = 512  # where a tokenizer does not say how long a text may be


class EncodedTexts:
    """Texts that were tokenised once, in the order they came; many of them lie on disk (`GrowingArray`).

    Args:
        tokenizer: any tokenizer of the Transformers library.
        texts: the texts; one without a single token is allowed.
        max_length: longer texts are cut, in tokens; `None` for the tokenizer's own limit.
        labels: class ids, one for each text, `(texts,)`.
        split_into_words: each text is a list of its words. A word may still be several tokens, or none: `word_ids`
            holds for each text which word each token is from, -1 where it is from none, `(length,)`.
        with_places: keep where each token stands, by a fast tokenizer: `places` holds for each text the number of the
            word, -1 for none, and the first character and the one behind the last, `(length, 3)`.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        texts: Sequence[str] | Sequence[Sequence[str]],
        max_length: int | None = None,
        labels: np.ndarray | None = None,
        split_into_words: bool = False,
        with_places: bool = False,
    ):
        limit = max_length or max_length_of(tokenizer)
        rows = GrowingRows()
        more: dict[str, _Interned] = {}
        words: list[np.ndarray] = []
        places: list[np.ndarray] = []
        for part in in_batches(texts):
            encoded = tokenizer(
                [text if isinstance(text, str) else list(text) for text in part],
                truncation=True,
                max_length=limit,
                return_attention_mask=False,
                is_split_into_words=split_into_words,
            )
            rows.append(encoded["input_ids"])
            for name, values in encoded.items():
                if name != "input_ids":
                    more.setdefault(name, _Interned()).append(values)
            if split_into_words:
                words += [
                    np.array([-1 if word is None else word for word in encoded.word_ids(text)], dtype=np.int64)
                    for text in range(len(part))
                ]
            if with_places:
                places += [
                    np.array(
                        [
                            (-1 if word is None else word, *place)
                            for word, place in zip(encoding.word_ids, encoding.offsets, strict=True)
                        ],
                        dtype=np.int64,
                    ).reshape(-1, 3)
                    for encoding in encoded.encodings or ()
                ]
        self.rows = rows.finish()
        self.lengths = np.diff(self.rows.offsets)
        self.labels = labels
        if split_into_words:
            self.word_ids = words
        if with_places:
            self.places = places
        # Everything else is one thing for each token, such as its characters; without any token, nobody knows how many.
        self._more = {name: values for name, values in more.items() if self.lengths.any()}
        for values in self._more.values():
            values.finish()
        self._pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0

    def __len__(self) -> int:
        return len(self.rows)

    def batches(self, indices: Sequence[np.ndarray]) -> LazyBatches:
        """Batches of these examples.

        They hold `input_ids` and `attention_mask (batch, length)`, `labels (batch,)` if known, and what else the
        tokenizer returns, such as `character_ids (batch, length, max_characters)`, with zeros for padding.
        """
        return LazyBatches(indices, self.collate)

    def collate(self, indices: np.ndarray) -> Batch:
        """One such batch."""
        rows = [self.rows[index] for index in indices]
        arrays = {
            "input_ids": pad_rows(rows, self._pad),
            "attention_mask": pad_rows([np.ones_like(row) for row in rows], 0),
            **{name: values.padded(indices) for name, values in self._more.items()},
        }
        if self.labels is not None:
            arrays["labels"] = self.labels[indices]
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


class _Interned:
    """A value for each token, a number or several, of which every different one is kept once.

    Fifty characters for each token of a corpus would be a hundred times its ids.
    """

    def __init__(self) -> None:
        self._number_of: dict = {}  # counted from 1: 0 is padding
        self._rows = GrowingRows()

    def append(self, rows: Sequence[Sequence]) -> None:
        """Add for each of some texts the values of its tokens."""
        number_of = self._number_of
        self._rows.append(
            [
                [
                    number_of.setdefault(tuple(value) if isinstance(value, list) else value, len(number_of) + 1)
                    for value in row
                ]
                for row in rows
            ]
        )

    def finish(self) -> None:
        """There are no more; from now on they can be read."""
        self.rows = self._rows.finish()
        values = np.array(list(self._number_of), dtype=np.int64)  # (different values, ...)
        small = values.size == 0 or (values.min() >= -(1 << 15) and values.max() < 1 << 15)
        self.values = np.zeros((len(values) + 1, *values.shape[1:]), np.int16 if small else np.int64)
        self.values[1:] = values

    def padded(self, indices: np.ndarray) -> np.ndarray:
        """The values of these texts' tokens, int64 `(texts, length, ...)`, zero where there is no token."""
        numbers = pad_rows([self.rows[index] for index in indices], 0)  # (texts, length)
        return self.values.take(numbers, axis=0).astype(np.int64)


def pad_rows(rows: Sequence[np.ndarray], value: int) -> np.ndarray:
    """Rows of several lengths as one array, int64 `(rows, length)`, length at least 1, filled up with `value`."""
    width = max([1, *map(len, rows)])
    padded = np.full((len(rows), width), value, dtype=np.int64)
    for row, target in zip(rows, padded, strict=True):
        target[: len(row)] = row
    return padded


def max_length_of(tokenizer: PreTrainedTokenizerBase) -> int:
    """The tokenizer's limit, or `MAX_LENGTH` where it has none (transformers then gives 1e30)."""
    return MAX_LENGTH if tokenizer.model_max_length > 1_000_000 else tokenizer.model_max_length

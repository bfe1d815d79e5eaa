"""Texts as padded batches of ids, and whatever else their tokenizer tells of each token."""

from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from .batching import Batch, LazyBatches
from .growing_array import GrowingRows
from .padding import PaddedRows
from .segmentation.chinese_words import word_numbers
from .token_ids import in_batches

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
                            for word, place in zip(word_numbers(tokenizer, encoding), encoding.offsets, strict=True)
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
        self._padded = PaddedRows(self.rows, tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0)
        self._labels = None if labels is None else torch.from_numpy(labels)

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
        ids, mask = self._padded.batch(indices)
        batch = {"input_ids": ids, "attention_mask": mask.long()}
        batch |= {name: values.batch(indices) for name, values in self._more.items()}
        if self._labels is not None:
            batch["labels"] = self._labels[torch.from_numpy(indices).to(self._labels.device, non_blocking=True)]
        return batch

    @property
    def nbytes(self) -> int:
        """What `keep_on` needs."""
        labels = 0 if self._labels is None else self._labels.nbytes
        return self._padded.nbytes + labels + sum(values.nbytes for values in self._more.values())

    def keep_on(self, device: torch.device) -> None:
        """Lie on a device, where the batches are then made."""
        self._padded.to(device)
        self._labels = None if self._labels is None else self._labels.to(device)
        for values in self._more.values():
            values.to(device)


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
        self._padded = PaddedRows(self._rows.finish(), 0)
        values = np.array(list(self._number_of), dtype=np.int64)
        small = values.size == 0 or (values.min() >= -(1 << 15) and values.max() < 1 << 15)
        table = np.zeros((len(values) + 1, *values.shape[1:]), np.int16 if small else np.int64)
        table[1:] = values
        self.values = torch.from_numpy(table)  # (different values, ...)

    @property
    def nbytes(self) -> int:
        return self._padded.nbytes + self.values.nbytes

    def to(self, device: torch.device) -> None:
        self._padded.to(device)
        self.values = self.values.to(device)

    def batch(self, indices: np.ndarray) -> torch.Tensor:
        """The values of these texts' tokens, int64 `(texts, length, ...)`, zero where there is no token."""
        numbers, _ = self._padded.batch(indices)  # (texts, length)
        return self.values[numbers].long()


def max_length_of(tokenizer: PreTrainedTokenizerBase) -> int:
    """The tokenizer's limit, or `MAX_LENGTH` where it has none (transformers then gives 1e30)."""
    return MAX_LENGTH if tokenizer.model_max_length > 1_000_000 else tokenizer.model_max_length

"""From chunks to words: the tokenizer reads each different chunk once, and what it finds there holds for the text."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from transformers import PreTrainedTokenizerFast

from ..token_ids import in_batches
from ..tokenizer_kinds import all_special_tokens, blank_tokenizer, without_tokens


def _is_ascii_word(chunk: str) -> bool:
    return chunk.isascii() and chunk.isalnum()


# Chunks that are one word as they stand, but for upper case: most of them, and no tokenizer need look at them.
WHOLE: dict[str, Callable[[str], bool]] = {"word": _is_ascii_word, "whitespace": str.isascii}


@dataclass
class Rows:
    """A row of numbers for each chunk: `values[starts[c] : starts[c] + lengths[c]]`.

    Shapes: values int32 (numbers,); starts int64, lengths int32 (chunks,).
    """

    values: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray


class ChunkWords:
    """The words of every chunk, as training a tokenizer sees them.

    Args:
        chunks: different ones without ASCII white space, cut as `byte_classes` describes.
        kind: of the tokenizer, as `build_tokenizer` has it.
        lowercase: the same.
        special_tokens: those beside padding and the unknown token.
    """

    def __init__(self, chunks: list[str], kind: str, lowercase: bool, special_tokens: Sequence[str]):
        specials = all_special_tokens(special_tokens)
        self._chunks = chunks
        # Encoding finds special tokens in these, where counting sees none; most texts have none at all.
        self._special: list[int] = []
        everything = "\n".join(chunks)
        if any(token in everything for token in specials):
            pattern = re.compile("|".join(map(re.escape, specials)))
            self._special = [index for index, chunk in enumerate(chunks) if pattern.search(chunk)]
        del everything
        whole = np.fromiter(map(WHOLE.get(kind, lambda chunk: False), chunks), bool, len(chunks))
        whole[self._special] = False
        words = [chunks[index] for index in np.flatnonzero(whole).tolist()]
        if lowercase:
            words = list(map(str.lower, words))

        numbers: dict[str, int] = {}
        of_whole = [numbers.setdefault(word, len(numbers)) for word in words]
        others = (chunks[index] for index in np.flatnonzero(~whole).tolist())
        lengths, of_others = np.ones(len(chunks), np.int32), []
        parts = []
        for found, part in _cut(without_tokens(specials, others), kind, lowercase):
            of_others += [numbers.setdefault(word, len(numbers)) for word in found]
            parts.append(part)
        if parts:
            lengths[~whole] = np.concatenate(parts)
        values = np.empty(lengths.sum(dtype=np.int64), np.int32)
        in_whole = np.repeat(whole, lengths)
        values[in_whole], values[~in_whole] = of_whole, of_others
        self.words = list(numbers)
        self._rows = Rows(values, np.cumsum(lengths, dtype=np.int64) - lengths, lengths)

    def counts(self, counts: np.ndarray) -> np.ndarray:
        """How often each of `words` occurs, given how often each chunk does: int64 `(words,)`."""
        weights = np.repeat(counts, self._rows.lengths)
        total = np.zeros(len(self.words), np.int64)
        np.add.at(total, self._rows.values, weights)
        return total

    def encode(self, tokenizer: PreTrainedTokenizerFast, drop_unknown: bool = True) -> Rows:
        """The ids of every chunk by a tokenizer of that kind, perhaps without padding and unknown words."""
        vocabulary = tokenizer.backend_tokenizer.get_vocab(with_added_tokens=False)
        dropped = {tokenizer.pad_token_id, tokenizer.unk_token_id} if drop_unknown else set()
        unknown = -1 if drop_unknown else tokenizer.unk_token_id
        ids = np.fromiter((vocabulary.get(word, unknown) for word in self.words), np.int32, len(self.words))
        ids[np.isin(ids, list(dropped))] = -1
        values = ids[self._rows.values]
        kept = np.concatenate([[0], np.cumsum(values >= 0)])  # how many values before each place are kept
        starts, lengths = kept[self._rows.starts], self._rows.lengths
        lengths = (kept[self._rows.starts + lengths] - starts).astype(np.int32)
        values = values[values >= 0]
        encodings = tokenizer.backend_tokenizer.encode_batch_fast(
            [self._chunks[index] for index in self._special], add_special_tokens=False
        )
        rows = [[token for token in encoding.ids if token not in dropped] for encoding in encodings]
        lengths[self._special] = list(map(len, rows))
        starts[self._special] = len(values) + np.cumsum([0, *map(len, rows)])[:-1]
        return Rows(np.concatenate([values, np.array([*chain.from_iterable(rows)], np.int32)]), starts, lengths)


def _cut(chunks: Iterator[str], kind: str, lowercase: bool) -> Iterator[tuple[list[str], np.ndarray]]:
    """The words of batches of chunks, end to end, and how many each chunk has."""
    tokenizer = blank_tokenizer(kind, lowercase)
    for batch in in_batches(chunks):
        # Line ends neither join with what stands beside them nor are words.
        text = tokenizer.normalizer.normalize_str("\n".join(batch))
        found = tokenizer.pre_tokenizer.pre_tokenize_str(text)
        places = np.fromiter((start for _, (start, _) in found), np.int64, len(found))
        line_ends = np.flatnonzero(np.frombuffer(text.encode("utf-32-le"), np.uint32) == ord("\n"))
        yield [word for word, _ in found], np.bincount(np.searchsorted(line_ends, places), minlength=len(batch))

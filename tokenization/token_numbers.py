"""A fast tokenizer that gives numbers for each token beside its id, whatever is asked of it."""

from array import array
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from transformers import BatchEncoding, PreTrainedTokenizerFast

Numbers = tuple[int, ...]  # (size,)


class TokenNumbersTokenizer(PreTrainedTokenizerFast):
    """Gives `(batch, length, size)` under a name of its own; padding is zeros.

    A subclass sets `numbers_name`, which its `model_input_names` contain, `numbers_size`, and `numbers_of`. Take the
    name out of `model_input_names`, and it is a plain tokenizer.
    """

    numbers_name: str

    @property
    def numbers_size(self) -> int:
        """Numbers for each token."""
        raise NotImplementedError

    def numbers_of(self, tokens: Sequence[tuple[int, str | None]]) -> Sequence[Numbers]:
        """The numbers of tokens, `numbers_size` each.

        Args:
            tokens: the id of each, and what stands in the text there; `None` where nothing does, as for a template's.
        """
        raise NotImplementedError

    def as_read(self, token: str) -> str:
        """A token of the vocabulary without marks that its tokenizer puts on words and its decoder takes away (`▁`)."""
        decoder = self.backend_tokenizer.decoder
        return token if decoder is None else decoder.decode([token])

    def _encode_plus(  # type: ignore[override]  # by keyword, whatever else there is
        self, text, text_pair=None, *, is_split_into_words=False, return_tensors=None, **kwargs
    ) -> BatchEncoding:
        name = self.numbers_name
        options = {"is_split_into_words": is_split_into_words, "return_tensors": return_tensors, **kwargs}
        if not text and not _is_one(text, is_split_into_words):  # of an empty batch the base class makes nothing
            return BatchEncoding({name: batch[:0] for name, batch in self._encode_plus([""], **options).items()}, [])
        encoded = super()._encode_plus(text, text_pair, **options)
        if name not in self.model_input_names or encoded.encodings is None:
            return encoded
        texts = _texts_of(text, text_pair, is_split_into_words)
        # With return_overflowing_tokens an example has several encodings.
        examples = encoded.get("overflow_to_sample_mapping", range(len(texts)))
        numbers = [
            self._number(encoding, texts[int(example)], is_split_into_words)
            for encoding, example in zip(encoded.encodings, examples, strict=True)
        ]  # batch lists of length rows
        if return_tensors is not None:
            encoded[name] = _as_tensor(numbers, return_tensors)
            if encoded["input_ids"].ndim == 2:  # texts of several lengths are a NumPy array of arrays
                encoded[name] = encoded[name].reshape((*encoded["input_ids"].shape, self.numbers_size))
        else:
            batched = bool(encoded["input_ids"]) and isinstance(encoded["input_ids"][0], list)
            encoded[name] = numbers if batched else numbers[0]
        return encoded

    def _number(self, encoding: Any, texts: Sequence[Any], split: bool) -> list[Numbers]:
        """The numbers of an encoding's tokens."""
        numbers = iter(self.numbers_of(list(_places(encoding, texts, split))))
        padding = (0,) * self.numbers_size
        return [next(numbers) if mask else padding for mask in encoding.attention_mask]

    def _pad(self, encoded_inputs, *args, **kwargs):
        padded, name = super()._pad(encoded_inputs, *args, **kwargs), self.numbers_name
        if name in padded:
            numbers = list(padded[name])
            padding = [(0,) * self.numbers_size] * (len(padded["input_ids"]) - len(numbers))
            left = (kwargs.get("padding_side") or self.padding_side) == "left"
            padded[name] = padding + numbers if left else numbers + padding
        return padded


def _places(encoding: Any, texts: Sequence[Any], split: bool) -> Iterator[tuple[int, str | None]]:
    """The tokens that are no padding, each with what stands in the text, or the word of a text, that it is from."""
    places = zip(encoding.sequence_ids, encoding.word_ids, encoding.offsets, strict=True)
    for token, mask, (sequence, word, (start, stop)) in zip(encoding.ids, encoding.attention_mask, places, strict=True):
        if mask and start == stop:
            yield token, None
        elif mask:
            source = texts[sequence][word] if split else texts[sequence]
            yield token, source[start:stop]


def _is_one(text: Any, split: bool) -> bool:
    """Whether this is a single text, or one as a list of its words, and not a batch or a pair."""
    return isinstance(text, str) or (split and (not text or isinstance(text[0], str)))


def _texts_of(text: Any, text_pair: Any, split: bool) -> list[tuple]:
    """For each example of a batch, the text or the pair of texts that it is made of."""
    if _is_one(text, split):
        return [(text, text_pair) if text_pair else (text,)]
    if text_pair is not None:
        return list(zip(text, text_pair, strict=True))
    return [(example,) if _is_one(example, split) else tuple(example) for example in text]


def _as_tensor(rows: list[list[Numbers]], kind: Any) -> Any:
    """The kind of tensor that `return_tensors` names: all numbers in a row, or in the dimensions that they are in."""
    numbers = array("q", chain.from_iterable(chain.from_iterable(rows)))
    if kind == "pt" and numbers:
        import torch

        return torch.frombuffer(numbers, dtype=torch.int64)  # a fiftieth of the time that nested lists take
    return BatchEncoding({"numbers": rows}, tensor_type=kind)["numbers"]

"""Words with their characters: a `tokenizer.json` of whole words that also tells how each is spelled.

For models that read characters beside words, or in place of them: ELMo (Peters et al. 2018), the character features of
Ma & Hovy (2016) and Lample et al. (2016). A word that the vocabulary does not know is `<unk>` and has its spelling.
"""

from array import array
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from transformers import BatchEncoding, PreTrainedTokenizerFast

from .character_ids import BEGIN_SENTENCE, END_SENTENCE, MAX_CHARACTERS, Spelling, no_word, spell, spell_mark


class CharWordTokenizer(PreTrainedTokenizerFast):
    """A fast tokenizer of words that gives `character_ids (batch, length, max_characters)` beside the usual.

    A token is spelled as it stands in the text, before normalisation: case is kept. `<s>` and `</s>` (`bos_token` and
    `eos_token`) have codes of their own and padding is zeros. What stands nowhere in the text, such as the `[CLS]` of a
    template, is spelled by its name. Take `character_ids` out of `model_input_names`, and it is a plain tokenizer.

    Args:
        max_characters: numbers for each word; longer words are cut.
    """

    model_input_names = ["input_ids", "attention_mask", "character_ids"]
    # For save_pretrained: it names this class in tokenizer_config.json, and copies this file and its sibling.
    _auto_class = "AutoTokenizer"

    # A property of what transformers keeps: a remote class with an __init__ of its own gets an empty vocabulary.
    @property
    def max_characters(self) -> int:
        """Numbers for each word."""
        return self.init_kwargs.get("max_characters", MAX_CHARACTERS)

    def spell_tokens(self, tokens: Iterable[str]) -> list[Spelling]:
        """How tokens of the vocabulary are spelled, by their names where they are not special: `max_characters` each.

        Raises:
            ValueError: when `max_characters` leaves no room for a character.
        """
        special = {
            self.pad_token: no_word(self.max_characters),
            self.bos_token: spell_mark(BEGIN_SENTENCE, self.max_characters),
            self.eos_token: spell_mark(END_SENTENCE, self.max_characters),
        }
        return [special.get(token) or spell(token, self.max_characters) for token in tokens]

    def _encode_plus(  # type: ignore[override]  # by keyword, whatever else there is
        self, text, text_pair=None, *, is_split_into_words=False, return_tensors=None, **kwargs
    ) -> BatchEncoding:
        options = {"is_split_into_words": is_split_into_words, "return_tensors": return_tensors, **kwargs}
        if not text and not _is_one(text, is_split_into_words):  # of an empty batch the base class makes nothing
            return BatchEncoding({name: batch[:0] for name, batch in self._encode_plus([""], **options).items()}, [])
        encoded = super()._encode_plus(text, text_pair, **options)
        if "character_ids" not in self.model_input_names or encoded.encodings is None:
            return encoded
        texts = _texts_of(text, text_pair, is_split_into_words)
        # With return_overflowing_tokens an example has several encodings.
        examples = encoded.get("overflow_to_sample_mapping", range(len(texts)))
        spelled = [
            self._spell(encoding, texts[int(example)], is_split_into_words)
            for encoding, example in zip(encoded.encodings, examples, strict=True)
        ]  # batch lists of length spellings
        if return_tensors is not None:
            encoded["character_ids"] = _as_tensor(spelled, return_tensors)
            if encoded["input_ids"].ndim == 2:  # texts of several lengths are a NumPy array of arrays
                shape = (*encoded["input_ids"].shape, self.max_characters)
                encoded["character_ids"] = encoded["character_ids"].reshape(shape)
        else:
            batched = bool(encoded["input_ids"]) and isinstance(encoded["input_ids"][0], list)
            encoded["character_ids"] = spelled if batched else spelled[0]
        return encoded

    def _spell(self, encoding: Any, texts: Sequence[Any], split: bool) -> list[Spelling]:
        """The spellings of an encoding's tokens, each as it stands in the text, or the word of a text, it is from."""
        size, special = self.max_characters, {self.pad_token_id, self.bos_token_id, self.eos_token_id}
        padding, spellings = no_word(size), []
        places = zip(encoding.sequence_ids, encoding.word_ids, encoding.offsets, strict=True)
        for token, mask, (sequence, word, (start, stop)) in zip(
            encoding.ids, encoding.attention_mask, places, strict=True
        ):
            if not mask:
                spellings.append(padding)
            elif start == stop or token in special:
                spellings += self.spell_tokens(self.convert_ids_to_tokens([token]))
            else:
                source = texts[sequence][word] if split else texts[sequence]
                spellings.append(spell(source[start:stop], size))
        return spellings

    def _pad(self, encoded_inputs, *args, **kwargs):
        padded = super()._pad(encoded_inputs, *args, **kwargs)
        if "character_ids" in padded:
            spellings = list(padded["character_ids"])
            padding = [no_word(self.max_characters)] * (len(padded["input_ids"]) - len(spellings))
            left = (kwargs.get("padding_side") or self.padding_side) == "left"
            padded["character_ids"] = padding + spellings if left else spellings + padding
        return padded


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


def _as_tensor(spelled: list[list[Spelling]], kind: Any) -> Any:
    """The kind of tensor that `return_tensors` names: all numbers in a row, or in the dimensions that they are in."""
    numbers = array("q", chain.from_iterable(chain.from_iterable(spelled)))
    if kind == "pt" and numbers:
        import torch

        return torch.frombuffer(numbers, dtype=torch.int64)  # a fiftieth of the time that nested lists take
    return BatchEncoding({"character_ids": spelled}, tensor_type=kind)["character_ids"]

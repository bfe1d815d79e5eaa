"""Which tokens of a vocabulary are words, and which go on with the word before them."""

import unicodedata

import numpy as np
from tokenizers import decoders, models
from transformers import PreTrainedTokenizerFast

from .errors import UserError
from .objectives.masked import Vocabulary
from .subwords import BYTES
from .tokenizer_kinds import SPACE, kind_of

_PART = "\ufffd"  # what stands for a part of a character


def changeable(tokenizer: PreTrainedTokenizerFast) -> Vocabulary:
    """The vocabulary as an objective sees it that changes texts: what is a word, and what goes on with one.

    Pieces of WordPiece go on where they begin with `##`. Other pieces and characters are one word where letters and
    numbers stand side by side: none do where a word begins with a space (`▁`, `Ġ`). Chinese and Japanese characters and
    pieces stand alone, since nothing shows where a word ends. Tokens of the other kinds are words.

    Raises:
        UserError: for a tokenizer without a mask.
    """
    if tokenizer.mask_token_id is None:
        raise UserError("the tokenizer has no mask token, which a masked language model needs: give it <mask>")
    tokens = [str(tokenizer.convert_ids_to_tokens(number)) for number in range(len(tokenizer))]
    special = set(tokenizer.all_special_ids)
    words = np.array([number not in special for number in range(len(tokens))])
    opens, goes_on = words, np.zeros(len(tokens), bool)
    model = tokenizer.backend_tokenizer.model
    if isinstance(model, models.WordPiece):
        prefix = model.continuing_subword_prefix
        goes_on = np.array([token.startswith(prefix) and token != prefix for token in tokens])
    elif not _has_words(tokenizer, [token for token, word in zip(tokens, words, strict=True) if word]):
        spelled = _spellings(tokenizer, tokens)
        opens = words & np.array([_joins(token[-1:]) or token == SPACE for token in spelled])
        goes_on = words & np.array([_joins(token[:1]) for token in spelled])
    return Vocabulary(tokenizer.mask_token_id, words.nonzero()[0], opens, goes_on)


def _has_words(tokenizer: PreTrainedTokenizerFast, tokens: list[str]) -> bool:
    """Whether each of the tokens is a word."""
    if isinstance(tokenizer.backend_tokenizer.model, models.WordLevel):
        return any(len(token) > 1 for token in tokens)
    return (kind_of(tokenizer) or ("",))[0] == "word-zh"


def _spellings(tokenizer: PreTrainedTokenizerFast, tokens: list[str]) -> list[str]:
    """Tokens as they are written, where a vocabulary holds bytes."""
    decoder = tokenizer.backend_tokenizer.decoder
    if isinstance(decoder, decoders.ByteLevel):
        return [decoder.decode([token]) for token in tokens]
    return [_PART if token in BYTES else token for token in tokens]


def _joins(character: str) -> bool:
    """Whether a character may be in the middle of a word whose ends show."""
    if character == _PART:
        return True
    return "" < character < "\u2e80" and (character.isalnum() or unicodedata.category(character)[0] == "M")

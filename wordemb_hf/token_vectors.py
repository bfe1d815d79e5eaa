"""The vectors that a model gives to texts, to their words and to their tokens, from any of its layers.

A contextual model gives a word another vector in another text. Models are known by what they return alone:
`last_hidden_state`, `pooler_output` and `hidden_states`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from .batching import by_tokens
from .encoding import EncodedTexts
from .errors import UserError
from .model_outputs import ragged_outputs_of

BATCH_TEXTS, BATCH_TOKENS = 256, 16_384  # 64 tokens each


class TextVectors(NamedTuple):
    """The words of a text, or its tokens, and their vectors.

    Args:
        words: as they stand in the text; a token that stands nowhere there, such as `[CLS]`, by its name.
        places: the first character of each and the one behind its last, int64 `(words, 2)`.
        vectors: float32 `(words, width)`.
    """

    words: list[str]
    places: np.ndarray
    vectors: np.ndarray


def check_layer(layer: str) -> None:
    """Refuse a layer that no model has.

    Raises:
        UserError: when it is neither `last`, `mean` nor a number.
    """
    if layer not in ("last", "mean") and not layer.removeprefix("-").isdecimal():
        raise UserError(f"layer is {layer!r}, but must be last, mean or a number, 0 for the word vectors")


def sentence_vectors(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    accelerator: Accelerator,
    layer: str = "last",
) -> np.ndarray:
    """A vector for each text, float32 `(texts, width)`.

    Of the last layer it is what the family pools, where it pools; else the mean of the text's tokens.

    Raises:
        UserError: for a layer that the model does not have.
    """
    encoded = EncodedTexts(tokenizer, texts)
    encoder = _encoder(model, layer)

    def pick(output: Any, indices: np.ndarray) -> list[np.ndarray]:
        pooled = output.get("pooler_output") if layer == "last" else None
        if pooled is not None:
            return list(pooled.float().cpu().numpy())
        states = _states(output, layer, model).float().cpu().numpy()  # (batch, length, width)
        lengths = encoded.lengths[indices]
        return [row[:length].sum(0) / np.float32(max(length, 1)) for row, length in zip(states, lengths, strict=True)]

    batches = encoded.batches(by_tokens(encoded.lengths, BATCH_TOKENS, BATCH_TEXTS))
    rows, _ = ragged_outputs_of(encoder, batches, accelerator, pick)
    return np.stack(rows)


def token_vectors(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    accelerator: Accelerator,
    layer: str = "last",
    pool_words: bool = True,
) -> list[TextVectors]:
    """The vectors of each text's words or tokens.

    A word is what the tokenizer cuts a text into before it looks at its vocabulary (`word_ids()`), for Chinese
    characters one of them, and of the kind `word-zh` each of its tokens; it has the mean of its tokens' vectors. What
    has no token has no vector: words that the tokenizer drops, and what is behind the longest text that it allows.

    Args:
        model: gives each token a vector.
        tokenizer: a fast one.
        texts: the texts.
        accelerator: where to compute.
        layer: `last`; `mean` of all that are as wide as the last; or a number, 0 for the word vectors, -1 for the last.
        pool_words: words, not tokens.

    Raises:
        UserError: for a slow tokenizer, a model whose tokens have no vectors, or a layer that it does not have.
    """
    if not tokenizer.is_fast:
        raise UserError(f"{type(tokenizer).__name__} is a slow tokenizer: vectors of words and tokens need a fast one")
    encoded = EncodedTexts(tokenizer, texts, with_places=True)
    encoder = _encoder(model, layer)

    def pick(output: Any, indices: np.ndarray) -> list[np.ndarray]:
        states = _states(output, layer, model).float().cpu().numpy()  # (batch, length, width)
        rows = [row[: encoded.lengths[index]] for row, index in zip(states, indices, strict=True)]
        if pool_words:
            return [_word_means(row, encoded.places[index][:, 0]) for row, index in zip(rows, indices, strict=True)]
        return [row.copy() for row in rows]  # without the padding behind it

    batches = encoded.batches(by_tokens(encoded.lengths, BATCH_TOKENS, BATCH_TEXTS))
    rows, _ = ragged_outputs_of(encoder, batches, accelerator, pick)
    found = []
    for text, ids, places, vectors in zip(texts, encoded.rows, encoded.places, rows, strict=True):
        if pool_words:
            places = _word_places(places)
            names = [""] * len(places)
        else:
            names, places = [*tokenizer.convert_ids_to_tokens(ids.tolist())], places[:, 1:]
        places = np.array([_trimmed(text, *place) for place in places.tolist()], dtype=np.int64).reshape(-1, 2)
        words = [text[start:stop] or name for (start, stop), name in zip(places.tolist(), names, strict=True)]
        found.append(TextVectors(words, places, vectors))
    return found


def _encoder(model: PreTrainedModel, layer: str) -> PreTrainedModel:
    """The part that reads texts, returning all layers where another than the last is asked for."""
    encoder: Any = model.get_encoder() if model.config.is_encoder_decoder else model
    encoder.config.output_hidden_states = layer != "last"
    return encoder


def _states(output: Any, layer: str, model: PreTrainedModel) -> torch.Tensor:
    """The vectors of tokens in a layer, `(batch, length, width)`."""
    last = output.get("last_hidden_state")
    name = type(model).__name__
    if last is None:
        raise UserError(f"{name} gives vectors to texts alone, and none to their words: leave out --level and --layer")
    if layer == "last":
        return last
    layers = output.hidden_states
    if layers is None:
        raise UserError(f"layer is {layer!r}, but must be last: {name} shows no other layer")
    if layer == "mean":
        return torch.stack([states for states in layers if states.shape[-1] == last.shape[-1]]).mean(0)
    number = int(layer)
    if not -len(layers) <= number < len(layers):
        bound = f"at least {-len(layers)}" if number < 0 else f"at most {len(layers) - 1}"
        raise UserError(f"layer is {layer}, but must be {bound}: {name} has {len(layers)}")
    return layers[number]


def _word_means(states: np.ndarray, words: np.ndarray) -> np.ndarray:
    """From vectors of tokens `(length, width)` and the word of each, -1 for none, to `(words, width)`."""
    _, numbers = np.unique(words[words >= 0], return_inverse=True)
    counts = np.bincount(numbers)
    sums = np.zeros((len(counts), states.shape[1]), dtype=np.float32)
    np.add.at(sums, numbers, states[words >= 0])
    return sums / counts[:, None].astype(np.float32)


def _word_places(places: np.ndarray) -> np.ndarray:
    """From words and places of tokens `(length, 3)` to places of words, `(words, 2)`."""
    places = places[places[:, 0] >= 0]
    _, first = np.unique(places[:, 0], return_index=True)
    if not len(first):
        return np.zeros((0, 2), dtype=np.int64)
    starts, stops = np.minimum.reduceat(places[:, 1], first), np.maximum.reduceat(places[:, 2], first)
    return np.stack([starts, stops], axis=1)


def _trimmed(text: str, start: int, stop: int) -> tuple[int, int]:
    """A place without the spaces around it, which some tokenizers count in; one of spaces alone stays."""
    written = text[start:stop]
    if not written.strip():
        return start, stop
    return start + len(written) - len(written.lstrip()), stop - len(written) + len(written.rstrip())

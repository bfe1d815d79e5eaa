"""From what a tokenizer gives to word vectors and a mask, the first step of every model."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def look_up_words(
    table: Callable[[Tensor], Tensor],
    input_ids: Tensor | None,
    attention_mask: Tensor | None,
    inputs_embeds: Tensor | None,
    pad_token_id: int | None,
) -> tuple[Tensor, Tensor]:
    """Look words up, and tell words from padding.

    Args:
        table: from ids to their vectors: an `nn.Embedding`, or what does more than look up.
        input_ids: word ids, `(batch, length)`; either these or `inputs_embeds`.
        attention_mask: 1 where there is a token, `(batch, length)`; without it, every id but `pad_token_id` is a token.
        inputs_embeds: vectors in place of ids, `(batch, length, width)`.
        pad_token_id: the id of padding, or `None`.

    Returns:
        Vectors `(batch, length, width)` and a boolean mask `(batch, length)`.

    Raises:
        ValueError: when not exactly one of `input_ids` and `inputs_embeds` is given.
    """
    mask = token_mask(input_ids, attention_mask, inputs_embeds, pad_token_id)
    if input_ids is not None:
        # A tokenizer returns an empty text as a tensor of no floats, for want of an integer to tell the type by.
        inputs_embeds = table(input_ids.long() if input_ids.is_floating_point() else input_ids)
    assert inputs_embeds is not None
    return inputs_embeds, mask  # (batch, length, width), (batch, length)


def token_mask(
    input_ids: Tensor | None, attention_mask: Tensor | None, inputs_embeds: Tensor | None, pad_token_id: int | None
) -> Tensor:
    """Where there is a token, boolean `(batch, length)`: what `look_up_words` says of the same inputs.

    A mask that also covers what was read before, as `generate()` gives it, is cut to the end.

    Raises:
        ValueError: when not exactly one of `input_ids` and `inputs_embeds` is given.
    """
    length = given_length(input_ids, inputs_embeds)
    if attention_mask is not None:
        return attention_mask[:, attention_mask.shape[1] - length :].bool()
    if input_ids is not None and pad_token_id is not None:
        return input_ids != pad_token_id
    given = input_ids if input_ids is not None else inputs_embeds
    assert given is not None
    return torch.ones(given.shape[:2], dtype=torch.bool, device=given.device)


def embed_words(
    table: Callable[[Tensor], Tensor],
    input_ids: Tensor | None,
    attention_mask: Tensor | None,
    inputs_embeds: Tensor | None,
    pad_token_id: int | None,
) -> tuple[Tensor, Tensor]:
    """Look words up and zero what is padding, so that no later layer can see it.

    Takes and raises what `look_up_words` does. A text of no tokens at all, length 0, becomes one position of padding:
    convolutions and poolings need something to stand on.
    """
    vectors, mask = look_up_words(table, input_ids, attention_mask, inputs_embeds, pad_token_id)
    if mask.shape[1] == 0:
        vectors = nn.functional.pad(vectors, (0, 0, 0, 1))  # (batch, 1, width)
        mask = nn.functional.pad(mask, (0, 1))  # (batch, 1)
    return vectors.masked_fill(~mask.unsqueeze(-1), 0.0), mask


def given_length(input_ids: Tensor | None, inputs_embeds: Tensor | None) -> int:
    """Tokens in each text as the caller counts them, 0 where `embed_words` makes one position of none.

    Raises:
        ValueError: when not exactly one of `input_ids` and `inputs_embeds` is given.
    """
    if input_ids is not None and inputs_embeds is None:
        return input_ids.shape[1]
    if inputs_embeds is not None and input_ids is None:
        return inputs_embeds.shape[1]
    raise ValueError("give either input_ids or inputs_embeds, not both and not neither")

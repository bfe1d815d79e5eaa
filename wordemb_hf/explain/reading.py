"""A text as a model reads it, and as its reader wrote it."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from ..encoding import EncodedTexts
from ..errors import UserError


class Reading(NamedTuple):
    """One text.

    Args:
        words: what each token is in the text; its name where it stands nowhere there.
        inputs: of the model, `(1, length, ...)` each.
    """

    words: list[str]
    inputs: dict[str, Tensor]


def read(tokenizer: PreTrainedTokenizerBase, text: str, device: torch.device) -> Reading:
    """Tokenise a text.

    Raises:
        UserError: when there is no token in it.
    """
    encoded = EncodedTexts(tokenizer, [text], with_places=tokenizer.is_fast)
    if not encoded.lengths[0]:
        raise UserError(f"the text {text!r} has no token: there is nothing to explain")
    names = [*tokenizer.convert_ids_to_tokens(encoded.rows[0].tolist())]
    if tokenizer.is_fast:
        places = encoded.places[0][:, 1:].tolist()
        names = [text[start:stop] or name for (start, stop), name in zip(places, names, strict=True)]
    batch = encoded.batches([np.array([0])])[0]
    return Reading(names, {name: tensor.to(device) for name, tensor in batch.items()})

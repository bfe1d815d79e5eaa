"""Pairs of adjacent words as hash buckets: features that know the order of words and need no vocabulary of pairs.

Carter & Wegman 1979, "Universal Classes of Hash Functions", proposition 7: a linear function modulo a prime, by which
two pairs share a bucket about as rarely as by chance. The prime is 2^31 - 1, so no product leaves the 63 bits that a
signed integer has: every device and every version of torch finds the same buckets.
"""

import torch
from torch import Tensor, nn

_PRIME = 2**31 - 1
_LEFT, _RIGHT = 1_402_024_253, 872_817_427  # drawn once; the tables of saved models depend on them


def hash_bigrams(ids: Tensor, mask: Tensor, num_buckets: int) -> tuple[Tensor, Tensor]:
    """The bucket of each token together with the token before it.

    What is masked is not there: the tokens on both sides of a hole are a pair.

    Args:
        ids: word ids below 2^31 - 1, int64 `(batch, length)`.
        mask: true where there is a token, `(batch, length)`.
        num_buckets: buckets are numbered from 0 up to this.

    Returns:
        Buckets `(batch, length)`, and a mask `(batch, length)` that is true where a pair ends: at every token of a text
        but its first.
    """
    places = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)  # (batch, length)
    latest = places.where(mask, -1).cummax(1).values  # (batch, length): the last token up to here, -1 for none
    before = nn.functional.pad(latest[:, :-1], (1, 0), value=-1)  # (batch, length): the last token before here
    left = ids.gather(1, before.clamp(min=0))  # (batch, length)
    buckets = (_LEFT * left + _RIGHT * ids) % _PRIME % num_buckets
    return buckets, mask & (before >= 0)

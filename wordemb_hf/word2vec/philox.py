"""What word2vec draws on a device, in plain torch: widths of windows, words left out, noise words.

Philox4x32-10 (Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3") is a function of a seed and a counter.
The counter is the word's place in the corpus, the epoch, and what is drawn: the same whatever draws it, in whatever
order. `triton_draws.py` draws the same numbers faster.
"""

import numpy as np
import torch
from torch import Tensor

from .sampling import aliases

KEEP_BITS = 30  # of a random number are compared with a threshold: a probability of 1 is exact, and fits into an int32

_FACTORS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_LOW = 0xFFFFFFFF
_WIDTH, _NOISE = 0, 1  # the counter's last word: a word's window, and its first noise word


def philox(seed: int, counters: tuple[Tensor, Tensor, Tensor, Tensor]) -> tuple[Tensor, ...]:
    """Four random numbers for each counter.

    Args:
        seed: 64 bits.
        counters: int64 tensors that broadcast, each of 32 bits.

    Returns:
        Four int64 tensors of numbers below `2**32`.
    """
    keys = [seed & _LOW, seed >> 32 & _LOW]
    first, second, third, fourth = counters
    for _ in range(10):
        # int64 wraps where the product needs all of 64 bits; masks undo the sign.
        left, right = first * _FACTORS[0], third * _FACTORS[1]
        first, second = (right >> 32 & _LOW) ^ second ^ keys[0], right & _LOW
        third, fourth = (left >> 32 & _LOW) ^ fourth ^ keys[1], left & _LOW
        keys = [(key + step) & _LOW for key, step in zip(keys, _KEY_STEPS, strict=True)]
    return first, second, third, fourth


def _counters(positions: Tensor, epoch: int, purpose: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return positions & _LOW, positions >> 32, torch.full_like(purpose, epoch), purpose


def draw_widths(words: Tensor, start: int, keep: Tensor, window_size: int, seed: int, epoch: int) -> Tensor:
    """The widths of the windows around words, 0 for a word that sub-sampling leaves out.

    Args:
        words: int32 (words,).
        start: place of the first one in the corpus.
        keep: int32 (vocabulary,), of `keep_thresholds`.
        window_size: the largest width.
        seed: of the training.
        epoch: counted from 0.

    Returns:
        int32 (words,)
    """
    positions = torch.arange(start, start + len(words), device=words.device)
    purpose = torch.full_like(positions[:1], _WIDTH)
    chance, width, _, _ = philox(seed, _counters(positions, epoch, purpose))
    kept = chance >> 32 - KEEP_BITS < keep[words]
    return torch.where(kept, 1 + (width * window_size >> 32), 0).int()


def draw_noise(places: Tensor, start: int, noise: Tensor, num_negatives: int, seed: int, epoch: int) -> Tensor:
    """Noise words for windows.

    Args:
        places: int32 (windows,), of their middle words, behind `start`.
        start: a place in the corpus.
        noise: int32 (vocabulary, 2), of `alias_table`.
        num_negatives: noise words of a window.
        seed: of the training.
        epoch: counted from 0.

    Returns:
        int32 (windows, num_negatives)
    """
    purpose = torch.arange(_NOISE, _NOISE + num_negatives, device=places.device)
    slots, chance, _, _ = philox(seed, _counters(start + places.long().unsqueeze(1), epoch, purpose))
    slots = slots * len(noise) >> 32  # (windows, num_negatives)
    thresholds, aliases = noise[slots].unbind(-1)
    return torch.where(chance >> 32 - KEEP_BITS < thresholds, slots.int(), aliases)


def keep_thresholds(probabilities: np.ndarray) -> np.ndarray:
    """Thresholds for `KEEP_BITS` random bits, int32, so that numbers below them have these probabilities."""
    return np.round(np.asarray(probabilities, np.float64) * (1 << KEEP_BITS)).astype(np.int32)


def alias_table(weights: np.ndarray) -> np.ndarray:
    """What a noise word is drawn from: a row drawn evenly, its own number or the one that it names.

    Args:
        weights: float (rows,), not negative, not all zero.

    Returns:
        int32 (rows, 2): a threshold for `KEEP_BITS` random bits, and the row that is taken from there on. A row of
        weight 0 is never drawn.
    """
    own, other = aliases(weights)
    return np.stack([keep_thresholds(own), other], axis=1).astype(np.int32)

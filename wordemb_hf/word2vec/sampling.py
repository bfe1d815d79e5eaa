"""Which words stay in the text, and which ones are noise: tables from counts that a draw reads in one step.

Mikolov et al. 2013b, sections 2.2 and 2.3.
"""

import numpy as np

from ..objectives.windows import keep_probabilities

_RANGE = 2.0**32  # of 32 random bits


def keep_thresholds(counts: np.ndarray, threshold: float) -> np.ndarray:
    """Thin out frequent words: one stays if 32 random bits are not above its number.

    Args:
        counts: occurrences, `(vocabulary,)`.
        threshold: the share of the text above which words are thinned out; 0 keeps all.

    Returns:
        uint32 `(vocabulary,)`.
    """
    return (keep_probabilities(counts, threshold).astype(np.float64) * (_RANGE - 1)).astype(np.uint32)


def alias_table(weights: np.ndarray) -> np.ndarray:
    """What a noise word is drawn from: a number drawn evenly, or its alias.

    Args:
        weights: `(numbers,)`, not negative, not all zero.

    Returns:
        uint32 `(numbers, 2)`: where 32 random bits are below the first, the number itself, else the second.
    """
    own, other = aliases(weights)
    # A number that is its own alias needs no threshold, and one of weight 0 has 0.
    return np.stack([(own * _RANGE).clip(max=_RANGE - 1), other], axis=1).astype(np.uint32)


def aliases(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw by weight in one step (Walker 1977): a row evenly, and then itself or the one that it names.

    A row is light if its weight is below the mean; it is filled up by a heavy one, which may itself become light.
    Running sums of what the light ones lack and the heavy ones have too much tell at once which fills which
    (Hübschle-Schneider and Sanders 2019, "Parallel Weighted Random Sampling", section 4).

    Args:
        weights: `(rows,)`, not negative, not all zero.

    Returns:
        The probability that a row stays itself, float64 `(rows,)`, and the row that is taken else, int64 `(rows,)`. A
        row of weight 0 is never drawn.
    """
    share = np.asarray(weights, np.float64) * (len(weights) / np.sum(weights, dtype=np.float64))
    light, heavy = np.flatnonzero(share < 1), np.flatnonzero(share >= 1)
    lacks, spares = np.cumsum(1 - share[light]), np.cumsum(share[heavy] - 1)
    own, other = share.copy(), np.arange(len(share))
    before = np.concatenate([[0.0], lacks[:-1]]) if len(light) else lacks
    # Rounding may ask for more than the last heavy row has.
    other[light] = heavy[np.searchsorted(spares, before).clip(max=len(heavy) - 1)]
    # The first light row that a heavy one cannot fill up alone leaves it short of this much.
    last = np.searchsorted(lacks, spares, side="right")
    short = last < len(light)
    short[-1:] = False
    own[heavy] = 1.0
    own[heavy[short]] = 1 - (lacks[last[short]] - spares[short])
    other[heavy[:-1]] = np.where(short[:-1], heavy[1:], heavy[:-1])
    return own.clip(0, 1), other


def noise_weights(counts: np.ndarray, exponent: float) -> np.ndarray:
    """`count ** exponent`, float64 of the same shape; 0 for a word that does not occur."""
    return np.where(counts > 0, np.maximum(counts, 1.0) ** exponent, 0.0)

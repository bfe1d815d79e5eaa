"""Which words stay in the text, and which ones are noise: tables from counts that a draw reads in one step.

Mikolov et al. 2013b, sections 2.2 and 2.3; Walker 1977, "An Efficient Method for Generating Discrete Random Variables
with General Distributions".
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
    """Draw a number with probability proportional to its weight: a uniform one, or its alias.

    Args:
        weights: `(numbers,)`, not negative, not all zero.

    Returns:
        uint32 `(numbers, 2)`: where 32 random bits are below the first, the number itself, else the second.
    """
    shares = np.asarray(weights, np.float64) * (len(weights) / np.sum(weights, dtype=np.float64))
    table = np.empty((len(shares), 2), np.uint32)
    table[:, 0], table[:, 1] = _RANGE - 1, np.arange(len(shares))
    poor, rich = list(np.flatnonzero(shares < 1)), list(np.flatnonzero(shares >= 1))
    while poor and rich:
        needy, giver = poor.pop(), rich[-1]
        table[needy] = min(shares[needy] * _RANGE, _RANGE - 1), giver
        shares[giver] -= 1 - shares[needy]
        if shares[giver] < 1:
            poor.append(rich.pop())
    # What is left has a share of 1 but for rounding, unless its weight is zero.
    for needy in poor:
        if weights[needy] == 0:
            table[needy] = 0, int(np.argmax(weights))
    return table

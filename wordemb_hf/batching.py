"""An epoch as a sequence of batches, the same on every process, made when it is asked for.

The training loop asks for batch `i` only on the process that trains on it, so nothing is read, padded or moved in vain,
and an epoch can be entered at any batch.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from torch import Tensor

Batch = dict[str, Tensor]
_POOL = 100  # batches: with 50, up to 8 % of the tokens of real sets are padding, with 100 4 %


class BatchSource(Protocol):
    """What is trained on: an objective or a task."""

    def epoch(self, number: int) -> Sequence[Batch]:
        """The batches of an epoch, counted from 0; the order depends on nothing but the seed and the number."""
        ...

    def items(self, batch: Batch) -> int | Tensor:
        """How many predictions a batch's mean loss is a mean of, counted where the batch is."""
        ...


class LazyBatches(Sequence[Batch]):
    """Batches of example indices, collated one at a time.

    Args:
        indices: for each batch, the indices of its examples.
        collate: from indices to tensors.
    """

    def __init__(self, indices: Sequence[np.ndarray], collate: Callable[[np.ndarray], Batch]):
        self.indices = indices
        self._collate = collate

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, number):
        return self._collate(self.indices[number])

    def __iter__(self) -> Iterator[Batch]:
        return (self[number] for number in range(len(self)))


def by_length(lengths: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Indices in batches of similar length, the longest first: for evaluation, where order does not matter.

    The longest first, because a batch that does not fit into memory should say so at once.
    """
    order = np.argsort(-lengths, kind="stable")
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def by_tokens(lengths: np.ndarray, tokens: int, most: int) -> list[np.ndarray]:
    """Indices in batches of similar length, the longest first, each of at most so many tokens with their padding.

    There are at most `most` texts in a batch, and a text that is longer than a batch has one of its own.
    """
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        count = min(max(tokens // max(int(lengths[order[start]]), 1), 1), most)
        batches.append(order[start : start + count])
        start += count
    return batches


def shuffled_buckets(
    lengths: np.ndarray, batch_size: int, rng: np.random.Generator, batch_tokens: int = 0
) -> list[np.ndarray]:
    """Indices in random batches of similar length: for training.

    Examples are shuffled and cut into pools of about 100 batches; a pool is sorted by length and cut into batches, and
    the batches of all pools are shuffled. Less than 5 % of the tokens are padding, and which examples meet still
    changes with every epoch.

    Args:
        lengths: tokens of each example, `(examples,)`.
        batch_size: examples in a batch.
        rng: decides the order.
        batch_tokens: above 0, a batch holds as many examples as have so many tokens with their padding, and not
            `batch_size`: few long ones, or many short ones. One that is longer than that has a batch of its own.
    """
    order = rng.permutation(len(lengths))
    usual = max(int(batch_tokens / max(lengths.mean(), 1)), 1) if batch_tokens and len(lengths) else batch_size
    batches = []
    for start in range(0, len(order), _POOL * usual):
        pool = order[start : start + _POOL * usual]
        own = lengths[pool]
        cut = by_tokens(own, batch_tokens, len(pool)) if batch_tokens else by_length(own, batch_size)
        batches += [pool[rows] for rows in cut]
    return [batches[number] for number in rng.permutation(len(batches))]

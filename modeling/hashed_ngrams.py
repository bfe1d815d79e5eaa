"""A word's vector from its own row and those of its character n-grams (Bojanowski et al. 2017, section 3.2).

n-grams are many: they are hashed into buckets, and those of one bucket share a row. As in fastText, a word that is
known is the mean of its own row and its n-grams' rows, one that is not is the mean of its n-grams' alone. Buckets are
numbered from 1; 0 stands for none, and its row in the table is never read.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag


def known_words(words: Tensor, ngram_ids: Tensor, table: nn.Embedding) -> Tensor:
    """The vectors of words that have rows of their own.

    Args:
        words: their rows, `(..., width)`.
        ngram_ids: their n-grams, 0 for none, `(..., ngrams)`.
        table: a row for each bucket, behind the row of none, `(1 + buckets, width)`.

    Returns:
        `(..., width)`
    """
    sums, counts = _sum(ngram_ids, table)
    return (words + sums) / (counts + 1)


def unseen_words(words: Tensor, ngram_ids: Tensor, table: nn.Embedding) -> Tensor:
    """The same vectors, but where there are n-grams: those are of words without rows, and their mean takes the place.

    Args and returns as `known_words`.
    """
    sums, counts = _sum(ngram_ids, table)
    return torch.where(counts > 0, sums / counts.clamp(min=1), words)


def mean_of_rows(words: Tensor, known: Tensor, ngram_ids: Tensor, table: nn.Embedding) -> Tensor:
    """The vectors of texts, as in fastText's classifier (Joulin et al. 2016): each row of a text counts alike.

    Args:
        words: their rows, `(batch, length, width)`.
        known: true where a word has a row of its own, `(batch, length)`.
        ngram_ids: all n-grams of each word, 0 for none, `(batch, length, ngrams)`.
        table: as in `known_words`.

    Returns:
        `(batch, width)`, zero for a text without any row.
    """
    sums, counts = _sum(ngram_ids.flatten(1), table)  # (batch, width), (batch, 1)
    sums = sums + words.masked_fill(~known.unsqueeze(-1), 0.0).sum(1)
    return sums / (counts + known.sum(1, keepdim=True)).clamp(min=1)


def _sum(ngram_ids: Tensor, table: nn.Embedding) -> tuple[Tensor, Tensor]:
    """The sum of the n-grams' rows `(..., width)` and their number `(..., 1)`."""
    flat = ngram_ids.flatten(0, -2)  # (words, ngrams)
    # Without the vectors of single n-grams in memory, of which a batch has some ten thousands.
    sums = embedding_bag(flat, table.weight, mode="sum", padding_idx=0, sparse=table.sparse)
    counts = (ngram_ids != 0).sum(-1, keepdim=True).to(sums.dtype)
    return sums.unflatten(0, ngram_ids.shape[:-1]), counts

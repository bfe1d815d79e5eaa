"""Classifiers that are linear in their words: what each word adds to the logarithm of the odds, exactly.

The numbers of the words and the bias sum to `direction @ logits`.
"""

from typing import Any

import torch
from torch import Tensor

from ..modeling.word_bigrams import hash_bigrams
from .decision import Decision
from .panels import Highlights, Panel
from .reading import Reading

FIRST_WORD = 2  # ids below are <pad> and <unk>, which have no row in a mean of rows


def bag_highlights(model: Any, reading: Reading, decision: Decision) -> list[Panel]:
    """A bag of words: a feature's number, shared by the places where it stands; of a bigram, half for either word."""
    ids, mask = reading.inputs["input_ids"], reading.inputs["attention_mask"].bool()
    words, *bigrams = model.bow.weigh(ids, mask)
    numbers = _of_features(model.classifier.words, words, decision, ids[0])  # (length,)
    if bigrams:
        buckets, ends = hash_bigrams(ids, mask, model.config.num_bigram_buckets)
        halves = _of_features(model.classifier.bigrams, bigrams[0], decision, buckets[0].where(ends[0], -1)) / 2
        numbers = numbers + halves + halves.roll(-1)  # the first token ends no pair: its half is zero
    return [Highlights(decision.title(), reading.words, numbers.double().cpu().numpy())]


def _of_features(table: Any, bag: tuple[Tensor, Tensor], decision: Decision, places: Tensor) -> Tensor:
    """The number of the feature at each place, -1 for none, divided by how often it stands there: `(length,)`."""
    ids, weights = bag[0][0], bag[1][0]  # (features,)
    if table.scales is not None:
        weights = weights * table.scales(ids)
    numbers = weights * (table.rows.weight[ids].float() @ decision.direction)
    here = (places.unsqueeze(1) == ids) & (bag[1][0] != 0)  # (length, features)
    return (here * (numbers / here.sum(0).clamp(min=1))).sum(1)


def mean_highlights(model: Any, reading: Reading, decision: Decision) -> list[Panel]:
    """word2vec's classifier: a word's share of the mean under the linear layer."""
    backbone = model.word2vec
    ids, ngrams = reading.inputs["input_ids"][0], reading.inputs.get("ngram_ids")
    if model.config.pooling == "rows":
        # Each token alone, which gives the mean of its rows; and how many they are.
        alone = ids.unsqueeze(1)
        of_unseen = None if ngrams is None else ngrams[0].unsqueeze(1)
        means = backbone.pool_rows(alone, of_unseen, torch.ones_like(alone, dtype=torch.bool))
        counts = (ids >= FIRST_WORD).float()
        if model.config.num_ngram_buckets:
            counts = counts + (backbone.word_ngrams[ids] != 0).sum(1)
            counts = counts if ngrams is None else counts + (ngrams[0] != 0).sum(1)
    else:
        means = backbone(**reading.inputs).last_hidden_state[0]  # (length, hidden_size)
        counts = means.new_ones(len(ids))
    shares = counts / counts.sum().clamp(min=1)
    numbers = shares * (means.float() @ (decision.direction @ model.classifier.weight.float()))  # (length,)
    return [Highlights(decision.title(), reading.words, numbers.double().cpu().numpy())]

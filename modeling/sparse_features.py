"""Features of which a text has few out of many: what each weighs and tells, and a linear classifier on them."""

import torch
from torch import Tensor, nn

Bag = tuple[Tensor, Tensor]
"""Ids of features and a number for each, both `(batch, length)`; the number is 0 where the id means nothing."""


def count_distinct(ids: Tensor, mask: Tensor) -> Bag:
    """The distinct ids of each row, and how often each occurs: ids and mask `(batch, length)` to ids and counts."""
    nothing = torch.iinfo(ids.dtype).max
    ids = ids.masked_fill(~mask, nothing).sort(1).values
    first = torch.searchsorted(ids, ids)  # (batch, length): where the equals of an id begin
    counts = torch.searchsorted(ids, ids, right=True) - first
    places = torch.arange(ids.shape[1], device=ids.device)
    counts = counts.where((first == places) & (ids != nothing), 0)
    return ids.where(counts > 0, 0), counts


def log_count_ratios(label_frequencies: Tensor, frequencies: Tensor, smoothing: float = 1.0) -> Tensor:
    """How much more often a feature stands in the texts of a label than in the others, as a logarithm.

    r of section 2.1, with the presence of a feature for its count. A feature that no text has tells nothing: 0.

    Args:
        label_frequencies: how many texts of a label have the feature, `(num_labels, features)`.
        frequencies: how many texts have it, `(features,)`.
        smoothing: alpha, what is added to every count.

    Returns:
        `(num_labels, features)`
    """
    seen = frequencies > 0  # (features,)
    with_label = (label_frequencies + smoothing) * seen
    without = (frequencies - label_frequencies + smoothing) * seen
    shares = [counts / counts.sum(1, keepdim=True).clamp(min=smoothing) for counts in (with_label, without)]
    ratios = shares[0].log() - shares[1].log()  # (num_labels, features)
    return ratios.where(seen, 0.0)


class FeatureWeights(nn.Module):
    """One number for each feature, 1 until something is known: a buffer, `(num_embeddings,)`."""

    weight: Tensor

    def __init__(self, num_embeddings: int):
        super().__init__()
        self.register_buffer("weight", torch.ones(num_embeddings))

    @property
    def num_embeddings(self) -> int:
        """Number of features, by the name that `nn.Embedding` has for it."""
        return self.weight.shape[0]

    def forward(self, ids: Tensor) -> Tensor:
        """From ids of any shape to their numbers."""
        return self.weight[ids]

    def resize(self, size: int) -> None:
        """Cut, or add features that weigh what the others do on average."""
        added = self.weight.mean().expand(max(size - self.num_embeddings, 0))
        self.weight = torch.cat([self.weight[:size], added])


class FeatureTable(nn.Module):
    """A row for each feature, times what is known of how much the feature tells."""

    def __init__(self, num_features: int, num_labels: int, scaled: bool):
        super().__init__()
        self.rows = nn.EmbeddingBag(num_features, num_labels, mode="sum")
        self.scales = FeatureWeights(num_features) if scaled else None

    def forward(self, ids: Tensor, weights: Tensor) -> Tensor:
        """Sum rows up: features and their weights in a text, `(batch, length)`, to `(batch, num_labels)`."""
        if self.scales is not None:
            weights = weights * self.scales(ids)
        return self.rows(ids, per_sample_weights=weights.to(self.rows.weight.dtype))

    def start_from(self, ratios: Tensor, share: float) -> None:
        """Become `share` of the given table, `(features, num_labels)`, scaled by the largest number of each row."""
        assert self.scales is not None
        largest = ratios.abs().amax(1)  # (features,)
        scales = largest.where(largest > 0, 1.0)
        self.scales.weight.copy_(scales)
        self.rows.weight.copy_(share * ratios / scales.unsqueeze(1))

    def resize(self, size: int) -> None:
        """Cut, or add features that say nothing until they are trained."""
        old = self.rows.weight
        added = old.new_zeros(max(size - old.shape[0], 0), old.shape[1])
        self.rows.weight = nn.Parameter(torch.cat([old.detach()[:size], added]), old.requires_grad)
        self.rows.num_embeddings = size
        if self.scales is not None:
            self.scales.resize(size)


class BagClassifier(nn.Module):
    """A table for words, perhaps one for bigrams, and a bias."""

    def __init__(self, vocab_size: int, num_bigram_buckets: int, num_labels: int, scaled: bool):
        super().__init__()
        self.words = FeatureTable(vocab_size, num_labels, scaled)
        self.bigrams = FeatureTable(num_bigram_buckets, num_labels, scaled) if num_bigram_buckets else None
        self.bias = nn.Parameter(torch.zeros(num_labels))

    def forward(self, bags: list[Bag]) -> Tensor:
        """From the weighted words of texts, and perhaps their bigrams, to `(batch, num_labels)`."""
        tables = [self.words] if self.bigrams is None else [self.words, self.bigrams]
        logits = self.bias
        for table, (ids, weights) in zip(tables, bags, strict=True):
            logits = logits + table(ids, weights)
        return logits

    def start_from(self, ratios: Tensor, share: float) -> None:
        """Become `share` of the log-count ratios `(features, num_labels)`, words first."""
        vocab_size = self.words.rows.num_embeddings
        self.words.start_from(ratios[:vocab_size], share)
        if self.bigrams is not None:
            self.bigrams.start_from(ratios[vocab_size:], share)

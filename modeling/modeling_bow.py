"""The bag of words: a text is the weighted counts of its words and of its pairs of words, under a linear classifier.

Weights are those of scikit-learn: presence, counts, or tf-idf with a smoothed idf. Log-count ratios are those of Wang &
Manning 2012, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification" (ACL), section 2.1, one class
against the rest.

- On the way to its logits no text becomes a row as wide as the vocabulary: its distinct features are found by sorting,
  and their rows of the table are summed up.
- `BowModel` has nothing to train. What it knows of features is counted (`set_document_frequencies`) and kept in
  buffers.
- `BowForSequenceClassification` starts as naive Bayes where it is given counts (`start_from_ratios`).
"""

from typing import cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling, SequenceClassifierOutput
from transformers.utils.generic import can_return_tuple

from .configuration_bow import BowConfig
from .embeddings import token_mask
from .hub_ready import HubReadyMixin
from .word_bigrams import hash_bigrams

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


class BowPreTrainedModel(HubReadyMixin, PreTrainedModel):
    """What the family's classes share: initialisation, and what transformers asks of parameters that may be none."""

    config: BowConfig
    config_class = BowConfig
    base_model_prefix = "bow"
    _input_embed_layer = "word_idf"

    @torch.no_grad()
    def _init_weights(self, module):
        if isinstance(module, FeatureWeights):
            init.ones_(module.weight)
        elif isinstance(module, nn.EmbeddingBag):
            init.zeros_(module.weight)  # the loss is convex, and what was never seen is to say nothing
        elif isinstance(module, BagClassifier):
            init.zeros_(module.bias)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return cast(FeatureWeights, self.get_input_embeddings()).weight.device

    @property
    def dtype(self) -> torch.dtype:
        """What its numbers are."""
        return cast(FeatureWeights, self.get_input_embeddings()).weight.dtype

    def _resize_token_embeddings(self, new_num_tokens, pad_to_multiple_of=None, mean_resizing=True):
        words = cast(FeatureWeights, self.get_input_embeddings())
        size = words.num_embeddings if new_num_tokens is None else new_num_tokens
        if pad_to_multiple_of is not None:
            size = -(-size // pad_to_multiple_of) * pad_to_multiple_of
        words.resize(size)
        return words


class BowModel(BowPreTrainedModel):
    """The vector of a text: a number for each word of the vocabulary and, behind them, each bucket of bigrams."""

    def __init__(self, config: BowConfig):
        super().__init__(config)
        self.word_idf = FeatureWeights(config.vocab_size)
        self.bigram_idf = FeatureWeights(config.num_bigram_buckets) if config.num_bigram_buckets else None
        self.post_init()

    def count(
        self, input_ids: Tensor | None, attention_mask: Tensor | None = None, inputs_embeds: Tensor | None = None
    ) -> list[Bag]:
        """The distinct features of texts and their counts, `(batch, length)`: words and, where there are any, bigrams.

        Raises:
            ValueError: when there are no ids, or vectors in place of them.
        """
        if input_ids is None or inputs_embeds is not None:
            raise ValueError("give input_ids, and no inputs_embeds: a bag of words counts ids, and vectors have none")
        ids = input_ids.long()  # a tokenizer returns an empty text as a tensor of no floats
        mask = token_mask(ids, attention_mask, None, self.config.pad_token_id)
        if ids.shape[1] == 0:
            ids, mask = nn.functional.pad(ids, (0, 1)), nn.functional.pad(mask, (0, 1))  # (batch, 1)
        bags = [count_distinct(ids, mask)]
        if self.config.num_bigram_buckets:
            bags.append(count_distinct(*hash_bigrams(ids, mask, self.config.num_bigram_buckets)))
        return bags

    def weigh(
        self, input_ids: Tensor | None, attention_mask: Tensor | None = None, inputs_embeds: Tensor | None = None
    ) -> list[Bag]:
        """The distinct features of texts and their weights: the vectors of `forward` without their zeros.

        Takes, raises and returns what `count` does, with float32 weights for counts: squares of counts leave the range
        of smaller numbers.
        """
        bags = []
        weighting = self.config.weighting
        tables = [self.word_idf] if self.bigram_idf is None else [self.word_idf, self.bigram_idf]
        for (ids, counts), table in zip(self.count(input_ids, attention_mask, inputs_embeds), tables, strict=True):
            weights = (counts > 0).float() if weighting == "binary" else counts.float()
            if weighting == "sublinear-tfidf":
                weights = (1.0 + weights.clamp(min=1.0).log()).where(counts > 0, 0.0)
            idf = table(ids).float()
            weights = weights * idf if weighting.endswith("tfidf") else weights * (idf > 0)
            bags.append((ids, weights))
        if self.config.normalization == "l2":
            length = torch.cat([weights for _, weights in bags], 1).norm(dim=1, keepdim=True)  # (batch, 1)
            bags = [(ids, weights / length.where(length > 0, 1.0)) for ids, weights in bags]
        return bags

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        **kwargs,
    ) -> BaseModelOutputWithPooling:
        """Count and weigh.

        Args:
            input_ids: `(batch, length)`.
            attention_mask: 1 where there is a token, `(batch, length)`.
            inputs_embeds: not possible.

        Returns:
            `pooler_output (batch, hidden_size)`, nearly all of it zeros: `hidden_size` is `vocab_size +
            num_bigram_buckets`, so 1000 texts with 30,000 words and 2^18 buckets are 1.2 GB. Tokens have no vectors.

        Raises:
            ValueError: when there are no ids, or vectors in place of them.
        """
        sizes = (self.config.vocab_size, self.config.num_bigram_buckets)
        pooled = [
            weights.new_zeros(weights.shape[0], size).scatter_add(1, ids, weights)
            for (ids, weights), size in zip(self.weigh(input_ids, attention_mask, inputs_embeds), sizes, strict=False)
        ]
        return BaseModelOutputWithPooling(pooler_output=torch.cat(pooled, 1).to(self.dtype))

    @torch.no_grad()
    def set_document_frequencies(self, frequencies: Tensor, num_texts: int) -> None:
        """Fit the idf: ln((1 + texts) / (1 + texts with the feature)) + 1, scikit-learn's with `smooth_idf`.

        A feature that no text has gets 0 and is passed over from now on, whatever the weighting, as scikit-learn passes
        over words outside its vocabulary: the table knows nothing of it, and known features must not weigh less for it.

        Args:
            frequencies: how many texts have a feature, `(hidden_size,)`.
            num_texts: how many texts there are.
        """
        frequencies = frequencies.to(self.device)
        idf = (((1 + num_texts) / (1 + frequencies.float())).log() + 1.0).where(frequencies > 0, 0.0)
        self.word_idf.weight.copy_(idf[: self.config.vocab_size])
        if self.bigram_idf is not None:
            self.bigram_idf.weight.copy_(idf[self.config.vocab_size :])


class BowForSequenceClassification(BowPreTrainedModel):
    """A linear classifier: each label's sum over the features of a text, weight times row of the table, and a bias.

    With log-count ratios the rows are those of naive Bayes, to begin with, and stay multiplied by how much each feature
    tells, which is what NB-SVM does (section 2.3): of an optimizer that gives all numbers steps of the same size, rare
    features would otherwise learn single texts by heart.
    """

    # Trainer: the loss is a mean over this batch, so it must be divided when gradients are accumulated.
    accepts_loss_kwargs = False

    def __init__(self, config: BowConfig):
        super().__init__(config)
        self.bow = BowModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = BagClassifier(
            vocab_size=config.vocab_size,
            num_bigram_buckets=config.num_bigram_buckets,
            num_labels=cast(int, config.num_labels),
            scaled=config.feature_scaling == "log-count-ratio",
        )
        self.post_init()

    def _resize_token_embeddings(self, new_num_tokens, pad_to_multiple_of=None, mean_resizing=True):
        resized = super()._resize_token_embeddings(new_num_tokens, pad_to_multiple_of, mean_resizing)
        self.classifier.words.resize(resized.num_embeddings)
        return resized

    @torch.no_grad()
    def start_from_ratios(self, label_frequencies: Tensor, frequencies: Tensor, share: float = 0.1) -> None:
        """Begin as naive Bayes: the table becomes `share` of the log-count ratios, and rows are scaled by them.

        Args:
            label_frequencies: how many texts of a label have a feature, `(num_labels, hidden_size)`.
            frequencies: how many texts have it, `(hidden_size,)`.
            share: decides how sure the classifier begins, and not what it answers. All of the ratios are too sure, as
                naive Bayes is where features depend on each other, and take long to unlearn.

        Raises:
            ValueError: when the config has no `feature_scaling`, or for counts of another shape.
        """
        if self.config.feature_scaling == "none":
            raise ValueError("feature_scaling is 'none', but must be 'log-count-ratio' to start from ratios")
        expected = (self.config.num_labels, self.config.hidden_size)
        if label_frequencies.shape != expected or frequencies.shape != expected[1:]:
            shapes = f"{tuple(label_frequencies.shape)} and {tuple(frequencies.shape)}"
            raise ValueError(f"counts have shapes {shapes}, but must have {expected} and {expected[1:]}")
        ratios = log_count_ratios(label_frequencies.to(self.device).float(), frequencies.to(self.device).float())
        self.classifier.start_from(ratios.T, share)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        **kwargs,
    ) -> SequenceClassifierOutput:
        """Classify texts.

        Args:
            input_ids: `(batch, length)`.
            attention_mask: 1 where there is a token, `(batch, length)`.
            inputs_embeds: not possible.
            labels: class ids `(batch,)`; floats `(batch, num_labels)` for several labels or a regression.

        Returns:
            `loss` (with labels) and `logits (batch, num_labels)`.

        Raises:
            ValueError: when there are no ids, or vectors in place of them.
        """
        bags = self.bow.weigh(input_ids, attention_mask, inputs_embeds)
        logits = self.classifier([(ids, self.dropout(weights)) for ids, weights in bags])  # (batch, num_labels)
        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config)
        return SequenceClassifierOutput(loss=loss, logits=logits)


AUTO_CLASSES = {
    "AutoModel": BowModel,
    "AutoModelForSequenceClassification": BowForSequenceClassification,
}

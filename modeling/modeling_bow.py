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
from .sparse_features import Bag, BagClassifier, FeatureWeights, count_distinct, log_count_ratios
from .word_bigrams import hash_bigrams


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

"""TextCNN: convolutions of several widths over word vectors, and the largest answer of each filter.

Kim 2014, "Convolutional Neural Networks for Sentence Classification" (EMNLP), section 2. All four variants:

- `rand`: word vectors start at random and are trained;
- `static`: word vectors are given and stay as they are;
- `non-static`: word vectors are given and trained;
- `multichannel`: a frozen and a trained copy, two channels under the same windows.
"""

from typing import cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils.generic import can_return_tuple

from .bigram_embedding import BigramEmbedding
from .configuration_textcnn import TextCNNConfig
from .convolution import ParallelConvolutions
from .embeddings import embed_words, given_length
from .heads import SequenceClassificationHead, TokenClassificationHead
from .hub_ready import HubReadyMixin
from .pooling import masked_max


class TextCNNPreTrainedModel(HubReadyMixin, PreTrainedModel):
    """What the family's classes share: initialisation, and word vectors that stay frozen."""

    config: TextCNNConfig
    config_class = TextCNNConfig
    base_model_prefix = "textcnn"
    _input_embed_layer = "word_embeddings"

    @torch.no_grad()
    def _init_weights(self, module):
        if isinstance(module, nn.Embedding):
            bound = self.config.initializer_range
            init.uniform_(module.weight, -bound, bound)
        elif isinstance(module, nn.Conv1d):
            init.kaiming_uniform_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            init.zeros_(module.bias)

    def train(self, mode: bool = True):
        # Loading makes every parameter trainable again; it ends in eval(), and every training begins with train().
        super().train(mode)
        for module in self.modules():
            if isinstance(module, TextCNNModel):
                module.freeze_static_embeddings()
        return self

    def _resize_token_embeddings(self, new_num_tokens, pad_to_multiple_of=None, mean_resizing=True):
        resized = super()._resize_token_embeddings(new_num_tokens, pad_to_multiple_of, mean_resizing)
        backbone = cast(TextCNNModel, self.base_model)
        if self.config.embedding_mode == "multichannel":
            backbone.static_embeddings = self._get_resized_embeddings(
                backbone.static_embeddings, new_num_tokens, pad_to_multiple_of, mean_resizing
            )
        backbone.freeze_static_embeddings()
        return resized


class TextCNNModel(TextCNNPreTrainedModel):
    """Features of each token and, by max-over-time pooling, of the text."""

    def __init__(self, config: TextCNNConfig):
        super().__init__(config)
        self.word_embeddings = nn.Embedding(config.vocab_size, config.embedding_size)
        channels = 1
        if config.embedding_mode == "multichannel":
            self.static_embeddings = nn.Embedding(config.vocab_size, config.embedding_size)
            channels = 2
        width = channels * config.embedding_size
        if config.num_bigram_buckets:
            self.bigrams = BigramEmbedding(config.num_bigram_buckets, config.bigram_embedding_size)
            width += 2 * config.bigram_embedding_size
        self.dropout = nn.Dropout(config.embedding_dropout)
        self.convolutions = ParallelConvolutions(
            input_size=width,
            num_filters=config.num_filters,
            filter_sizes=config.filter_sizes,
        )
        self.activation = ACT2FN[config.hidden_act]
        self.post_init()
        self.freeze_static_embeddings()

    def freeze_static_embeddings(self):
        """Take the frozen copy of the word vectors out of training, as `embedding_mode` demands."""
        if self.config.embedding_mode == "static":
            self.word_embeddings.weight.requires_grad_(False)
        elif self.config.embedding_mode == "multichannel":
            self.static_embeddings.weight.requires_grad_(False)

    def set_word_vectors(self, vectors: Tensor):
        """Start from given word vectors, `(vocab_size, embedding_size)`, in every channel."""
        with torch.no_grad():
            self.word_embeddings.weight.copy_(vectors)
            if self.config.embedding_mode == "multichannel":
                self.static_embeddings.weight.copy_(vectors)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> BaseModelOutputWithPooling:
        """Convolve and pool.

        Args:
            input_ids: `(batch, length)`; or `inputs_embeds`, `(batch, length, embedding_size)`, for both channels.
            attention_mask: 1 where there is a token, `(batch, length)`.
            output_hidden_states: also return `hidden_states`: the word vectors and the features.

        Returns:
            `last_hidden_state (batch, length, hidden_size)`, zero where padded, and
            `pooler_output (batch, hidden_size)`.
        """
        length = given_length(input_ids, inputs_embeds)
        pad = self.config.pad_token_id
        embedded, mask = embed_words(self.word_embeddings, input_ids, attention_mask, inputs_embeds, pad)
        channels = embedded  # (batch, length, embedding_size)
        if self.config.embedding_mode == "multichannel":
            static, _ = embed_words(self.static_embeddings, input_ids, attention_mask, inputs_embeds, pad)
            channels = torch.cat([static, embedded], dim=-1)  # (batch, length, 2 * embedding_size)
        if self.config.num_bigram_buckets:
            channels = torch.cat([channels, self.bigrams(input_ids, mask)], dim=-1)
        features = self.activation(self.convolutions(self.dropout(channels)))  # (batch, length, hidden_size)
        features = features.masked_fill(~mask.unsqueeze(-1), 0.0)
        pooled = masked_max(features, mask)  # (batch, hidden_size)
        features = features[:, :length]  # a text of no tokens had one position of padding
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        return BaseModelOutputWithPooling(
            last_hidden_state=features,
            pooler_output=pooled,
            hidden_states=(embedded[:, :length], features) if output_hidden_states else None,
        )


class TextCNNForSequenceClassification(SequenceClassificationHead, TextCNNPreTrainedModel):
    """Kim's classifier: dropout and a linear layer on the pooled features."""

    backbone_class = TextCNNModel


class TextCNNForTokenClassification(TokenClassificationHead, TextCNNPreTrainedModel):
    """A tag for each token from the windows around it (the window approach of Collobert et al. 2011, section 3.3)."""

    backbone_class = TextCNNModel


AUTO_CLASSES = {
    "AutoModel": TextCNNModel,
    "AutoModelForSequenceClassification": TextCNNForSequenceClassification,
    "AutoModelForTokenClassification": TextCNNForTokenClassification,
}

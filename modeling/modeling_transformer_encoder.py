"""The Transformer that reads both ways: every token looks at every other one, layer by layer.

Vaswani et al. 2017, "Attention Is All You Need", section 3.1 (the encoder); as a masked language model Devlin et al.
2019, "BERT", section 3.1.
"""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import BaseModelOutputWithPooling, MaskedLMOutput
from transformers.utils.generic import can_return_tuple

from .configuration_transformer_encoder import TransformerEncoderConfig
from .crf import LinearChainCRF
from .crf_head import CRFTokenClassificationHead
from .embeddings import look_up_words
from .heads import SequenceClassificationHead
from .hub_ready import HubReadyMixin
from .pooling import first_token, masked_max, masked_mean
from .positions import Positions, number_tokens
from .softmax_losses import chunked_cross_entropy
from .transformer_layers import TransformerStack, Wanted, initialize_transformer

_POOLINGS = {"mean": masked_mean, "max": masked_max, "first": first_token}


class TransformerEncoderPreTrainedModel(HubReadyMixin, PreTrainedModel):
    """What the family's classes share: initialisation, and what transformers wants to know."""

    config: TransformerEncoderConfig
    config_class = TransformerEncoderConfig
    base_model_prefix = "transformer_encoder"
    _input_embed_layer = "word_embeddings"
    _supports_sdpa = True
    supports_gradient_checkpointing = True
    _no_split_modules = ["TransformerLayer"]

    @torch.no_grad()
    def _init_weights(self, module):
        if isinstance(module, LinearChainCRF):
            module.reset_parameters()
        else:
            initialize_transformer(module, self.config.initializer_range)


class TransformerEncoderModel(TransformerEncoderPreTrainedModel):
    """The states of each token in its context, and the vector of the text."""

    def __init__(self, config: TransformerEncoderConfig):
        super().__init__(config)
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.positions = Positions(**config.position_options())
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.encoder = TransformerStack(**config.layer_options())
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> BaseModelOutputWithPooling:
        """Read texts.

        Args:
            input_ids: `(batch, length)`; or `inputs_embeds`, `(batch, length, hidden_size)`.
            attention_mask: 1 where there is a token, `(batch, length)`.
            output_attentions: also return `attentions`, of each layer `(batch, heads, length, length)`; they are then
                computed step by step.
            output_hidden_states: also return `hidden_states`: the words in their places and the states of each layer.

        Returns:
            `last_hidden_state (batch, length, hidden_size)`, zero where padded, and
            `pooler_output (batch, hidden_size)`.

        Raises:
            ValueError: for a text longer than learned positions reach.
        """
        words, tokens = look_up_words(
            self.word_embeddings, input_ids, attention_mask, inputs_embeds, self.config.pad_token_id
        )
        places = number_tokens(tokens, tokens.shape[1], 0, words.device)
        words, rotation = self.positions(words, places)
        words = self.dropout(words)
        mask = create_bidirectional_mask(self.config, words, tokens)
        wanted = Wanted(**self.config.wanted(output_attentions, output_hidden_states))
        outputs = self.encoder(words, wanted, mask, rotation, tokens=tokens)
        return BaseModelOutputWithPooling(
            last_hidden_state=outputs.states,
            pooler_output=_POOLINGS[self.config.pooling](outputs.states, tokens),
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )


class TransformerEncoderForMaskedLM(TransformerEncoderPreTrainedModel):
    """A masked language model: words that were hidden in the text, from all others."""

    accepts_loss_kwargs = False
    _tied_weights_keys = {"lm_head.weight": "transformer_encoder.word_embeddings.weight"}

    def __init__(self, config: TransformerEncoderConfig):
        super().__init__(config)
        self.transformer_encoder = TransformerEncoderModel(config)
        self.cloze = nn.Sequential(
            nn.Linear(config.hidden_size, config.hidden_size),
            nn.GELU(),
            nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps),
        )
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    def set_output_embeddings(self, value: nn.Linear):
        self.lm_head = value

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> MaskedLMOutput:
        """Predict what was hidden.

        Args:
            input_ids: `(batch, length)`; or `inputs_embeds`, `(batch, length, hidden_size)`.
            attention_mask: 1 where there is a token, `(batch, length)`.
            labels: the words that were hidden, `(batch, length)`; -100 for all others.
            output_attentions: also return `attentions`.
            output_hidden_states: also return `hidden_states`.

        Returns:
            With labels `loss`, without them `logits (batch, length, vocab_size)`.
        """
        outputs = self.transformer_encoder(
            input_ids,
            attention_mask,
            inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=True,
        )
        states, loss, logits = outputs.last_hidden_state, None, None
        if labels is None:
            logits = self.lm_head(self.cloze(states))
        else:
            states, labels = states.flatten(0, 1), labels.flatten()
            if not torch.compiler.is_compiling():  # most words were not hidden, and need no scores
                hidden = labels != -100
                states, labels = states[hidden], labels[hidden]
            head = self.lm_head
            loss = chunked_cross_entropy(self.cloze(states), head.weight, head.bias, labels)
        return MaskedLMOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )


class TransformerEncoderForSequenceClassification(SequenceClassificationHead, TransformerEncoderPreTrainedModel):
    """A linear layer on the text's vector."""

    backbone_class = TransformerEncoderModel


class TransformerEncoderForTokenClassification(CRFTokenClassificationHead, TransformerEncoderPreTrainedModel):
    """A tag for each token from its context; with a CRF, the best sequence of tags."""

    backbone_class = TransformerEncoderModel


AUTO_CLASSES = {
    "AutoModel": TransformerEncoderModel,
    "AutoModelForMaskedLM": TransformerEncoderForMaskedLM,
    "AutoModelForSequenceClassification": TransformerEncoderForSequenceClassification,
    "AutoModelForTokenClassification": TransformerEncoderForTokenClassification,
}

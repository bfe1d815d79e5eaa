"""The Transformer that reads from left to right and goes on writing: each token looks at those before it.

Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training", section 3.1, after Vaswani et al.
2017. What a token's layers have made of it is kept in a cache, so that writing never reads anything twice.
"""

import torch
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedModel
from transformers.cache_utils import Cache, DynamicCache
from transformers.masking_utils import create_causal_mask
from transformers.modeling_outputs import BaseModelOutputWithPoolingAndCrossAttentions, CausalLMOutputWithPast
from transformers.utils.generic import can_return_tuple

from .configuration_transformer_decoder import TransformerDecoderConfig
from .embeddings import look_up_words, token_mask
from .hub_ready import HubReadyMixin
from .pooling import last_token
from .positions import Positions, number_tokens
from .recurrent import TokenOrder
from .softmax_losses import softmax_loss
from .transformer_layers import TransformerStack, Wanted, initialize_transformer


class TransformerDecoderPreTrainedModel(HubReadyMixin, PreTrainedModel):
    """What the family's classes share: initialisation, and what transformers wants to know."""

    config: TransformerDecoderConfig
    config_class = TransformerDecoderConfig
    base_model_prefix = "transformer_decoder"
    _input_embed_layer = "word_embeddings"
    _supports_sdpa = True
    supports_gradient_checkpointing = True
    _no_split_modules = ["TransformerLayer"]
    _skip_keys_device_placement = ["past_key_values"]

    @torch.no_grad()
    def _init_weights(self, module):
        initialize_transformer(module, self.config.initializer_range)


class TransformerDecoderModel(TransformerDecoderPreTrainedModel):
    """The states behind each token, and that of the text, which is the last token's.

    Args:
        config: the settings.
        add_pooling_layer: whether there is a vector of the text; a language model has no use for it.
    """

    def __init__(self, config: TransformerDecoderConfig, add_pooling_layer: bool = True):
        super().__init__(config)
        self.has_pooling = add_pooling_layer
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.positions = Positions(**config.position_options())
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.decoder = TransformerStack(**config.layer_options(), is_causal=True)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        past_key_values: Cache | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> BaseModelOutputWithPoolingAndCrossAttentions:
        """Read texts, or go on reading them.

        Args:
            input_ids: `(batch, length)`; or `inputs_embeds`, `(batch, length, hidden_size)`.
            attention_mask: 1 where there is a token, `(batch, length)`, or of all that was read so far as well.
            past_key_values: what was made of the tokens before; brought up to date in place.
            use_cache: also return that, as `past_key_values`.
            output_attentions: also return `attentions`, of each layer `(batch, heads, length, all tokens so far)`; they
                are then computed step by step.
            output_hidden_states: also return `hidden_states`: the words in their places and the states of each layer.

        Returns:
            `last_hidden_state (batch, length, hidden_size)`, zero where padded, and
            `pooler_output (batch, hidden_size)`.

        Raises:
            ValueError: for a text longer than learned positions reach.
        """
        past_length = 0 if past_key_values is None else past_key_values.get_seq_length()
        # What was written is a word, even if it is the padding.
        pad = self.config.pad_token_id if past_key_values is None else None
        words, tokens = look_up_words(self.word_embeddings, input_ids, attention_mask, inputs_embeds, pad)
        length = tokens.shape[1]
        read = attention_mask  # (batch, past_length + length)
        if read is None or read.shape[1] < past_length + length:
            read = nn.functional.pad(tokens, (past_length, 0), value=True) if past_length else tokens
        if use_cache and past_key_values is None and not (self.training and self.decoder.gradient_checkpointing):
            past_key_values = DynamicCache(config=self.config)
        words, rotation = self.positions(words, number_tokens(read, length, past_length, words.device))
        words = self.dropout(words)
        wanted = Wanted(**self.config.wanted(output_attentions, output_hidden_states))
        mask = create_causal_mask(
            self.config,
            words,
            read,
            past_key_values=past_key_values,
            allow_is_causal_skip=wanted.implementation == self.config._attn_implementation,
        )
        outputs = self.decoder(words, wanted, mask, rotation, tokens=tokens, past_key_values=past_key_values)
        return BaseModelOutputWithPoolingAndCrossAttentions(
            last_hidden_state=outputs.states,
            pooler_output=last_token(outputs.states, tokens) if self.has_pooling else None,
            past_key_values=past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )


class TransformerDecoderForCausalLM(TransformerDecoderPreTrainedModel, GenerationMixin):
    """A language model: each state predicts the next token."""

    accepts_loss_kwargs = False
    _tied_weights_keys = {"lm_head.weight": "transformer_decoder.word_embeddings.weight"}

    def __init__(self, config: TransformerDecoderConfig):
        super().__init__(config)
        self.transformer_decoder = TransformerDecoderModel(config, add_pooling_layer=False)
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
        past_key_values: Cache | None = None,
        use_cache: bool | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> CausalLMOutputWithPast:
        """Predict the next token.

        Args:
            input_ids: `(batch, length)`; or `inputs_embeds`, `(batch, length, hidden_size)`.
            attention_mask: 1 where there is a token, `(batch, length)`, or of all that was read so far as well.
            past_key_values: what was made of the tokens before.
            use_cache: also return that, as `past_key_values`.
            labels: the tokens themselves, `(batch, length)`: each state's prediction is compared with the next one;
                -100 where there is nothing to learn.
            logits_to_keep: scores of so many last tokens; 0 for all.
            output_attentions: also return `attentions`.
            output_hidden_states: also return `hidden_states`.
            kwargs: `shift_labels (batch, length)` in place of `labels`: what each state is to predict, so that a text
                can be cut into pieces without losing the prediction over the cut.

        Returns:
            `loss` (with labels) and `logits (batch, length, vocab_size)`; with labels the scores are left out, unless
            `logits_to_keep` asks for them: they are by far the largest tensor of the model.
        """
        outputs = self.transformer_decoder(
            input_ids,
            attention_mask,
            inputs_embeds,
            past_key_values=past_key_values,
            use_cache=use_cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=True,
        )
        states = outputs.last_hidden_state  # (batch, length, hidden_size)
        loss, logits = None, None
        # Not a named argument: Trainer would wait for it in every evaluation, as for all that is called labels.
        shift_labels = kwargs.get("shift_labels")
        if labels is not None and shift_labels is None:
            tokens = token_mask(input_ids, attention_mask, inputs_embeds, self.config.pad_token_id)
            shift_labels = TokenOrder(tokens).following(labels)
        if shift_labels is not None:
            loss = softmax_loss(states, self.lm_head, shift_labels)
        if shift_labels is None or logits_to_keep is not None:
            logits = self.lm_head(states[:, -logits_to_keep:] if logits_to_keep else states)
        return CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )


AUTO_CLASSES = {
    "AutoModel": TransformerDecoderModel,
    "AutoModelForCausalLM": TransformerDecoderForCausalLM,
}

"""The Transformer that reads one text and writes another: an encoder, and a decoder that also looks at the source.

Vaswani et al. 2017, "Attention Is All You Need". The word vectors of source and target are the same table (section
3.4), which suits languages that share their words, copying and rewriting; a joint vocabulary makes it suit any two.
"""

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedModel
from transformers.cache_utils import DynamicCache, EncoderDecoderCache
from transformers.masking_utils import create_bidirectional_mask, create_causal_mask
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqModelOutput
from transformers.utils.generic import can_return_tuple

from .configuration_transformer_seq2seq import TransformerSeq2SeqConfig
from .embeddings import look_up_words, token_mask
from .generation_head import ConditionalGenerationHead
from .hub_ready import HubReadyMixin
from .positions import Positions, number_tokens
from .transformer_layers import TransformerStack, Wanted, initialize_transformer

if TYPE_CHECKING:  # so that its file travels along; a model itself has no use for it
    from .pipeline_seq2seq import Seq2SeqPipeline as Seq2SeqPipeline


class TransformerSeq2SeqPreTrainedModel(HubReadyMixin, PreTrainedModel):
    """What the family's classes share: initialisation, and what transformers wants to know."""

    config: TransformerSeq2SeqConfig
    config_class = TransformerSeq2SeqConfig
    base_model_prefix = "transformer_seq2seq"
    _supports_sdpa = True
    supports_gradient_checkpointing = True
    _no_split_modules = ["TransformerLayer"]
    _skip_keys_device_placement = ["past_key_values"]

    @torch.no_grad()
    def _init_weights(self, module):
        initialize_transformer(module, self.config.initializer_range)


class _SourceReader(nn.Module):
    """The words, their places, and the encoder: `get_encoder()`, which `generate()` runs once for a text."""

    main_input_name = "input_ids"

    def __init__(self, config: TransformerSeq2SeqConfig):
        super().__init__()
        self.config = config
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.positions = Positions(**config.position_options())
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.stack = TransformerStack(**config.layer_options())

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> BaseModelOutput:
        """Read sources; arguments and returns are those of an encoder."""
        words, tokens = look_up_words(
            self.word_embeddings, input_ids, attention_mask, inputs_embeds, self.config.pad_token_id
        )
        words, rotation = self.positions(words, number_tokens(tokens, tokens.shape[1], 0, words.device))
        words = self.dropout(words)
        mask = create_bidirectional_mask(self.config, words, tokens)
        wanted = Wanted(**self.config.wanted(output_attentions, output_hidden_states))
        outputs = self.stack(words, wanted, mask, rotation, tokens=tokens)
        return BaseModelOutput(
            last_hidden_state=outputs.states, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )


class TransformerSeq2SeqModel(TransformerSeq2SeqPreTrainedModel):
    """The states of a target's tokens, each in view of the source and of the target before it."""

    def __init__(self, config: TransformerSeq2SeqConfig):
        super().__init__(config)
        self.encoder = _SourceReader(config)
        self.positions = Positions(**config.position_options())
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.decoder = TransformerStack(**config.layer_options(), is_causal=True, reads_source=True)
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.encoder.word_embeddings

    def set_input_embeddings(self, value: nn.Module):
        self.encoder.word_embeddings = cast(nn.Embedding, value)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        encoder_outputs: BaseModelOutput | tuple[Tensor, ...] | None = None,
        past_key_values: EncoderDecoderCache | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> Seq2SeqModelOutput:
        """Read sources and targets.

        Args:
            input_ids: of the source, `(batch, source_length)`; or `inputs_embeds`, `(batch, source_length,
                hidden_size)`.
            attention_mask: 1 where there is a token of the source, `(batch, source_length)`.
            decoder_input_ids: of the target, shifted right, `(batch, length)`; or `decoder_inputs_embeds`. Without
                either, only the source is read.
            decoder_attention_mask: 1 where there is a token of the target, `(batch, length)`, or of all that was read
                so far as well.
            encoder_outputs: of an earlier call, in place of the source.
            past_key_values: what was made of the target before, and of the source; brought up to date in place.
            use_cache: also return that, as `past_key_values`.
            output_attentions: also return `encoder_attentions`, `decoder_attentions` and `cross_attentions`, of each
                layer `(batch, heads, length, source_length)`; they are then computed step by step.
            output_hidden_states: also return `encoder_hidden_states` and `decoder_hidden_states`.

        Returns:
            `last_hidden_state (batch, length, hidden_size)` of the target, zero where padded, and
            `encoder_last_hidden_state (batch, source_length, hidden_size)`. When only the source is read, both are the
            encoder's.

        Raises:
            ValueError: for a text longer than learned positions reach.
        """
        source_tokens, read_source = attention_mask, cast(Any, encoder_outputs)
        if read_source is None:
            source_tokens = token_mask(input_ids, attention_mask, inputs_embeds, self.config.pad_token_id)
            read_source = self.encoder(
                input_ids,
                source_tokens,
                inputs_embeds,
                output_attentions=output_attentions,
                output_hidden_states=output_hidden_states,
                return_dict=True,
            )
        elif not isinstance(read_source, BaseModelOutput):
            read_source = BaseModelOutput(*read_source)
        source = read_source.last_hidden_state  # (batch, source_length, hidden_size)
        if decoder_input_ids is None and decoder_inputs_embeds is None:
            # For pipelines and `embed`, which know of texts and not of targets.
            return Seq2SeqModelOutput(
                last_hidden_state=source,
                encoder_last_hidden_state=source,
                decoder_hidden_states=read_source.hidden_states,
                encoder_hidden_states=read_source.hidden_states,
                encoder_attentions=read_source.attentions,
            )

        past_length = 0 if past_key_values is None else past_key_values.get_seq_length()
        # Whatever stands in a target is a word of it, even the padding, which some models begin with.
        words, tokens = look_up_words(
            self.encoder.word_embeddings, decoder_input_ids, decoder_attention_mask, decoder_inputs_embeds, None
        )
        length = tokens.shape[1]
        read = decoder_attention_mask  # (batch, past_length + length)
        if read is not None and read.shape[1] < past_length + length:
            read = nn.functional.pad(tokens, (past_length, 0), value=True)
        if use_cache and past_key_values is None and not (self.training and self.decoder.gradient_checkpointing):
            past_key_values = EncoderDecoderCache(DynamicCache(config=self.config), DynamicCache(config=self.config))
        words, rotation = self.positions(words, number_tokens(read, length, past_length, words.device))
        words = self.dropout(words)
        wanted = Wanted(**self.config.wanted(output_attentions, output_hidden_states))
        mask = create_causal_mask(
            self.config,
            words,
            read,
            past_key_values=past_key_values.self_attention_cache if past_key_values is not None else None,
            allow_is_causal_skip=wanted.implementation == self.config._attn_implementation,
        )
        source_mask = create_bidirectional_mask(self.config, words, source_tokens, source)
        outputs = self.decoder(
            words,
            wanted,
            mask,
            rotation,
            source,
            source_mask,
            tokens=None if decoder_attention_mask is None else tokens,
            past_key_values=past_key_values,
        )
        return Seq2SeqModelOutput(
            last_hidden_state=outputs.states,
            past_key_values=past_key_values,
            decoder_hidden_states=outputs.hidden_states,
            decoder_attentions=outputs.attentions,
            cross_attentions=outputs.cross_attentions,
            encoder_last_hidden_state=source,
            encoder_hidden_states=read_source.hidden_states,
            encoder_attentions=read_source.attentions,
        )


class TransformerSeq2SeqForConditionalGeneration(
    ConditionalGenerationHead, TransformerSeq2SeqPreTrainedModel, GenerationMixin
):
    """Writes a text for a text: translation, correction, commands to actions."""

    backbone_class = TransformerSeq2SeqModel
    _tied_weights_keys = {"lm_head.weight": "transformer_seq2seq.encoder.word_embeddings.weight"}


AUTO_CLASSES = {
    "AutoModel": TransformerSeq2SeqModel,
    "AutoModelForSeq2SeqLM": TransformerSeq2SeqForConditionalGeneration,
}
PIPELINES = {"wordemb-seq2seq": ("pipeline_seq2seq.Seq2SeqPipeline", "AutoModelForSeq2SeqLM")}

"""A recurrent encoder–decoder with attention: one network reads a text, another one writes a text and looks back.

Sutskever et al. 2014, "Sequence to Sequence Learning with Neural Networks"; Bahdanau et al. 2015 (additive attention,
an encoder that reads in both directions); Luong et al. 2015 (multiplicative and local attention, input feeding).

- Steps of training are taken all at once, unless input feeding makes each wait for the one before.
- `generate()` carries the decoder's states as its cache, so that a word costs the same wherever it stands.
- The encoder has the parameters of a `bilstm`, or with `encoder_type="elmo"` of an `elmo` of words, under their names.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling, Seq2SeqModelOutput
from transformers.utils.generic import can_return_tuple

from .attention_decoder import AttentionDecoder
from .configuration_attention_seq2seq import AttentionSeq2SeqConfig
from .embeddings import embed_words, given_length
from .generation_head import ConditionalGenerationHead
from .hub_ready import HubReadyMixin
from .pooling import first_token, last_token
from .recurrent import RecurrentStack, State, initialize_recurrent
from .recurrent_cache import RecurrentCache
from .scalar_mix import ScalarMix
from .two_readings import TwoReadings
from .word_attention import WordAttention

if TYPE_CHECKING:  # so that its file travels along; a model itself has no use for it
    from .pipeline_seq2seq import Seq2SeqPipeline as Seq2SeqPipeline


@dataclass
class AttentionSeq2SeqEncoderOutput(BaseModelOutputWithPooling):
    """What the encoder returns: that of every encoder, and where the source has a token.

    Args:
        attention_mask: boolean `(batch, source length)`: `generate()` hands on nothing else of the source.
    """

    attention_mask: Tensor | None = None


@dataclass
class AttentionSeq2SeqModelOutput(Seq2SeqModelOutput):
    """What `AttentionSeq2SeqModel` returns: that of every encoder–decoder, and the vector of the source.

    Args:
        pooler_output: the states of both directions behind all that they have read, `(batch, hidden_size)`.
    """

    pooler_output: Tensor | None = None


class AttentionSeq2SeqPreTrainedModel(HubReadyMixin, PreTrainedModel):
    """What the family's classes share: initialisation, and the tables of words."""

    config: AttentionSeq2SeqConfig
    config_class = AttentionSeq2SeqConfig
    base_model_prefix = "attention_seq2seq"
    # What only writing needs is left behind without a warning.
    _keys_to_ignore_on_load_unexpected = [r"^lm_head\."]

    @torch.no_grad()
    def _init_weights(self, module):
        if isinstance(module, nn.Embedding):
            bound = self.config.initializer_range or (3 / module.embedding_dim) ** 0.5
            init.uniform_(module.weight, -bound, bound)
        elif isinstance(module, nn.RNNBase):
            initialize_recurrent(module)
        elif isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, ScalarMix):
            init.zeros_(module.weights)
            init.ones_(module.scale)

    def get_input_embeddings(self) -> nn.Embedding:
        return cast(AttentionSeq2SeqModel, self.base_model).encoder.word_embeddings

    def set_input_embeddings(self, value: nn.Module):
        cast(AttentionSeq2SeqModel, self.base_model).encoder.word_embeddings = cast(nn.Embedding, value)

    def _resize_token_embeddings(self, new_num_tokens, pad_to_multiple_of=None, mean_resizing=True):
        resized = super()._resize_token_embeddings(new_num_tokens, pad_to_multiple_of, mean_resizing)
        model = cast(AttentionSeq2SeqModel, self.base_model)
        if model.target_embeddings is not None:
            model.target_embeddings = self._get_resized_embeddings(
                model.target_embeddings, new_num_tokens, pad_to_multiple_of, mean_resizing
            )
        return resized


class _Encoder(nn.Module):
    """Reads the source.

    Args:
        config: the settings.
    """

    main_input_name = "input_ids"

    def __init__(self, config: AttentionSeq2SeqConfig):
        super().__init__()
        self.config = config
        self.word_embeddings = nn.Embedding(config.vocab_size, config.embedding_size)
        self.dropout = nn.Dropout(config.embedding_dropout)
        if config.encoder_type == "elmo":
            self.readings = TwoReadings(
                width=config.embedding_size,
                cell_size=config.encoder_cell_size,
                num_layers=config.encoder_layers,
                cell_clip=config.cell_clip,
                projection_clip=config.projection_clip,
                skip_connections=config.skip_connections,
                dropout=config.hidden_dropout_prob,
            )
            self.scalar_mix = ScalarMix(1 + config.encoder_layers)
        else:
            self.layers = RecurrentStack(
                cell_type=config.cell_type,
                input_size=config.embedding_size,
                hidden_size=config.hidden_size // 2 if config.bidirectional else config.hidden_size,
                num_layers=config.encoder_layers,
                bidirectional=config.bidirectional,
                dropout=config.hidden_dropout_prob,
            )

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> AttentionSeq2SeqEncoderOutput:
        """Read sources.

        Args:
            input_ids: `(batch, source length)`; or `inputs_embeds`, `(batch, source length, embedding_size)`.
            attention_mask: 1 where there is a token, `(batch, source length)`.
            output_hidden_states: also return `hidden_states`: the word vectors and the states of each layer.

        Returns:
            `last_hidden_state (batch, source length, hidden_size)`, zero where padded, `pooler_output (batch,
            hidden_size)`, and `attention_mask (batch, source length)`.
        """
        length = given_length(input_ids, inputs_embeds)
        embedded, mask = embed_words(
            self.word_embeddings, input_ids, attention_mask, inputs_embeds, self.config.pad_token_id
        )
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        outputs = self._read(self.dropout(embedded), mask, bool(output_hidden_states))
        return AttentionSeq2SeqEncoderOutput(
            last_hidden_state=outputs[-1][:, :length],
            pooler_output=self.summary(outputs[-1], mask),
            attention_mask=mask[:, :length],
            hidden_states=tuple(layer[:, :length] for layer in (embedded, *outputs)) if output_hidden_states else None,
        )

    def summary(self, states: Tensor, mask: Tensor) -> Tensor:
        """Each direction's state behind all that it has read: `(batch, length, hidden_size)` to one a row."""
        if self.config.encoder_type == "recurrent" and not self.config.bidirectional:
            return last_token(states, mask)
        onward, back = states.chunk(2, dim=-1)
        return torch.cat([last_token(onward, mask), first_token(back, mask)], dim=-1)

    def _read(self, words: Tensor, mask: Tensor, all_layers: bool) -> list[Tensor]:
        if self.config.encoder_type == "recurrent":
            return self.layers(words, mask, all_layers=all_layers)
        ends = torch.tensor([self.config.bos_token_id, self.config.eos_token_id], device=words.device)
        layers = self.readings(words, mask, self.word_embeddings(ends)).layers()
        return [*layers[1:], self.scalar_mix(layers)]


class AttentionSeq2SeqModel(AttentionSeq2SeqPreTrainedModel):
    """Encoder, decoder, and the attention between them."""

    def __init__(self, config: AttentionSeq2SeqConfig):
        super().__init__(config)
        self.encoder = _Encoder(config)
        self.target_embeddings = None
        if not config.share_embeddings:
            self.target_embeddings = nn.Embedding(config.vocab_size, config.embedding_size)
        self.dropout = nn.Dropout(config.embedding_dropout)
        self.bridge = nn.Linear(config.hidden_size, config.decoder_layers * config.hidden_size)
        attention = WordAttention(
            score=config.attention_score,
            span=config.attention_span,
            query_size=config.hidden_size,
            source_size=config.hidden_size,
            attention_size=config.attention_size,
            window=config.attention_window,
        )
        self.decoder = AttentionDecoder(
            cell_type=config.cell_type,
            input_size=config.embedding_size,
            hidden_size=config.hidden_size,
            num_layers=config.decoder_layers,
            dropout=config.hidden_dropout_prob,
            attention=attention,
            source_size=config.hidden_size,
            input_feeding=config.input_feeding,
        )
        self.post_init()

    def output_embeddings(self) -> nn.Embedding:
        """The word vectors of the target."""
        return self.encoder.word_embeddings if self.target_embeddings is None else self.target_embeddings

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        encoder_outputs: Any = None,
        past_key_values: RecurrentCache | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> AttentionSeq2SeqModelOutput:
        """Read sources, and targets as far as they are given.

        Args:
            input_ids: `(batch, source length)`; or `inputs_embeds`, `(batch, source length, embedding_size)`.
            attention_mask: 1 where the source has a token, `(batch, source length)`.
            decoder_input_ids: the target, one place to the right, `(batch, length)`; or `decoder_inputs_embeds`,
                `(batch, length, embedding_size)`. Without either, only the source is read.
            decoder_attention_mask: 1 where the target has a token, `(batch, length)`; without it everywhere: padding on
                the right, which comes after all that counts, needs none.
            encoder_outputs: what the encoder gave for the source, in place of the source.
            past_key_values: the states behind what was written before; brought up to date in place.
            use_cache: also return the states, as `past_key_values`.
            output_attentions: also return `cross_attentions`: how much each step looked at each token of the source,
                one tensor `(batch, 1, length, source length)`.
            output_hidden_states: also return the states of the encoder's layers, and the word vectors and the states of
                the decoder.

        Returns:
            `last_hidden_state (batch, length, embedding_size)`, from which the next word is predicted, zero where the
            mask says padding, `encoder_last_hidden_state` and `pooler_output (batch, hidden_size)`. When only the
            source is read, `last_hidden_state (batch, source length, hidden_size)` are the encoder's states.
        """
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        if output_attentions is None:
            output_attentions = self.config.output_attentions
        if encoder_outputs is None:
            encoder_outputs = self.encoder(
                input_ids, attention_mask, inputs_embeds, output_hidden_states=output_hidden_states, return_dict=True
            )
        source, source_layers = encoder_outputs[0], getattr(encoder_outputs, "hidden_states", None)
        source_mask = getattr(encoder_outputs, "attention_mask", None)
        if source_mask is None:  # the encoder was another one
            source_mask = torch.ones_like(source[..., 0]) if attention_mask is None else attention_mask
        source_mask = source_mask.bool()
        pooled = getattr(encoder_outputs, "pooler_output", None)
        if pooled is None:
            pooled = self.encoder.summary(source, source_mask)
        answer = AttentionSeq2SeqModelOutput(
            last_hidden_state=source,
            encoder_last_hidden_state=source,
            encoder_hidden_states=source_layers,
            pooler_output=pooled,
        )
        if decoder_input_ids is None and decoder_inputs_embeds is None:
            # That of the encoder: for pipelines and `embed`, which know of texts and not of targets.
            answer.decoder_hidden_states = source_layers
            return answer
        length = given_length(decoder_input_ids, decoder_inputs_embeds)
        words, target_mask = embed_words(
            self.output_embeddings(), decoder_input_ids, decoder_attention_mask, decoder_inputs_embeds, None
        )
        mask = None if decoder_attention_mask is None else target_mask
        if use_cache and past_key_values is None:
            past_key_values = RecurrentCache(self.config.decoder_layers + 2)
        states, fed, keys = self._begin(past_key_values, pooled, source)
        outputs, weights, states, fed = self.decoder(
            self.dropout(words),
            mask,
            source,
            source_mask,
            keys,
            states,
            fed,
            keep_states=past_key_values is not None,
        )
        if mask is not None:
            outputs = outputs.masked_fill(~mask.unsqueeze(-1), 0.0)
        if past_key_values is not None:
            past_key_values.store([*states, (fed, None), (keys, None)], length)
        answer.last_hidden_state = outputs[:, :length]
        answer.past_key_values = cast(Any, past_key_values)  # their type is that of attention's cache alone
        if output_attentions:
            answer.cross_attentions = (weights[:, :length].unsqueeze(1),)
        if output_hidden_states:
            answer.decoder_hidden_states = (words[:, :length], outputs[:, :length])
        return answer

    def _begin(
        self, past: RecurrentCache | None, pooled: Tensor, source: Tensor
    ) -> tuple[list[State], Tensor | None, Tensor]:
        """The states of the decoder's layers, the attentional state, and the keys of the source.

        At first, each layer starts from what the encoder knows of the whole source (Bahdanau et al. 2015, A.2.2).
        """
        known = None if past is None else past.states()
        if known is not None:
            *states, (fed, _), (keys, _) = known
            return states, fed, keys
        first = self.bridge(pooled).tanh().chunk(self.config.decoder_layers, dim=-1)  # (batch, hidden_size) each
        lstm = self.config.cell_type == "lstm"
        begin: list[State] = [(hidden, torch.zeros_like(hidden) if lstm else None) for hidden in first]
        return begin, None, self.decoder.attention.keys(source)


class AttentionSeq2SeqForConditionalGeneration(
    ConditionalGenerationHead, AttentionSeq2SeqPreTrainedModel, GenerationMixin
):
    """Writes a text for a text."""

    backbone_class = AttentionSeq2SeqModel
    _is_stateful = True  # a state cannot be cut back to an earlier word
    _tied_weights_keys = {"lm_head.weight": "attention_seq2seq.encoder.word_embeddings.weight"}

    def __init__(self, config: AttentionSeq2SeqConfig):
        if not config.share_embeddings:
            self._tied_weights_keys = {"lm_head.weight": "attention_seq2seq.target_embeddings.weight"}
        super().__init__(config)

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False  # generate() would make a cache for attention


AUTO_CLASSES = {
    "AutoModel": AttentionSeq2SeqModel,
    "AutoModelForSeq2SeqLM": AttentionSeq2SeqForConditionalGeneration,
}
PIPELINES = {"wordemb-seq2seq": ("pipeline_seq2seq.Seq2SeqPipeline", "AutoModelForSeq2SeqLM")}

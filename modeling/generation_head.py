"""The head of encoder–decoders, the same for both families: it writes a text for a text.

A family's class is the mixin, the family's own `PreTrainedModel`, `GenerationMixin` and a few lines. The contract: the
backbone's forward takes and returns what transformers' encoder–decoders do, and `last_hidden_state` of a target is as
wide as a word vector; the config has `pad_token_id` and `decoder_start_token_id`.
"""

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import Seq2SeqLMOutput
from transformers.utils.generic import can_return_tuple

from .embeddings import given_length
from .softmax_losses import chunked_cross_entropy
from .target_shift import read_before, tokens_of

# A plain mixin; only a type checker needs to know what stands behind it among the bases of a class.
if TYPE_CHECKING:
    _Mixin = PreTrainedModel
else:
    _Mixin = object


class ConditionalGenerationHead(_Mixin):
    """A backbone, and a linear layer that tells the next token of a target."""

    backbone_class: type[PreTrainedModel]

    # Trainer: the loss is a mean over this batch, so it must be divided when gradients are accumulated.
    accepts_loss_kwargs = False

    def __init__(self, config):
        super().__init__(config)
        backbone = self.backbone_class(config)
        setattr(self, self.base_model_prefix, backbone)
        words: Any = backbone.get_input_embeddings()
        self.lm_head = nn.Linear(words.embedding_dim, config.vocab_size)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    def set_output_embeddings(self, value: nn.Linear):
        self.lm_head = value

    def prepare_decoder_input_ids_from_labels(self, labels: Tensor) -> Tensor:
        """What the decoder reads to write `labels (batch, length)`, as transformers' collators ask for it."""
        return read_before(labels, self.config.pad_token_id, self.config.decoder_start_token_id)

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
        past_key_values: Any = None,
        use_cache: bool | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int | None = None,
        smoothing: float = 0.0,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> Seq2SeqLMOutput:
        """Predict each token of the target.

        The arguments are those of the backbone, and:

        Args:
            labels: the target itself, its end included, `(batch, length)`, -100 where there is nothing to learn;
                without `decoder_input_ids` the decoder reads it shifted right.
            logits_to_keep: scores of so many last tokens; 0 for all.
            smoothing: what share of each token's weight in the loss goes to all tokens alike; for training. Trainer
                takes whatever is named like labels for labels.

        Returns:
            With labels `loss`, without them, or where `logits_to_keep` asks for them, `logits (batch, length,
            vocab_size)`; and what the backbone returns.

        Raises:
            ValueError: without a source, or when there is neither a target nor the beginning of one.
        """
        if encoder_outputs is None:
            given_length(input_ids, inputs_embeds)  # refuses both and neither
        if decoder_input_ids is None and decoder_inputs_embeds is None:
            if labels is None:
                raise ValueError("give labels, or decoder_input_ids: the target one place to the right")
            decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
            if decoder_attention_mask is None:
                decoder_attention_mask = tokens_of(labels)
        outputs = self.base_model(
            input_ids,
            attention_mask,
            inputs_embeds,
            decoder_input_ids,
            decoder_attention_mask,
            decoder_inputs_embeds,
            encoder_outputs,
            past_key_values=past_key_values,
            use_cache=use_cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=True,
        )
        states, loss, logits = outputs.last_hidden_state, None, None
        if labels is not None:
            head = self.lm_head
            loss = chunked_cross_entropy(
                states.flatten(0, 1), head.weight, head.bias, labels.flatten(), label_smoothing=smoothing
            )
        if labels is None or logits_to_keep is not None:
            logits = self.lm_head(states[:, -logits_to_keep:] if logits_to_keep else states)
        return Seq2SeqLMOutput(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            decoder_hidden_states=outputs.decoder_hidden_states,
            decoder_attentions=outputs.decoder_attentions,
            cross_attentions=outputs.cross_attentions,
            encoder_last_hidden_state=outputs.encoder_last_hidden_state,
            encoder_hidden_states=outputs.encoder_hidden_states,
            encoder_attentions=outputs.encoder_attentions,
        )

"""One-way recurrent networks: a state that is carried from token to token.

Elman 1990, "Finding Structure in Time" (`rnn`); Hochreiter & Schmidhuber 1997, "Long Short-Term Memory", with the
forget gates of Gers et al. 2000 (`lstm`); Cho et al. 2014, section 2.3 (`gru`). The language model is that of Zaremba
et al. 2014, "Recurrent Neural Network Regularization"; `generate()` carries the state as its cache, so that a token
costs the same wherever it stands.
"""

import torch
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPoolingAndCrossAttentions, CausalLMOutputWithPast
from transformers.utils.generic import can_return_tuple

from .configuration_rnn import RNNConfig
from .embeddings import embed_words, given_length, token_mask
from .heads import SequenceClassificationHead, TokenClassificationHead
from .hub_ready import HubReadyMixin
from .pooling import last_token, masked_max, masked_mean
from .recurrent import RecurrentStack, TokenOrder, initialize_recurrent, make_dropout
from .recurrent_cache import RecurrentCache
from .softmax_losses import softmax_loss

_POOLINGS = {"last": last_token, "mean": masked_mean, "max": masked_max}


class RNNPreTrainedModel(HubReadyMixin, PreTrainedModel):
    """What the family's classes share: initialisation."""

    config: RNNConfig
    config_class = RNNConfig
    base_model_prefix = "rnn"
    _input_embed_layer = "word_embeddings"

    @torch.no_grad()
    def _init_weights(self, module):
        if isinstance(module, nn.Embedding):
            bound = self.config.initializer_range
            init.uniform_(module.weight, -bound, bound)
        elif isinstance(module, nn.RNNBase):
            initialize_recurrent(module, self.config.memory_span)
        elif isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            init.zeros_(module.bias)


class RNNModel(RNNPreTrainedModel):
    """The states behind each token, and the vector of the text."""

    def __init__(self, config: RNNConfig):
        super().__init__(config)
        self.word_embeddings = nn.Embedding(config.vocab_size, config.embedding_size)
        self.dropout = make_dropout(config.embedding_dropout, config.dropout_type)
        self.layers = RecurrentStack(
            cell_type=config.cell_type,
            input_size=config.embedding_size,
            hidden_size=config.hidden_size,
            num_layers=config.num_hidden_layers,
            dropout=config.hidden_dropout_prob,
            dropout_type=config.dropout_type,
            nonlinearity=config.hidden_act,
        )
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        past_key_values: RecurrentCache | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> BaseModelOutputWithPoolingAndCrossAttentions:
        """Read texts, or go on reading them.

        Args:
            input_ids: `(batch, length)`; or `inputs_embeds`, `(batch, length, embedding_size)`: word vectors, or the
                features of a numeric series at each step.
            attention_mask: 1 where there is a token, `(batch, length)`, or of all that was read so far as well.
            past_key_values: the states behind what was read before; brought up to date in place.
            use_cache: also return the states, as `past_key_values`.
            output_hidden_states: also return `hidden_states`: the word vectors and the states of each layer.

        Returns:
            `last_hidden_state (batch, length, hidden_size)`, zero where padded, and
            `pooler_output (batch, hidden_size)`.
        """
        length = given_length(input_ids, inputs_embeds)
        # generate() leaves out a mask of ones: what it has written itself is a word, even if it is the padding.
        pad = self.config.pad_token_id if past_key_values is None else None
        embedded, mask = embed_words(self.word_embeddings, input_ids, attention_mask, inputs_embeds, pad)
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        states = self.dropout(embedded)
        if use_cache or past_key_values is not None:
            if past_key_values is None:
                past_key_values = RecurrentCache(self.config.num_hidden_layers)
            # A mask of ones, as generation has it from the second token on, needs no packing.
            outputs, behind = self.layers.step(states, None if bool(mask.all()) else mask, past_key_values.states())
            past_key_values.store(behind, length)
        else:
            outputs = self.layers(states, mask, all_layers=output_hidden_states)
        pooled = _POOLINGS[self.config.pooling](outputs[-1], mask)  # (batch, hidden_size)
        return BaseModelOutputWithPoolingAndCrossAttentions(
            last_hidden_state=outputs[-1][:, :length],
            pooler_output=pooled,
            past_key_values=past_key_values,
            hidden_states=tuple(layer[:, :length] for layer in (embedded, *outputs)) if output_hidden_states else None,
        )


class RNNForCausalLM(RNNPreTrainedModel, GenerationMixin):
    """A language model: each state predicts the next token."""

    accepts_loss_kwargs = False
    _is_stateful = True  # a state cannot be cut back to an earlier token
    _tied_weights_keys = {"lm_head.weight": "rnn.word_embeddings.weight"}

    def __init__(self, config: RNNConfig):
        super().__init__(config)
        if config.tie_word_embeddings and config.embedding_size != config.hidden_size:
            raise ValueError(
                f"tie_word_embeddings needs embedding_size, {config.embedding_size}, equal to hidden_size, "
                f"{config.hidden_size}: make them equal, or set tie_word_embeddings to False"
            )
        self.rnn = RNNModel(config)
        self.dropout = make_dropout(config.hidden_dropout_prob, config.dropout_type)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size)
        self.post_init()

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False  # generate() would make a cache for attention

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
        past_key_values: RecurrentCache | None = None,
        use_cache: bool | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> CausalLMOutputWithPast:
        """Predict the next token.

        Args:
            input_ids: `(batch, length)`; or `inputs_embeds`, `(batch, length, embedding_size)`.
            attention_mask: 1 where there is a token, `(batch, length)`, or of all that was read so far as well.
            past_key_values: the states behind what was read before.
            use_cache: also return the states, as `past_key_values`.
            labels: the tokens themselves, `(batch, length)`: each state's prediction is compared with the next one;
                -100 where there is nothing to learn.
            logits_to_keep: scores of so many last tokens; 0 for all.
            kwargs: `shift_labels (batch, length)` in place of `labels`: what each state is to predict, so that a text
                can be cut into pieces without losing the prediction over the cut.

        Returns:
            `loss` (with labels) and `logits (batch, length, vocab_size)`; with labels the scores are left out, unless
            `logits_to_keep` asks for them: they are by far the largest tensor of the model.
        """
        outputs = self.rnn(
            input_ids,
            attention_mask,
            inputs_embeds,
            past_key_values=past_key_values,
            use_cache=use_cache,
            output_hidden_states=output_hidden_states,
            return_dict=True,
        )
        states = self.dropout(outputs.last_hidden_state)  # (batch, length, hidden_size)
        loss, logits = None, None
        # Not a named argument: Trainer would wait for it in every evaluation, as for all that is called labels.
        shift_labels = kwargs.get("shift_labels")
        if labels is not None and shift_labels is None:
            mask = token_mask(input_ids, attention_mask, inputs_embeds, self.config.pad_token_id)
            shift_labels = TokenOrder(mask).following(labels)
        if shift_labels is not None:
            samples = self.config.num_softmax_samples if self.training else 0
            loss = softmax_loss(states, self.lm_head, shift_labels, samples)
        if shift_labels is None or logits_to_keep is not None:
            logits = self.lm_head(states[:, -logits_to_keep:] if logits_to_keep else states)
        return CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
        )


class RNNForSequenceClassification(SequenceClassificationHead, RNNPreTrainedModel):
    """A linear layer on the state behind the last token, or on the mean or maximum of all states."""

    backbone_class = RNNModel


class RNNForTokenClassification(TokenClassificationHead, RNNPreTrainedModel):
    """A tag for each token from what was read up to it."""

    backbone_class = RNNModel


AUTO_CLASSES = {
    "AutoModel": RNNModel,
    "AutoModelForCausalLM": RNNForCausalLM,
    "AutoModelForSequenceClassification": RNNForSequenceClassification,
    "AutoModelForTokenClassification": RNNForTokenClassification,
}

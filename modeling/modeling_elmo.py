"""ELMo: vectors of words in their sentence, from two language models that read it from either end.

Peters et al. 2018, "Deep contextualized word representations" (NAACL), section 3. A word is what its characters tell
(Kim et al. 2016), or one of a vocabulary; a stack of LSTMs reads the sentence forwards and another one backwards, and
the two never mix; a task learns how much of each layer it needs.

- `<s>` and `</s>` around a text are the model's own business: a tokenizer need not put them there.
- `ELMoForPreTraining` is the language model in both directions, and `ELMoForCausalLM` writes texts with either of them:
  they have the same weights.
- What a class cannot train, such as the mix of the layers in a language model, is frozen there.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPoolingAndCrossAttentions, CausalLMOutputWithPast
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from .char_cnn import Highway
from .configuration_elmo import ELMoConfig
from .crf import LinearChainCRF
from .crf_head import CRFTokenClassificationHead
from .embeddings import look_up_words, token_mask
from .heads import SequenceClassificationHead
from .hub_ready import HubReadyMixin
from .pooling import masked_mean
from .projected_lstm import LSTMState
from .recurrent import TokenOrder, initialize_recurrent
from .recurrent_cache import RecurrentCache
from .scalar_mix import ScalarMix
from .softmax_losses import softmax_loss
from .spelled_words import SpelledWords
from .spelling import SpellingTable
from .two_readings import Readings, TwoReadings


@dataclass
class ELMoForPreTrainingOutput(ModelOutput):
    """What `ELMoForPreTraining` returns.

    Args:
        loss: mean loss of a prediction, over both directions; with labels. Its exponential is the geometric mean of the
            two perplexities.
        forward_logits: scores of the word at each place by the words before it, `(batch, length, vocab_size)`; without
            labels.
        backward_logits: the same by the words behind it.
        past_key_values: the states behind the text, where asked for.
        hidden_states: as `ELMoModel` has them, where asked for.
    """

    loss: Tensor | None = None
    forward_logits: Tensor | None = None
    backward_logits: Tensor | None = None
    past_key_values: RecurrentCache | None = None
    hidden_states: tuple[Tensor, ...] | None = None


class ELMoPreTrainedModel(HubReadyMixin, PreTrainedModel):
    """What the family's classes share: initialisation, what stays frozen, and a vocabulary that can grow."""

    config: ELMoConfig
    config_class = ELMoConfig
    base_model_prefix = "elmo"
    _input_embed_layer = "word_embeddings"
    # What only the language models need is left behind without a warning.
    _keys_to_ignore_on_load_unexpected = [r"^lm_head\."]

    @torch.no_grad()
    def _init_weights(self, module):
        if isinstance(module, nn.Embedding):
            bound = self.config.initializer_range
            init.uniform_(module.weight, -bound, bound)
        elif isinstance(module, nn.LSTM):
            initialize_recurrent(module)
        elif isinstance(module, nn.Conv1d):
            init.kaiming_uniform_(module.weight, nonlinearity=self.config.character_activation)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, Highway):
            init.constant_(module.gate.bias, -2.0)  # at first, most of what comes in goes through (Kim 2016, section 4)
        elif isinstance(module, ScalarMix):
            init.zeros_(module.weights)
            init.ones_(module.scale)
        elif isinstance(module, SpellingTable):
            module.reset()
        elif isinstance(module, LinearChainCRF):
            module.reset_parameters()

    def untrained(self) -> list[nn.Module]:
        """What is never trained here."""
        return cast(ELMoModel, self.base_model).encoder() if self.config.freeze_encoder else []

    def freeze_untrained(self):
        """Take out of training what is not to be trained, its dropout too."""
        for module in self.untrained():
            module.requires_grad_(False).eval()

    def train(self, mode: bool = True):
        # Loading makes every parameter trainable again; it ends in eval(), and every training begins with train().
        super().train(mode)
        self.freeze_untrained()
        return self

    def _resize_token_embeddings(self, new_num_tokens, pad_to_multiple_of=None, mean_resizing=True):
        words = cast(ELMoModel, self.base_model).word_embeddings
        if isinstance(words, nn.Embedding):
            return super()._resize_token_embeddings(new_num_tokens, pad_to_multiple_of, mean_resizing)
        size, multiple = new_num_tokens or words.num_embeddings, pad_to_multiple_of or 1
        words.spelling.resize(-(-size // multiple) * multiple)
        head = self.get_output_embeddings()
        if head is not None:
            resized = self._get_resized_lm_head(head, words.num_embeddings, mean_resizing=mean_resizing)
            self.set_output_embeddings(resized.requires_grad_(head.weight.requires_grad))
        return words


class ELMoModel(ELMoPreTrainedModel):
    """All layers of the two language models, and their mix."""

    def __init__(self, config: ELMoConfig):
        super().__init__(config)
        self.word_embeddings: nn.Embedding | SpelledWords
        if config.token_input == "words":
            self.word_embeddings = nn.Embedding(config.vocab_size, config.projection_size)
        else:
            self.word_embeddings = SpelledWords(
                config.vocab_size,
                config.max_characters,
                embedding_size=config.character_embedding_size,
                filters=config.filters,
                num_highway_layers=config.num_highway_layers,
                activation=config.character_activation,
                output_size=config.projection_size,
            )
        self.readings = TwoReadings(
            width=config.projection_size,
            cell_size=config.cell_size,
            num_layers=config.num_hidden_layers,
            cell_clip=config.cell_clip,
            projection_clip=config.projection_clip,
            skip_connections=config.skip_connections,
            dropout=config.hidden_dropout_prob,
        )
        self.scalar_mix = ScalarMix(1 + config.num_hidden_layers, config.scalar_mix_layer_norm)
        self.post_init()
        self.freeze_untrained()

    def encoder(self) -> list[nn.Module]:
        """The two language models: all but the mix."""
        return [self.word_embeddings, self.readings]

    def set_spellings(self, spellings: Tensor):
        """Tell how the words of the vocabulary are spelled: character ids `(vocab_size, max_characters)`."""
        if isinstance(self.word_embeddings, SpelledWords):
            self.word_embeddings.spelling.set_spellings(spellings)

    def embed(
        self,
        input_ids: Tensor | None,
        attention_mask: Tensor | None,
        inputs_embeds: Tensor | None,
        character_ids: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """The layer of words, `(batch, length, projection_size)`, and where there are any, `(batch, length)`."""
        mask = token_mask(input_ids, attention_mask, inputs_embeds, self.config.pad_token_id)
        if input_ids is not None and isinstance(self.word_embeddings, SpelledWords):
            return self.word_embeddings(input_ids, character_ids), mask
        return look_up_words(cast(nn.Embedding, self.word_embeddings), input_ids, mask, inputs_embeds, None)

    def boundaries(self, device: torch.device) -> Tensor:
        """What stands before a text and behind it, `<s>` and `</s>`: `(2, projection_size)`."""
        if isinstance(self.word_embeddings, SpelledWords):
            return self.word_embeddings.boundaries(device)
        return self.word_embeddings(torch.tensor([self.config.bos_token_id, self.config.eos_token_id], device=device))

    def read(
        self, words: Tensor, mask: Tensor, past_key_values: RecurrentCache | None, use_cache: bool | None
    ) -> tuple[Readings, RecurrentCache | None]:
        """Read from both ends, and bring the states up to date where they are wanted."""
        boundaries = self.boundaries(words.device)
        if past_key_values is None and not use_cache:
            return self.readings(words, mask, boundaries), None
        if past_key_values is None:
            past_key_values = RecurrentCache(2 * self.config.num_hidden_layers)
        states = _states(past_key_values, 2 * self.config.num_hidden_layers, len(words))
        readings = self.readings(words, mask, boundaries, states, keep_states=True)
        past_key_values.store(readings.states, words.shape[1])
        return readings, past_key_values

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        character_ids: Tensor | None = None,
        past_key_values: RecurrentCache | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> BaseModelOutputWithPoolingAndCrossAttentions:
        """Read texts from both ends and mix the layers.

        Args:
            input_ids: `(batch, length)`; or `inputs_embeds`, `(batch, length, projection_size)`, in place of the layer
                of words.
            attention_mask: 1 where there is a token, `(batch, length)`.
            character_ids: how each word is spelled, `(batch, length, max_characters)`; without them, as the vocabulary
                spells it.
            past_key_values: the states of both directions behind the text before, to begin this one with; brought up to
                date in place. The original code always reads so, which makes a vector depend on what was read before.
            use_cache: also return these states, as `past_key_values`.
            output_hidden_states: also return `hidden_states`: the layer of words, twice side by side, and the LSTM
                layers, forward and backward half side by side, `(batch, length, hidden_size)` each.

        Returns:
            `last_hidden_state (batch, length, hidden_size)`, the mix of the layers, zero where padded, and its mean,
            `pooler_output (batch, hidden_size)`.
        """
        words, mask = self.embed(input_ids, attention_mask, inputs_embeds, character_ids)
        readings, past_key_values = self.read(words, mask, past_key_values, use_cache)
        layers = readings.layers()
        states = self.scalar_mix(layers)  # (batch, length, hidden_size)
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        return BaseModelOutputWithPoolingAndCrossAttentions(
            last_hidden_state=states,
            pooler_output=masked_mean(states, mask),
            past_key_values=past_key_values,
            hidden_states=layers if output_hidden_states else None,
        )


def _states(cache: RecurrentCache, layers: int, batch: int) -> list[LSTMState] | None:
    """The states in a cache, refused where they are those of another model or batch."""
    states = cache.states()
    if states is not None and (len(states), len(states[0][0])) != (layers, batch):
        raise ValueError(
            f"past_key_values has the states of {len(states)} layers and {len(states[0][0])} texts, but must have "
            f"those of {layers} layers and {batch} texts"
        )
    return cast("list[LSTMState] | None", states)


# A plain mixin, since it is no model of its own; only a type checker needs to know what stands behind it.
if TYPE_CHECKING:
    _Mixin = ELMoPreTrainedModel
else:
    _Mixin = object


class _SharedSoftmax(_Mixin):
    """A softmax, the same for both directions (Peters et al. 2018, section 3.1)."""

    # Trainer: the loss is a mean over this batch, so it must be divided when gradients are accumulated.
    accepts_loss_kwargs = False

    def __init__(self, config: ELMoConfig):
        super().__init__(config)
        self.elmo = ELMoModel(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.lm_head = nn.Linear(config.projection_size, config.vocab_size)
        self.post_init()
        self.freeze_untrained()

    def untrained(self) -> list[nn.Module]:
        return [*super().untrained(), self.elmo.scalar_mix]

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    def set_output_embeddings(self, value: nn.Linear):
        self.lm_head = value

    def prediction_loss(self, states: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of predicting `labels (batch, length)`, -100 for none, from states `(..., projection_size)`."""
        return softmax_loss(states, self.lm_head, labels, self.config.num_softmax_samples if self.training else 0)


class ELMoForPreTraining(_SharedSoftmax, ELMoPreTrainedModel):
    """The language model in both directions: each word from those before it, and again from those behind it."""

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        character_ids: Tensor | None = None,
        labels: Tensor | None = None,
        past_key_values: RecurrentCache | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> ELMoForPreTrainingOutput:
        """Predict every word in both directions.

        The arguments are those of `ELMoModel`, and `labels`: the words themselves, `(batch, length)`, -100 where there
        is nothing to learn. The end of a text with any label is predicted too, and by the backward model its beginning.

        Returns:
            With labels the loss: estimated from a sample in training where the config says so, exact in evaluation.
            Without them the scores of all words at each place, by either direction.
        """
        words, mask = self.elmo.embed(input_ids, attention_mask, inputs_embeds, character_ids)
        readings, past_key_values = self.elmo.read(words, mask, past_key_values, use_cache)
        output = ELMoForPreTrainingOutput(past_key_values=past_key_values)
        if labels is not None:
            targets = readings.what_follows(labels, self.config.bos_token_id, self.config.eos_token_id)
            output.loss = self.prediction_loss(self.dropout(readings.before_all()), targets)
        else:
            ahead, behind = self.dropout(readings.before_words()).chunk(2, dim=-1)
            output.forward_logits, output.backward_logits = self.lm_head(ahead), self.lm_head(behind)
        if output_hidden_states or (output_hidden_states is None and self.config.output_hidden_states):
            output.hidden_states = readings.layers()
        return output


class ELMoForCausalLM(_SharedSoftmax, ELMoPreTrainedModel, GenerationMixin):
    """One of the two language models, to write texts with.

    It reads in the order of `generation_direction`: for `backward` the last word of a text comes first, and what
    `generate()` returns is to be turned round. The token before the first, `<s>` or `</s>`, is read of its own accord
    where the text does not begin with it.
    """

    _is_stateful = True  # a state cannot be cut back to an earlier token

    def __init__(self, config: ELMoConfig):
        super().__init__(config)
        self._turn_generation_config()

    def adjust_generation_fn(self, *args, **kwargs):
        # A step of loading: it reads a generation config from the folder, or makes a new one.
        super().adjust_generation_fn(*args, **kwargs)  # type: ignore[misc]
        self._turn_generation_config()

    def _turn_generation_config(self):
        # Ends that the user chose for generation are left alone.
        first, last = self._first_and_last()
        chosen = self.generation_config
        if (chosen.bos_token_id, chosen.eos_token_id) == (last, first):
            chosen.bos_token_id, chosen.eos_token_id = first, last

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False  # generate() would make a cache for attention

    def _first_and_last(self) -> tuple[int, int]:
        """The tokens at the ends of a text in the order of reading."""
        begin, end = self.config.bos_token_id, self.config.eos_token_id
        return (begin, end) if self.config.generation_direction == "forward" else (end, begin)

    def untrained(self) -> list[nn.Module]:
        readings, forward = self.elmo.readings, self.config.generation_direction == "forward"
        return [*super().untrained(), readings.backward_layers if forward else readings.forward_layers]

    def prepare_inputs_for_generation(self, input_ids, *args, character_ids=None, **kwargs):
        inputs = super().prepare_inputs_for_generation(input_ids, *args, **kwargs)  # type: ignore[misc]
        words, given = self.elmo.word_embeddings, inputs.get("input_ids")
        if given is not None and inputs.get("attention_mask") is None:
            inputs["attention_mask"] = torch.ones_like(given)  # generate() drops a mask that has only ones
        # The prompt is spelled as it was given, and what was written since as the vocabulary has it.
        if character_ids is not None and given is not None and isinstance(words, SpelledWords):
            read = input_ids.shape[1] - given.shape[1]
            if read < character_ids.shape[1]:
                written = words.spelling(input_ids[:, character_ids.shape[1] :])
                inputs["character_ids"] = torch.cat([character_ids, written], dim=1)[:, read:]
        return inputs

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        character_ids: Tensor | None = None,
        past_key_values: RecurrentCache | None = None,
        use_cache: bool | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> CausalLMOutputWithPast:
        """Predict the next word in the order of reading.

        Args:
            input_ids: in the order of reading, `(batch, length)`; or `inputs_embeds`, `(batch, length,
                projection_size)`.
            attention_mask: 1 where there is a token, `(batch, length)`, or of all that was read so far as well.
            character_ids: as `ELMoModel` has them.
            past_key_values: the states of this direction behind what was read before; brought up to date in place.
            use_cache: also return the states, as `past_key_values`.
            labels: the tokens themselves, `(batch, length)`: each state's prediction is compared with the next one;
                -100 where there is nothing to learn.
            logits_to_keep: scores of so many last tokens; 0 for all.
            output_hidden_states: also return `hidden_states`: the words and the layers of this direction, `(batch,
                length, projection_size)` each.
            kwargs: `shift_labels (batch, length)` in place of `labels`: what each state is to predict, so that a text
                can be cut into pieces without losing the prediction over the cut.

        Returns:
            `loss` (with labels) and `logits (batch, length, vocab_size)`; with labels the scores are left out, unless
            `logits_to_keep` asks for them: they are by far the largest tensor of the model.
        """
        words, mask = self.elmo.embed(input_ids, attention_mask, inputs_embeds, character_ids)
        if past_key_values is None and use_cache:
            past_key_values = RecurrentCache(self.config.num_hidden_layers)
        layers = self._read(words, mask, input_ids, past_key_values)
        states = self.dropout(layers[-1])  # (batch, length, projection_size)
        loss, logits = None, None
        # Not among the named arguments: Trainer waits for all that is called labels in every evaluation.
        shift_labels = kwargs.get("shift_labels")
        if labels is not None and shift_labels is None:
            shift_labels = TokenOrder(mask).following(labels)
        if shift_labels is not None:
            loss = self.prediction_loss(states, shift_labels.masked_fill(~mask, -100))
        if shift_labels is None or logits_to_keep is not None:
            logits = self.lm_head(states[:, -logits_to_keep:] if logits_to_keep else states)
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        return CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=past_key_values,
            hidden_states=layers if output_hidden_states else None,
        )

    def _read(
        self, words: Tensor, mask: Tensor, input_ids: Tensor | None, cache: RecurrentCache | None
    ) -> tuple[Tensor, ...]:
        """The words and what each layer of this direction gives, zero where padded; the cache is brought up to date."""
        forward = self.config.generation_direction == "forward"
        past = None if cache is None else _states(cache, self.config.num_hidden_layers, len(words))
        read, present = words, mask
        if past is None:  # nothing was read yet: begin with the token that texts begin with, unless this one does
            begin = self.elmo.boundaries(words.device)[0 if forward else 1].to(words.dtype)  # (projection_size,)
            read = torch.cat([begin.expand(len(words), 1, -1), words], dim=1)
            missing = mask.new_ones(len(mask), 1)
            if input_ids is not None:
                first = (input_ids == self._first_and_last()[0]) & mask & (mask.cumsum(1) == 1)
                missing = ~first.any(1, keepdim=True)
            present = torch.cat([missing, mask], dim=1)
        order = TokenOrder(present)
        stack = self.elmo.readings.forward_layers if forward else self.elmo.readings.backward_layers
        outputs, states = stack(order.front(read), past, None if cache is None else order.lengths)
        if cache is not None:
            cache.store(states, words.shape[1])
        layers = [words, *(order.back(output)[:, read.shape[1] - words.shape[1] :] for output in outputs)]
        return tuple(layer.masked_fill(~mask.unsqueeze(-1), 0.0) for layer in layers)


class ELMoForSequenceClassification(SequenceClassificationHead, ELMoPreTrainedModel):
    """A linear layer on the mean of a text's vectors."""

    backbone_class = ELMoModel


class ELMoForTokenClassification(CRFTokenClassificationHead, ELMoPreTrainedModel):
    """A tag for each token from its vector in the sentence, each by itself or the best sequence of all."""

    backbone_class = ELMoModel


AUTO_CLASSES = {
    "AutoModel": ELMoModel,
    "AutoModelForPreTraining": ELMoForPreTraining,
    "AutoModelForCausalLM": ELMoForCausalLM,
    "AutoModelForSequenceClassification": ELMoForSequenceClassification,
    "AutoModelForTokenClassification": ELMoForTokenClassification,
}

"""Two-way LSTMs: what stands on both sides of a token.

Graves & Schmidhuber 2005, "Framewise Phoneme Classification with Bidirectional LSTM". With a conditional random field
on top (Huang et al. 2015) and the spelling of words beside their vectors (Lample et al. 2016; Ma & Hovy 2016) it is the
tagger of its time; with attention over its states a classifier (Zhou et al. 2016; Lin et al. 2017); and where the two
directions meet around a word that neither has seen, a cloze model (Melamud et al. 2016, "context2vec").
"""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling, MaskedLMOutput
from transformers.utils.generic import can_return_tuple

from .attention import AttentionPooling, attention_penalty
from .bigram_embedding import BigramEmbedding
from .char_bilstm import CharacterBiLSTM
from .char_cnn import CharacterCNN
from .configuration_bilstm import BiLSTMConfig
from .crf import LinearChainCRF
from .crf_head import CRFTokenClassificationHead
from .embeddings import embed_words, given_length, token_mask
from .heads import SequenceClassificationHead
from .hub_ready import HubReadyMixin
from .pooling import first_token, last_token, masked_max, masked_mean
from .recurrent import RecurrentStack, TokenOrder, initialize_recurrent, make_dropout
from .softmax_losses import softmax_loss
from .spelling import SpellingTable


class BiLSTMPreTrainedModel(HubReadyMixin, PreTrainedModel):
    """What the family's classes share: initialisation, and a vocabulary of words and their spellings."""

    config: BiLSTMConfig
    config_class = BiLSTMConfig
    base_model_prefix = "bilstm"
    _input_embed_layer = "word_embeddings"

    @torch.no_grad()
    def _init_weights(self, module):
        if isinstance(module, nn.Embedding):
            bound = self.config.initializer_range
            init.uniform_(module.weight, -bound, bound)
        elif isinstance(module, nn.RNNBase):
            initialize_recurrent(module)
        elif isinstance(module, nn.Linear | nn.Conv1d):
            init.xavier_uniform_(module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, SpellingTable):
            module.reset()
        elif isinstance(module, LinearChainCRF):
            module.reset_parameters()

    def _resize_token_embeddings(self, new_num_tokens, pad_to_multiple_of=None, mean_resizing=True):
        resized = super()._resize_token_embeddings(new_num_tokens, pad_to_multiple_of, mean_resizing)
        for module in self.modules():
            if isinstance(module, SpellingTable):
                module.resize(resized.weight.shape[0])
        return resized


class BiLSTMModel(BiLSTMPreTrainedModel):
    """The states of each token in its context, and the vector of the text.

    Args:
        config: the settings.
        add_pooling_layer: whether there are weights for a pooling that has any; heads on tokens have no use for them.
    """

    def __init__(self, config: BiLSTMConfig, add_pooling_layer: bool = True):
        super().__init__(config)
        self.word_embeddings = nn.Embedding(config.vocab_size, config.embedding_size)
        width = config.embedding_size
        if config.character_encoder != "none":
            self.spelling = SpellingTable(config.vocab_size, config.max_characters)
            self.character_encoder = _character_encoder(config)
            width += config.character_hidden_size
        if config.num_bigram_buckets:
            self.bigrams = BigramEmbedding(config.num_bigram_buckets, config.bigram_embedding_size)
            width += 2 * config.bigram_embedding_size
        self.dropout = make_dropout(config.embedding_dropout, config.dropout_type)
        self.layers = RecurrentStack(
            cell_type="lstm",
            input_size=width,
            hidden_size=config.hidden_size // 2,
            num_layers=config.num_hidden_layers,
            bidirectional=True,
            dropout=config.hidden_dropout_prob,
            dropout_type=config.dropout_type,
        )
        self.attention = None
        if config.pooling == "attention" and add_pooling_layer:
            self.attention = AttentionPooling(config.hidden_size, config.attention_size, config.attention_hops)
        self.post_init()

    def set_spellings(self, spellings: Tensor):
        """Tell how the words of the vocabulary are spelled: character ids `(vocab_size, max_characters)`."""
        if self.config.character_encoder != "none":
            self.spelling.set_spellings(spellings)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        character_ids: Tensor | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> BaseModelOutputWithPooling:
        """Read texts from both ends.

        Args:
            input_ids: `(batch, length)`; or `inputs_embeds`, `(batch, length, embedding_size)`.
            attention_mask: 1 where there is a token, `(batch, length)`.
            character_ids: how each token is spelled, `(batch, length, max_characters)`; without them, known words are
                spelled as the vocabulary spells them.
            output_hidden_states: also return `hidden_states`: the word vectors and the states of each layer.

        Returns:
            `last_hidden_state (batch, length, hidden_size)`, zero where padded, `pooler_output (batch, hidden_size)`,
            and, for `attention`, the weights `attentions`: one tensor `(batch, hops, length)`.
        """
        length = given_length(input_ids, inputs_embeds)
        embedded, mask = embed_words(
            self.word_embeddings, input_ids, attention_mask, inputs_embeds, self.config.pad_token_id
        )
        if self.config.character_encoder != "none":
            embedded = self._add_spelling(embedded, mask, input_ids, character_ids)
        if self.config.num_bigram_buckets:
            embedded = torch.cat([embedded, self.bigrams(input_ids, mask)], dim=-1)
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        outputs = self.layers(self.dropout(embedded), mask, all_layers=output_hidden_states)
        pooled, weights = self._pool(outputs[-1], mask)
        return BaseModelOutputWithPooling(
            last_hidden_state=outputs[-1][:, :length],
            pooler_output=pooled,
            hidden_states=tuple(layer[:, :length] for layer in (embedded, *outputs)) if output_hidden_states else None,
            attentions=None if weights is None else (weights[:, :, :length],),
        )

    def _add_spelling(
        self, embedded: Tensor, mask: Tensor, input_ids: Tensor | None, character_ids: Tensor | None
    ) -> Tensor:
        """Word vectors with what the spelling tells side by side; vectors that come without ids have no spelling."""
        batch, length = mask.shape
        if character_ids is not None or input_ids is not None:
            character_ids = self.spelling(input_ids, character_ids)  # (batch, length, characters)
            # A batch of texts without a token has one position of padding.
            character_ids = nn.functional.pad(character_ids, (0, 0, 0, length - character_ids.shape[1]))
            features = self.character_encoder(character_ids)  # (batch, length, character_hidden_size)
        else:
            features = embedded.new_zeros(batch, length, self.config.character_hidden_size)
        features = features.masked_fill(~mask.unsqueeze(-1), 0.0)
        return torch.cat([embedded, features.to(embedded.dtype)], dim=-1)

    def _pool(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        if self.config.pooling == "max":
            return masked_max(states, mask), None
        if self.config.pooling == "last":
            # Each direction's state behind all that it has read.
            onward, back = states.chunk(2, dim=-1)
            return torch.cat([last_token(onward, mask), first_token(back, mask)], dim=-1), None
        if self.attention is None:
            return masked_mean(states, mask), None
        return self.attention(states, mask)


def _character_encoder(config: BiLSTMConfig) -> nn.Module:
    if config.character_encoder == "lstm":
        return CharacterBiLSTM(
            embedding_size=config.character_embedding_size, hidden_size=config.character_hidden_size // 2
        )
    return CharacterCNN(embedding_size=config.character_embedding_size, filters=[(3, config.character_hidden_size)])


class BiLSTMForMaskedLM(BiLSTMPreTrainedModel):
    """A cloze model: each word from what stands left and right of it, and never from itself (context2vec, section 2.1).

    Every word of a text is predicted at once, so nothing needs to be masked in training; a mask token serves only to
    ask. A second layer would see the word in its neighbours' states, so there is one.
    """

    accepts_loss_kwargs = False
    _tied_weights_keys = {"lm_head.weight": "bilstm.word_embeddings.weight"}

    def __init__(self, config: BiLSTMConfig):
        super().__init__(config)
        if config.num_hidden_layers != 1:
            raise ValueError(
                f"num_hidden_layers is {config.num_hidden_layers}, but a cloze model has 1: a second layer would see "
                "the word that it is to predict"
            )
        if config.num_bigram_buckets:
            raise ValueError(
                f"num_bigram_buckets is {config.num_bigram_buckets}, but a cloze model has 0: a pair would tell the "
                "word that it is to predict"
            )
        self.bilstm = BiLSTMModel(config, add_pooling_layer=False)
        self.cloze = nn.Sequential(
            nn.Linear(config.hidden_size, config.hidden_size),
            nn.ReLU(),
            nn.Linear(config.hidden_size, config.embedding_size),
        )
        self.lm_head = nn.Linear(config.embedding_size, config.vocab_size)
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
        character_ids: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> MaskedLMOutput:
        """Predict each word from its context.

        Args:
            input_ids: `(batch, length)`; or `inputs_embeds`, `(batch, length, embedding_size)`.
            attention_mask: 1 where there is a token, `(batch, length)`.
            character_ids: how each token is spelled, `(batch, length, max_characters)`.
            labels: the words to predict, `(batch, length)`; -100 for none. The ids themselves for all.

        Returns:
            With labels `loss`, without them `logits (batch, length, vocab_size)`.
        """
        outputs = self.bilstm(
            input_ids,
            attention_mask,
            inputs_embeds,
            character_ids=character_ids,
            **{**kwargs, "output_hidden_states": output_hidden_states, "return_dict": True},
        )
        mask = token_mask(input_ids, attention_mask, inputs_embeds, self.config.pad_token_id)
        contexts = self.cloze(_around(outputs.last_hidden_state, mask))  # (batch, length, embedding_size)
        loss, logits = None, None
        if labels is not None:
            loss = softmax_loss(contexts, self.lm_head, labels)
        else:
            logits = self.lm_head(contexts)
        return MaskedLMOutput(loss=loss, logits=logits, hidden_states=outputs.hidden_states)


def _around(states: Tensor, mask: Tensor) -> Tensor:
    """For each token the forward state of the one before it and the backward state of the one behind it.

    Both `(batch, length, width)`; zeros beyond the ends.
    """
    order = TokenOrder(mask)
    onward, back = order.front(states).chunk(2, dim=-1)
    before = nn.functional.pad(onward, (0, 0, 1, 0))[:, :-1]
    behind = nn.functional.pad(back, (0, 0, 0, 1))[:, 1:]
    return order.back(torch.cat([before, behind], dim=-1))


class BiLSTMForSequenceClassification(SequenceClassificationHead, BiLSTMPreTrainedModel):
    """A linear layer on the text's vector."""

    backbone_class = BiLSTMModel

    def regularization(self, outputs) -> Tensor | float:
        """Lin et al. 2017, section 2.2: hops that look at the same places cost."""
        if self.config.pooling != "attention" or not self.config.attention_penalty:
            return 0.0
        return self.config.attention_penalty * attention_penalty(outputs.attentions[0])


class BiLSTMForTokenClassification(CRFTokenClassificationHead, BiLSTMPreTrainedModel):
    """A tag for each token from its context; with a CRF, the best sequence of tags."""

    backbone_class = BiLSTMModel

    def make_backbone(self, config: BiLSTMConfig) -> BiLSTMModel:
        return BiLSTMModel(config, add_pooling_layer=False)


AUTO_CLASSES = {
    "AutoModel": BiLSTMModel,
    "AutoModelForMaskedLM": BiLSTMForMaskedLM,
    "AutoModelForSequenceClassification": BiLSTMForSequenceClassification,
    "AutoModelForTokenClassification": BiLSTMForTokenClassification,
}

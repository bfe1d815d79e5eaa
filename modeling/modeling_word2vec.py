"""word2vec: a vector for each word, learnt from the words around it.

Mikolov et al. 2013a, "Efficient Estimation of Word Representations in Vector Space" (skip-gram and CBOW), and 2013b,
"Distributed Representations of Words and Phrases and their Compositionality" (negative sampling). The classifier is
fastText's: the mean of the word vectors under a linear layer (Joulin et al. 2016, "Bag of Tricks for Efficient Text
Classification").

- Both algorithms share one batch: `(batch, contexts)` words that predict `(batch,)` words in the middle.
- `AutoModel` on a pre-trained folder drops the output table, which only training needs.
- Rows 0 (`<pad>`) and 1 (`<unk>`) are never drawn as noise.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from .configuration_word2vec import Word2VecConfig
from .embeddings import embed_words, given_length, look_up_words
from .heads import SequenceClassificationHead, TokenClassificationHead
from .hub_ready import HubReadyMixin
from .pooling import masked_mean
from .word_losses import draw_negatives, negative_sampling_loss

_FIRST_WORD = 2  # ids below are <pad> and <unk>


@dataclass
class Word2VecForPreTrainingOutput(ModelOutput):
    """What `Word2VecForPreTraining` returns.

    Args:
        loss: mean loss of a prediction; with labels.
        logits: scores of all words as the word in the middle, `(batch, vocab_size)`; without labels.
        hidden_states: the vectors of the contexts, `(batch, contexts, hidden_size)`, where asked for.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None


class Word2VecPreTrainedModel(HubReadyMixin, PreTrainedModel):
    """What the family's classes share: initialisation."""

    config: Word2VecConfig
    config_class = Word2VecConfig
    base_model_prefix = "word2vec"
    _input_embed_layer = "word_embeddings"

    @torch.no_grad()
    def _init_weights(self, module):
        if isinstance(module, Word2VecForPreTraining):
            # word2vec.c: output vectors start at zero. Words start equally frequent, until a corpus has been counted.
            init.zeros_(module.output_embeddings.weight)
            init.ones_(module.word_counts)
            if not getattr(module.word_counts, "_is_hf_initialized", False):
                module.word_counts[:_FIRST_WORD] = 0
        elif isinstance(module, Word2VecModel):
            bound = 0.5 / self.config.hidden_size
            init.uniform_(module.word_embeddings.weight, -bound, bound)
        elif isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            init.zeros_(module.bias)


class Word2VecModel(Word2VecPreTrainedModel):
    """The vectors of words, and their mean as the vector of a text."""

    # What only pre-training needs is left behind without a warning.
    _keys_to_ignore_on_load_unexpected = [r"^output_embeddings\.", r"^word_counts$"]

    def __init__(self, config: Word2VecConfig):
        super().__init__(config)
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> BaseModelOutputWithPooling:
        """Look up words and average them.

        Args:
            input_ids: `(batch, length)`; or `inputs_embeds`, `(batch, length, hidden_size)`.
            attention_mask: 1 where there is a token, `(batch, length)`.

        Returns:
            `last_hidden_state (batch, length, hidden_size)`, zero where padded, and
            `pooler_output (batch, hidden_size)`.
        """
        length = given_length(input_ids, inputs_embeds)
        vectors, mask = embed_words(
            self.word_embeddings, input_ids, attention_mask, inputs_embeds, self.config.pad_token_id
        )
        pooled = masked_mean(vectors, mask)  # (batch, hidden_size)
        vectors = vectors[:, :length]
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        return BaseModelOutputWithPooling(
            last_hidden_state=vectors,
            pooler_output=pooled,
            hidden_states=(vectors,) if output_hidden_states else None,
        )


class Word2VecForPreTraining(Word2VecPreTrainedModel):
    """Skip-gram and CBOW with negative sampling."""

    accepts_loss_kwargs = False
    word_counts: Tensor

    def __init__(self, config: Word2VecConfig):
        super().__init__(config)
        self.word2vec = Word2VecModel(config)
        self.output_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.register_buffer("word_counts", torch.ones(config.vocab_size, dtype=torch.int64))
        self.post_init()

    def get_output_embeddings(self) -> nn.Embedding:
        return self.output_embeddings

    def set_output_embeddings(self, value: nn.Embedding):
        self.output_embeddings = value

    def _resize_token_embeddings(self, new_num_tokens, pad_to_multiple_of=None, mean_resizing=True):
        resized = super()._resize_token_embeddings(new_num_tokens, pad_to_multiple_of, mean_resizing)
        missing = resized.weight.shape[0] - self.word_counts.shape[0]
        # Words that were never counted are not drawn as noise; a negative padding cuts.
        self.word_counts = nn.functional.pad(self.word_counts, (0, missing))
        return resized

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        negative_ids: Tensor | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> Word2VecForPreTrainingOutput:
        """Predict the word in the middle from the words around it.

        Args:
            input_ids: the words around, `(batch, contexts)`; or `inputs_embeds`, `(batch, contexts, hidden_size)`.
            attention_mask: 1 where there is a word, `(batch, contexts)`.
            labels: the words in the middle, `(batch,)`; -100 for none.
            negative_ids: noise words, `(batch, num_negatives)`; drawn here when missing.

        Returns:
            With labels the mean loss of a prediction (skip-gram: of a context and the word in the middle; CBOW: of a
            window), without them the scores of all words.
        """
        if labels is None:
            outputs = self.word2vec(input_ids, attention_mask, inputs_embeds, output_hidden_states, return_dict=True)
            logits = outputs.pooler_output @ self.output_embeddings.weight.T  # (batch, vocab_size)
            return Word2VecForPreTrainingOutput(logits=logits, hidden_states=outputs.hidden_states)

        # The backbone would zero the padding and take the mean, which skip-gram needs neither of.
        embedded, mask = look_up_words(
            self.word2vec.word_embeddings, input_ids, attention_mask, inputs_embeds, self.config.pad_token_id
        )
        vectors, mask = embedded, mask & (labels >= 0).unsqueeze(1)  # (batch, contexts, width), (batch, contexts)
        if self.config.algorithm == "cbow":
            vectors, mask = masked_mean(vectors, mask).unsqueeze(1), mask.any(1, keepdim=True)  # one context a window
        if negative_ids is None:
            shape = (labels.shape[0], self.config.num_negatives)
            negative_ids = draw_negatives(self.word_counts, self.config.negative_exponent, shape)
        loss = negative_sampling_loss(
            contexts=vectors,
            context_mask=mask,
            outputs=self.output_embeddings(torch.cat([labels.clamp(min=0).unsqueeze(1), negative_ids], dim=1)),
            negative_mask=negative_ids != labels.unsqueeze(1),
        )
        return Word2VecForPreTrainingOutput(loss=loss, hidden_states=(embedded,) if output_hidden_states else None)


class Word2VecForSequenceClassification(SequenceClassificationHead, Word2VecPreTrainedModel):
    """fastText's classifier: a linear layer on the mean of the word vectors."""

    backbone_class = Word2VecModel


class Word2VecForTokenClassification(TokenClassificationHead, Word2VecPreTrainedModel):
    """A tag for each word from its vector alone: the baseline that any tagger with a context must beat."""

    backbone_class = Word2VecModel


AUTO_CLASSES = {
    "AutoModel": Word2VecModel,
    "AutoModelForPreTraining": Word2VecForPreTraining,
    "AutoModelForSequenceClassification": Word2VecForSequenceClassification,
    "AutoModelForTokenClassification": Word2VecForTokenClassification,
}

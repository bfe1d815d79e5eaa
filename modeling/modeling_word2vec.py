"""word2vec: a vector for each word, learnt from the words around it.

Mikolov et al. 2013a, "Efficient Estimation of Word Representations in Vector Space" (skip-gram and CBOW), and 2013b,
"Distributed Representations of Words and Phrases and their Compositionality" (negative sampling, hierarchical softmax
over a Huffman tree). Vectors may be made of a word's row and its hashed character n-grams (Bojanowski et al. 2017,
"Enriching Word Vectors with Subword Information"), which also gives vectors to unseen words. The classifier is
fastText's: the mean of the word vectors under a linear layer (Joulin et al. 2016, "Bag of Tricks for Efficient Text
Classification").

- Both algorithms share one batch: `(batch, contexts)` words that predict `(batch,)` words in the middle.
- `AutoModel` on a pre-trained folder drops the output table, which only training needs.
- Rows 0 (`<pad>`) and 1 (`<unk>`) are never drawn as noise, and no word of the tree.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from .configuration_word2vec import Word2VecConfig
from .embeddings import embed_words, given_length, look_up_words
from .hashed_ngrams import known_words, mean_of_rows, unseen_words
from .heads import SequenceClassificationHead, TokenClassificationHead
from .hierarchical_softmax import hierarchical_softmax_loss, word_log_probabilities
from .hub_ready import HubReadyMixin
from .huffman import huffman_tree
from .pooling import masked_mean
from .word_losses import draw_negatives, negative_sampling_loss

_FIRST_WORD = 2  # ids below are <pad> and <unk>


@dataclass
class Word2VecForPreTrainingOutput(ModelOutput):
    """What `Word2VecForPreTraining` returns.

    Args:
        loss: mean loss of a prediction; with labels.
        logits: scores of all words as the word in the middle, `(batch, vocab_size)`; without labels. Of hierarchical
            softmax they are logarithms of probabilities.
        hidden_states: the vectors of the contexts, `(batch, contexts, hidden_size)`, where asked for.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None


class Word2VecPreTrainedModel(HubReadyMixin, PreTrainedModel):
    """What the family's classes share: initialisation, and a vocabulary of words and their n-grams."""

    config: Word2VecConfig
    config_class = Word2VecConfig
    base_model_prefix = "word2vec"
    _input_embed_layer = "word_embeddings"

    @torch.no_grad()
    def _init_weights(self, module):
        if isinstance(module, Word2VecForPreTraining | Word2VecModel):
            module.reset()
        elif isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            init.zeros_(module.bias)

    def _resize_token_embeddings(self, new_num_tokens, pad_to_multiple_of=None, mean_resizing=True):
        resized = super()._resize_token_embeddings(new_num_tokens, pad_to_multiple_of, mean_resizing)
        backbone: Any = self.base_model
        if self.config.num_ngram_buckets:
            backbone.word_ngrams = _pad_rows(backbone.word_ngrams, len(resized.weight), 0)
        return resized


class Word2VecModel(Word2VecPreTrainedModel):
    """The vectors of words, and their mean as the vector of a text.

    With n-grams, `ngram_embeddings` has a row for each bucket behind row 0, which stays zero, and `word_ngrams`, int32
    `(vocab_size, max_ngrams)`, tells those of each known word; they are none until `set_word_ngrams` is called.
    """

    # What only pre-training needs is left behind without a warning.
    _keys_to_ignore_on_load_unexpected = [
        r"^(output|node)_embeddings\.",
        r"^(word_counts|huffman_codes|huffman_paths)$",
    ]
    word_ngrams: Tensor

    def __init__(self, config: Word2VecConfig):
        super().__init__(config)
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        if config.num_ngram_buckets:
            self.ngram_embeddings = nn.Embedding(config.num_ngram_buckets + 1, config.hidden_size, padding_idx=0)
            ngrams = torch.zeros(config.vocab_size, config.max_ngrams, dtype=torch.int32)
            self.register_buffer("word_ngrams", ngrams)
        self.post_init()

    def reset(self):
        """Draw all vectors anew, but for those that were just loaded."""
        bound = 0.5 / self.config.hidden_size
        init.uniform_(self.word_embeddings.weight, -bound, bound)
        if self.config.num_ngram_buckets:
            init.uniform_(self.ngram_embeddings.weight, -bound, bound)
            if not _is_loaded(self.ngram_embeddings.weight):
                self.ngram_embeddings.weight[0] = 0.0
            init.zeros_(self.word_ngrams)

    def set_word_ngrams(self, ngram_ids: Tensor):
        """Tell which n-grams the words of the vocabulary have; nothing happens in a model without n-grams.

        Args:
            ngram_ids: buckets from 1 up, 0 for none, `(vocab_size, max_ngrams)`.

        Raises:
            ValueError: for another shape, or a bucket that there is not.
        """
        if not self.config.num_ngram_buckets:
            return
        if ngram_ids.shape != self.word_ngrams.shape:
            wanted, given = tuple(self.word_ngrams.shape), tuple(ngram_ids.shape)
            raise ValueError(f"ngram_ids has shape {given}, but must have (vocab_size, max_ngrams), {wanted}")
        lowest, highest = int(ngram_ids.min()), int(ngram_ids.max())
        if lowest < 0 or highest > self.config.num_ngram_buckets:
            raise ValueError(
                f"ngram_ids are {lowest} to {highest}, but must be 0 to num_ngram_buckets, "
                f"{self.config.num_ngram_buckets}"
            )
        self.word_ngrams.copy_(ngram_ids)

    def embed(self, input_ids: Tensor, ngram_ids: Tensor | None = None) -> Tensor:
        """The vectors of words, with n-grams the means that `hashed_ngrams` speaks of.

        Words `(...)`, and the n-grams of those that are unseen, zeros for the others `(..., ngrams)`, to
        `(..., hidden_size)`.
        """
        vectors = self.word_embeddings(input_ids)
        if not self.config.num_ngram_buckets:
            return vectors
        vectors = known_words(vectors, self.word_ngrams[input_ids], self.ngram_embeddings)
        if ngram_ids is not None and self.config.max_word_ngram > 1:
            ngram_ids = ngram_ids[..., : self.config.max_ngrams]  # behind them are groups of words
        return vectors if ngram_ids is None else unseen_words(vectors, ngram_ids.long(), self.ngram_embeddings)

    def pool_rows(self, input_ids: Tensor, ngram_ids: Tensor | None, mask: Tensor) -> Tensor:
        """The means of all rows that texts have: of known words, of n-grams, of groups of words.

        Ids and mask `(batch, length)`, n-grams `(batch, length, ngrams)`, to `(batch, hidden_size)`.
        """
        known = mask & (input_ids >= _FIRST_WORD)  # (batch, length)
        words = self.word_embeddings(input_ids)  # (batch, length, hidden_size)
        if not self.config.num_ngram_buckets:
            return masked_mean(words, known)
        ngrams = self.word_ngrams[input_ids].long()  # (batch, length, max_ngrams)
        if ngram_ids is not None:
            ngrams = torch.cat([ngrams, ngram_ids.long()], dim=-1)
        return mean_of_rows(words, known, ngrams * mask.unsqueeze(-1), self.ngram_embeddings)

    @torch.no_grad()
    def word_vectors(self) -> Tensor:
        """The vector of every known word, as it is to be exported: `(vocab_size, hidden_size)`."""
        return self.embed(torch.arange(len(self.word_embeddings.weight), device=self.word_embeddings.weight.device))

    @torch.no_grad()
    def set_word_vectors(self, vectors: Tensor):
        """Make `word_vectors()` what is given, `(vocab_size, hidden_size)`; n-grams keep their rows.

        Raises:
            ValueError: for another shape.
        """
        rows = self.word_embeddings.weight
        if vectors.shape != rows.shape:
            wanted, given = tuple(rows.shape), tuple(vectors.shape)
            raise ValueError(f"vectors has shape {given}, but must have (vocab_size, hidden_size), {wanted}")
        missing = vectors.to(rows) - self.word_vectors()
        if self.config.num_ngram_buckets:
            missing *= 1 + (self.word_ngrams != 0).sum(1, keepdim=True)  # a word's own row is one of so many
        rows += missing

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        ngram_ids: Tensor | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> BaseModelOutputWithPooling:
        """Look up words and average them.

        Args:
            input_ids: `(batch, length)`; or `inputs_embeds`, `(batch, length, hidden_size)`, the vectors themselves.
            attention_mask: 1 where there is a token, `(batch, length)`.
            ngram_ids: the n-grams of unseen words, zeros for all others, `(batch, length, ngrams)`; without them, or
                in a model without n-grams, these words are `<unk>`. With `max_word_ngram` the buckets of the groups of
                words that begin with each word stand behind the first `max_ngrams`.

        Returns:
            `last_hidden_state (batch, length, hidden_size)`, zero where padded, and
            `pooler_output (batch, hidden_size)`.
        """
        length = given_length(input_ids, inputs_embeds)
        vectors, mask = embed_words(
            lambda ids: self.embed(ids, ngram_ids), input_ids, attention_mask, inputs_embeds, self.config.pad_token_id
        )
        if self.config.pooling == "rows" and input_ids is not None and length:
            pooled = self.pool_rows(input_ids, ngram_ids, mask)  # (batch, hidden_size)
        else:
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
    """Skip-gram and CBOW with negative sampling or hierarchical softmax.

    Negative sampling has a table of output vectors, `output_embeddings`. Hierarchical softmax has one of inner nodes in
    its place, `node_embeddings`, with as many rows as there are words, one or a few of them idle; `huffman_codes` int8
    and `huffman_paths` int32, both `(vocab_size, max_code_length)`, tell the way to each word. See `huffman`.
    """

    accepts_loss_kwargs = False
    word_counts: Tensor
    huffman_codes: Tensor
    huffman_paths: Tensor

    def __init__(self, config: Word2VecConfig):
        super().__init__(config)
        self.word2vec = Word2VecModel(config)
        self.register_buffer("word_counts", torch.ones(config.vocab_size, dtype=torch.int64))
        if config.loss == "hierarchical_softmax":
            self.node_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
            shape = (config.vocab_size, config.max_code_length)
            self.register_buffer("huffman_codes", torch.full(shape, -1, dtype=torch.int8))
            self.register_buffer("huffman_paths", torch.zeros(shape, dtype=torch.int32))
        else:
            self.output_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.post_init()

    def reset(self):
        """Begin with output vectors of zeros, as word2vec.c, and equal counts, but for what was just loaded."""
        init.ones_(self.word_counts)
        if not _is_loaded(self.word_counts):
            self.word_counts[:_FIRST_WORD] = 0
        if self.config.loss != "hierarchical_softmax":
            init.zeros_(self.output_embeddings.weight)
            return
        init.zeros_(self.node_embeddings.weight)
        if not (_is_loaded(self.huffman_codes) or self.word_counts.is_meta):
            self._grow_tree()

    @torch.no_grad()
    def set_word_counts(self, counts: Tensor):
        """Tell how often each word occurs: what noise is drawn by, and what the Huffman tree is made from.

        Another tree has other inner nodes: unless it is the same as before, their vectors are zeros again.

        Args:
            counts: integers `(vocab_size,)`; those of `<pad>` and `<unk>` are taken for 0.

        Raises:
            ValueError: for another shape, a negative count, or a code that is longer than `max_code_length`.
        """
        if counts.shape != self.word_counts.shape:
            wanted, given = tuple(self.word_counts.shape), tuple(counts.shape)
            raise ValueError(f"counts has shape {given}, but must have (vocab_size,), {wanted}")
        if bool((counts < 0).any()):
            raise ValueError(f"counts holds {int(counts.min())}, but must not be negative")
        self.word_counts.copy_(counts)
        self.word_counts[:_FIRST_WORD] = 0
        if self.config.loss == "hierarchical_softmax":
            self._grow_tree()

    def _grow_tree(self):
        codes, paths = huffman_tree(self.word_counts, self.config.max_code_length)
        if not (torch.equal(codes, self.huffman_codes.cpu()) and torch.equal(paths, self.huffman_paths.cpu())):
            self.node_embeddings.weight.zero_()
        self.huffman_codes.copy_(codes)
        self.huffman_paths.copy_(paths)

    def get_output_embeddings(self) -> nn.Embedding | None:
        """The output vectors of words, `None` with hierarchical softmax: inner nodes are no words."""
        return getattr(self, "output_embeddings", None)

    def set_output_embeddings(self, value: nn.Embedding):
        self.output_embeddings = value

    @torch.no_grad()
    def _resize_token_embeddings(self, new_num_tokens, pad_to_multiple_of=None, mean_resizing=True):
        resized = super()._resize_token_embeddings(new_num_tokens, pad_to_multiple_of, mean_resizing)
        size, before = len(resized.weight), len(self.word_counts)
        # Words that were never counted are not drawn as noise, and have no place in the tree.
        self.word_counts = _pad_rows(self.word_counts, size, 0)
        if self.config.loss == "hierarchical_softmax":
            self.huffman_codes = _pad_rows(self.huffman_codes, size, -1)
            self.huffman_paths = _pad_rows(self.huffman_paths, size, 0)
            nodes = self.node_embeddings
            nodes.weight = nn.Parameter(_pad_rows(nodes.weight.detach(), size, 0), nodes.weight.requires_grad)
            nodes.num_embeddings = size
            if size < before:  # the tree has fewer leaves and is another one
                self._grow_tree()
        return resized

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        ngram_ids: Tensor | None = None,
        labels: Tensor | None = None,
        negative_ids: Tensor | None = None,
        output_hidden_states: bool | None = None,
        **kwargs,
    ) -> Word2VecForPreTrainingOutput:
        """Predict the word in the middle from the words around it.

        Args:
            input_ids: the words around, `(batch, contexts)`; or `inputs_embeds`, `(batch, contexts, hidden_size)`.
            attention_mask: 1 where there is a word, `(batch, contexts)`.
            ngram_ids: the n-grams of unseen words, zeros for all others, `(batch, contexts, ngrams)`.
            labels: the words in the middle, `(batch,)`; -100 for none.
            negative_ids: noise words, `(batch, num_negatives)`; drawn here when missing. Hierarchical softmax has none.

        Returns:
            With labels the mean loss of a prediction (skip-gram: of a context and the word in the middle; CBOW: of a
            window), without them the scores of all words.
        """
        if labels is None:
            outputs = self.word2vec(
                input_ids,
                attention_mask,
                inputs_embeds,
                ngram_ids=ngram_ids,
                output_hidden_states=output_hidden_states,
                return_dict=True,
            )
            return Word2VecForPreTrainingOutput(
                logits=self._score_words(outputs.pooler_output), hidden_states=outputs.hidden_states
            )

        # The backbone would zero the padding and take the mean, which skip-gram needs neither of.
        embedded, mask = look_up_words(
            lambda ids: self.word2vec.embed(ids, ngram_ids),
            input_ids,
            attention_mask,
            inputs_embeds,
            self.config.pad_token_id,
        )
        vectors, mask = embedded, mask & (labels >= 0).unsqueeze(1)  # (batch, contexts, width), (batch, contexts)
        if self.config.algorithm == "cbow":
            vectors, mask = masked_mean(vectors, mask).unsqueeze(1), mask.any(1, keepdim=True)  # one context a window
        if self.config.loss == "hierarchical_softmax":
            loss = self._hierarchical_softmax(vectors, mask, labels.clamp(min=0))
        else:
            loss = self._negative_sampling(vectors, mask, labels, negative_ids)
        return Word2VecForPreTrainingOutput(loss=loss, hidden_states=(embedded,) if output_hidden_states else None)

    def _score_words(self, contexts: Tensor) -> Tensor:
        """From `(batch, hidden_size)` to `(batch, vocab_size)`."""
        if self.config.loss != "hierarchical_softmax":
            return contexts @ self.output_embeddings.weight.T
        scores = contexts @ self.node_embeddings.weight.T  # (batch, vocab_size), of nodes
        return word_log_probabilities(scores, self.huffman_codes, self.huffman_paths, self.word_counts > 0)

    def _negative_sampling(self, vectors: Tensor, mask: Tensor, labels: Tensor, negative_ids: Tensor | None) -> Tensor:
        if negative_ids is None:
            shape = (labels.shape[0], self.config.num_negatives)
            negative_ids = draw_negatives(self.word_counts, self.config.negative_exponent, shape)
        return negative_sampling_loss(
            contexts=vectors,
            context_mask=mask,
            outputs=self.output_embeddings(torch.cat([labels.clamp(min=0).unsqueeze(1), negative_ids], dim=1)),
            negative_mask=negative_ids != labels.unsqueeze(1),
        )

    def _hierarchical_softmax(self, vectors: Tensor, mask: Tensor, words: Tensor) -> Tensor:
        return hierarchical_softmax_loss(
            contexts=vectors,
            context_mask=mask & (self.word_counts[words] > 0).unsqueeze(1),  # others have no place in the tree
            nodes=self.node_embeddings(self.huffman_paths[words]),
            codes=self.huffman_codes[words],
        )


class Word2VecForSequenceClassification(SequenceClassificationHead, Word2VecPreTrainedModel):
    """fastText's classifier: a linear layer on the mean of the word vectors."""

    backbone_class = Word2VecModel


class Word2VecForTokenClassification(TokenClassificationHead, Word2VecPreTrainedModel):
    """A tag for each word from its vector alone: the baseline that any tagger with a context must beat."""

    backbone_class = Word2VecModel


def _pad_rows(table: Tensor, size: int, value: int) -> Tensor:
    """The first `size` rows; where there are fewer, new ones of `value` follow."""
    # From the last dimension on; a negative padding cuts.
    return nn.functional.pad(table, (0, 0) * (table.ndim - 1) + (0, size - len(table)), value=value)


def _is_loaded(tensor: Tensor) -> bool:
    """Whether transformers has just loaded it from a folder."""
    return getattr(tensor, "_is_hf_initialized", False)


AUTO_CLASSES = {
    "AutoModel": Word2VecModel,
    "AutoModelForPreTraining": Word2VecForPreTraining,
    "AutoModelForSequenceClassification": Word2VecForSequenceClassification,
    "AutoModelForTokenClassification": Word2VecForTokenClassification,
}

"""Configuration of the one-way recurrent family."""

from typing import Literal

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig


@strict
class RNNConfig(PreTrainedConfig):
    """Settings of a one-way recurrent network; the defaults are the small LSTM of Zaremba et al. 2014, section 4.1.

    Args:
        vocab_size: number of words, special tokens included.
        embedding_size: width of a word vector; of a numeric series given as `inputs_embeds`, the number of features.
        hidden_size: width of a layer's state.
        num_hidden_layers: layers.
        cell_type: `rnn`, `gru` or `lstm`.
        hidden_act: of `rnn`: `tanh` or `relu`.
        pooling: the vector of a text: the `last` token's state, or the `mean` or `max` over all.
        embedding_dropout: probability of zeroing a component of a word vector in training.
        hidden_dropout_prob: the same between layers, and before the output of a language model.
        dropout_type: drawn anew for each step (`standard`, Zaremba et al. 2014), or once for a text (`variational`, Gal
            & Ghahramani 2016).
        classifier_dropout: probability of zeroing a component before a head in training.
        tie_word_embeddings: a language model's output vectors are its word vectors, which then need `embedding_size`
            equal to `hidden_size` (Inan et al. 2017; Press & Wolf 2017).
        num_softmax_samples: words that a language model's softmax is estimated from in training; 0 for all of them. A
            sample needs a vocabulary sorted by falling frequency, as ours are.
        memory_span: steps over which a fresh LSTM remembers, at most (the chrono initialisation of Tallec & Ollivier
            2018); `None` for gates that are mostly open (Jozefowicz et al. 2015, section 3.2), which words need.
        initializer_range: random word vectors are uniform between minus and plus this.
    """

    model_type = "wordemb_rnn"

    vocab_size: int = 30000
    embedding_size: int = 200
    hidden_size: int = 200
    num_hidden_layers: int = 2
    cell_type: Literal["rnn", "gru", "lstm"] = "lstm"
    hidden_act: Literal["tanh", "relu"] = "tanh"
    pooling: Literal["last", "mean", "max"] = "last"
    embedding_dropout: float | int = 0.0
    hidden_dropout_prob: float | int = 0.0
    dropout_type: Literal["standard", "variational"] = "standard"
    classifier_dropout: float | int = 0.0
    tie_word_embeddings: bool = True
    num_softmax_samples: int = 0
    memory_span: int | None = None
    initializer_range: float | int = 0.1
    pad_token_id: int | None = 0
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None

    def validate_sizes(self):
        """Refuse sizes below one, and a padding id outside the vocabulary."""
        for field in ("vocab_size", "embedding_size", "hidden_size", "num_hidden_layers"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} is {getattr(self, field)}, but must be at least 1")
        if self.num_softmax_samples < 0:
            raise ValueError(f"num_softmax_samples is {self.num_softmax_samples}, but must be at least 0")
        if self.memory_span is not None and self.memory_span < 3:
            raise ValueError(f"memory_span is {self.memory_span}, but must be at least 3 steps, or None")
        if self.pad_token_id is not None and not 0 <= self.pad_token_id < self.vocab_size:
            raise ValueError(f"pad_token_id is {self.pad_token_id}, but must be below vocab_size, {self.vocab_size}")

    def validate_probabilities(self):
        """Refuse dropouts outside of 0 to 1, and a range of random vectors that is none."""
        for field in ("embedding_dropout", "hidden_dropout_prob", "classifier_dropout"):
            if not 0 <= getattr(self, field) < 1:
                raise ValueError(f"{field} is {getattr(self, field)}, but must be at least 0 and below 1")
        if not 0 < self.initializer_range < float("inf"):
            raise ValueError(f"initializer_range is {self.initializer_range}, but must be above 0")

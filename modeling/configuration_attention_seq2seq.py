"""Configuration of the recurrent encoder–decoder with attention."""

from typing import Literal

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig


@strict
class AttentionSeq2SeqConfig(PreTrainedConfig):
    """Settings of a recurrent encoder–decoder with attention; the defaults follow Bahdanau et al. 2015, but smaller.

    Args:
        vocab_size: number of words, special tokens included; source and target have one vocabulary.
        embedding_size: width of a word vector, and of the state that predicts a word.
        hidden_size: width of a source token's state, both directions together, and of a decoder layer's.
        encoder_type: `recurrent`, layers of `cell_type`; or `elmo`, the two stacks of projected LSTMs of Peters et al.
            2018, so that an ELMo of words can be its beginning: `hidden_size` is then twice `embedding_size`.
        encoder_layers: layers of the encoder.
        decoder_layers: layers of the decoder.
        cell_type: `gru` or `lstm`.
        bidirectional: whether the recurrent encoder reads in both directions.
        attention_score: `additive` (Bahdanau et al. 2015), `dot` or `general` (Luong et al. 2015, section 3.1).
        attention_span: `global`, or `local` around a predicted place (section 3.2, local-p).
        attention_window: places on either side for `local`.
        attention_size: width of the layer that scores (additive) or predicts the place (local).
        input_feeding: feed what predicts a word into the next step (section 3.3); training then takes steps one by one.
        share_embeddings: source and target have the same word vectors.
        tie_word_embeddings: the output vectors are the word vectors of the target (Press & Wolf 2017).
        encoder_cell_size: of `elmo`: the width of a cell.
        cell_clip: of `elmo`: bound of a cell's values, or `None`.
        projection_clip: of `elmo`: bound of a projection's values, or `None`.
        skip_connections: of `elmo`: add what a layer reads to what it gives, from the second one on.
        embedding_dropout: probability of zeroing a component of a word vector in training.
        hidden_dropout_prob: the same between layers, and before the output.
        initializer_range: random word vectors are uniform between minus and plus this; `None` for vectors of length 1,
            with which scores begin at the size of the states: smaller ones take much longer to learn.
        decoder_start_token_id: what stands before the first word of a target.
    """

    model_type = "wordemb_attention_seq2seq"
    keys_to_ignore_at_inference = [
        "past_key_values",
        "encoder_last_hidden_state",
        "encoder_hidden_states",
        "decoder_hidden_states",
        "cross_attentions",
    ]

    vocab_size: int = 30000
    embedding_size: int = 256
    hidden_size: int = 256
    encoder_type: Literal["recurrent", "elmo"] = "recurrent"
    encoder_layers: int = 1
    decoder_layers: int = 1
    cell_type: Literal["gru", "lstm"] = "gru"
    bidirectional: bool = True
    attention_score: Literal["additive", "dot", "general"] = "additive"
    attention_span: Literal["global", "local"] = "global"
    attention_window: int = 10
    attention_size: int = 256
    input_feeding: bool = False
    share_embeddings: bool = True
    tie_word_embeddings: bool = True
    encoder_cell_size: int = 1024
    cell_clip: float | int | None = None
    projection_clip: float | int | None = None
    skip_connections: bool = True
    embedding_dropout: float | int = 0.0
    hidden_dropout_prob: float | int = 0.0
    initializer_range: float | int | None = None
    is_encoder_decoder: bool = True
    pad_token_id: int | None = 0
    bos_token_id: int | None = 2
    eos_token_id: int | list[int] | None = 3
    decoder_start_token_id: int = 2

    def validate_sizes(self):
        """Refuse sizes below one, those that do not fit together, and special tokens outside the vocabulary."""
        fields = ("vocab_size", "embedding_size", "hidden_size", "encoder_layers", "decoder_layers", "attention_size")
        for field in (*fields, "attention_window", "encoder_cell_size"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} is {getattr(self, field)}, but must be at least 1")
        if self.encoder_type == "elmo":
            if self.hidden_size != 2 * self.embedding_size:
                raise ValueError(
                    f"hidden_size is {self.hidden_size}, but with encoder_type elmo it must be twice embedding_size, "
                    f"{self.embedding_size}: one half for each direction"
                )
            if self.encoder_cell_size <= self.embedding_size:
                raise ValueError(
                    f"encoder_cell_size is {self.encoder_cell_size}, but must be above embedding_size, "
                    f"{self.embedding_size}: an LSTM's projection makes it smaller"
                )
        elif self.bidirectional and self.hidden_size % 2:
            raise ValueError(f"hidden_size is {self.hidden_size}, but must be even: one half for each direction")
        for field in ("pad_token_id", "bos_token_id", "decoder_start_token_id"):
            value = getattr(self, field)
            if value is not None and not 0 <= value < self.vocab_size:
                raise ValueError(f"{field} is {value}, but must be below vocab_size, {self.vocab_size}")

    def validate_numbers(self):
        """Refuse dropouts outside of 0 to 1, bounds that are none, and a range of random vectors that is none."""
        for field in ("embedding_dropout", "hidden_dropout_prob"):
            if not 0 <= getattr(self, field) < 1:
                raise ValueError(f"{field} is {getattr(self, field)}, but must be at least 0 and below 1")
        for field in ("cell_clip", "projection_clip"):
            value = getattr(self, field)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{field} is {value}, but must be above 0, or None")
        if self.initializer_range is not None and not 0 < self.initializer_range < float("inf"):
            raise ValueError(f"initializer_range is {self.initializer_range}, but must be above 0, or None")

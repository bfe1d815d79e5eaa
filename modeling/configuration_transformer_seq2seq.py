"""Configuration of the Transformer that reads one text and writes another."""

from typing import Literal

from huggingface_hub.dataclasses import strict

from .transformer_settings import TransformerSettings


@strict
class TransformerSeq2SeqConfig(TransformerSettings):
    """Settings of an encoder and a decoder, equal in size; further ones in `TransformerSettings`.

    Args:
        decoder_start_token_id: what stands before the first word that is written.
    """

    model_type = "wordemb_transformer_seq2seq"

    position_type: Literal["sinusoidal", "learned", "rotary"] = "sinusoidal"
    # Smaller words would drown in sines, which are as long as words of length 1 that are scaled (section 3.4).
    initializer_range: float | int | None = None
    is_encoder_decoder: bool = True
    bos_token_id: int | None = 2
    eos_token_id: int | list[int] | None = 3
    decoder_start_token_id: int = 2

    def validate_boundaries(self):
        """Refuse a start outside the vocabulary, and a model of one half."""
        if not 0 <= self.decoder_start_token_id < self.vocab_size:
            raise ValueError(
                f"decoder_start_token_id is {self.decoder_start_token_id}, but must be at least 0 and below "
                f"vocab_size, {self.vocab_size}"
            )
        if not self.is_encoder_decoder:
            raise ValueError("is_encoder_decoder is False, but this family has both halves: leave it out")

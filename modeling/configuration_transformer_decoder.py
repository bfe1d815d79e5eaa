"""Configuration of the Transformer that reads from left to right."""

from huggingface_hub.dataclasses import strict

from .transformer_settings import TransformerSettings


@strict
class TransformerDecoderConfig(TransformerSettings):
    """Settings of a Transformer whose tokens see those before them; all of them in `TransformerSettings`."""

    model_type = "wordemb_transformer_decoder"

    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None

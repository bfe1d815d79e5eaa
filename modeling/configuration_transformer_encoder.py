"""Configuration of the Transformer that reads both ways."""

from typing import Literal

from huggingface_hub.dataclasses import strict

from .transformer_settings import TransformerSettings


@strict
class TransformerEncoderConfig(TransformerSettings):
    """Settings of a Transformer whose tokens all see each other; further ones in `TransformerSettings`.

    Args:
        pooling: the vector of a text: the `mean` or `max` over all tokens, or the `first` one's state.
        tag_decoder: each tag by itself (`softmax`), or the best sequence of all (`crf`).
        classifier_dropout: probability of zeroing a component before a head in training.
    """

    model_type = "wordemb_transformer_encoder"

    pooling: Literal["mean", "max", "first"] = "mean"
    tag_decoder: Literal["softmax", "crf"] = "softmax"
    classifier_dropout: float | int = 0.1

"""The models that travel to the Hub: one configuration file and one modeling file for each family, and their blocks.

Classes are imported when first named (PEP 562), so that importing the package costs nothing.
"""

from importlib import import_module
from typing import Any

# One line for each family: `configuration_<family>.py` holds the first class, `modeling_<family>.py` the others.
FAMILIES: dict[str, tuple[str, ...]] = {
    "attention_seq2seq": (
        "AttentionSeq2SeqConfig",
        "AttentionSeq2SeqModel",
        "AttentionSeq2SeqForConditionalGeneration",
    ),
    "bilstm": (
        "BiLSTMConfig",
        "BiLSTMModel",
        "BiLSTMForMaskedLM",
        "BiLSTMForSequenceClassification",
        "BiLSTMForTokenClassification",
    ),
    "bow": ("BowConfig", "BowModel", "BowForSequenceClassification"),
    "elmo": (
        "ELMoConfig",
        "ELMoModel",
        "ELMoForPreTraining",
        "ELMoForCausalLM",
        "ELMoForSequenceClassification",
        "ELMoForTokenClassification",
    ),
    "rnn": ("RNNConfig", "RNNModel", "RNNForCausalLM", "RNNForSequenceClassification", "RNNForTokenClassification"),
    "textcnn": ("TextCNNConfig", "TextCNNModel", "TextCNNForSequenceClassification", "TextCNNForTokenClassification"),
    "transformer_decoder": ("TransformerDecoderConfig", "TransformerDecoderModel", "TransformerDecoderForCausalLM"),
    "transformer_encoder": (
        "TransformerEncoderConfig",
        "TransformerEncoderModel",
        "TransformerEncoderForMaskedLM",
        "TransformerEncoderForSequenceClassification",
        "TransformerEncoderForTokenClassification",
    ),
    "transformer_seq2seq": (
        "TransformerSeq2SeqConfig",
        "TransformerSeq2SeqModel",
        "TransformerSeq2SeqForConditionalGeneration",
    ),
    "word2vec": (
        "Word2VecConfig",
        "Word2VecModel",
        "Word2VecForPreTraining",
        "Word2VecForSequenceClassification",
        "Word2VecForTokenClassification",
    ),
}

_MODULE_OF = {
    name: f"configuration_{family}" if name.endswith("Config") else f"modeling_{family}"
    for family, names in FAMILIES.items()
    for name in names
}

__all__ = ["FAMILIES", *_MODULE_OF]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

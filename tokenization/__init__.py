"""The tokenizers that travel to the Hub with their code.

Words and characters alone are plain `tokenizer.json` files and need no class of ours: see `wordemb_hf.vocabulary`.
Classes are imported when first named (PEP 562), so that importing the package costs nothing.
"""

from importlib import import_module
from typing import Any

# The file of each class.
TOKENIZERS: dict[str, str] = {
    "CharWordTokenizer": "tokenization_char_word",
    "NgramWordTokenizer": "tokenization_ngram_word",
}

__all__ = ["TOKENIZERS", *TOKENIZERS]


def __getattr__(name: str) -> Any:
    if name not in TOKENIZERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{TOKENIZERS[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

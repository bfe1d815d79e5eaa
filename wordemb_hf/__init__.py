"""Word embeddings and small text models inside the Hugging Face world.

Importing registers every family with transformers' Auto classes and costs nothing. The verbs are functions of this
package and commands of `wordemb-hf`: `wordemb_hf.pretrain(...)` is `wordemb-hf pretrain ...`.
"""

from importlib import import_module
from typing import Any

from .errors import UserError
from .registration import register

__version__ = "0.1.0.dev0"

# verb -> the module that holds it
VERBS: dict[str, str] = {
    "tokenizer": "tokenizer_training",
    "pretrain": "pretraining",
    "finetune": "finetuning",
    "compare": "comparison",
    "evaluate": "prediction",
    "predict": "prediction",
    "embed": "contextual",
    "neighbors": "vectors.queries",
    "analogy": "vectors.queries",
    "similarity": "vectors.queries",
    "convert": "conversion",
    "export": "exporting",
    "push": "hub",
}

__all__ = ["VERBS", "UserError", "__version__", *VERBS]


def __getattr__(name: str) -> Any:
    if name not in VERBS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{VERBS[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)


register()

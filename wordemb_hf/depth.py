"""How deep a weight lies in a model: word vectors at the bottom, one layer above another, the head on top.

What fine-tuning a language model wants to know (Howard & Ruder 2018, "Universal Language Model Fine-tuning for Text
Classification", sections 3.2 and 3.3): lower layers know more of language and less of the task, and are to change less
and later.
"""

import re

from torch import nn

_LAYER = re.compile(r"\b\w*layers\.(\d+)\.")
_BOTTOM = re.compile(r"embeddings\b|character_encoder\b|bigrams\b")


def depths_of(model: nn.Module) -> dict[str, int]:
    """The depth of each parameter by its name: 0 for word vectors and spelling, `i + 1` for layer `i`.

    What a backbone has beside its layers belongs to the uppermost one; the head lies above them all.
    """
    prefix = f"{getattr(model, 'base_model_prefix', '')}."
    names = [name for name, _ in model.named_parameters()]
    numbered = {name: int(found[1]) + 1 for name in names if (found := _LAYER.search(name))}
    top = max(numbered.values(), default=1)

    def depth(name: str) -> int:
        if not name.startswith(prefix):
            return top + 1
        if name in numbered and not _BOTTOM.search(name):
            return numbered[name]
        return 0 if _BOTTOM.search(name) else top

    return {name: depth(name) for name in names}

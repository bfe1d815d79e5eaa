"""The number that an explanation takes apart."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ..messages import translate


class Decision(NamedTuple):
    """What a classifier decided, as one number that is linear in its logits.

    Softmax knows logits up to a constant alone, so a label is weighed against the second likeliest: the difference of
    their logits is the logarithm of their odds. Where each label is decided for itself its logit is that already.

    Args:
        sentence: what was decided.
        direction: the number is this times the logits, `(labels,)`.
    """

    sentence: str
    direction: Tensor

    def title(self) -> str:
        """Of what takes the number apart."""
        return translate("What speaks for it (orange) and what against (blue)")


def decision_of(model: PreTrainedModel, logits: Tensor) -> Decision:
    """The likeliest label against the second, from logits `(labels,)`."""
    names: Any = model.config.id2label  # {id: label}
    logits = logits.float()
    direction = torch.zeros_like(logits)
    order = logits.argsort(descending=True).tolist()
    direction[order[0]] = 1.0
    several = model.config.problem_type == "multi_label_classification"
    if model.config.problem_type == "regression" or (len(order) == 1 and not several):
        value = f"{logits[order[0]]:.3f}"
        return Decision(translate("{label}: {value}", label=names[order[0]], value=value), direction)
    if several:
        share, odds = logits.sigmoid()[order[0]], logits[order[0]]
        sentence = translate(
            "{label} {share}; logarithm of its odds: {odds}",
            label=names[order[0]],
            share=f"{share:.3f}",
            odds=f"{odds:.2f}",
        )
        return Decision(sentence, direction)
    direction[order[1]] = -1.0
    shares = logits.softmax(0)
    sentence = translate(
        "{label} {share} against {other} {other_share}; logarithm of the odds: {odds}",
        label=names[order[0]],
        share=f"{shares[order[0]]:.3f}",
        other=names[order[1]],
        other_share=f"{shares[order[1]]:.3f}",
        odds=f"{logits[order[0]] - logits[order[1]]:.2f}",
    )
    return Decision(sentence, direction)

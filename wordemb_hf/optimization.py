"""Optimizers and learning-rate schedules."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

from .depth import depths_of
from .row_updates import RowAdamW, Table

OptimizerName = Literal["adamw", "sgd"]
ScheduleName = Literal["linear", "cosine", "constant", "slanted"]
Unfreezing = Literal["all", "gradual", "head"]
_RATIO = 32  # of the highest rate to the lowest of the slanted triangle (Howard & Ruder 2018, section 3.2)


def make_optimizer(
    model: nn.Module,
    name: OptimizerName,
    learning_rate: float,
    weight_decay: float,
    layer_decay: float = 1.0,
    tables: Sequence[Table] = (),
) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019) or plain SGD over the parameters that are trained.

    Weight decay is for matrices that multiply: biases, norms and word vectors, of which most see no gradient in a step,
    are left alone. Each group says how `deep` it lies, and by what `scale` its rate is lower than the head's: a layer's
    is `layer_decay` times that of the one above it (Howard & Ruder 2018, section 3.2, take 1 / 2.6). AdamW lets
    rows of `tables` wait until they are read.
    """
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    depths = depths_of(model)
    top = max(depths.values(), default=0)
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            decayed = parameter.ndim > 1 and id(parameter) not in embeddings
            groups.setdefault((depths[key], decayed), []).append(parameter)
    described = [
        {
            "params": parameters,
            "weight_decay": weight_decay if decayed else 0.0,
            "deep": deep,
            "scale": layer_decay ** (top - deep),
        }
        for (deep, decayed), parameters in groups.items()
    ]
    if name == "sgd":
        return torch.optim.SGD(described, lr=learning_rate)
    return RowAdamW(described, learning_rate, tables)


def lowest_trained(unfreezing: Unfreezing, top: int, epoch: int) -> int:
    """How deep the lowest layer lies that an epoch, counted from 0, trains.

    `all` from the first epoch on, the `head` alone, or `gradual`: the head first, and with each epoch a layer more
    (Howard & Ruder 2018, section 3.3).
    """
    return {"all": 0, "gradual": max(top - epoch, 0), "head": top}[unfreezing]


def schedule(name: ScheduleName, warmup: float, floor: float, progress: float) -> float:
    """The factor of the learning rate when `progress`, between 0 and 1, of the training is done.

    It rises linearly over the first `warmup` of the training, then follows the schedule down to `floor`; `slanted` is
    `linear` between a 32nd of the rate and all of it.
    """
    falls = 1.0 - (progress - warmup) / max(1.0 - warmup, 1e-9)  # from 1 to 0
    shape = progress / warmup if progress < warmup else 1.0 if name == "constant" else falls
    if name == "cosine" and progress >= warmup:
        shape = 0.5 * (1.0 - math.cos(math.pi * falls))
    return max((1 + shape * (_RATIO - 1)) / _RATIO if name == "slanted" else shape, floor)

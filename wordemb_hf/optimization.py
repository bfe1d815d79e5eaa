"""Optimizers and learning-rate schedules."""

import math
from typing import Literal

import torch
from torch import nn

OptimizerName = Literal["adamw", "sgd"]
ScheduleName = Literal["linear", "cosine", "constant"]


def make_optimizer(
    model: nn.Module, name: OptimizerName, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019) or plain SGD over the parameters that are trained.

    Weight decay is for matrices that multiply: biases, norms and word vectors, of which most see no gradient in a step,
    are left alone.
    """
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decayed = [parameter for parameter in trained if parameter.ndim > 1 and id(parameter) not in embeddings]
    others = [parameter for parameter in trained if parameter.ndim <= 1 or id(parameter) in embeddings]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    if name == "sgd":
        return torch.optim.SGD(groups, lr=learning_rate)
    return torch.optim.AdamW(groups, lr=learning_rate)


def schedule(name: ScheduleName, warmup: float, floor: float, progress: float) -> float:
    """The factor of the learning rate when `progress`, between 0 and 1, of the training is done.

    It rises linearly over the first `warmup` of the training, then follows the schedule down to `floor`.
    """
    if progress < warmup:
        return max(progress / warmup, floor)
    done = (progress - warmup) / max(1.0 - warmup, 1e-9)
    if name == "linear":
        return max(1.0 - done, floor)
    if name == "cosine":
        return max(0.5 * (1.0 + math.cos(math.pi * done)), floor)
    return 1.0

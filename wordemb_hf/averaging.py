"""Averages of the weights over the steps of a training: they stand still where the weights still swing.

After step n the average is `A <- k A + (1 - k) w`, where k, the share that it keeps, says which average it is:

- an exponential one: `k = min(decay, (1 + n) / (10 + n))`, with n counted from 0. The decay rises to what was asked
  for, so that the first weights are soon forgotten, as in TensorFlow's `ExponentialMovingAverage`.
- the equal mean of the weights from a share of the training on: `k = n / (n + 1)`, with n counted from there (Polyak &
  Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging"; Merity et al. 2018, "Regularizing and
  Optimizing LSTM Language Models", begin when development text gets no better; Izmailov et al. 2018, "Averaging Weights
  Leads to Wider Optima", take the weights of each epoch).

The training goes on with the weights themselves; the average is what is evaluated and kept. Buffers are no weights, and
are always those of the last step. Nothing waits for the device, and processes that have the same weights have the same
average. A step that fp16 skips counts as one that has changed nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from .row_updates import RowAdamW


class WeightAverage:
    """The average of the weights that are trained; none of them has one before the first step that counts.

    It takes as much memory as the weights, in fp32 where these are of half precision; as much again while it stands in
    for them, when there are no gradients.

    Args:
        model: whose weights; those that need no gradient stay what they are.
        optimizer: what moves them; in `RowAdamW` the average of a row waits with it.
        decay: of an exponential average; 0 for the equal mean.
        start: the share of the training from which on steps count; from 1 on none does.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, decay: float, start: float):
        self._weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self._rows = optimizer if isinstance(optimizer, RowAdamW) else None
        self._decay, self._start = decay, start
        self.tensors: dict[str, Tensor] = {}
        self.steps = 0

    @contextmanager
    def over_step(self, done: float) -> Iterator[None]:
        """Take in what the optimizer does inside, when `done`, between 0 and 1, of the training is done."""
        if not self.tensors and done >= self._start:
            self._begin({name: _widened(weight).clone() for name, weight in self._weights.items()})
        if not self.tensors:
            yield
            return
        rising = (1 + self.steps) / (10 + self.steps)
        share = min(self._decay, rising) if self._decay else self.steps / (self.steps + 1)
        if self._rows is not None:
            self._rows.average_share = share
        yield
        dense = [name for name, weight in self._weights.items() if self._rows is None or not self._rows.waits(weight)]
        if dense:
            weights = [_widened(self._weights[name]) for name in dense]
            torch._foreach_lerp_([self.tensors[name] for name in dense], weights, 1.0 - share)
        self.steps += 1

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model have the average for its weights, and afterwards its own again. No row may wait."""
        own = {name: self._weights[name].detach().clone() for name in self.tensors}
        self.replace()
        try:
            yield
        finally:
            for name, value in own.items():
                self._weights[name].data.copy_(value)

    def replace(self) -> None:
        """Give the average to the model for good, where there is one."""
        for name, average in self.tensors.items():
            self._weights[name].data.copy_(average)

    def restore(self, tensors: dict[str, Tensor], steps: int) -> None:
        """Be what a checkpoint has kept; before the optimizer, which may have rows to bring up to date."""
        if tensors:
            self._begin({name: tensors[name].to(weight.device) for name, weight in self._weights.items()})
        self.steps = steps

    def _begin(self, tensors: dict[str, Tensor]) -> None:
        self.tensors = tensors
        if self._rows is not None:
            self._rows.averages = {weight: tensors[name] for name, weight in self._weights.items()}


def _widened(weight: Tensor) -> Tensor:
    """A weight in a type that small steps do not vanish in: fp32 for half, without a copy elsewhere."""
    return weight.detach().float() if weight.dtype in (torch.float16, torch.bfloat16) else weight.detach()

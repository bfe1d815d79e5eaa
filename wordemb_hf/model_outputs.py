"""A model at work on batches, on one process or many: its outputs in the order of the examples, and its mean loss."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from transformers import PreTrainedModel

from .batching import Batch, BatchSource, LazyBatches


def outputs_of(
    model: PreTrainedModel, batches: LazyBatches, accelerator: Accelerator, pick: Callable[[Any], torch.Tensor]
) -> tuple[np.ndarray, float | None]:
    """One row of model output for each example, in the examples' order, and the mean loss where there are labels.

    Every process computes its share of the batches; all of them return the whole.

    Args:
        model: the model.
        batches: batches of examples; `batches.indices` says which.
        accelerator: where to compute.
        pick: from the model's output to `(batch, width)`.
    """
    rows, loss = ragged_outputs_of(
        model, batches, accelerator, lambda output, indices: list(pick(output).float().cpu().numpy())
    )
    return (np.stack(rows) if rows else np.zeros((0, 0), dtype=np.float32)), loss


def ragged_outputs_of(
    model: PreTrainedModel,
    batches: LazyBatches,
    accelerator: Accelerator,
    pick: Callable[[Any, np.ndarray], Sequence[np.ndarray]],
    items: Callable[[Batch], int | torch.Tensor] | None = None,
) -> tuple[list[np.ndarray], float | None]:
    """As `outputs_of`, with rows that may differ in length.

    Args:
        model: the model.
        batches: batches of examples; `batches.indices` says which.
        accelerator: where to compute.
        pick: from the model's output and the examples' indices to one array for each of them.
        items: how many predictions a batch's mean loss is a mean of; by default one for each example.
    """
    was_training = model.training
    model = model.to(accelerator.device).eval()
    rows: list[tuple[int, np.ndarray]] = []
    loss, seen = 0.0, 0
    with torch.inference_mode(), accelerator.autocast():
        for number in range(accelerator.process_index, len(batches), accelerator.num_processes):
            batch = {name: tensor.to(accelerator.device) for name, tensor in batches[number].items()}
            output = model(**batch)
            indices = batches.indices[number]
            rows += zip(indices.tolist(), pick(output, indices), strict=True)
            count = int(items(batch)) if items else len(indices)
            if getattr(output, "loss", None) is not None and count:
                loss, seen = loss + float(output.loss) * count, seen + count
    model.train(was_training)
    gathered = gather_object([(rows, loss, seen)])
    ordered = sorted((row for part, _, _ in gathered for row in part), key=lambda row: row[0])
    seen = sum(part[2] for part in gathered)
    return [row for _, row in ordered], sum(part[1] for part in gathered) / seen if seen else None


def mean_loss(model: PreTrainedModel, source: BatchSource, accelerator: Accelerator) -> float:
    """The mean loss of a prediction over an epoch of `source`, without training on it."""
    was_training = model.training
    model = model.to(accelerator.device).eval()
    log = LossLog(accelerator.device)
    batches, carried = source.epoch(0), carry_on(source, None)
    with torch.inference_mode(), accelerator.autocast():
        for number in range(accelerator.process_index, len(batches), accelerator.num_processes):
            batch = {name: tensor.to(accelerator.device) for name, tensor in batches[number].items()}
            output = model(**batch, **carried)
            log.add(output.loss, source.items(batch))
            carried = carry_on(source, output)
    model.train(was_training)
    return log.mean(accelerator)


def carry_on(source: BatchSource, output: Any) -> dict[str, Any]:
    """What a source of connected batches hands from a batch's output (`None` before the first) to the next one."""
    return source.carry(output) if hasattr(source, "carry") else {}


def carried_tensors(source: Any, carried: dict[str, Any]) -> dict[str, torch.Tensor]:
    """What a batch goes on from, as tensors by name, rows first; none before the first one."""
    return source.carried_tensors(carried) if hasattr(source, "carried_tensors") else {}


def carried_from(source: Any, tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
    """What a batch goes on from, out of such tensors."""
    return source.carried_from(tensors) if tensors else carry_on(source, None)


def train_on(source: BatchSource, model: Any, batch: Batch, carried: dict[str, Any]) -> Any:
    """A model's output on a batch in training; what its loss is there, a source may say for itself."""
    return source.train_on(model, batch) if hasattr(source, "train_on") else model(**batch, **carried)


class LossLog:
    """The mean loss of a prediction since it was last asked for, summed up on the device."""

    def __init__(self, device: torch.device):
        # Apple's GPUs have no float64.
        dtype = torch.float32 if device.type == "mps" else torch.float64
        self.sums = torch.zeros(2, dtype=dtype, device=device)  # losses, predictions
        self._bad = torch.zeros((), dtype=torch.int64, device=device)

    def add(self, loss: torch.Tensor, count: int | torch.Tensor, step: int = 1) -> None:
        self.sums[0] += loss.to(self.sums.dtype) * count
        self.sums[1] += count
        self._bad = torch.where((self._bad > 0) | loss.isfinite(), self._bad, step)

    def first_bad(self) -> int:
        """The first step whose loss was no number; 0 for none."""
        return int(self._bad)

    def mean(self, accelerator: Accelerator) -> float:
        losses, count = accelerator.reduce(self.sums, reduction="sum").tolist()
        self.sums.zero_()
        return losses / max(count, 1.0)

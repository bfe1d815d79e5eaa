"""One step of the optimizer: the gradient of all batches of the step, in pieces that fit into memory.

- Batches are counted where they are, so that no step waits for a GPU.
- Batches, and the pieces of one, are weighted by their number of predictions: the gradient is that of one large batch.
- A batch that is too large for the memory is split into pieces, and so are all that are as large: steps, rates and
  gradients stay what they were.
"""

from contextlib import nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size
from torch import nn
from tqdm.auto import tqdm

from .batching import Batch, BatchSource
from .errors import UserError
from .messages import translate
from .model_outputs import carried_from, carried_tensors, carry_on, train_on
from .training_state import TrainingState

# Gradients meet at the end of the last backward pass alone: until then a process may try again by itself.
_REPLICAS = (DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU)


def add_gradients(state: TrainingState, batches: list[Batch], summed: bool) -> None:
    """The gradient of the mean loss of a prediction, or of the `summed` loss, over the batches of all processes.

    Raises:
        UserError: when the memory does not even hold one row of a batch.
    """
    accelerator, source = state.accelerator, state.source
    total: Any = sum(source.items(batch) for batch in batches)
    if accelerator.num_processes > 1:
        total = accelerator.reduce(torch.as_tensor(total, device=accelerator.device), reduction="sum")
    # Processes' gradients are averaged; times their number, that is the sum.
    share = accelerator.num_processes if summed else accelerator.num_processes / total
    before = carried_tensors(source, state.carried)
    while (too_large := _try(state, batches, share)) is not None:
        state.room = too_large // 2
        state.optimizer.zero_grad()
        clear_device_cache(garbage_collection=True)
        state.carried = carried_from(source, before)
        tqdm.write(
            translate(
                "Out of memory: larger batches than {numbers} numbers are computed in pieces; steps stay the same.",
                numbers=f"{state.room:,}",
            )
        )


def _try(state: TrainingState, batches: list[Batch], share: Any) -> int | None:
    """Add up the gradients; where the memory does not suffice, how large the piece was that did not fit."""
    accelerator, model, source = state.accelerator, state.prepared, state.source
    losses = []
    for number, batch in enumerate(batches):
        pieces = split(batch, state.room)
        if len(pieces) > 1:  # one of which nothing is predicted has no mean loss
            pieces = [piece for piece in pieces if source.items(piece)] or pieces[:1]
        carried = _split_carried(source, state.carried, len(pieces))
        for place, piece in enumerate(pieces):
            last = number == len(batches) - 1 and place == len(pieces) - 1
            meeting = False
            try:
                count = source.items(piece)
                moved = to_device(piece, accelerator.device)
                with nullcontext() if last else accelerator.no_sync(model):
                    with accelerator.autocast():
                        output = train_on(source, model, moved, carried[place])
                    meeting = last and accelerator.num_processes > 1
                    accelerator.backward(output.loss * (count * share))
            except RuntimeError as error:
                if not (isinstance(error, torch.OutOfMemoryError) or should_reduce_batch_size(error)):
                    raise
                if _rows(piece) == 1 or meeting or accelerator.distributed_type not in _REPLICAS:
                    raise UserError(_hopeless(piece, accelerator)) from error
                return _numbers(piece)
            losses.append((output.loss.detach(), count))
            carried[place] = carry_on(source, output)
        state.carried = _join_carried(source, carried)
    for loss, count in losses:
        state.log.add(loss, count, state.step + 1)
    return None


def clip_gradients(accelerator: Accelerator, model: nn.Module, largest: float) -> None:
    """Scale all gradients down to a norm, as `accelerator.clip_grad_norm_` does, with those of tables that are sparse.

    A row that a batch reads twice has the sum of two gradients, and the norm is that of the sum.
    """
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    if not any(gradient.is_sparse for gradient in gradients):
        accelerator.clip_grad_norm_(model.parameters(), largest)
        return
    for weight in model.parameters():
        if weight.grad is not None and weight.grad.is_sparse:
            weight.grad = weight.grad.coalesce()
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    values = [gradient.values() if gradient.is_sparse else gradient for gradient in gradients]
    factor = (largest / (nn.utils.get_total_norm(values) + 1e-6)).clamp(max=1.0)
    for value in values:
        value.mul_(factor)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """A batch where the model is; to a GPU it travels while that computes."""
    if device.type == "cuda":
        batch = {name: tensor if tensor.is_cuda else tensor.pin_memory() for name, tensor in batch.items()}
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}


def split(batch: Batch, room: int) -> list[Batch]:
    """A batch in pieces of whole rows, of which none has more than `room` numbers, or one row; 0 is room for all."""
    rows = _rows(batch)
    most = max(room * rows // _numbers(batch), 1) if room else rows
    count = -(-rows // most)
    parts = {name: tensor.tensor_split(count) for name, tensor in batch.items()}
    return [{name: tensors[number] for name, tensors in parts.items()} for number in range(count)]


def _split_carried(source: BatchSource, carried: dict[str, Any], count: int) -> list[dict[str, Any]]:
    tensors = carried_tensors(source, carried) if count > 1 else {}
    if not tensors:
        return [carried] * count
    parts = {name: tensor.tensor_split(count) if tensor.ndim else [tensor] * count for name, tensor in tensors.items()}
    return [carried_from(source, {name: part[number] for name, part in parts.items()}) for number in range(count)]


def _join_carried(source: BatchSource, carried: list[dict[str, Any]]) -> dict[str, Any]:
    if len(carried) == 1:
        return carried[0]
    parts = [carried_tensors(source, part) for part in carried]
    joined = {
        name: torch.cat([part[name] for part in parts]) if tensor.ndim else tensor for name, tensor in parts[0].items()
    }
    return carried_from(source, joined)


def _rows(batch: Batch) -> int:
    return min(len(tensor) for tensor in batch.values())


def _numbers(batch: Batch) -> int:
    """How large a batch is: its largest tensor, padding included."""
    return max(tensor.numel() for tensor in batch.values())


def _hopeless(piece: Batch, accelerator: Accelerator) -> str:
    if _rows(piece) == 1:
        return (
            f"out of memory on a single row of {_numbers(piece):,} numbers: lower --max-length or --length, or take a "
            "smaller model"
        )
    return (
        f"out of memory on a batch of {_rows(piece)} rows in process {accelerator.process_index}, while processes met "
        "to share gradients, which cannot be tried again: lower --batch-size"
    )

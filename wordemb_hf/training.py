"""The one training loop, on Accelerate: for pre-training and fine-tuning, on a CPU, one GPU or many.

- Every process walks the same epochs and takes each `n`-th batch, so a run depends on the seed and not on how it was
  launched.
- Accumulated batches are weighted by their number of predictions: the gradient is that of one large batch.
- Losses stay on the device until they are logged; the loss that is shown is a mean over predictions.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import gather_object, set_seed
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from .batching import Batch, BatchSource, LazyBatches
from .errors import UserError
from .messages import translate
from .optimization import OptimizerName, ScheduleName, make_optimizer, schedule

Precision = Literal["no", "bf16", "fp16"]


@dataclass
class TrainingSettings:
    """How to train.

    Args:
        epochs: passes over the data.
        learning_rate: at its highest.
        optimizer: `adamw` or `sgd`.
        schedule: how the rate falls: `linear`, `cosine` or `constant`.
        warmup: share of the training in which the rate rises.
        floor: the rate falls to no less than this share of its highest.
        weight_decay: of AdamW, for matrices that multiply.
        accumulation: batches whose gradients make one step.
        max_grad_norm: gradients are scaled down to this norm; 0 for never.
        patience: evaluations without a better one before the training stops; 0 for never.
        summed_loss: step along the sum of the predictions' losses and not their mean, as word2vec does.
        mixed_precision: `no`, `bf16`, `fp16`, or `None` for what `accelerate launch` says.
        seed: of everything that is random.
        logging_steps: steps between two rows of the history.
    """

    epochs: int
    learning_rate: float
    optimizer: OptimizerName = "adamw"
    schedule: ScheduleName = "linear"
    warmup: float = 0.0
    floor: float = 0.0
    weight_decay: float = 0.0
    accumulation: int = 1
    max_grad_norm: float = 0.0
    patience: int = 0
    summed_loss: bool = False
    mixed_precision: Precision | None = None
    seed: int = 0
    logging_steps: int = 50

    def __post_init__(self):
        for name, low in (("epochs", 0), ("accumulation", 1), ("patience", 0), ("logging_steps", 1)):
            if getattr(self, name) < low:
                raise UserError(f"{name} is {getattr(self, name)}, but must be at least {low}")
        for name in ("weight_decay", "max_grad_norm"):
            if not getattr(self, name) >= 0:
                raise UserError(f"{name} is {getattr(self, name)}, but must not be negative")
        if not 0 < self.learning_rate < float("inf"):
            raise UserError(f"learning_rate is {self.learning_rate}, but must be above 0 and finite")
        if not 0 <= self.warmup < 1:
            raise UserError(f"warmup is {self.warmup}, but must be at least 0 and below 1: a share of the training")
        if not 0 <= self.seed < 2**32:
            raise UserError(f"seed is {self.seed}, but must be at least 0 and below 2**32")


@dataclass
class TrainingResult:
    """What a training leaves beside the model.

    Args:
        history: rows of the log: `epoch`, `step` and `loss`, `learning_rate`, or `eval_...`.
        best: the row of the evaluation whose weights the model now has; empty without evaluations.
        seconds: wall time.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


def make_accelerator(settings: TrainingSettings | None = None) -> Accelerator:
    """An Accelerator: for training with these settings and every random generator seeded, or for a model at work.

    Raises:
        UserError: for a precision that the hardware does not have.
    """
    precision = settings.mixed_precision if settings else None
    # The precision belongs to the process and the first Accelerator; a second training may want another one.
    AcceleratorState._reset_state()
    try:
        accelerator = Accelerator(mixed_precision=precision)
    except ValueError as error:
        raise UserError(f"mixed_precision is {precision!r}, which does not work here: {error}") from error
    if precision == "fp16" and accelerator.device.type == "cpu":  # Accelerate would train in fp32 and say nothing
        raise UserError("mixed_precision is 'fp16', which a CPU does not have: take bf16 or no")
    if settings:
        set_seed(settings.seed)
    return accelerator


def train(
    model: PreTrainedModel,
    source: BatchSource,
    settings: TrainingSettings,
    accelerator: Accelerator,
    evaluate: Callable[[PreTrainedModel], dict[str, float]] | None = None,
    metric: str = "eval_loss",
) -> TrainingResult:
    """Train `model` in place.

    Args:
        model: any model that returns a mean loss.
        source: what to train on.
        settings: how to train.
        accelerator: where to train.
        evaluate: called after each epoch on every process; returns `eval_...` figures. With it, the model ends with the
            weights of the best evaluation.
        metric: the figure that decides which evaluation is best; smaller is better if it ends in `loss`.

    Raises:
        UserError: when the loss is no longer a number.
    """
    started = time.monotonic()
    optimizer = make_optimizer(model, settings.optimizer, settings.learning_rate, settings.weight_decay)
    prepared, optimizer = accelerator.prepare(model, optimizer)
    result = TrainingResult()
    best = _Best(metric)
    log = _LossLog(accelerator.device)
    step = 0
    for epoch in range(settings.epochs):
        prepared.train()
        batches = source.epoch(epoch)
        carried = _carry(source, None)
        rounds = -(-len(batches) // accelerator.num_processes)
        updates = range(0, rounds, settings.accumulation)
        label = translate("epoch {epoch} of {epochs}", epoch=epoch + 1, epochs=settings.epochs)
        bar = tqdm(
            updates,
            desc=label,
            unit=translate("step"),
            disable=None if accelerator.is_main_process else True,
            leave=False,
        )
        for first in bar:
            progress = (epoch + first / rounds) / settings.epochs
            factor = schedule(settings.schedule, settings.warmup, settings.floor, progress)
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * factor
            group_of_batches = [
                _batch_of(batches, number, accelerator)
                for number in range(first, min(first + settings.accumulation, rounds))
            ]
            carried = _update(prepared, optimizer, source, group_of_batches, carried, settings, accelerator, log)
            step += 1
            if step % settings.logging_steps == 0 or first == updates[-1]:
                loss = log.mean(accelerator)
                if not np.isfinite(loss):
                    raise UserError(
                        f"the loss is {loss} at step {step}: try a lower --learning-rate than "
                        f"{settings.learning_rate}, a --max-grad-norm, or no mixed precision"
                    )
                at = round((epoch + (first + settings.accumulation) / rounds), 4)
                row = {"epoch": min(at, epoch + 1.0), "step": step, "loss": loss}
                result.history.append(row | {"learning_rate": settings.learning_rate * factor})
                bar.set_postfix_str(f"{translate('loss')} {loss:.4f}")
        if evaluate is not None:
            row = {"epoch": epoch + 1.0, "step": step, **evaluate(accelerator.unwrap_model(prepared))}
            result.history.append(row)
            best.see(row, accelerator.unwrap_model(prepared))
            if accelerator.is_main_process:
                tqdm.write(f"{label}: " + _figures(row))
            if settings.patience and best.since >= settings.patience:
                break
    best.restore(accelerator.unwrap_model(prepared))
    result.best = best.row
    result.seconds = time.monotonic() - started
    accelerator.wait_for_everyone()
    return result


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
    items: Callable[[Batch], int] | None = None,
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
            count = items(batch) if items else len(indices)
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
    log = _LossLog(accelerator.device)
    batches, carried = source.epoch(0), _carry(source, None)
    with torch.inference_mode(), accelerator.autocast():
        for number in range(accelerator.process_index, len(batches), accelerator.num_processes):
            batch = {name: tensor.to(accelerator.device) for name, tensor in batches[number].items()}
            output = model(**batch, **carried)
            log.add(output.loss, source.items(batch))
            carried = _carry(source, output)
    model.train(was_training)
    return log.mean(accelerator)


def _batch_of(batches: Sequence[Batch], number: int, accelerator: Accelerator) -> Batch:
    # Every process must take as many steps as the others: the last round begins again from the first batch.
    index = (number * accelerator.num_processes + accelerator.process_index) % len(batches)
    return {name: tensor.to(accelerator.device, non_blocking=True) for name, tensor in batches[index].items()}


def _carry(source: BatchSource, output: Any) -> dict[str, Any]:
    """What a source of connected batches hands from a batch's output (`None` before the first) to the next one."""
    return source.carry(output) if hasattr(source, "carry") else {}


def _update(model, optimizer, source, batches, carried, settings, accelerator, log) -> dict[str, Any]:
    """One step of the optimizer on one or more batches; returns what the next batch goes on from."""
    counts = [source.items(batch) for batch in batches]
    total = sum(counts)
    if accelerator.num_processes > 1:
        total = accelerator.reduce(torch.as_tensor(total, device=accelerator.device), reduction="sum")
    # Processes' gradients are averaged; times their number, that is the sum.
    share = accelerator.num_processes if settings.summed_loss else accelerator.num_processes / total
    for number, (batch, count) in enumerate(zip(batches, counts, strict=True)):
        last = number == len(batches) - 1
        with nullcontext() if last else accelerator.no_sync(model):
            with accelerator.autocast():
                output = model(**batch, **carried)
            accelerator.backward(output.loss * (count * share))
        log.add(output.loss.detach(), count)
        carried = _carry(source, output)
    if settings.max_grad_norm:
        accelerator.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
    optimizer.step()
    optimizer.zero_grad()
    return carried


class _LossLog:
    """The mean loss of a prediction since it was last asked for, summed up on the device."""

    def __init__(self, device: torch.device):
        # Apple's GPUs have no float64.
        dtype = torch.float32 if device.type == "mps" else torch.float64
        self._sums = torch.zeros(2, dtype=dtype, device=device)  # losses, predictions

    def add(self, loss: torch.Tensor, count: int | torch.Tensor) -> None:
        self._sums[0] += loss.to(self._sums.dtype) * count
        self._sums[1] += count

    def mean(self, accelerator: Accelerator) -> float:
        losses, count = accelerator.reduce(self._sums, reduction="sum").tolist()
        self._sums.zero_()
        return losses / max(count, 1.0)


class _Best:
    """The best evaluation so far and its weights."""

    def __init__(self, metric: str):
        self._metric, self._sign = metric, -1.0 if metric.endswith("loss") else 1.0
        self._state: dict[str, torch.Tensor] = {}
        self.row: dict[str, float] = {}
        self.since = 0

    def see(self, row: dict[str, float], model: PreTrainedModel) -> None:
        best = self.row.get(self._metric)
        # A score of 0, as of a tagger before it finds its first span, is the best of nothing: the training goes on.
        if best is not None and self._sign * row[self._metric] <= self._sign * best and (best or self._sign < 0):
            self.since += 1
            return
        self.row, self.since = row, 0
        self._state = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}

    def restore(self, model: PreTrainedModel) -> None:
        if self._state:
            model.load_state_dict(self._state)


def _figures(row: dict[str, float]) -> str:
    figures = {name.removeprefix("eval_"): value for name, value in row.items() if name.startswith("eval_")}
    return ", ".join(f"{translate(name)} {value:.4f}" for name, value in figures.items())

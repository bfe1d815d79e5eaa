"""The one training loop, on Accelerate: for pre-training and fine-tuning, on a CPU, one GPU or many.

- Every process walks the same epochs and takes each `n`-th batch, so a run depends on the seed and not on how it was
  launched.
- Losses stay on the device until they are logged; the loss that is shown is a mean over predictions.
- Data that fit lie on the GPU, and so does all that is counted: no step waits for it.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from .averaging import WeightAverage
from .batching import Batch, BatchSource
from .checkpoints import Checkpoints
from .errors import UserError
from .keeper import Keeper
from .messages import translate
from .optimization import OptimizerName, ScheduleName, Unfreezing, lowest_trained, make_optimizer, schedule
from .progress import Progress
from .row_updates import RowAdamW, large_tables
from .steps import add_gradients, clip_gradients
from .training_state import TrainingState

Precision = Literal["no", "bf16", "fp16"]
DATA_SHARE = 0.1  # of a GPU's free memory


@dataclass
class TrainingSettings:
    """How to train.

    Args:
        epochs: passes over the data.
        learning_rate: at its highest.
        optimizer: `adamw` or `sgd`.
        schedule: how the rate falls: `linear`, `cosine`, `constant` or `slanted`.
        warmup: share of the training in which the rate rises.
        floor: the rate falls to no less than this share of its highest.
        weight_decay: of AdamW, for matrices that multiply.
        layer_decay: a layer's rate is this share of the one above it; 1 for one rate.
        unfreezing: what is trained: `all`, the `head`, or `gradual`: one layer more with each epoch.
        accumulation: batches whose gradients make one step.
        max_grad_norm: gradients are scaled down to this norm; 0 for never.
        ema: share that an exponential average of the weights keeps in a step; 0 for none. An average is what is
            evaluated and kept, while the training goes on with the weights themselves.
        average_from: share of the training from which on the weights of all steps are averaged alike; 1 for none.
        patience: evaluations without a better one before the training stops; 0 for never.
        summed_loss: step along the sum of the predictions' losses and not their mean, as word2vec does.
        mixed_precision: `no`, `bf16`, `fp16`, or `None` for what `accelerate launch` says.
        seed: of everything that is random.
        logging_steps: steps between two rows of the history.
        compile: have torch.compile make the model faster, which takes a while at the beginning.
    """

    epochs: int
    learning_rate: float
    optimizer: OptimizerName = "adamw"
    schedule: ScheduleName = "linear"
    warmup: float = 0.0
    floor: float = 0.0
    weight_decay: float = 0.0
    layer_decay: float = 1.0
    unfreezing: Unfreezing = "all"
    accumulation: int = 1
    max_grad_norm: float = 0.0
    ema: float = 0.0
    average_from: float = 1.0
    patience: int = 0
    summed_loss: bool = False
    mixed_precision: Precision | None = None
    seed: int = 0
    logging_steps: int = 50
    compile: bool = False

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
        if not 0 < self.layer_decay <= 1:
            raise UserError(f"layer_decay is {self.layer_decay}, but must be above 0 and at most 1")
        if not 0 <= self.ema < 1:
            raise UserError(f"ema is {self.ema}, but must be at least 0 and below 1: 0.99 averages about 100 steps")
        if not 0 <= self.average_from <= 1:
            raise UserError(f"average_from is {self.average_from}, but must be at least 0 and at most 1")
        if self.ema and self.average_from < 1:
            raise UserError(f"ema is {self.ema} and average_from {self.average_from}, but only one of them can be kept")
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
    checkpoints: Checkpoints | None = None,
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
        checkpoints: where the training is kept, and goes on from if it was stopped there; `None` for nowhere. They stay
            when it has ended: they are of no use once the model is written, but not before.

    Raises:
        UserError: when the loss is no longer a number, or the checkpoints are of another training.
        KeyboardInterrupt: when it was interrupted, after a checkpoint.
    """
    started = time.monotonic()
    _keep_on(accelerator.device, source)
    optimizer = make_optimizer(
        model,
        settings.optimizer,
        settings.learning_rate,
        settings.weight_decay,
        settings.layer_decay,
        [] if settings.compile else large_tables(model, accelerator),  # their hooks would break its graphs
    )
    rows = optimizer if isinstance(optimizer, RowAdamW) else None
    prepared, optimizer = accelerator.prepare(model, optimizer)
    if settings.compile:
        prepared = torch.compile(prepared, dynamic=True)
    start = 0.0 if settings.ema else settings.average_from
    average = WeightAverage(model, optimizer.optimizer, settings.ema, start)
    state = TrainingState(prepared, optimizer, average, source, metric, accelerator)
    keeper = Keeper(checkpoints, state, settings.logging_steps)
    keeper.restore()
    before = state.seconds
    progress = Progress(accelerator, _share(state, settings))
    with keeper, rows or nullcontext():
        while state.epoch < settings.epochs and not (settings.patience and state.best.since >= settings.patience):
            label = translate("epoch {epoch} of {epochs}", epoch=state.epoch + 1, epochs=settings.epochs)
            prepared.train()
            for _ in _epoch(state, settings, label, progress):
                state.seconds = before + time.monotonic() - started
                keeper.after_step()
            if evaluate is not None:
                if rows is not None:
                    rows.settle()
                with average.in_place():
                    row = {"epoch": state.epoch + 1.0, "step": state.step, **evaluate(state.model)}
                    state.best.see(row, state.model)
                state.history.append(row)
                accelerator.log(row, step=state.step)
                if accelerator.is_main_process:
                    tqdm.write(f"{label}: " + _figures(row))
            state.epoch += 1
            state.begin_epoch()
            state.seconds = before + time.monotonic() - started
            keeper.after_epoch()
    average.replace()
    state.best.restore(state.model)
    accelerator.wait_for_everyone()
    return TrainingResult(state.history, state.best.row, state.seconds)


def _keep_on(device: torch.device, source: Any) -> None:
    """Let data lie on a GPU where they are small beside it; elsewhere batches are made here and sent."""
    if device.type == "cuda" and hasattr(source, "keep_on"):
        free, _ = torch.cuda.mem_get_info(device)
        if source.nbytes <= DATA_SHARE * free:
            source.keep_on(device)


def _share(state: TrainingState, settings: TrainingSettings) -> float:
    """How much of a training is done where it begins or goes on."""
    rounds = -(-len(state.source.epoch(state.epoch)) // state.accelerator.num_processes) if state.round else 1
    return (state.epoch + state.round / rounds) / max(settings.epochs, 1)


def _epoch(state: TrainingState, settings: TrainingSettings, label: str, progress: Progress) -> Iterator[None]:
    """Take the steps that are left of an epoch; between two of them, `state` says where it is."""
    accelerator = state.accelerator
    batches = state.source.epoch(state.epoch)
    rounds = -(-len(batches) // accelerator.num_processes)
    updates = range(0, rounds, settings.accumulation)
    with progress.epoch(label, len(updates), min(state.round // settings.accumulation, len(updates))):
        for first in updates:
            last = min(first + settings.accumulation, rounds)
            if last <= state.round:  # taken before the training was stopped
                continue
            done = (state.epoch + first / rounds) / settings.epochs
            rate = settings.learning_rate * schedule(settings.schedule, settings.warmup, settings.floor, done)
            for group in state.optimizer.param_groups:
                group["lr"] = rate * group["scale"]
            chosen = [_batch_of(batches, number, accelerator) for number in range(first, last)]
            for batch in chosen:
                progress.read(batch)
            _update(state, chosen, settings, done)
            state.step, state.round = state.step + 1, last
            if state.step % settings.logging_steps == 0 or last == rounds:
                loss = state.log.mean(accelerator)
                if not np.isfinite(loss):
                    raise state.diverged(loss)
                row = {"epoch": round(state.epoch + last / rounds, 4), "step": state.step, "loss": loss}
                state.history.append(row | {"learning_rate": rate})
                # How fast it was is no part of the history, which is the same whenever the training is repeated.
                accelerator.log(state.history[-1] | {"tokens_per_second": progress.log(loss)}, step=state.step)
            progress.step((state.epoch + last / rounds) / settings.epochs)
            yield


def _batch_of(batches: Sequence[Batch], number: int, accelerator: Accelerator) -> Batch:
    # Every process must take as many steps as the others: the last round begins again from the first batch.
    return batches[(number * accelerator.num_processes + accelerator.process_index) % len(batches)]


def _update(state: TrainingState, batches: list[Batch], settings: TrainingSettings, done: float) -> None:
    """One step of the optimizer on one or more batches, when `done`, between 0 and 1, of the training is done."""
    add_gradients(state, batches, settings.summed_loss)
    top = max(group["deep"] for group in state.optimizer.param_groups)
    lowest = lowest_trained(settings.unfreezing, top, state.epoch)
    for group in state.optimizer.param_groups:
        if group["deep"] < lowest:
            for parameter in group["params"]:
                parameter.grad = None  # not yet: the optimizer leaves it alone
    if settings.max_grad_norm:
        clip_gradients(state.accelerator, state.prepared, settings.max_grad_norm)
    with state.average.over_step(done):
        state.optimizer.step()
    state.optimizer.zero_grad()


def _figures(row: dict[str, float]) -> str:
    figures = {name.removeprefix("eval_"): value for name, value in row.items() if name.startswith("eval_")}
    return ", ".join(f"{translate(name)} {value:.4f}" for name, value in figures.items())

"""All that a training is between two steps, and its way into a checkpoint and back."""

import math
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from transformers import PreTrainedModel

from .averaging import WeightAverage
from .batching import BatchSource
from .checkpoints import (
    Checkpoint,
    Tensors,
    optimizer_tensors,
    random_tensors,
    restore_optimizer,
    restore_random,
)
from .errors import UserError
from .model_outputs import LossLog, carried_from, carried_tensors, carry_on


class TrainingState:
    """A model in training, its optimizer, and where it is.

    Args:
        prepared: the model, as Accelerate gave it back.
        optimizer: likewise.
        average: of its weights.
        source: what it is trained on.
        metric: the figure that decides which evaluation is best.
        accelerator: where it is trained.
    """

    def __init__(
        self,
        prepared: Any,
        optimizer: Any,
        average: WeightAverage,
        source: BatchSource,
        metric: str,
        accelerator: Accelerator,
    ):
        self.prepared, self.optimizer, self.average = prepared, optimizer, average
        self.source, self.accelerator = source, accelerator
        self.best = Best(metric)
        self.log = LossLog(accelerator.device)
        self.history: list[dict[str, float]] = []
        self.epoch = 0
        self.round = 0  # of the epoch: each process takes one batch in a round
        self.step = 0
        self.seconds = 0.0  # of runs before this one
        self.room = 0  # numbers of a batch that fit into memory; 0 as long as all of them did
        self.carried = carry_on(source, None)

    @property
    def model(self) -> PreTrainedModel:
        """The model itself."""
        return self.accelerator.unwrap_model(self.prepared, keep_torch_compile=False)

    def begin_epoch(self) -> None:
        """The first batch of an epoch goes on from nothing."""
        self.round, self.carried = 0, carry_on(self.source, None)

    def check_finite(self) -> None:
        """Refuse to keep weights that are numbers no more.

        Raises:
            UserError: saying since when.
        """
        if not all(bool(weight.isfinite().all()) for weight in self.model.parameters()):
            raise self.diverged(float("nan"))

    def diverged(self, loss: float) -> UserError:
        """What to tell of a loss that is no number."""
        first = self.log.first_bad() or self.step
        return UserError(
            f"the loss is {loss} at step {first}: try a lower --learning-rate, a --max-grad-norm, or no mixed "
            "precision; checkpoints from before that step stay"
        )

    def checkpoint(self) -> Checkpoint | None:
        """What the first process is to write; the others, which must take part, get `None`.

        Weights and what the optimizer remembers are the same on every process.
        """
        accelerator = self.accelerator
        own = {
            **random_tensors(accelerator.device),
            "log": self.log.sums,
            **{f"carried.{name}": tensor for name, tensor in carried_tensors(self.source, self.carried).items()},
        }
        parts: list[Tensors] = gather_object([{name: tensor.cpu() for name, tensor in own.items()}])
        if not accelerator.is_main_process:
            return None
        tensors = {
            "model": self.model.state_dict(),
            "optimizer": optimizer_tensors(self.optimizer.optimizer),
            **{f"process-{number}": part for number, part in enumerate(parts)},
        }
        if self.average.tensors:
            tensors["average"] = self.average.tensors
        if self.best.state:
            tensors["best"] = self.best.state
        state = {
            "epoch": self.epoch,
            "round": self.round,
            "room": self.room,
            "processes": accelerator.num_processes,
            "seconds": self.seconds,
            "history": self.history,
            "best": self.best.row,
            "since": self.best.since,
            "averaged": self.average.steps,
            "scaler": accelerator.scaler.state_dict() if accelerator.scaler is not None else None,
        }
        return Checkpoint(self.step, state, tensors)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Be what a checkpoint was.

        With another number of processes the batches that are left are shared anew, and random numbers begin anew.

        Raises:
            UserError: when the batches belong to a number of processes.
        """
        kept, accelerator = checkpoint.state, self.accelerator
        same = kept["processes"] == accelerator.num_processes
        if not same and hasattr(self.source, "carry") and kept["round"]:
            raise UserError(
                f"the checkpoint of step {checkpoint.step} is of {kept['processes']} processes, each with streams of "
                f"its own, but there are {accelerator.num_processes}: take as many, or --resume never to begin anew"
            )
        self.model.load_state_dict(checkpoint.tensors["model"])
        self.average.restore(checkpoint.tensors.get("average", {}), kept.get("averaged", 0))
        restore_optimizer(self.optimizer.optimizer, checkpoint.tensors["optimizer"])
        self.step, self.epoch, self.history = checkpoint.step, kept["epoch"], kept["history"]
        self.round = kept["round"] * kept["processes"] // accelerator.num_processes
        self.seconds, self.room = kept["seconds"], kept["room"]
        self.best.row, self.best.since = kept["best"], kept["since"]
        self.best.state = checkpoint.tensors.get("best", {})
        if accelerator.scaler is not None and kept["scaler"]:
            accelerator.scaler.load_state_dict(kept["scaler"])
        if same:
            own = checkpoint.tensors[f"process-{accelerator.process_index}"]
            restore_random(own, accelerator.device)
            self.log.sums.copy_(own["log"])
            carried = {
                name.removeprefix("carried."): tensor.to(accelerator.device)
                for name, tensor in own.items()
                if name.startswith("carried.")
            }
            self.carried = carried_from(self.source, carried)


class Best:
    """The best evaluation so far and its weights."""

    def __init__(self, metric: str):
        self._metric, self._sign = metric, -1.0 if metric.endswith("loss") else 1.0
        self.state: dict[str, torch.Tensor] = {}
        self.row: dict[str, float] = {}
        self.since = 0

    def see(self, row: dict[str, float], model: PreTrainedModel) -> None:
        if not math.isfinite(row[self._metric]):
            self.since += 1  # nothing is better than it, nor is it better than anything
            return
        best = self.row.get(self._metric)
        # A score of 0, as of a tagger before it finds its first span, is the best of nothing: the training goes on.
        if best is not None and self._sign * row[self._metric] <= self._sign * best and (best or self._sign < 0):
            self.since += 1
            return
        self.row, self.since = row, 0
        self.state = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}

    def restore(self, model: PreTrainedModel) -> None:
        if self.state:
            model.load_state_dict(self.state)

"""The bar of a training: how far it is, how fast, and how long it will take."""

import time
from types import TracebackType

import torch
from accelerate import Accelerator
from tqdm.auto import tqdm

from .batching import Batch
from .messages import translate


class Progress:
    """A bar for an epoch, with tokens in a second and the time that is left of the whole training.

    Tokens are counted where the batches are, and asked for when the loss is: no step waits for a GPU.

    Args:
        accelerator: whose first process shows it.
        share: how much of the training is done, from 0 to 1.
    """

    def __init__(self, accelerator: Accelerator, share: float = 0.0):
        self._shown, self._processes = accelerator.is_main_process, accelerator.num_processes
        self._begun = self._marked = time.monotonic()
        self._begun_at = self._share = share
        self._tokens: int | torch.Tensor = 0
        self._bar: tqdm | None = None

    def epoch(self, label: str, steps: int, done: int) -> "Progress":
        """Show a bar for an epoch of so many steps, of which some are done."""
        self._bar = tqdm(
            total=steps,
            initial=done,
            desc=label,
            unit=translate("step"),
            disable=None if self._shown else True,
            leave=False,
        )
        return self

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def read(self, batch: Batch) -> None:
        """Count the tokens of a batch."""
        mask = batch.get("attention_mask", batch.get("input_ids"))
        if mask is not None:
            self._tokens = self._tokens + (mask.sum() if "attention_mask" in batch else mask.numel())

    def step(self, share: float) -> None:
        """A step is taken."""
        self._share = share
        if self._bar is not None:
            self._bar.update()

    def log(self, loss: float) -> float:
        """Show the loss; returns tokens in a second since the last time, of all processes together."""
        now = time.monotonic()
        speed = int(self._tokens) * self._processes / max(now - self._marked, 1e-9)
        self._marked, self._tokens = now, 0
        done = self._share - self._begun_at
        left = (now - self._begun) * (1.0 - self._share) / done if done > 0 else float("nan")
        if self._bar is not None:
            text = translate(
                "loss {loss}, {speed} tokens/s, {left} left of all",
                loss=f"{loss:.4f}",
                speed=f"{speed:,.0f}",
                left=tqdm.format_interval(left) if done > 0 else "?",
            )
            self._bar.set_postfix_str(text)
        return speed

"""When a training is kept: every so many steps, at the end of an epoch, and when somebody interrupts it."""

import signal
import threading
import time
from types import FrameType
from typing import Any

import torch
from accelerate.utils import broadcast_object_list

from .checkpoints import Checkpoints
from .messages import translate
from .training_state import TrainingState

PAUSE = 60.0  # seconds between two ends of epochs that are kept, where steps do not decide


class Keeper:
    """Keeps a training, and stops it on Ctrl-C when it has been kept; a second Ctrl-C stops it at once.

    Args:
        checkpoints: where; `None` for nowhere.
        state: the training.
        logging_steps: after so many steps several processes tell each other of an interruption.
    """

    def __init__(self, checkpoints: Checkpoints | None, state: TrainingState, logging_steps: int):
        self._checkpoints, self._state, self._logging_steps = checkpoints, state, logging_steps
        self._interrupted = False
        self._kept_at = time.monotonic()
        self._handler: Any = None

    def restore(self) -> None:
        """Go on from the newest checkpoint, where there is one."""
        newest = self._checkpoints.newest() if self._checkpoints is not None else None
        if newest is not None and self._checkpoints is not None:
            self._state.restore(newest)
            self._state.accelerator.print(
                translate(
                    "Going on from step {step}, kept in {folder}.", step=newest.step, folder=self._checkpoints.folder
                )
            )

    def after_step(self) -> None:
        """Between two steps.

        Raises:
            KeyboardInterrupt: when somebody asked for it.
        """
        every = self._checkpoints.every if self._checkpoints is not None else 0
        if every and self._state.step % every == 0:
            self._keep()
        if self._asked_to_stop():
            self._keep()
            text = translate("Kept at step {step}: the same command goes on from there.", step=self._state.step)
            self._state.accelerator.print(text)
            raise KeyboardInterrupt

    def after_epoch(self) -> None:
        """Between two epochs."""
        if self._checkpoints is None:
            return
        due = [bool(self._checkpoints.every) or time.monotonic() - self._kept_at > PAUSE]
        if self._state.accelerator.num_processes > 1:  # their clocks may not agree
            broadcast_object_list(due)
        if due[0]:
            self._keep()

    def __enter__(self) -> "Keeper":
        # Only Python's main thread may do this; and without a checkpoint there is nothing to wait for.
        if self._checkpoints is not None and threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *error: object) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True

    def _asked_to_stop(self) -> bool:
        accelerator = self._state.accelerator
        if self._checkpoints is None or accelerator.num_processes == 1:
            return self._interrupted
        if self._state.step % self._logging_steps:  # telling each other means waiting for each other
            return False
        asked = torch.tensor(int(self._interrupted), device=accelerator.device)
        return bool(accelerator.reduce(asked, reduction="sum"))

    def _keep(self) -> None:
        assert self._checkpoints is not None
        self._state.check_finite()
        checkpoint = self._state.checkpoint()
        if checkpoint is not None:
            self._checkpoints.save(checkpoint)
        self._kept_at = time.monotonic()

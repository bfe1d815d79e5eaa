"""Programs that draw a training while it runs, by Accelerate: TensorBoard, Trackio, Weights & Biases."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from accelerate import Accelerator
from accelerate.tracking import filter_trackers

from .errors import UserError

if TYPE_CHECKING:
    from .training import TrainingSettings

TRACKERS = ("tensorboard", "trackio", "wandb")


@contextmanager
def tracked(
    accelerator: Accelerator, names: Sequence[str], folder: Path, run: str, settings: "TrainingSettings"
) -> Iterator[None]:
    """Within the block `accelerator.log` reaches these trackers.

    Args:
        accelerator: of the training.
        names: of the trackers.
        folder: where those that write files do so, in a folder named like the run. It is none that is pushed.
        run: what the run is called.
        settings: what is told of it beforehand.

    Raises:
        UserError: for a tracker that is unknown or not installed.
    """
    for name in names:
        if name not in TRACKERS:
            raise UserError(f"tracker is {name!r}, but must be one of {', '.join(TRACKERS)}")
    accelerator.log_with, accelerator.trackers = [], []
    if names:
        found = filter_trackers([*names], folder)
        for name in names:
            if name not in [str(getattr(one, "value", one)) for one in found]:
                raise UserError(f"tracker is {name!r}, which is not installed: pip install {name}")
        accelerator.log_with = found
        accelerator.project_configuration.logging_dir = str(folder)
        told = {key: value for key, value in asdict(settings).items() if isinstance(value, bool | int | float | str)}
        accelerator.init_trackers(run, config=told)
    try:
        yield
    finally:
        # Accelerate's `end_training` would part processes that have still to measure the model together.
        for tracker in accelerator.trackers:
            tracker.finish()
        accelerator.trackers = []

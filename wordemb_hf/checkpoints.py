"""A training on disk, so that one that was killed goes on where it was: numbered folders, whole or not there.

A checkpoint `step-00001200/` holds tensors and JSON, and no pickle:

    state.json             which training it is, where it was, what was measured; a digest of every other file
    model.safetensors      the weights
    optimizer.safetensors  what the optimizer remembers of each of them
    average.safetensors    their average, where there is one
    best.safetensors       the weights of the best evaluation, once there was one
    process-0.safetensors  of each process: its random numbers, and what its next batch goes on from

It is written beside itself and renamed. One whose files are not what their digests say is passed over, with a warning,
for the one before it.
"""

import hashlib
import json
import re
import shutil
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from . import __version__
from .errors import UserError

Tensors = dict[str, Tensor]
_STATE = "state.json"
_BLOCK = 1 << 20
# Fields of a config that do not say how a model is trained.
_ELSEWHERE = {"auto_map", "architectures", "transformers_version", "_name_or_path", "custom_pipelines"}


@dataclass
class Checkpoint:
    """A training as it stood between two steps.

    Args:
        step: steps that were taken.
        state: the rest of where it was, as JSON.
        tensors: by file: `model`, `optimizer`, `average`, `best`, `process-0`, ….
    """

    step: int
    state: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Tensors] = field(default_factory=dict)


class Checkpoints:
    """The checkpoints of one training.

    Args:
        folder: where they are; it belongs to them alone.
        training: which training it is: a name and a value for all that must be the same for it to go on.
        every: steps from one to the next; 0 for the end of an epoch, when the last one is a minute old.
        keep: how many of the newest ones stay.
    """

    def __init__(self, folder: Path, training: dict[str, Any], every: int = 0, keep: int = 2):
        if every < 0 or keep < 1:
            raise UserError(f"checkpoint_steps is {every} and keep {keep}, but must be at least 0 and 1")
        self.folder, self.every, self._keep = folder, every, keep
        self._training = json.loads(json.dumps(training, default=str))  # as it will be read again

    @classmethod
    def beside(cls, output: Path, training: dict[str, Any], every: int, resume: str) -> "Checkpoints":
        """Those of the training that writes `output`; with `resume` `never` it begins without any."""
        if resume == "never" and PartialState().is_main_process:
            forget_training(output)
        PartialState().wait_for_everyone()
        return cls(_folder_of(output), training, every)

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint, and delete those that are too many; a full disk does not stop the training."""
        target = self.folder / f"step-{checkpoint.step:08d}"
        partial = target.with_suffix(".partial")
        try:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            digests = {}
            for name, tensors in checkpoint.tensors.items():
                file = partial / f"{name}.safetensors"
                # Tied weights are one tensor under two names; a copy each keeps the file plain.
                save_file({key: tensor.contiguous().clone() for key, tensor in tensors.items()}, file)
                digests[file.name] = _digest(file)
            state = {"training": self._training, "step": checkpoint.step, "state": checkpoint.state, "files": digests}
            (partial / _STATE).write_text(json.dumps(state), encoding="utf-8")
            shutil.rmtree(target, ignore_errors=True)
            partial.rename(target)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(partial, ignore_errors=True)
            warnings.warn(f"the checkpoint {target} cannot be written: {error}; training goes on", stacklevel=2)
            return
        for old in self._numbered()[self._keep :]:
            shutil.rmtree(old, ignore_errors=True)

    def newest(self) -> Checkpoint | None:
        """The newest one that is whole, on the CPU; `None` where there is none.

        Raises:
            UserError: when it is of another training, naming what differs.
        """
        for folder in self._numbered():
            try:
                kept = json.loads((folder / _STATE).read_text(encoding="utf-8"))
                for name, digest in kept["files"].items():
                    if _digest(folder / name) != digest:
                        raise ValueError(f"{name} is not what was written")
                self._check(kept["training"])
                tensors = {Path(name).stem: load_file(folder / name) for name in kept["files"]}
                return Checkpoint(int(kept["step"]), kept["state"], tensors)
            except UserError:
                raise
            except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
                warnings.warn(f"the checkpoint {folder} is damaged: {error}; taking the one before", stacklevel=2)
        return None

    def _numbered(self) -> list[Path]:
        """Their folders, the newest first."""
        if not self.folder.is_dir():
            return []
        found = [path for path in self.folder.iterdir() if re.fullmatch(r"step-\d{8,}", path.name)]
        return sorted(found, key=lambda path: int(path.name[5:]), reverse=True)

    def _check(self, training: dict[str, Any]) -> None:
        names = [name for name in {**training, **self._training} if training.get(name) != self._training.get(name)]
        if names:
            differences = "; ".join(
                f"{name} was {_told(training.get(name))} and is {_told(self._training.get(name))}" for name in names
            )
            raise UserError(
                f"{self.folder} holds checkpoints of another training: {differences}. Train as it was to go on with "
                "it, or give --resume never to begin anew"
            )


def forget_training(output: Path) -> None:
    """Delete the checkpoints of the training that writes `output`."""
    shutil.rmtree(_folder_of(output), ignore_errors=True)


def _folder_of(output: Path) -> Path:
    return output.with_name(f".{output.name}.checkpoints")


def describe_training(model: Any, settings: Any, data: Iterable[Any], **further: Any) -> dict[str, Any]:
    """Which training it is, for `Checkpoints`.

    Args:
        model: what is trained; its settings count.
        settings: a dataclass.
        data: what it is trained and measured on: arrays, and whatever JSON can hold.
        further: what else must be the same.
    """
    config = {name: value for name, value in model.config.to_diff_dict().items() if name not in _ELSEWHERE}
    return {
        "version": __version__,
        "torch": torch.__version__,
        "data": digest_of(data),
        **config,
        **describe_settings(settings),
        **further,
    }


def describe_settings(settings: Any) -> dict[str, Any]:
    """Those of a training's settings that decide what comes out, without averages that there are none of."""
    return {
        name: value
        for name, value in asdict(settings).items()
        if name not in ("logging_steps", "compile") and (name, value) not in (("ema", 0.0), ("average_from", 1.0))
    }


def digest_of(data: Iterable[Any]) -> str:
    """A digest of arrays, and of whatever JSON can hold."""
    digest = hashlib.blake2b(digest_size=16)
    for part in data:
        if isinstance(part, np.ndarray):
            digest.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
        else:
            digest.update(json.dumps(part, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _told(value: Any) -> str:
    """A value on half a line."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _digest(file: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """What an optimizer remembers: `NUMBER.NAME`, by the number of the weight."""
    state = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": value if isinstance(value, Tensor) else torch.tensor(value)
        for number, values in state.items()
        for name, value in values.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Put it back.

    Raises:
        ValueError: when it is that of other weights.
    """
    state: dict[int, Tensors] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def random_tensors(device: torch.device) -> Tensors:
    """The state of every generator of random numbers that a training draws from in this process."""
    tensors = {"random.cpu": torch.get_rng_state()}
    if device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(device)
    return tensors


def restore_random(tensors: Tensors, device: torch.device) -> None:
    """Put them back."""
    torch.set_rng_state(tensors["random.cpu"])
    if device.type == "cuda" and "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"], device)

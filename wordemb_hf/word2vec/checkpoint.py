"""A training of word vectors on disk, so that one that was killed goes on where it was.

One safetensors file beside the output folder holds the tables and how far they have come. It is written beside itself
and renamed; it fits one text and one set of settings, and is taken for no other.
"""

import hashlib
import json
import os
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..token_ids import Ids
from ..training import TrainingSettings


class Checkpoint:
    """The file of one training.

    Args:
        output: the folder that the training will write.
        model: what is trained.
        ids: the corpus.
        settings: how it is trained.
        engine: by which engine and how many processes: each has a count of its own for where it is.
    """

    def __init__(self, output: Path, model: Any, ids: Ids, settings: TrainingSettings, engine: str):
        self.path = output.with_name(f".{output.name}.checkpoint.safetensors")
        self._model = model
        digest = hashlib.blake2b(digest_size=16)
        described = {"config": model.config.to_diff_dict(), "settings": asdict(settings), "engine": engine}
        digest.update(json.dumps(described, sort_keys=True, default=str).encode())
        for array in (ids.ids, ids.offsets):
            digest.update(array.view(np.uint8).data)
        self._training = digest.hexdigest()

    def save(self, position: int) -> None:
        """Keep the tables as they are, and where to go on; a full disk does not stop the training."""
        partial = self.path.with_suffix(".partial")
        tensors = {name: value.contiguous() for name, value in self._model.state_dict().items()}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            save_file(tensors, partial, metadata={"training": self._training, "position": str(position)})
            os.replace(partial, self.path)
        except (OSError, SafetensorError) as error:
            partial.unlink(missing_ok=True)
            warnings.warn(f"the checkpoint {self.path} cannot be written: {error}; training goes on", stacklevel=2)

    def load(self) -> int:
        """Put the tables back; where to go on, 0 where there is nothing of this training."""
        try:
            with safe_open(self.path, "pt") as file:
                kept = file.metadata() or {}
                if kept.get("training") != self._training:
                    return 0
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                position = int(kept["position"])
        except (OSError, SafetensorError, KeyError, ValueError):
            return 0
        state = self._model.state_dict()
        if {name: value.shape for name, value in tensors.items()} != {name: v.shape for name, v in state.items()}:
            return 0
        with torch.no_grad():
            for name, value in tensors.items():
                state[name].copy_(value)
        return position

    def remove(self) -> None:
        """The training is done."""
        self.path.unlink(missing_ok=True)

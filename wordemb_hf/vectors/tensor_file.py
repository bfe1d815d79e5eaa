"""The tensors of a safetensors file where they lie on disk: what is not looked at is not read."""

import json
from pathlib import Path

import numpy as np

# BF16, of which numpy has none, is the upper half of a float32.
_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
}


class TensorFile:
    """Tensors by name.

    Args:
        path: the file.

    Raises:
        SafetensorError: for a file that is none.
        OSError: when it cannot be read.
    """

    def __init__(self, path: Path):
        from safetensors import safe_open

        with safe_open(path, framework="numpy"):  # checks every offset against the size of the file
            pass
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            self._tensors = json.loads(file.read(size))
        self._tensors.pop("__metadata__", None)
        self._path, self._data = path, 8 + size

    @property
    def names(self) -> list[str]:
        """The names of the tensors."""
        return list(self._tensors)

    def __getitem__(self, name: str) -> np.ndarray:
        """A tensor as it is in the file, memory-mapped and read-only; bfloat16 as `uint16`.

        Raises:
            TypeError: for one of a type that is not read here.
        """
        entry = self._tensors[name]
        if entry["dtype"] not in _TYPES:
            raise TypeError(f"{name} is of type {entry['dtype']}, where {', '.join(_TYPES)} are read")
        shape, dtype = tuple(entry["shape"]), np.dtype(_TYPES[entry["dtype"]])
        if 0 in shape:
            return np.empty(shape, dtype)
        return np.memmap(self._path, dtype, "r", self._data + entry["data_offsets"][0], shape)

    def floats(self, name: str, rows: slice | np.ndarray = slice(None)) -> np.ndarray:
        """Rows of a tensor as float32: where they lie in the file if they are so there and follow one another.

        Raises:
            TypeError: for a tensor of a type that is not read here.
        """
        taken = self[name][rows].view(np.ndarray)  # a memmap's own class is slow to cut
        if self._tensors[name]["dtype"] == "BF16":
            wide = taken.astype(np.uint32)
            wide <<= 16
            return wide.view(np.float32)
        return taken.astype(np.float32, copy=False)

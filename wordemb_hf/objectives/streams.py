"""A corpus as streams that are read on and on: each state predicts the next token, and is carried over the cuts.

Truncated back-propagation through time, as Zaremba et al. 2014 and Merity et al. 2018 train language models: the text
is cut into as many streams as a batch has rows; a batch takes the next piece of each, and goes on from the states,
though not the gradients, of the batch before.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..batching import Batch, LazyBatches
from ..errors import UserError
from ..modeling.recurrent_cache import RecurrentCache
from ..padding import tensor_on


class TextStreams:
    """Pieces of text in reading order, and what each token is followed by.

    Args:
        ids: the corpus, `(tokens,)`.
        batch_size: streams read side by side by one process.
        length: tokens of a piece.
        num_processes: batch `i` belongs to process `i % num_processes`, which reads its own streams on.
        seed: of where the first piece is cut, which differs from epoch to epoch; `None` to read all from the start.
    """

    def __init__(self, ids: np.ndarray, batch_size: int, length: int, num_processes: int = 1, seed: int | None = None):
        streams = batch_size * num_processes
        size = (len(ids) - 1) // streams  # predictions of a stream
        if size < 1:
            raise UserError(
                f"the text has {len(ids):,} tokens, too few for {streams:,} streams of at least 2: lower --batch-size"
            )
        # What is left over when the text is divided is dropped: less than a batch. Nothing is read before its turn.
        self._ids, self._size, self._starts = tensor_on(ids), size, np.arange(streams) * size
        self._rows, self._length, self._processes, self._seed = batch_size, length, num_processes, seed

    def epoch(self, number: int) -> Sequence[Batch]:
        """Pieces in order: `input_ids` and `shift_labels (batch, length)`, the tokens and those that follow them."""
        size = self._size
        first = 0
        if self._seed is not None and size > self._length:
            # Cuts at other places: the tokens behind a cut are read without what stands before them.
            first = int(np.random.default_rng((self._seed, number)).integers(self._length))
        edges = sorted({0, size, *range(first, size, self._length)})
        pieces = [
            np.array([process, start, end])
            for start, end in itertools.pairwise(edges)
            for process in range(self._processes)
        ]
        return LazyBatches(pieces, self._piece)

    def items(self, batch: Batch) -> int:
        """Tokens that are predicted."""
        return batch["shift_labels"].numel()

    @property
    def nbytes(self) -> int:
        """What `keep_on` needs."""
        return self._ids.nbytes

    def keep_on(self, device: torch.device) -> None:
        """Lie on a device, where the pieces are then cut."""
        self._ids = self._ids.to(device)

    def carry(self, output: Any) -> dict[str, Any]:
        """What the next piece goes on from: the states, without the way that led to them."""
        return {"use_cache": True} if output is None else {"past_key_values": output.past_key_values.detach()}

    def carried_tensors(self, carried: dict[str, Any]) -> dict[str, torch.Tensor]:
        """The states as tensors by name, none before the first piece; `carried_from` makes them states again."""
        cache = carried.get("past_key_values")
        if cache is None:
            return {}
        return {
            f"{layer}.{name}": tensor
            for layer, kept in enumerate(cache.layers)
            for name, tensor in (("hidden", kept.keys), ("cell", kept.values), ("seen", torch.tensor(kept.seen)))
        }

    def carried_from(self, tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
        """What the next piece goes on from, out of such tensors."""
        cache = RecurrentCache(len(tensors) // 3)
        for number, layer in enumerate(cache.layers):
            layer.update(tensors[f"{number}.hidden"], tensors[f"{number}.cell"])
            layer.seen = int(tensors[f"{number}.seen"])
        return {"past_key_values": cache}

    def _piece(self, piece: np.ndarray) -> Batch:
        process, start, end = piece.tolist()
        starts = self._starts[process * self._rows : (process + 1) * self._rows]
        rows = torch.stack([self._ids[place + start : place + end + 1] for place in starts.tolist()])
        words = rows.long()  # (batch, length + 1)
        return {"input_ids": words[:, :-1].contiguous(), "shift_labels": words[:, 1:].contiguous()}

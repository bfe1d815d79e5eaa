"""The state of a recurrent model as a cache of transformers, so that `generate()` carries, repeats and reorders it."""

from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin


class RecurrentCacheLayer(CacheLayerMixin):
    """The state of one layer: `keys` is h and `values` is c, each `(batch, width)`; without a cell, c has width 0.

    Beam search reorders what is under these names. Unlike a cache of attention it never grows.
    """

    is_sliding = False

    def __init__(self, **kwargs):
        super().__init__()
        self.seen = 0  # tokens

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args, **kwargs) -> tuple[Tensor, Tensor]:
        """Put a new state in place of the old one."""
        self.keys, self.values, self.is_initialized = key_states, value_states, True
        return key_states, value_states

    def get_seq_length(self) -> int:
        return self.seen

    def get_max_length(self) -> int:
        return -1

    get_max_cache_shape = get_max_length  # its name before transformers 5.20

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.seen + query_length, 0

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Repeat each row, as beams need it."""
        if self.keys is not None and self.values is not None:
            self.keys = self.keys.repeat_interleave(repeats, dim=0)
            self.values = self.values.repeat_interleave(repeats, dim=0)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these rows."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys[indices], self.values[indices]

    def reset(self) -> None:
        self.keys = self.values = None
        self.seen, self.is_initialized = 0, False


class RecurrentCache(Cache):
    """The states of all layers behind the last token that was read.

    Args:
        num_layers: layers of the model.
    """

    layers: list[RecurrentCacheLayer]  # type: ignore[assignment]

    def __init__(self, num_layers: int):
        super().__init__(layers=[RecurrentCacheLayer() for _ in range(num_layers)])

    def states(self) -> list[tuple[Tensor, Tensor | None]] | None:
        """h and c of each layer, `(batch, width)`; `None` before the first token."""
        states: list[tuple[Tensor, Tensor | None]] = []
        for layer in self.layers:
            if layer.keys is None or layer.values is None:
                return None
            states.append((layer.keys, layer.values if layer.values.shape[-1] else None))
        return states

    def store(self, states: list[tuple[Tensor, Tensor | None]], length: int) -> None:
        """Take over the states behind `length` more tokens."""
        for layer, (hidden, cell) in zip(self.layers, states, strict=True):
            layer.update(hidden, hidden[:, :0] if cell is None else cell)
            layer.seen += length

    def detach(self) -> "RecurrentCache":
        """Cut the graph behind the states, in place: truncated back-propagation goes no further back."""
        for layer in self.layers:
            if layer.keys is not None and layer.values is not None:
                layer.update(layer.keys.detach(), layer.values.detach())
        return self

"""LSTMs: how much each word lets in, and how much of what came before is kept.

A step's gates follow from what comes in and the state before it (Hochreiter & Schmidhuber 1997; Gers et al. 2000), and
both are known once the layer has run: no layer is changed, and all steps are computed at once.
"""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..messages import translate
from ..modeling.recurrent import RecurrentStack
from ..modeling.two_readings import TwoReadings
from .panels import Matrix, Panel
from .reading import Reading


def gate_panels(model: Any, reading: Reading) -> list[Panel]:
    """Forget and input gates, the mean over the units of each layer and direction; nothing without an LSTM."""
    caught: dict[nn.Module, tuple[Tensor, Tensor]] = {}
    layers = list(_layers(model))
    hooks = [layer.register_forward_hook(_catch(caught)) for _, layer, _ in layers]
    try:
        model(**reading.inputs)
    finally:
        for hook in hooks:
            hook.remove()
    rows: list[str] = []
    inputs, forgets = [], []
    for name, layer, backward in layers:
        if layer in caught:
            lstm: Any = getattr(layer, "lstm", layer)  # that of a layer with a projection is inside
            opened, kept, _ = (gate.mean(-1).cpu().numpy() for gate in gates_of(lstm, *caught[layer]))
            rows.append(name)
            inputs.append(opened[::-1] if backward else opened)
            forgets.append(kept[::-1] if backward else kept)
    if not rows:
        return []
    bounded = len(inputs[0]) == len(reading.words) + 2  # the model puts a beginning and an end around the text
    words = ["<s>", *reading.words, "</s>"] if bounded else reading.words
    return [
        Matrix(
            translate("Forget gates: how much is kept of what was read before a word"), rows, words, np.stack(forgets)
        ),
        Matrix(translate("Input gates: how much of a word is let in"), rows, words, np.stack(inputs)),
    ]


def gates_of(lstm: nn.LSTM, states: Tensor, outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The gates of one layer that began with zeros: input, forget and output, `(length, cells)` each.

    Args:
        lstm: of one direction.
        states: what came in, `(length, input_size)`.
        outputs: what went out, `(length, output_size)`.
    """
    from_input, from_state, input_bias, state_bias = lstm.all_weights[0][:4]
    before = nn.functional.pad(outputs, (0, 0, 1, 0))[:-1]  # (length, output_size)
    sums = states @ from_input.T + input_bias + before @ from_state.T + state_bias
    opened, kept, _, told = sums.sigmoid().chunk(4, dim=-1)
    return opened, kept, told


def _layers(model: Any) -> Iterator[tuple[str, nn.Module, bool]]:
    """Name, module and whether it reads backwards, of the LSTM layers that read texts and not the spelling of words."""
    for stack in model.modules():
        if isinstance(stack, RecurrentStack):
            sides = [stack.forward_layers, stack.backward_layers or ()]
        elif isinstance(stack, TwoReadings):
            sides = [stack.forward_layers.layers, stack.backward_layers.layers]
        else:
            continue
        for number, layers in enumerate(zip_longest(*sides), 1):
            for arrow, layer in zip("→←", layers, strict=False):
                if isinstance(getattr(layer, "lstm", layer), nn.LSTM):
                    yield f"{number} {arrow}", layer, arrow == "←"


def _catch(caught: dict[nn.Module, tuple[Tensor, Tensor]]) -> Any:
    def hook(module: nn.Module, arguments: tuple, outputs: tuple) -> None:
        caught[module] = arguments[0][0].float(), torch.as_tensor(outputs[0][0]).float()

    return hook

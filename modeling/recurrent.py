"""Stacks of recurrent layers that read tokens only: padding on either side, or between them, changes nothing.

Each row's tokens are moved to the front by index, the layers run over them unpacked, and what comes out is moved back.
The backward direction reads each row from its own last token. Against packed sequences, lengths need not travel to
the CPU, `torch.compile` sees one graph around the layers, and CPUs use their fused kernels.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from transformers import initialization as init

CellType = Literal["rnn", "gru", "lstm"]
State = tuple[Tensor, Tensor | None]  # h and, for an LSTM, c of one layer, each (batch, width)

_CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class TokenOrder:
    """Where the tokens of each row are, and how to bring them to the front and back again.

    Args:
        mask: where there is a token, boolean `(batch, length)`; `None` when there is one everywhere.
    """

    def __init__(self, mask: Tensor | None):
        self.mask = mask
        if mask is None:
            return
        places = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
        self.lengths = mask.sum(1)  # (batch,)
        ends = self.lengths.unsqueeze(1)
        # A stable sort of "is padding": tokens in their order, then padding.
        front = (~mask).to(torch.uint8).argsort(dim=1, stable=True)
        # Places in the flattened batch: one index_select costs a quarter of a gather.
        rows = (torch.arange(mask.shape[0], device=mask.device) * mask.shape[1]).unsqueeze(1)
        self._front = rows + front
        self._back = rows + torch.empty_like(front).scatter_(1, front, places)
        self._reversed = rows + torch.where(places < ends, ends - 1 - places, places)

    def front(self, states: Tensor) -> Tensor:
        """`(batch, length, width)` with the tokens first."""
        return states if self.mask is None else _take(states, self._front)

    def back(self, states: Tensor) -> Tensor:
        """The inverse of `front`."""
        return states if self.mask is None else _take(states, self._back)

    def reverse(self, states: Tensor) -> Tensor:
        """Tokens that stand in front, last one first; its own inverse."""
        return states.flip(1) if self.mask is None else _take(states, self._reversed)

    def following(self, labels: Tensor) -> Tensor:
        """The next token of each, wherever padding stands; -100 for none: `(batch, length)` to the same."""
        labels = labels if self.mask is None else self.front(labels.masked_fill(~self.mask, -100))
        labels = self.back(nn.functional.pad(labels, (0, 1), value=-100)[:, 1:])
        return labels if self.mask is None else labels.masked_fill(~self.mask, -100)


class VariationalDropout(nn.Module):
    """Dropout with one mask for all steps of a sequence (Gal & Ghahramani 2016; on what enters a layer, not within)."""

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, states: Tensor) -> Tensor:
        """`(batch, length, width)` to the same."""
        if not self.training or self.p == 0:
            return states
        mask = torch.empty_like(states[:, :1]).bernoulli_(1 - self.p) / (1 - self.p)  # (batch, 1, width)
        return states * mask


def make_dropout(p: float, kind: Literal["standard", "variational"]) -> nn.Module:
    """Dropout for sequences: drawn for each step (Zaremba 2014) or once for all."""
    return VariationalDropout(p) if kind == "variational" else nn.Dropout(p)


class RecurrentStack(nn.Module):
    """Layers of RNN, GRU or LSTM, one-way or two-way.

    Args:
        cell_type: `rnn` (Elman 1990), `gru` (Cho 2014) or `lstm` (Hochreiter & Schmidhuber 1997, with forget gates).
        input_size: width of what comes in.
        hidden_size: width of a layer's state, in each direction.
        num_layers: layers; each reads what the one below gives, of both directions.
        bidirectional: also read each sequence backwards (Schuster & Paliwal 1997).
        dropout: between layers, not within (Zaremba et al. 2014, section 3.1).
        dropout_type: `standard` or `variational`.
        nonlinearity: of `rnn`: `tanh` or `relu`.
    """

    def __init__(
        self,
        cell_type: CellType,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bidirectional: bool = False,
        dropout: float = 0.0,
        dropout_type: Literal["standard", "variational"] = "standard",
        nonlinearity: Literal["tanh", "relu"] = "tanh",
    ):
        super().__init__()
        directions = 2 if bidirectional else 1
        options = {"nonlinearity": nonlinearity} if cell_type == "rnn" else {}

        def layer(size: int) -> nn.Module:
            return _CELLS[cell_type](size, hidden_size, batch_first=True, **options)

        sizes = [input_size] + [directions * hidden_size] * (num_layers - 1)
        self.forward_layers = nn.ModuleList(layer(size) for size in sizes)
        self.backward_layers = nn.ModuleList(layer(size) for size in sizes) if bidirectional else None
        self.dropout = make_dropout(dropout, dropout_type)

    def forward(self, states: Tensor, mask: Tensor | None = None, all_layers: bool = False) -> list[Tensor]:
        """Read sequences from zero states.

        Args:
            states: `(batch, length, input_size)`.
            mask: where there is a token, boolean `(batch, length)`; `None` when there is one everywhere.
            all_layers: return what each layer gives, from the lowest up, and not the last one's alone.

        Returns:
            `(batch, length, directions * hidden_size)` for each layer, zero where padded.
        """
        order = TokenOrder(mask)
        outputs: list[Tensor] = []
        states = order.front(states)
        for number, forward_layer in enumerate(self.forward_layers):
            states = self.dropout(states) if number else states
            halves = [forward_layer(states)[0]]
            if self.backward_layers is not None:
                halves.append(order.reverse(self.backward_layers[number](order.reverse(states))[0]))
            states = torch.cat(halves, dim=-1) if len(halves) > 1 else halves[0]
            outputs = [*outputs, states] if all_layers else [states]
        return [_zero_padding(order.back(output), mask) for output in outputs]

    def step(
        self, states: Tensor, mask: Tensor | None, initial: list[State] | None
    ) -> tuple[list[Tensor], list[State]]:
        """Read on from given states, one way: what `forward` does, and each layer's state behind the last token.

        Args:
            states: `(batch, length, input_size)`.
            mask: as in `forward`. A row without a token keeps its state.
            initial: for each layer the state to begin with; `None` for zeros.
        """
        order = TokenOrder(mask)
        states, outputs, final = order.front(states), [], []
        for number, layer in enumerate(self.forward_layers):
            states = self.dropout(states) if number else states
            states, state = _run(layer, states, order, None if initial is None else initial[number])
            outputs.append(states)
            final.append(state)
        return [_zero_padding(order.back(output), mask) for output in outputs], final


@torch.no_grad()
def initialize_recurrent(layer: nn.RNNBase, memory_span: int | None = None) -> None:
    """Fresh weights: Glorot for what comes in, orthogonal for the state, zero biases, a forget gate that is open.

    Saxe et al. 2014 for orthogonal matrices, one for each gate; Jozefowicz et al. 2015, section 3.2, for a bias of 1.

    Args:
        layer: of one layer and one direction.
        memory_span: an LSTM's cells forget at different speeds, over up to so many steps, and take in as slowly: the
            chrono initialisation (Tallec & Ollivier 2018, section 2).
    """
    size = layer.hidden_size
    for name, weight in layer.named_parameters():
        if getattr(weight, "_is_hf_initialized", False):  # loaded: only what is missing is drawn
            continue
        if name.startswith("bias"):
            init.zeros_(weight)
            if isinstance(layer, nn.LSTM) and name.startswith("bias_ih"):  # gates are in the order i, f, g, o
                forget = weight[size : 2 * size].fill_(1.0)
                if memory_span is not None:
                    weight[:size] = -forget.uniform_(1.0, memory_span - 1.0).log_()
            continue
        draw = init.xavier_uniform_ if name.startswith("weight_ih") else init.orthogonal_
        for gate in weight.split(size):  # for its own fan-in and fan-out
            draw(gate)


def _run(layer: nn.Module, states: Tensor, order: TokenOrder, initial: State | None) -> tuple[Tensor, State]:
    """One layer over sequences whose tokens stand in front, and its state behind each last one."""
    assert isinstance(layer, nn.RNNBase)
    if initial is None:
        zeros = states.new_zeros((states.shape[0], layer.hidden_size))
        initial = (zeros, zeros if isinstance(layer, nn.LSTM) else None)
    hidden, cell = initial
    begin = hidden.unsqueeze(0) if cell is None else (hidden.unsqueeze(0), cell.unsqueeze(0))
    if order.mask is None:
        states, end = layer(states, begin)
    else:
        # Only packed sequences stop at each row's own end.
        packed = nn.utils.rnn.pack_padded_sequence(
            states, order.lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False
        )
        packed, end = layer(packed, begin)
        states, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True, total_length=states.shape[1])

    def behind(before: Tensor, after: Tensor) -> Tensor:
        after = after.squeeze(0)
        return after if order.mask is None else torch.where((order.lengths == 0).unsqueeze(1), before, after)

    if cell is None:
        return states, (behind(hidden, end), None)
    return states, (behind(hidden, end[0]), behind(cell, end[1]))


def _zero_padding(states: Tensor, mask: Tensor | None) -> Tensor:
    return states if mask is None else states.masked_fill(~mask.unsqueeze(-1), 0.0)


def _take(states: Tensor, places: Tensor) -> Tensor:
    return states.flatten(0, 1).index_select(0, places.flatten()).view_as(states)

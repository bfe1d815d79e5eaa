"""LSTM layers with a projection and with clipped values, one-way.

Sak et al. 2014, "Long Short-Term Memory Recurrent Neural Network Architectures for Large Scale Acoustic Modeling",
section 2 (the projection, without peepholes); Peters et al. 2018 clip cells and projections to ±3 and add each layer's
input to its output.
"""

import warnings

import torch
from torch import Tensor, nn

LSTMState = tuple[Tensor, Tensor]  # h and c of one layer, (batch, projection_size) and (batch, cell_size)

# True on every CPU, and nothing that a user could change.
warnings.filterwarnings("ignore", "LSTM with projections is not supported with oneDNN")


class ProjectedLSTM(nn.Module):
    """One layer: cells of one width, of which a narrower projection goes on, upwards and to the next step.

    The parameters are those of `nn.LSTM(proj_size=...)`, which also does the work where nothing is clipped. With
    clipping there is no such kernel: a loop takes one matrix product for each token and one for the projection.

    Args:
        input_size: width of what comes in.
        cell_size: width of the cells.
        projection_size: width of what goes out, below `cell_size`.
        cell_clip: cells are kept between minus and plus this; `None` for no limit.
        projection_clip: the same for what goes out.
    """

    def __init__(
        self,
        input_size: int,
        cell_size: int,
        projection_size: int,
        cell_clip: float | None = None,
        projection_clip: float | None = None,
    ):
        super().__init__()
        self.lstm = nn.LSTM(input_size, cell_size, proj_size=projection_size, batch_first=True)
        self.cell_clip, self.projection_clip = cell_clip, projection_clip

    def forward(
        self, states: Tensor, initial: LSTMState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, LSTMState]:
        """Read sequences whose tokens stand in front.

        Args:
            states: `(batch, length, input_size)`, of at least one step.
            initial: h `(batch, projection_size)` and c `(batch, cell_size)` to begin with; `None` for zeros.
            lengths: tokens of each row, `(batch,)`; `None` when all are tokens, or when the final state does not
                matter: padding behind a row's last token never reaches what stands before it.

        Returns:
            h behind each token, `(batch, length, projection_size)`, and h and c behind each row's last one; a row
            without a token keeps its state.
        """
        if initial is None:
            zeros = states.new_zeros(states.shape[0], self.lstm.hidden_size + self.lstm.proj_size)
            initial = (zeros[:, self.lstm.hidden_size :], zeros[:, : self.lstm.hidden_size])
        if self.cell_clip is not None or self.projection_clip is not None:
            return self._loop(states, initial, lengths)
        hidden, cell = initial
        begin = (hidden.unsqueeze(0).contiguous(), cell.unsqueeze(0).contiguous())
        if lengths is None:
            outputs, end = self.lstm(states, begin)
        else:
            # Only packed sequences stop at each row's own end.
            packed = nn.utils.rnn.pack_padded_sequence(
                states, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False
            )
            packed, end = self.lstm(packed, begin)
            outputs, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True, total_length=states.shape[1])
        final = (end[0].squeeze(0), end[1].squeeze(0))
        if lengths is not None:
            empty = (lengths == 0).unsqueeze(1)
            final = (torch.where(empty, hidden, final[0]), torch.where(empty, cell, final[1]))
        return outputs, final

    # Compiled, the loop would become one copy of its body for each token, and another program for each length.
    @torch.compiler.disable
    def _loop(self, states: Tensor, initial: LSTMState, lengths: Tensor | None) -> tuple[Tensor, LSTMState]:
        from_input, from_state, input_bias, state_bias, projection = self.lstm.all_weights[0]
        # What does not depend on the step before, for all steps at once: (length, batch, 4 * cell_size).
        inputs = nn.functional.linear(states.transpose(0, 1), from_input, input_bias + state_bias)
        (hidden, cell), outputs = initial, []
        for step, gates in enumerate(inputs.unbind(0)):
            gates = torch.addmm(gates, hidden, from_state.T)  # (batch, 4 * cell_size)
            opened, kept, candidate, shown = gates.chunk(4, dim=1)
            after_cell = kept.sigmoid() * cell + opened.sigmoid() * candidate.tanh()
            if self.cell_clip is not None:
                after_cell = after_cell.clamp(-self.cell_clip, self.cell_clip)
            after_hidden = nn.functional.linear(shown.sigmoid() * after_cell.tanh(), projection)
            if self.projection_clip is not None:
                after_hidden = after_hidden.clamp(-self.projection_clip, self.projection_clip)
            outputs.append(after_hidden)
            if lengths is None:
                hidden, cell = after_hidden, after_cell
            else:
                going_on = (lengths > step).unsqueeze(1)
                hidden, cell = torch.where(going_on, after_hidden, hidden), torch.where(going_on, after_cell, cell)
        return torch.stack(outputs, dim=1), (hidden, cell)


class ProjectedLSTMStack(nn.Module):
    """Layers of `ProjectedLSTM`, all of one width.

    Args:
        width: of what comes in, and of what each layer gives.
        cell_size: width of the cells.
        num_layers: layers.
        cell_clip: as in `ProjectedLSTM`.
        projection_clip: as in `ProjectedLSTM`.
        skip_connections: from the second on, a layer's input is added to its output (Peters et al. 2018, section 3.4).
        dropout: on what enters each layer (Zaremba et al. 2014, section 3.1).
    """

    def __init__(
        self,
        width: int,
        cell_size: int,
        num_layers: int,
        cell_clip: float | None = None,
        projection_clip: float | None = None,
        skip_connections: bool = False,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.layers = nn.ModuleList(
            ProjectedLSTM(width, cell_size, width, cell_clip, projection_clip) for _ in range(num_layers)
        )
        self.skip_connections = skip_connections
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, states: Tensor, initial: list[LSTMState] | None = None, lengths: Tensor | None = None
    ) -> tuple[list[Tensor], list[LSTMState]]:
        """Read sequences whose tokens stand in front.

        Args:
            states: `(batch, length, width)`, of at least one step.
            initial: for each layer the state to begin with; `None` for zeros.
            lengths: as in `ProjectedLSTM`.

        Returns:
            What each layer gives, `(batch, length, width)`, anything behind a row's last token; and each layer's state
            behind that token.
        """
        if lengths is not None and bool((lengths == states.shape[1]).all()):
            lengths = None  # no row ends before the others, as in generation from the second token on
        outputs, final = [], []
        for number, layer in enumerate(self.layers):
            entering = self.dropout(states)
            states, state = layer(entering, None if initial is None else initial[number], lengths)
            if self.skip_connections and number:
                states = states + entering
            outputs.append(states)
            final.append(state)
        return outputs, final

"""A recurrent network that writes: from the words before, and from what attention finds in the source.

Luong et al. 2015, section 3: a stack of recurrent layers reads the words written so far, its uppermost state looks at
the source, and state and finding together make the attentional state, from which the next word is predicted. With input
feeding (section 3.3) the attentional state goes back into the first layer at the next step, so that the network knows
where it has looked; as in Bahdanau et al. 2015, steps then have to be taken one by one.
"""

from typing import Any

import torch
from torch import Tensor, nn

from .recurrent import CellType, RecurrentStack, State, TokenOrder
from .word_attention import WordAttention


class AttentionDecoder(nn.Module):
    """Recurrent layers, attention, and the attentional state.

    Args:
        cell_type: `gru` or `lstm`.
        input_size: width of a word vector, and of the attentional state.
        hidden_size: width of a layer's state.
        num_layers: layers.
        dropout: between layers, and on the attentional state.
        attention: of queries `(batch, length, hidden_size)`.
        source_size: width of a source's state.
        input_feeding: whether the attentional state is fed into the next step.
    """

    def __init__(
        self,
        cell_type: CellType,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        dropout: float,
        attention: WordAttention,
        source_size: int,
        input_feeding: bool = False,
    ):
        super().__init__()
        self.input_feeding = input_feeding
        self.layers = RecurrentStack(
            cell_type=cell_type,
            input_size=2 * input_size if input_feeding else input_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            dropout=dropout,
        )
        self.attention = attention
        self.combine = nn.Linear(hidden_size + source_size, input_size)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        words: Tensor,
        mask: Tensor | None,
        source: Tensor,
        source_mask: Tensor,
        keys: Tensor,
        states: list[State],
        fed: Tensor | None = None,
        keep_states: bool = False,
    ) -> tuple[Tensor, Tensor, list[State], Tensor]:
        """Read the words of a target, each with what is known before it.

        Args:
            words: word vectors, `(batch, length, input_size)`.
            mask: where there is a word, boolean `(batch, length)`; `None` when there is one everywhere, or when padding
                is on the right and what comes out there is not used.
            source: `(batch, source length, source_size)`.
            source_mask: where there is a token, boolean `(batch, source length)`.
            keys: what the attention makes of the source.
            states: those of the layers to begin with.
            fed: the attentional state to begin with, `(batch, input_size)`; `None` for zeros.
            keep_states: whether the states behind each row's last word are wanted; else they are anything.

        Returns:
            The attentional states `(batch, length, input_size)`, the weights of attention `(batch, length, source
            length)`, and, behind the last word, the states of the layers and the last attentional state.
        """
        if self.input_feeding:
            return self._step_by_step(words, mask, source, source_mask, keys, states, fed)
        order = TokenOrder(mask)
        if mask is None or keep_states:
            outputs, states = self.layers.step(words, mask, states)
            hidden = outputs[-1]  # (batch, length, hidden_size)
        else:  # without the packing that final states need
            outputs, states = self.layers.step(order.front(words), None, states)
            hidden = order.back(outputs[-1])
        attentional, weights = self._attend(hidden, source, source_mask, keys)
        return attentional, weights, states, attentional[:, -1]

    def _attend(self, hidden: Tensor, source: Tensor, source_mask: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        found, weights = self.attention(hidden, keys, source, source_mask)
        return self.dropout(self.combine(torch.cat([found, hidden], dim=-1)).tanh()), weights

    def _step_by_step(
        self,
        words: Tensor,
        mask: Tensor | None,
        source: Tensor,
        source_mask: Tensor,
        keys: Tensor,
        states: list[State],
        fed: Tensor | None,
    ) -> tuple[Tensor, Tensor, list[State], Tensor]:
        """With input feeding: cells in place of layers, since each step waits for the one before."""
        fed = words.new_zeros(words[:, 0].shape) if fed is None else fed
        attentional, weights = [], []
        for place, word in enumerate(words.unbind(1)):
            hidden, after = torch.cat([word, fed], dim=-1), []
            for number, (layer, state) in enumerate(zip(self.layers.forward_layers, states, strict=True)):
                hidden = self.layers.dropout(hidden) if number else hidden
                after.append(_cell(layer, hidden, state))
                hidden = after[-1][0]  # (batch, hidden_size)
            new, seen = self._attend(hidden.unsqueeze(1), source, source_mask, keys)
            attentional.append(new)
            weights.append(seen)
            if mask is None:
                fed, states = new[:, 0], after
            else:
                there = mask[:, place].unsqueeze(1)
                fed = torch.where(there, new[:, 0], fed)
                states = [_choose(there, *pair) for pair in zip(after, states, strict=True)]
        return torch.cat(attentional, dim=1), torch.cat(weights, dim=1), states, fed


def _cell(layer: nn.Module, inputs: Tensor, state: State) -> State:
    """One step of a layer, `(batch, input_size)`."""
    weights: Any = layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0
    if state[1] is not None:
        hidden, cell = torch.lstm_cell(inputs, (state[0], state[1]), *weights)
        return hidden, cell
    return torch.gru_cell(inputs, state[0], *weights), None


def _choose(there: Tensor, after: State, before: State) -> State:
    if after[1] is None or before[1] is None:
        return torch.where(there, after[0], before[0]), None
    return torch.where(there, after[0], before[0]), torch.where(there, after[1], before[1])

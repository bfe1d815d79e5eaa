"""LSTM layers with a projection against a loop over steps, and the two ways to run them against each other."""

import numpy as np
import pytest
import torch
from torch import nn
from wordemb_hf.modeling.projected_lstm import ProjectedLSTM, ProjectedLSTMStack
from wordemb_hf.modeling.recurrent import State

NO_LIMIT = 1e9  # takes the loop, and changes nothing
clips = pytest.mark.parametrize(("cell_clip", "projection_clip"), [(None, None), (0.3, None), (None, 0.1), (0.3, 0.1)])


def layer(cell_clip: float | None = None, projection_clip: float | None = None) -> ProjectedLSTM:
    torch.manual_seed(0)
    made = ProjectedLSTM(3, 7, 4, cell_clip, projection_clip)
    for weight in made.parameters():  # large enough for limits to be met
        nn.init.uniform_(weight, -1.0, 1.0)
    return made


def stack(cell_clip: float | None = None, **options) -> ProjectedLSTMStack:
    torch.manual_seed(0)
    return ProjectedLSTMStack(width=4, cell_size=7, num_layers=3, cell_clip=cell_clip, **options).eval()


def begin(seed: int = 1) -> State:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(2, 4, generator=random), torch.randn(2, 7, generator=random)


def by_loops(module: ProjectedLSTM, row: np.ndarray, hidden: np.ndarray, cell: np.ndarray) -> tuple:
    """Sak et al. 2014, equations 1 to 6 without peepholes, one step and one gate after the other."""
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_hr_l0")
    inputs, recurrent, bias, other, projection = (
        getattr(module.lstm, name).detach().double().numpy() for name in names
    )
    outputs, size = [], len(cell)
    for step in row:
        sums = inputs @ step + recurrent @ hidden + bias + other
        opened, kept, shown = (1 / (1 + np.exp(-sums[gate * size : (gate + 1) * size])) for gate in (0, 1, 3))
        cell = kept * cell + opened * np.tanh(sums[2 * size : 3 * size])
        if module.cell_clip is not None:
            cell = np.clip(cell, -module.cell_clip, module.cell_clip)
        hidden = projection @ (shown * np.tanh(cell))
        if module.projection_clip is not None:
            hidden = np.clip(hidden, -module.projection_clip, module.projection_clip)
        outputs.append(hidden)
    return np.array(outputs), hidden, cell


@clips
def test_is_a_loop_over_steps(cell_clip, projection_clip):
    module, states, (hidden, cell) = layer(cell_clip, projection_clip), torch.randn(2, 5, 3), begin()
    outputs, final = module(states, (hidden, cell))
    for row in range(2):
        expected = by_loops(module, *(tensor[row].double().numpy() for tensor in (states, hidden, cell)))
        actual = (outputs[row], final[0][row], final[1][row])
        for one, other in zip(actual, expected, strict=True):
            np.testing.assert_allclose(one.detach(), other, rtol=1e-5, atol=1e-6)
    for limit, values in ((cell_clip, final[1]), (projection_clip, outputs)):
        assert limit is None or values.abs().max().item() == pytest.approx(limit)  # the limit was met


def test_the_loop_has_the_gradients_of_the_kernel():
    kernel, loop, states = layer(), layer(NO_LIMIT, NO_LIMIT), torch.randn(2, 5, 3)
    for module in (kernel, loop):
        outputs, (hidden, cell) = module(states, begin(), torch.tensor([5, 3]))
        (outputs[0].square().sum() + hidden.square().sum() + cell.square().sum()).backward()
    for (name, one), (_, other) in zip(kernel.named_parameters(), loop.named_parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, msg=name)


@pytest.mark.parametrize("clip", [None, 0.3])
@pytest.mark.parametrize("lengths", [[5, 3], [1, 5], [2, 0], [5, 5]], ids=str)
def test_each_row_ends_where_its_tokens_do(clip, lengths):
    layers, states = stack(clip), torch.randn(2, 5, 4)
    initial = [begin(number) for number in range(3)]
    outputs, final = layers(states, initial, torch.tensor(lengths))
    for row, length in enumerate(lengths):
        first = [(hidden[row : row + 1], cell[row : row + 1]) for hidden, cell in initial]
        alone, after = layers(states[row : row + 1, :length], first) if length else (None, first)
        for number in range(3):
            for one, other in zip(final[number], after[number], strict=True):
                torch.testing.assert_close(one[row], other[0])
            if length:
                torch.testing.assert_close(outputs[number][row, :length], alone[number][0])


@pytest.mark.parametrize("clip", [None, 0.3])
def test_reading_on_is_reading_at_once(clip):
    layers, states = stack(clip, skip_connections=True), torch.randn(2, 6, 4)
    whole, end = layers(states)
    first, middle = layers(states[:, :2])
    rest, last = layers(states[:, 2:], middle)
    for number in range(3):
        torch.testing.assert_close(torch.cat([first[number], rest[number]], dim=1), whole[number])
        torch.testing.assert_close(last[number], end[number])


def test_skip_connections_begin_with_the_second_layer():
    layers, states = stack(skip_connections=True), torch.randn(2, 6, 4)
    outputs, _ = layers(states)
    for number, module in enumerate(layers.layers):
        expected = module(states)[0]
        states = expected + states if number else expected
        torch.testing.assert_close(outputs[number], states)


@pytest.mark.parametrize("clip", [None, 0.3])
def test_what_stands_behind_changes_nothing_before(clip):
    layers, states = stack(clip), torch.randn(2, 6, 4)
    other = states.clone()
    other[:, 4:] = 9.0
    for one, two in zip(layers(states)[0], layers(other)[0], strict=True):
        assert torch.equal(one[:, :4], two[:, :4]) and not torch.equal(one[:, 4:], two[:, 4:])


def test_dropout_only_in_training():
    layers, states = stack(dropout=0.5), torch.randn(2, 6, 4)
    torch.testing.assert_close(layers(states)[0], layers(states)[0])
    layers.train()
    assert not torch.equal(layers(states)[0][0], layers(states)[0][0])

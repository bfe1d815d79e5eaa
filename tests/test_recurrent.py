"""Recurrent stacks against PyTorch's own layers, row by row, and the states they hand on."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from wordemb_hf.modeling.recurrent import RecurrentStack, TokenOrder, VariationalDropout, initialize_recurrent

CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
MASKS = {
    "right": [[1, 1, 1, 1, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]],
    "left": [[0, 1, 1, 1, 1], [0, 0, 0, 1, 1], [1, 1, 1, 1, 1]],
    "holes": [[1, 0, 1, 0, 1], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]],
}
cells = pytest.mark.parametrize("cell_type", CELLS)
masks = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)


def stack(cell_type: str, **options) -> RecurrentStack:
    torch.manual_seed(0)
    return RecurrentStack(cell_type, input_size=3, hidden_size=4, num_layers=2, **options).eval()


def bare(layers: RecurrentStack) -> nn.Module:
    """PyTorch's layer with the same weights."""
    both = layers.backward_layers is not None
    kind = type(layers.forward_layers[0])
    layer = kind(3, 4, num_layers=2, batch_first=True, bidirectional=both)
    state = {}
    for suffix, directions in (("", layers.forward_layers), ("_reverse", layers.backward_layers or [])):
        for number, direction in enumerate(directions):
            state |= {f"{name[:-1]}{number}{suffix}": weight for name, weight in direction.state_dict().items()}
    layer.load_state_dict(state)
    return layer


@cells
@pytest.mark.parametrize("bidirectional", [False, True])
def test_without_padding_it_is_pytorchs_layer(cell_type, bidirectional):
    layers, states = stack(cell_type, bidirectional=bidirectional), torch.randn(3, 5, 3)
    expected, _ = bare(layers)(states)
    torch.testing.assert_close(layers(states)[-1], expected)
    torch.testing.assert_close(layers(states, torch.ones(3, 5, dtype=torch.bool))[-1], expected)


@cells
@masks
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_row_is_what_its_tokens_are_alone(cell_type, mask, bidirectional):
    layers, states, mask = (
        stack(cell_type, bidirectional=bidirectional),
        torch.randn(3, 5, 3),
        torch.tensor(mask).bool(),
    )
    layer = bare(layers)
    for outputs in (layers(states, mask), layers(states, mask, all_layers=True)):
        for row, tokens in enumerate(mask):
            assert not outputs[-1][row, ~tokens].any()
            if tokens.any():
                torch.testing.assert_close(outputs[-1][row, tokens], layer(states[row : row + 1, tokens])[0][0])


@cells
@masks
def test_reading_in_pieces_is_reading_at_once(cell_type, mask):
    layers, states, mask = stack(cell_type), torch.randn(3, 10, 3), torch.tensor(mask).bool()
    mask = torch.cat([mask, mask.flip(0)], dim=1)
    whole, behind = layers.step(states, mask, None)
    torch.testing.assert_close(whole[-1], layers(states, mask)[-1])
    first, state = layers.step(states[:, :5], mask[:, :5], None)
    second, state = layers.step(states[:, 5:], mask[:, 5:], state)
    torch.testing.assert_close(torch.cat([first[-1], second[-1]], dim=1), whole[-1])
    for actual, expected in zip(state, behind, strict=True):
        torch.testing.assert_close(actual, expected)


@cells
def test_a_row_without_tokens_keeps_its_state(cell_type):
    layers = stack(cell_type)
    _, state = layers.step(torch.randn(2, 3, 3), None, None)
    _, after = layers.step(torch.randn(2, 2, 3), torch.tensor([[1, 1], [0, 0]]).bool(), state)
    for (hidden, _), (expected, _) in zip(after, state, strict=True):
        assert torch.equal(hidden[1], expected[1]) and not torch.equal(hidden[0], expected[0])


@masks
def test_the_order_of_tokens(mask):
    mask = torch.tensor(mask).bool()
    order, states = TokenOrder(mask), torch.arange(1.0, 16.0).view(3, 5, 1)
    front = order.front(states)
    torch.testing.assert_close(order.back(front), states)
    torch.testing.assert_close(order.reverse(order.reverse(front)), front)
    for row, tokens in enumerate(mask):
        expected: Tensor = states[row, tokens]
        torch.testing.assert_close(front[row, : len(expected)], expected)
        torch.testing.assert_close(order.reverse(front)[row, : len(expected)], expected.flip(0))


@masks
def test_what_follows_a_token(mask):
    mask, labels = torch.tensor(mask).bool(), torch.arange(15).view(3, 5)
    expected = torch.full((3, 5), -100)
    for row in range(3):
        places = mask[row].nonzero().flatten().tolist()
        for here, there in pairwise(places):
            expected[row, here] = labels[row, there]
    torch.testing.assert_close(TokenOrder(mask).following(labels), expected)
    plain = torch.nn.functional.pad(labels, (0, 1), value=-100)[:, 1:]
    torch.testing.assert_close(TokenOrder(None).following(labels), plain)


def test_variational_dropout_draws_once_for_a_text():
    dropout = VariationalDropout(0.5)
    dropped = dropout(torch.ones(64, 7, 16))
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert set(dropped.unique().tolist()) == {0.0, 2.0} and 0.4 < (dropped == 0).float().mean() < 0.6
    assert torch.equal(dropout.eval()(dropped), dropped)


@pytest.mark.parametrize("dropout_type", ["standard", "variational"])
def test_dropout_is_between_layers_and_only_in_training(dropout_type):
    layers, states = stack("gru", dropout=0.5, dropout_type=dropout_type), torch.randn(2, 5, 3)
    torch.manual_seed(1)
    low, high = layers.train()(states, all_layers=True)
    torch.manual_seed(2)
    low_again, high_again = layers(states, all_layers=True)
    assert torch.equal(low, low_again) and not torch.equal(high, high_again)
    assert torch.equal(layers.eval()(states)[-1], layers(states)[-1])


def test_fresh_weights():
    layer = nn.LSTM(8, 16)
    initialize_recurrent(layer)
    for gate in layer.weight_hh_l0.split(16):
        torch.testing.assert_close(gate @ gate.T, torch.eye(16), atol=1e-5, rtol=0)
    assert layer.bias_ih_l0.tolist() == [0.0] * 16 + [1.0] * 16 + [0.0] * 32 and not layer.bias_hh_l0.any()
    assert layer.weight_ih_l0.abs().max() <= (6 / 24) ** 0.5 and layer.weight_ih_l0.std() > 0.2


def test_a_memory_span_sets_forget_and_input_gates():
    layer = nn.LSTM(8, 500)
    initialize_recurrent(layer, memory_span=100)
    put, forget = layer.bias_ih_l0[:500], layer.bias_ih_l0[500:1000]
    assert torch.equal(put, -forget) and not layer.bias_ih_l0[1000:].any()
    steps = 1 / (1 - forget.sigmoid())  # over which a cell forgets
    assert steps.min() >= 2 and 90 < steps.max() <= 100 and 40 < steps.median() < 60


@cells
def test_ten_thousand_tokens(cell_type):
    states = torch.randn(1, 10_000, 3, requires_grad=True)
    out = stack(cell_type, bidirectional=True)(states, torch.ones(1, 10_000, dtype=torch.bool))[-1]
    out.sum().backward()
    assert out.isfinite().all() and states.grad.isfinite().all()

"""What torch.onnx does not translate by itself: layers that run over time, chains of tags, and a few operators.

Recurrent layers would be unrolled for the length of one example, so `prepare` puts operators of our own in their place,
which become ONNX's own layers, or a `Scan` where there is none. The CRF has operators already (`modeling/crf.py`):
theirs become scans that pass over padding wherever it stands.

This module imports torch and onnxscript.
"""

from typing import Any

import torch
from onnxscript import BOOL, FLOAT, INT64, graph, opset18, script
from torch import Tensor, nn

from .modeling import crf
from .modeling.projected_lstm import ProjectedLSTM

op: Any = opset18  # its types want constants as tensors, where it takes lists

_GATES = {nn.LSTM: (0, 3, 1, 2), nn.GRU: (1, 0, 2), nn.RNN: (0,)}  # ONNX's order of PyTorch's gates


@torch.library.custom_op("wordemb_onnx::recurrent", mutates_args=())
def recurrent(states: Tensor, from_input: Tensor, from_state: Tensor, bias: Tensor, kind: str) -> Tensor:
    """A layer over `(batch, length, width)`, with weights as ONNX has them; it is translated and never runs."""
    raise NotImplementedError


@recurrent.register_fake
def _(states, from_input, from_state, bias, kind):
    return states.new_empty(states.shape[0], states.shape[1], from_state.shape[2])


@torch.library.custom_op("wordemb_onnx::projected_lstm", mutates_args=())
def projected_lstm(
    states: Tensor, from_input: Tensor, from_state: Tensor, bias: Tensor, projection: Tensor, limits: Tensor
) -> Tensor:
    """A layer with a projection, limits of cell and projection `(2,)`; it is translated and never runs."""
    raise NotImplementedError


@projected_lstm.register_fake
def _(states, from_input, from_state, bias, projection, limits):
    return states.new_empty(states.shape[0], states.shape[1], projection.shape[1])


class _Recurrent(nn.Module):
    """In the place of an `nn.RNN`, `nn.GRU` or `nn.LSTM` of one layer and direction that begins at zeros."""

    def __init__(self, layer: nn.RNNBase):
        super().__init__()
        order = _GATES[type(layer)]

        def as_onnx(weight: Tensor) -> Tensor:
            gates = weight.detach().chunk(len(order))
            return torch.cat([gates[gate] for gate in order]).unsqueeze(0).contiguous()

        from_input, from_state, input_bias, state_bias = layer.all_weights[0]
        self.register_buffer("from_input", as_onnx(from_input))  # (1, gates * hidden_size, input_size)
        self.register_buffer("from_state", as_onnx(from_state))
        self.register_buffer("bias", torch.cat([as_onnx(input_bias), as_onnx(state_bias)], dim=1))
        self.kind = getattr(layer, "nonlinearity", type(layer).__name__.lower())

    def forward(self, states: Tensor) -> tuple[Tensor, None]:
        return recurrent(states, self.from_input, self.from_state, self.bias, self.kind), None


class _Projected(nn.Module):
    """In the place of a `ProjectedLSTM` that begins at zeros."""

    def __init__(self, layer: ProjectedLSTM):
        super().__init__()
        from_input, from_state, input_bias, state_bias, projection = (
            weight.detach() for weight in layer.lstm.all_weights[0]
        )
        for name, weight in (("from_input", from_input), ("from_state", from_state), ("projection", projection)):
            self.register_buffer(name, weight.T.contiguous())
        self.register_buffer("bias", input_bias + state_bias)
        clips = (layer.cell_clip, layer.projection_clip)
        self.register_buffer("limits", torch.tensor([3.0e38 if clip is None else clip for clip in clips]))

    def forward(self, states: Tensor, initial: None = None, lengths: None = None) -> tuple[Tensor, None]:
        made = projected_lstm(states, self.from_input, self.from_state, self.bias, self.projection, self.limits)
        return made, None


def prepare(model: nn.Module) -> None:
    """Put what can be translated in the place of recurrent layers; the model then runs no more."""
    for module in list(model.modules()):
        if isinstance(module, ProjectedLSTM):
            continue
        for name, child in list(module.named_children()):
            if isinstance(child, ProjectedLSTM):
                setattr(module, name, _Projected(child))
            elif isinstance(child, nn.RNNBase):
                setattr(module, name, _Recurrent(child))


def _recurrent(states: Any, from_input: Any, from_state: Any, bias: Any, kind: str) -> Any:
    hidden = from_state.shape[2]
    by_time = op.Transpose(states, perm=[1, 0, 2])
    if kind == "lstm":
        made = op.LSTM(by_time, from_input, from_state, bias, hidden_size=hidden)[0]
    elif kind == "gru":
        made = op.GRU(by_time, from_input, from_state, bias, hidden_size=hidden, linear_before_reset=1)[0]
    else:
        made = op.RNN(by_time, from_input, from_state, bias, hidden_size=hidden, activations=[kind.capitalize()])[0]
    return op.Transpose(op.Squeeze(made, [1]), perm=[1, 0, 2])


@script()
def _projected_lstm(
    states: FLOAT, from_input: FLOAT, from_state: FLOAT, bias: FLOAT, projection: FLOAT, limits: FLOAT
) -> FLOAT:
    inputs = op.Transpose(op.Add(op.MatMul(states, from_input), bias), perm=[1, 0, 2])  # (length, batch, 4 cells)
    cell_limit = op.Gather(limits, op.Constant(value_int=0))
    limit = op.Gather(limits, op.Constant(value_int=1))
    lowest, lowest_cell = op.Neg(limit), op.Neg(cell_limit)
    batch = op.Shape(states, start=0, end=1)
    hidden = op.ConstantOfShape(op.Concat(batch, op.Shape(projection, start=1, end=2), axis=0))
    cell = op.ConstantOfShape(op.Concat(batch, op.Shape(projection, start=0, end=1), axis=0))

    @graph()
    def step(before, cells, entering):
        gates = op.Add(entering, op.MatMul(before, from_state))
        opened, kept, candidate, shown = op.Split(gates, axis=1, num_outputs=4)
        taken = op.Mul(op.Sigmoid(opened), op.Tanh(candidate))
        now = op.Clip(op.Add(op.Mul(op.Sigmoid(kept), cells), taken), lowest_cell, cell_limit)
        made = op.MatMul(op.Mul(op.Sigmoid(shown), op.Tanh(now)), projection)
        after = op.Clip(made, lowest, limit)
        return after, now, op.Identity(after)

    _, _, outputs = op.Scan(hidden, cell, inputs, body=step, num_scan_inputs=1)
    return op.Transpose(outputs, perm=[1, 0, 2])


@script()
def _viterbi(emissions: FLOAT, transitions: FLOAT, start: FLOAT, end: FLOAT, mask: BOOL) -> INT64:
    """Scores of the best paths forwards, and which tag came before each; then back along the best one."""
    by_time = op.Transpose(emissions, perm=[1, 0, 2])  # (length, batch, tags)
    tokens = op.Transpose(mask, perm=[1, 0])  # (length, batch)
    steps = op.Unsqueeze(transitions, [0])  # (1, tags, tags)
    size = op.Shape(emissions, start=2, end=3)
    none = op.Expand(op.Cast(op.Constant(value_int=0), to=9), op.Shape(emissions, start=0, end=1))  # no token yet
    scores = op.Mul(op.ReduceMax(emissions, [1], keepdims=0), 0.0)  # (batch, tags)
    same = op.Unsqueeze(op.Range(0, op.Squeeze(size), 1), [0])  # (1, tags)

    @graph()
    def forwards(begun, before, score, token):
        candidates = op.Add(op.Unsqueeze(before, [2]), steps)  # (batch, tags before, tags)
        onward = op.Where(op.Unsqueeze(begun, [1]), op.ReduceMax(candidates, [1], keepdims=0), start)
        after = op.Where(op.Unsqueeze(token, [1]), op.Add(onward, score), before)
        follows = op.Unsqueeze(op.And(begun, token), [1])
        origin = op.Where(follows, op.ArgMax(candidates, axis=1, keepdims=0), same)  # (batch, tags)
        return op.Or(begun, token), after, origin

    _, behind, origins = op.Scan(none, scores, by_time, tokens, body=forwards, num_scan_inputs=2)
    final = op.ArgMax(op.Add(behind, end), axis=1, keepdims=1)  # (batch, 1)

    @graph()
    def backwards(tag, origin):
        return op.GatherElements(origin, tag, axis=1), op.Squeeze(tag, [1])

    _, path = op.Scan(
        final, origins, body=backwards, num_scan_inputs=1, scan_input_directions=[1], scan_output_directions=[1]
    )
    return op.Where(mask, op.Transpose(path, perm=[1, 0]), op.Constant(value_int=-100))


@script()
def _marginals(emissions: FLOAT, transitions: FLOAT, start: FLOAT, end: FLOAT, mask: BOOL) -> FLOAT:
    """Sums over all paths forwards and backwards, as logarithms from which the largest is taken at each token."""
    by_time = op.Transpose(emissions, perm=[1, 0, 2])  # (length, batch, tags)
    tokens = op.Transpose(mask, perm=[1, 0])  # (length, batch)
    steps = op.Unsqueeze(transitions, [0])  # (1, tags, tags)
    none = op.Expand(op.Cast(op.Constant(value_int=0), to=9), op.Shape(emissions, start=0, end=1))
    scores = op.Mul(op.ReduceMax(emissions, [1], keepdims=0), 0.0)  # (batch, tags)
    lowest = op.Constant(value_float=-3.0e38)

    @graph()
    def forwards(begun, before, score, token):
        candidates = op.Add(op.Unsqueeze(before, [2]), steps)  # (batch, tags before, tags)
        highest = op.Max(op.ReduceMax(candidates, [1], keepdims=1), lowest)
        sums = op.Log(op.ReduceSum(op.Exp(op.Sub(candidates, highest)), [1], keepdims=0))
        onward = op.Where(op.Unsqueeze(begun, [1]), op.Add(sums, op.Squeeze(highest, [1])), start)
        now = op.Add(onward, score)
        small = op.Sub(now, op.Max(op.ReduceMax(now, [1], keepdims=1), lowest))
        after = op.Where(op.Unsqueeze(token, [1]), small, before)
        return op.Or(begun, token), after, op.Identity(after)

    _, _, ahead = op.Scan(none, scores, by_time, tokens, body=forwards, num_scan_inputs=2)

    @graph()
    def backwards(behind, score, token):
        following = op.Unsqueeze(op.Add(behind, score), [1])  # (batch, 1, tags)
        candidates = op.Add(following, steps)  # (batch, tags, tags after)
        highest = op.Max(op.ReduceMax(candidates, [2], keepdims=1), lowest)
        sums = op.Log(op.ReduceSum(op.Exp(op.Sub(candidates, highest)), [2], keepdims=0))
        now = op.Add(sums, op.Squeeze(highest, [2]))
        small = op.Sub(now, op.Max(op.ReduceMax(now, [1], keepdims=1), lowest))
        return op.Where(op.Unsqueeze(token, [1]), small, behind), op.Identity(behind)

    _, back = op.Scan(
        op.Add(scores, end),
        by_time,
        tokens,
        body=backwards,
        num_scan_inputs=2,
        scan_input_directions=[1, 1],
        scan_output_directions=[1],
    )
    both = op.Add(ahead, back)  # (length, batch, tags)
    weights = op.Exp(op.Sub(both, op.Max(op.ReduceMax(both, [2], keepdims=1), lowest)))
    shares = op.Div(weights, op.Max(op.ReduceSum(weights, [2], keepdims=1), 1.0e-38))
    return op.Mul(op.Transpose(shares, perm=[1, 0, 2]), op.Cast(op.Unsqueeze(mask, [2]), to=1))


def _sort(values: Any, dim: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """ONNX's TopK gives equals in the order in which they stand, so it sorts stably; it knows no small integers."""
    whole = op.Cast(values, to=7)
    return op.TopK(whole, op.Shape(values, start=dim, end=dim + 1 or None), axis=dim, largest=int(descending))


def _searchsorted(
    row: Any, values: Any, out_int32: bool = False, right: bool = False, side: str | None = None, sorter: Any = None
) -> Any:
    """By comparing each with each: texts are short."""
    row, values = op.Unsqueeze(row, [1]), op.Unsqueeze(values, [2])  # (batch, 1, length), (batch, length, 1)
    below = op.LessOrEqual(row, values) if right else op.Less(row, values)
    return op.ReduceSum(op.Cast(below, to=7), [2], keepdims=0)


def _cummax(values: Any, dim: int) -> Any:
    """Of rows `(batch, length)` of places, in the same way; the second output is never used here."""
    length = op.Squeeze(op.Shape(values, start=1, end=2))
    places = op.Range(0, length, 1)
    before = op.LessOrEqual(op.Unsqueeze(places, [0]), op.Unsqueeze(places, [1]))  # (length, length)
    seen = op.Where(before, op.Unsqueeze(values, [1]), op.Constant(value_int=-1))
    highest = op.ReduceMax(seen, [2], keepdims=0)
    return highest, op.Identity(highest)


def _embedding_bag(
    weight: Any,
    indices: Any,
    offsets: Any,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int = -1,
) -> Any:
    """Sums of bags that are all of one size, as those of a table are."""
    shape = op.Concat(op.Shape(offsets), op.Constant(value_ints=[-1]), axis=0)
    ids = op.Reshape(op.Cast(indices, to=7), shape)  # (bags, size)
    rows = op.Gather(weight, ids)  # (bags, size, width)
    if padding_idx is not None and padding_idx >= 0:
        real = op.Not(op.Equal(ids, op.Constant(value_int=padding_idx)))
        rows = op.Where(op.Unsqueeze(real, [2]), rows, op.Constant(value_float=0.0))
    if per_sample_weights is not None:
        rows = op.Mul(rows, op.Unsqueeze(op.Reshape(per_sample_weights, shape), [2]))
    sums = op.ReduceSum(rows, [1], keepdims=0)
    return sums, op.Identity(offsets), op.Identity(offsets), op.Identity(offsets)


aten = torch.ops.aten
TRANSLATIONS: dict[Any, Any] = {
    torch.ops.wordemb_onnx.recurrent.default: _recurrent,
    torch.ops.wordemb_onnx.projected_lstm.default: _projected_lstm,
    getattr(torch.ops, crf.NAMESPACE).viterbi.default: _viterbi,
    getattr(torch.ops, crf.NAMESPACE).marginals.default: _marginals,
    aten.sort.stable: _sort,
    aten.searchsorted.Tensor: _searchsorted,
    aten.cummax.default: _cummax,
    aten._embedding_bag.default: _embedding_bag,
    aten._embedding_bag_forward_only.default: _embedding_bag,
    aten.embedding_bag.padding_idx: _embedding_bag,
}

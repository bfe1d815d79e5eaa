"""The arithmetic of word2vec in tiles: two contexts by six words to predict, kept in the registers of the processor.

A window is a small matrix product: the vectors of its contexts, times those of the word in the middle and of the noise
words (Ji et al. 2016, "Parallelizing Word2Vec in Shared and Distributed Memory", section 3.1). A compiler does not find
that form in loops over components, so the instructions are written here, as values of eight floats in LLVM's own terms;
LLVM turns them into what the processor has: AVX2, AVX-512, NEON or SSE. Two by six is what sixteen registers hold:
twelve sums, two contexts and one word.

Each tile is a function for code that Numba compiles. A vector lies in a one-dimensional float32 array, from the index
where it begins, and has `width` components, a multiple of eight. Indices are int64.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8  # floats in a value
TARGETS = 6  # words to predict in a tile

_FLOAT, _INT = ir.FloatType(), ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_ZERO = ir.Constant(_VECTOR, [0.0] * LANES)
_FAST = ("nnan", "ninf", "nsz", "arcp", "contract")

# sigmoid(x) = 1/2 + tanh(x/2)/2, with the tanh of a rational function as in Eigen's `generic_fast_tanh_float`: odd
# powers above, even ones below; right to some 1e-7, and flat beyond the bound, where float32 is flat as well.
_TANH_BOUND = 7.90531110763549805
_TANH_ABOVE = (
    -2.76076847742355e-16,
    2.00018790482477e-13,
    -8.60467152213735e-11,
    5.12229709037114e-08,
    1.48572235717979e-05,
    6.37261928875436e-04,
    4.89352455891786e-03,
)
_TANH_BELOW = (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)


class _Floats:
    """A float32 array of the caller, read and written eight at a time from any index."""

    def __init__(self, context: Any, builder: ir.IRBuilder, kind: types.Array, array: ir.Value):
        self.builder = builder
        self.data = context.make_array(kind)(context, builder, array).data

    def address(self, index: ir.Value, kind: ir.Type) -> ir.Value:
        return self.builder.bitcast(self.builder.gep(self.data, [index]), kind.as_pointer())

    def load(self, index: ir.Value) -> ir.Value:
        value = self.builder.load(self.address(index, _VECTOR))
        value.align = 4
        return value

    def store(self, index: ir.Value, value: ir.Value) -> None:
        self.builder.store(value, self.address(index, _VECTOR)).align = 4

    def spread(self, index: ir.Value) -> ir.Value:
        """One float in all lanes."""
        return _spread(self.builder, self.builder.load(self.address(index, _FLOAT)))


class _Indices:
    """An int64 array of the caller."""

    def __init__(self, context: Any, builder: ir.IRBuilder, kind: types.Array, array: ir.Value):
        self.builder = builder
        self.data = context.make_array(kind)(context, builder, array).data

    def __getitem__(self, index: ir.Value) -> ir.Value:
        return self.builder.load(self.builder.gep(self.data, [index]))


_KINDS = {
    _Floats: types.Array(types.float32, 1, "C"),
    _Indices: types.Array(types.int64, 1, "C"),
    ir.Value: types.int64,
}


def _compiled(write: Callable[..., None]) -> Any:
    """Make a function for compiled code of one that writes its instructions; the annotations tell what it takes."""
    parameters = list(inspect.signature(write).parameters.values())[1:]

    def typed(typing_context, *given):
        def generate(context, builder, signature, arguments):
            values = [
                value if parameter.annotation is ir.Value else parameter.annotation(context, builder, kind, value)
                for parameter, kind, value in zip(parameters, signature.args, arguments, strict=True)
            ]
            write(builder, *values)
            return context.get_dummy_value()

        return types.void(*(_KINDS[parameter.annotation] for parameter in parameters)), generate

    # Numba asks for the names of the parameters.
    plain = [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        for name in ("typing_context", *(parameter.name for parameter in parameters))
    ]
    typed.__signature__ = inspect.Signature(plain)  # type: ignore[attr-defined]
    typed.__name__, typed.__doc__ = write.__name__, write.__doc__
    return intrinsic(typed)


def _number(value: int) -> ir.Constant:
    return ir.Constant(_INT, value)


def _constant(value: float) -> ir.Constant:
    return ir.Constant(_VECTOR, [value] * LANES)


def _shuffle(builder: ir.IRBuilder, one: ir.Value, two: ir.Value, lanes: Sequence[int]) -> ir.Value:
    return builder.shuffle_vector(one, two, ir.Constant(ir.VectorType(ir.IntType(32), LANES), list(lanes)))


def _spread(builder: ir.IRBuilder, number: ir.Value) -> ir.Value:
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    return _shuffle(builder, builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0)), nothing, [0] * 8)


def _call(builder: ir.IRBuilder, name: str, *arguments: ir.Value) -> ir.Value:
    name = f"llvm.{name}.v{LANES}f32"
    function = builder.module.globals.get(name)
    if function is None:
        function = ir.Function(builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * len(arguments)), name)
    return builder.call(function, arguments)


def _multiply_add(builder: ir.IRBuilder, one: ir.Value, two: ir.Value, three: ir.Value) -> ir.Value:
    """`one * two + three`, as one instruction where there is one."""
    return _call(builder, "fmuladd", one, two, three)


def _sigmoid(builder: ir.IRBuilder, scores: ir.Value) -> ir.Value:
    half = _constant(0.5)
    x = _call(builder, "minnum", builder.fmul(scores, half, flags=_FAST), _constant(_TANH_BOUND))
    x = _call(builder, "maxnum", x, _constant(-_TANH_BOUND))
    square = builder.fmul(x, x, flags=_FAST)

    def polynomial(factors: Sequence[float]) -> ir.Value:
        total: ir.Value = _constant(factors[0])
        for factor in factors[1:]:
            total = _multiply_add(builder, total, square, _constant(factor))
        return total

    above = builder.fmul(polynomial(_TANH_ABOVE), x, flags=_FAST)
    return _multiply_add(builder, builder.fdiv(above, polynomial(_TANH_BELOW), flags=_FAST), half, half)


def _sums(builder: ir.IRBuilder, values: Sequence[ir.Value]) -> ir.Value:
    """The sum of the lanes of each of up to eight values, in the lane of its number; other lanes mean nothing."""
    values = [*values, *[values[-1]] * (LANES - len(values))]
    even, odd = [0, 2, 8, 10, 4, 6, 12, 14], [1, 3, 9, 11, 5, 7, 13, 15]

    def neighbours(one: ir.Value, two: ir.Value) -> ir.Value:
        left, right = _shuffle(builder, one, two, even), _shuffle(builder, one, two, odd)
        return builder.fadd(left, right, flags=_FAST)

    while len(values) > 2:
        values = [neighbours(one, two) for one, two in zip(values[::2], values[1::2], strict=True)]
    one, two = values
    low = _shuffle(builder, one, two, [0, 1, 2, 3, 8, 9, 10, 11])
    high = _shuffle(builder, one, two, [4, 5, 6, 7, 12, 13, 14, 15])
    return builder.fadd(low, high, flags=_FAST)


def _registers(builder: ir.IRBuilder, count: int) -> list[ir.Value]:
    """Places for sums; LLVM keeps them in registers."""
    places = [cgutils.alloca_once(builder, _VECTOR) for _ in range(count)]
    for place in places:
        builder.store(_ZERO, place)
    return places


def _accumulate(builder: ir.IRBuilder, place: ir.Value, one: ir.Value, two: ir.Value) -> None:
    builder.store(_multiply_add(builder, one, two, builder.load(place)), place)


def _steps(builder: ir.IRBuilder, start: ir.Value, stop: ir.Value, step: int) -> Any:
    """A loop from `start` below `stop`; the context manager gives the index, second of what it yields."""
    return cgutils.for_range_slice(builder, start, stop, _number(step))


def _gradients(contexts: int) -> Any:
    """The tile below, for so many contexts."""

    @_compiled
    def gradients(
        builder,
        table: _Floats,
        rows: _Indices,
        first: ir.Value,
        copies: _Floats,
        outputs: _Floats,
        targets: _Indices,
        tile: ir.Value,
        labels: _Floats,
        weights: _Floats,
        width: ir.Value,
        tiles: ir.Value,
        result: _Floats,
    ):
        places = [builder.add(first, _number(number)) for number in range(contexts)]
        starts = [rows[place] for place in places]
        copied = [builder.mul(place, width) for place in places]
        ends = _targets(builder, targets, tile)
        sums = [_registers(builder, TARGETS) for _ in places]
        with _steps(builder, _number(0), width, LANES) as (at, _):
            values = [table.load(builder.add(start, at)) for start in starts]
            for value, start in zip(values, copied, strict=True):
                copies.store(builder.add(start, at), value)
            for number, end in enumerate(ends):
                word = outputs.load(builder.add(end, at))
                for value, registers in zip(values, sums, strict=True):
                    _accumulate(builder, registers[number], value, word)
        lanes = builder.mul(tile, _number(LANES))
        for place, registers in zip(places, sums, strict=True):
            scores = _sums(builder, [builder.load(register) for register in registers])
            error = builder.fsub(labels.load(lanes), _sigmoid(builder, scores), flags=_FAST)
            at = builder.mul(builder.add(builder.mul(place, tiles), tile), _number(LANES))
            result.store(at, builder.fmul(weights.load(lanes), error, flags=_FAST))

    return gradients


def _targets(builder: ir.IRBuilder, targets: _Indices, tile: ir.Value) -> list[ir.Value]:
    first = builder.mul(tile, _number(TARGETS))
    return [targets[builder.add(first, _number(number))] for number in range(TARGETS)]


# For each context (rows[first], and rows[first + 1]) and each word of a tile: weight * (label - sigmoid(product)), the
# gradient of the log-likelihood by their product, times the learning rate. `labels` and `weights` hold a value for each
# tile, `result` one for each context and tile; lanes without a word have weight 0. Contexts are copied on the way to
# `copies`, a row for each: they are about to change, and the words to predict need them as they were.
gradients, pair_gradients = _gradients(1), _gradients(2)


def _add_to_contexts(contexts: int) -> Any:
    """The tile below, for so many contexts."""

    @_compiled
    def add_to_contexts(
        builder,
        table: _Floats,
        rows: _Indices,
        first: ir.Value,
        outputs: _Floats,
        targets: _Indices,
        tile: ir.Value,
        factors: _Floats,
        width: ir.Value,
        tiles: ir.Value,
    ):
        places = [builder.add(first, _number(number)) for number in range(contexts)]
        starts = [rows[place] for place in places]
        ends = _targets(builder, targets, tile)
        spread = []
        for place in places:
            at = builder.mul(builder.add(builder.mul(place, tiles), tile), _number(LANES))
            spread.append([factors.spread(builder.add(at, _number(number))) for number in range(TARGETS)])
        with _steps(builder, _number(0), width, LANES) as (at, _):
            values = [table.load(builder.add(start, at)) for start in starts]
            for number, end in enumerate(ends):
                word = outputs.load(builder.add(end, at))
                values = [
                    _multiply_add(builder, factor[number], word, value)
                    for factor, value in zip(spread, values, strict=True)
                ]
            for value, start in zip(values, starts, strict=True):
                table.store(builder.add(start, at), value)

    return add_to_contexts


# Each context += the sum over the words of a tile of gradient * word. The two of a pair must not be the same row.
add_to_context, add_to_pair = _add_to_contexts(1), _add_to_contexts(2)


@_compiled
def add_to_targets(
    builder,
    outputs: _Floats,
    targets: _Indices,
    tile: ir.Value,
    copies: _Floats,
    contexts: ir.Value,
    factors: _Floats,
    width: ir.Value,
    tiles: ir.Value,
):
    """Each word of a tile += the sum over all contexts of gradient * context; a word may occur more than once."""
    ends = _targets(builder, targets, tile)

    def columns(at: ir.Value, count: int) -> None:
        """`count` values of each word from the component `at`."""
        sums = [_registers(builder, count) for _ in ends]
        with _steps(builder, _number(0), contexts, 1) as (place, _):
            start = builder.add(builder.mul(place, width), at)
            values = [copies.load(builder.add(start, _number(LANES * number))) for number in range(count)]
            factor = builder.mul(builder.add(builder.mul(place, tiles), tile), _number(LANES))
            for number, registers in enumerate(sums):
                spread = factors.spread(builder.add(factor, _number(number)))
                for value, register in zip(values, registers, strict=True):
                    _accumulate(builder, register, spread, value)
        for end, registers in zip(ends, sums, strict=True):
            for number, register in enumerate(registers):
                here = builder.add(builder.add(end, at), _number(LANES * number))
                outputs.store(here, builder.fadd(outputs.load(here), builder.load(register), flags=_FAST))

    # Two values a word make twelve sums; an odd one is left at the end.
    odd = builder.and_(width, _number(LANES))
    even = builder.sub(width, odd)
    with _steps(builder, _number(0), even, 2 * LANES) as (at, _):
        columns(at, 2)
    with builder.if_then(builder.icmp_signed("!=", odd, _number(0))):
        columns(even, 1)


@_compiled
def move_targets(
    builder,
    outputs: _Floats,
    targets: _Indices,
    mean: _Floats,
    factors: _Floats,
    error: _Floats,
    width: ir.Value,
):
    """For one context alone and one tile: each word += gradient * mean, and error += the sum of gradient * word.

    The error is that of the words as they were; a word may occur more than once.
    """
    ends = _targets(builder, targets, _number(0))
    spread = [factors.spread(_number(number)) for number in range(TARGETS)]
    with _steps(builder, _number(0), width, LANES) as (at, _):
        places = [builder.add(end, at) for end in ends]
        value, total = mean.load(at), error.load(at)
        for place, factor in zip(places, spread, strict=True):
            total = _multiply_add(builder, factor, outputs.load(place), total)
        error.store(at, total)
        for place, factor in zip(places, spread, strict=True):
            outputs.store(place, _multiply_add(builder, factor, value, outputs.load(place)))


_COLUMNS = 4  # values of a row at a time, where rows are only added


def _columns(builder: ir.IRBuilder, width: ir.Value, write: Callable[[ir.Value, int], None]) -> None:
    """Call `write(at, count)` for the components of a row: `_COLUMNS` values at a time, then one by one."""
    most = builder.and_(width, _number(-_COLUMNS * LANES))
    with _steps(builder, _number(0), most, _COLUMNS * LANES) as (at, _):
        write(at, _COLUMNS)
    with _steps(builder, most, width, LANES) as (at, _):
        write(at, 1)


@_compiled
def mean_of_rows(
    builder,
    table: _Floats,
    rows: _Indices,
    first: ir.Value,
    stop: ir.Value,
    width: ir.Value,
    into: _Floats,
    to: ir.Value,
):
    """Mean of rows[first:stop] of a table, written to into[to:]."""
    count = builder.sitofp(builder.sub(stop, first), _FLOAT)
    share = _spread(builder, builder.fdiv(ir.Constant(_FLOAT, 1.0), count))

    def write(at: ir.Value, columns: int) -> None:
        steps = [_number(LANES * column) for column in range(columns)]
        totals = _registers(builder, columns)
        with _steps(builder, first, stop, 1) as (place, _):
            start = builder.add(rows[place], at)
            for total, step in zip(totals, steps, strict=True):
                value = table.load(builder.add(start, step))
                builder.store(builder.fadd(builder.load(total), value, flags=_FAST), total)
        for total, step in zip(totals, steps, strict=True):
            here = builder.add(builder.add(to, at), step)
            into.store(here, builder.fmul(builder.load(total), share, flags=_FAST))

    _columns(builder, width, write)


@_compiled
def add_to_rows(
    builder,
    table: _Floats,
    rows: _Indices,
    first: ir.Value,
    stop: ir.Value,
    width: ir.Value,
    what: _Floats,
):
    """rows[first:stop] of a table += what; a row may occur more than once."""

    def write(at: ir.Value, columns: int) -> None:
        steps = [_number(LANES * column) for column in range(columns)]
        values = [what.load(builder.add(at, step)) for step in steps]
        with _steps(builder, first, stop, 1) as (place, _):
            start = builder.add(rows[place], at)
            for value, step in zip(values, steps, strict=True):
                here = builder.add(start, step)
                table.store(here, builder.fadd(table.load(here), value, flags=_FAST))

    _columns(builder, width, write)


@_compiled
def prefetch_row(builder, table: _Floats, start: ir.Value, width: ir.Value):
    """Ask for a row that will soon be written, so that it has come from memory by then."""
    integer = ir.IntType(32)
    pointer = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [pointer, integer, integer, integer])
    name = "llvm.prefetch.p0"
    function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    with _steps(builder, _number(0), width, 2 * LANES) as (at, _):  # a cache line at a time
        place = table.address(builder.add(start, at), ir.IntType(8))
        builder.call(function, [place, *(ir.Constant(integer, what) for what in (1, 3, 1))])  # to write, to keep, data

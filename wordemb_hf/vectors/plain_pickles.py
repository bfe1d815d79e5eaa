"""A reader of pickles that executes nothing: opcodes are walked one by one, and make plain data or nothing.

A pickle is a program, and Python's own loader calls whatever function it names. This reader knows containers, strings,
numbers and NumPy's arrays, and a short list of names; an object is kept as a `Thing`, the name of its class and its
state. Memory is bounded by the file: what a pickle promises is not reserved, and what it repeats is not copied.
"""

import pickletools
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import UserError

_MARK = object()
_GENSIM = ("gensim.models.keyedvectors.", "gensim.models.fasttext.")
_GENSIM_CLASSES = (
    *(
        "KeyedVectors",
        "Word2VecKeyedVectors",
        "EuclideanKeyedVectors",
        "BaseKeyedVectors",
        "WordEmbeddingsKeyedVectors",
    ),
    *("FastTextKeyedVectors", "Vocab", "CompatVocab", "SimpleVocab"),
)
_ARRAYS = ("numpy.core.multiarray.", "numpy._core.multiarray.")
_NAMES = {
    *(prefix + name for prefix in _GENSIM for name in _GENSIM_CLASSES),
    *(prefix + name for prefix in _ARRAYS for name in ("_reconstruct", "scalar")),
    *("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"),
    *("numpy.ndarray", "numpy.dtype", "numpy.float32", "numpy.float64", "_codecs.encode", "copyreg._reconstructor"),
    *("builtins.object", "collections.OrderedDict", "collections.defaultdict", "builtins.int"),
}


@dataclass
class Thing:
    """An object that a pickle describes: its class or function by name, and what was set."""

    name: str
    arguments: tuple = ()
    state: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Name:
    name: str


class _Pending:
    """An array or a dtype whose state has not come yet."""

    def __init__(self, value: Any = None):
        self.value = value


class _Bounded:
    """A file whose reads do not go beyond what is there."""

    def __init__(self, file: IO[bytes], size: int):
        self._file, self._size = file, size

    def read(self, count: int) -> bytes:
        """Exactly so many bytes, or fewer at the end, without room for what is not there."""
        return self._file.read(min(count, self._size))

    def readline(self) -> bytes:
        """A line, of protocol 0."""
        return self._file.readline(1 << 20)

    def tell(self) -> int:
        """Where it is."""
        return self._file.tell()


def read_pickle(file: IO[bytes], size: int, path: Path) -> Any:
    """What a pickle holds, as plain data.

    Raises:
        UserError: when it is damaged, or holds anything but data.
    """
    reader = _Reader(path)
    try:
        for opcode, argument, _ in pickletools.genops(_Bounded(file, size)):  # type: ignore[arg-type]
            reader.step(opcode.name, argument)
        return _value(reader.stack.pop())
    except UserError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError, AttributeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"{path} is a damaged pickle: {reason[:200]}") from error


def _value(item: Any) -> Any:
    return item.value if isinstance(item, _Pending) else item


class _Reader:
    """The stack and the memo of a pickle."""

    def __init__(self, path: Path):
        self._path = path
        self.stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def _refuse(self, what: str) -> UserError:
        return UserError(f"{self._path} is a pickle that holds {what}; only vectors are read, and nothing is executed")

    def _marked(self) -> list[Any]:
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise ValueError("no mark")
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items

    def step(self, name: str, argument: Any) -> None:
        """Do what an opcode says, where it makes data."""
        stack = self.stack
        if name in ("PROTO", "FRAME", "STOP"):
            return
        if name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _ARGUMENTS:
            stack.append(argument)
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._memo[argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self._memo[argument])
        elif name == "MARK":
            stack.append(_MARK)
        elif name == "POP":
            stack.pop()
        elif name == "POP_MARK":
            self._marked()
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in ("APPEND", "APPENDS"):
            items = self._marked() if name == "APPENDS" else [stack.pop()]
            self._container(list).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = self._marked() if name == "SETITEMS" else [stack.pop() for _ in "kv"][::-1]
            self._container(dict).update(_pairs(items))
        elif name == "ADDITEMS":
            items = self._marked()
            self._container(list).extend(items)  # a set, of which nothing is read
        elif name in ("LIST", "TUPLE", "FROZENSET"):
            items = self._marked()
            stack.append(items if name == "LIST" else tuple(items))
        elif name == "DICT":
            stack.append(_pairs(self._marked()))
        elif name in _TUPLES:
            items = [stack.pop() for _ in range(_TUPLES[name])]
            stack.append(tuple(reversed(items)))
        elif name == "GLOBAL":
            stack.append(self._named(argument.replace(" ", ".", 1)))
        elif name == "STACK_GLOBAL":
            last, module = stack.pop(), stack.pop()
            stack.append(self._named(f"{module}.{last}" if isinstance(last, str) and isinstance(module, str) else "?"))
        elif name in ("REDUCE", "NEWOBJ"):
            arguments, function = stack.pop(), stack.pop()
            if not isinstance(function, _Name) or not isinstance(arguments, tuple):
                raise ValueError(f"{name} of what is no name")
            stack.append(self._made(function.name, arguments))
        elif name == "BUILD":
            state = stack.pop()
            self._set(stack[-1], state)
        else:
            raise self._refuse(f"the opcode {name}")

    def _container(self, kind: type) -> Any:
        found = self.stack[-1]
        if not isinstance(found, kind):
            raise ValueError(f"items for what is no {kind.__name__}")
        return found

    def _named(self, name: str) -> _Name:
        if name not in _NAMES:
            raise self._refuse(f"the name {name[:200]!r}")
        return _Name(name)

    def _made(self, name: str, arguments: tuple) -> Any:
        last = name.rpartition(".")[2]
        if name == "_codecs.encode":
            text, encoding = arguments
            if not isinstance(text, str) or encoding != "latin1":
                raise ValueError("bytes that are no Latin-1")
            return text.encode("latin1")
        if last == "_reconstruct":
            return _Pending()
        if name == "numpy.dtype":
            return _Pending(_dtype(arguments[0], "<"))
        if last == "scalar":
            return _array(arguments[1], (1,), _value(arguments[0]))[0].item()
        if last == "_frombuffer":
            data, dtype, shape, order = arguments
            return _array(data, shape, _value(dtype), order)
        if last in ("OrderedDict", "defaultdict"):
            return {}
        if last == "_reconstructor":
            first = arguments[0]
            return Thing(first.name if isinstance(first, _Name) else "?")
        return Thing(name, arguments)

    def _set(self, target: Any, state: Any) -> None:
        if isinstance(target, Thing) and isinstance(state, dict):
            target.state.update(state)
        elif isinstance(target, _Pending) and isinstance(target.value, np.dtype):
            order = state[1]
            target.value = _dtype(target.value.str[1:], order)
        elif isinstance(target, _Pending):
            _, shape, dtype, fortran, data = state
            target.value = _array(data, shape, _value(dtype), "F" if fortran else "C")
        else:
            raise ValueError("a state for what has none")


_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_ARGUMENTS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_EMPTY: dict[str, Any] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple, "EMPTY_SET": list}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def _pairs(items: list[Any]) -> dict[Any, Any]:
    """A dictionary whose keys are words or numbers: to hash nested tuples could take for ever."""
    if len(items) % 2 or not all(isinstance(key, str | int) for key in items[::2]):
        raise ValueError("a dictionary whose keys are neither words nor numbers")
    return dict(zip(items[::2], items[1::2], strict=True))


def _dtype(code: Any, order: Any) -> np.dtype:
    if code not in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1") or order not in "<>|=":
        raise ValueError(f"an array of type {str(code)[:20]!r}")
    return np.dtype(code).newbyteorder(order if order in "<>" else "=")


def _array(data: Any, shape: Any, dtype: Any, order: str = "C") -> np.ndarray:
    """An array over the bytes of the pickle itself."""
    if isinstance(data, str):  # of protocol 2, from Python 2
        data = data.encode("latin1")
    if not isinstance(dtype, np.dtype) or not isinstance(data, bytes | bytearray) or not isinstance(shape, tuple):
        raise ValueError("an array of no numbers")
    if len(shape) > 4 or not all(isinstance(size, int) and 0 <= size < 1 << 48 for size in shape):
        raise ValueError("an array of impossible shape")
    count = int(np.prod([1, *map(float, shape)]))
    if count * dtype.itemsize != len(data):
        raise ValueError(f"an array of shape {shape} in {len(data)} bytes")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if order == "F" else "C")

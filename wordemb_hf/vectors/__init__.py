"""Static word vectors without their model: numpy alone, no torch."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .keyed_vectors import KeyedVectors as KeyedVectors

__all__ = ["KeyedVectors"]


def __getattr__(name: str) -> Any:
    if name == "KeyedVectors":  # when it is first used: the help of the verbs here need not wait for numpy
        from .keyed_vectors import KeyedVectors

        return KeyedVectors
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

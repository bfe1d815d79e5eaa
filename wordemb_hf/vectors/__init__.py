"""Static word vectors without their model: numpy alone, no torch."""

from .keyed_vectors import KeyedVectors

__all__ = ["KeyedVectors"]

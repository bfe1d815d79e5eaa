"""Two pictures for a model's folder: a map of word vectors and the curve of a training."""

# The modules are not named as the functions: importing a module of that name would put it in the function's place.
from .curves import training_curve
from .maps import word_map

__all__ = ["training_curve", "word_map"]

"""Regression: a number for a text.

Training sees numbers of mean 0 and deviation 1, whatever the unit: an optimizer of steps of one size would need forever
to reach prices, and pay no attention to shares. The unit is then a factor in the weights of the last layer, so that the
model that is written, and every measure, has that of the data.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn
from transformers import PreTrainedModel

from ..batching import Batch
from ..corpus import Examples
from ..modeling.sparse_features import BagClassifier
from .classification import TextClassification


class Scale(NamedTuple):
    """What a number is measured in: it is `mean + deviation * z`."""

    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def of(cls, model: PreTrainedModel, numbers: Iterable[float]) -> "Scale":
        """That of numbers, or none for a model whose last layer is not linear."""
        if not isinstance(getattr(model, "classifier", None), nn.Linear | BagClassifier):
            return cls()
        values = np.fromiter(numbers, dtype=np.float64)
        return cls(float(values.mean()), float(values.std()))


class TextRegression(TextClassification):
    """As `TextClassification`, with a number for each text.

    `scale` says what the numbers of a model in training are measured in; those of a model that is done are the plain
    ones.
    """

    scale = Scale()

    @staticmethod
    def numbers(examples: Examples, label2id: dict[str, int]) -> np.ndarray:
        """The numbers, float32, `(texts,)`."""
        return np.array(examples.labels, dtype=np.float32)

    def train_on(self, model: Any, batch: Batch) -> Any:
        return model(**{**batch, "labels": (batch["labels"] - self.scale.mean) / self.scale.deviation})

    def measure(self, model: PreTrainedModel, accelerator: Accelerator) -> dict[str, float]:
        """`loss`, which is the mean squared error, and the `figures`."""
        with plain(model, self.scale):
            return super().measure(model, accelerator)

    def figures(self, logits: np.ndarray) -> dict[str, float]:
        """`pearson`, `spearman` and `mse` of numbers `(texts, 1)`."""
        from ..evaluation import RegressionMetrics

        return RegressionMetrics().compute(predictions=logits[:, 0], references=self.encoded.labels)


@torch.no_grad()
def rescale(model: Any, factor: float, offset: float) -> None:
    """Let a model answer `factor * x + offset` where it answered `x`: every weight of its last layer is linear."""
    if (factor, offset) != (1.0, 0.0):
        for weight in model.classifier.parameters():
            weight.mul_(factor)
        model.classifier.bias.add_(offset)


@contextmanager
def plain(model: PreTrainedModel, scale: Scale) -> Iterator[None]:
    """Let a model in training answer plain numbers within the block, and get its weights back to the bit."""
    if scale == Scale():
        yield
        return
    classifier: Any = model.classifier
    kept = [weight.detach().clone() for weight in classifier.parameters()]
    rescale(model, scale.deviation, scale.mean)
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, before in zip(classifier.parameters(), kept, strict=True):
                weight.copy_(before)

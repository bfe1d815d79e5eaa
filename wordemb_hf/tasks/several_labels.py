"""Text classification with several labels: any number of them for a text, each decided for itself."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.nn.functional import binary_cross_entropy_with_logits

from ..batching import Batch
from ..corpus import Examples
from ..errors import UserError
from .classification import TextClassification

_MOST_CELLS = 2**30  # of a table of texts and labels, a byte each
THRESHOLD = 0.5


class MultiLabelClassification(TextClassification):
    """As `TextClassification`; a text has 0 or 1 of each label, and weights make both weigh the same together."""

    @staticmethod
    def numbers(examples: Examples, label2id: dict[str, int]) -> np.ndarray:
        """The labels as a model takes them: 0 and 1, `(texts, labels)`.

        Raises:
            UserError: when that is more than anyone's memory.
        """
        return marks(examples.labels, label2id, examples.source)

    @staticmethod
    def weights(labels: np.ndarray, count: int) -> np.ndarray:
        """The weight of having a label: how many times as many texts lack it, `(count,)`."""
        having = labels.sum(0, dtype=np.int64)
        return ((len(labels) - having) / having.clip(1)).astype(np.float32)

    def items(self, batch: Batch) -> int:
        """Texts."""
        return len(batch["labels"])

    def train_on(self, model: Any, batch: Batch) -> Any:
        output = model(**batch)
        if self._weights is not None:
            logits, labels = output.logits, batch["labels"]
            changed = binary_cross_entropy_with_logits(logits, labels, pos_weight=self._weights.to(labels.device))
            output.loss = output.loss - binary_cross_entropy_with_logits(logits, labels) + changed
        return output

    def figures(self, logits: np.ndarray) -> dict[str, float]:
        """`micro_f1`, `macro_f1` and `exact_match` of logits, `(texts, labels)`."""
        from ..evaluation import MultiLabelMetrics

        assert self.encoded.labels is not None
        given = sigmoid(logits) > THRESHOLD
        return MultiLabelMetrics().compute(
            predictions=given.astype(np.int64), references=self.encoded.labels.astype(np.int64)
        )


def marks(labels: Sequence[Sequence[str]], label2id: dict[str, int], source: str) -> np.ndarray:
    """Which text has which label, float32 `(texts, labels)`.

    Raises:
        UserError: when that is more than anyone's memory.
    """
    if len(labels) * len(label2id) > _MOST_CELLS:
        raise UserError(f"{source} has {len(labels)} texts and {len(label2id)} labels: a table of too many cells")
    table = np.zeros((len(labels), len(label2id)), dtype=np.float32)
    for row, names in zip(table, labels, strict=True):
        row[[label2id[name] for name in names]] = 1.0
    return table


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """The probability of each label for each text, `(texts, labels)`."""
    return 0.5 * (1.0 + np.tanh(0.5 * logits))

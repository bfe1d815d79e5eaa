"""Text classification: one label for a text."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..batching import Batch, LazyBatches, by_length, shuffled_buckets
from ..corpus import Examples
from ..encoding import EncodedTexts
from ..model_outputs import outputs_of
from .rare_words import RareWords

EVALUATION_BATCH = 256


class TextClassification:
    """Labelled texts as batches, and how well a model labels them.

    Args:
        tokenizer: makes ids of the texts.
        examples: texts and labels.
        label2id: ids of the labels.
        batch_size: texts in a training batch.
        max_length: longer texts are cut, in tokens.
        seed: of the order.
        batch_tokens: above 0, tokens in a training batch, in place of `batch_size`.
        class_weights: `balanced` for a training loss in which a label counts the more the rarer it is.
        label_smoothing: what share of the training goes to all labels alike (Szegedy et al. 2016, section 7).
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        examples: Examples,
        label2id: dict[str, int],
        batch_size: int = 32,
        max_length: int | None = None,
        seed: int = 0,
        batch_tokens: int = 0,
        class_weights: str | None = None,
        label_smoothing: float = 0.0,
    ):
        labels = self.numbers(examples, label2id)
        self.encoded = EncodedTexts(tokenizer, examples.texts, max_length, labels)
        self._tokenizer = tokenizer
        self._batch_size, self._batch_tokens, self._seed = batch_size, batch_tokens, seed
        self._label_smoothing = label_smoothing
        self._weights = None if class_weights is None else torch.from_numpy(self.weights(labels, len(label2id)))

    @staticmethod
    def numbers(examples: Examples, label2id: dict[str, int]) -> np.ndarray:
        """The labels as a model takes them: ids, `(texts,)`."""
        return np.array([label2id[label] for label in examples.labels], dtype=np.int64)

    @staticmethod
    def weights(labels: np.ndarray, count: int) -> np.ndarray:
        """A weight for each of `count` labels, so that all weigh the same together: `(count,)`.

        Texts / (labels × texts of the label), scikit-learn's `balanced`.
        """
        return (len(labels) / (count * np.bincount(labels, minlength=count).clip(1))).astype(np.float32)

    def epoch(self, number: int) -> LazyBatches:
        """Random batches of texts of similar length."""
        rng = np.random.default_rng((self._seed, number))
        indices = shuffled_buckets(self.encoded.lengths, self._batch_size, rng, self._batch_tokens)
        return LazyBatches(indices, lambda rows: self.collate(rows, number))

    def collate(self, rows: np.ndarray, number: int) -> Batch:
        """A batch of an epoch."""
        batch = self.encoded.collate(rows)
        hidden = self._rare_words.hide(batch["input_ids"], (self._seed, number, int(rows[0])))
        return batch | {"input_ids": hidden}

    @cached_property
    def _rare_words(self) -> RareWords:
        return RareWords(self.encoded.rows, len(self._tokenizer), self._tokenizer.unk_token_id)

    def items(self, batch: Batch) -> int | Tensor:
        """Texts or, with weights of classes, the sum of theirs."""
        if self._weights is None:
            return len(batch["labels"])
        return self._weights.to(batch["labels"].device)[batch["labels"]].sum()

    @property
    def nbytes(self) -> int:
        """What `keep_on` needs."""
        return self.encoded.nbytes

    def keep_on(self, device: torch.device) -> None:
        """Lie on a device, where the batches are then made."""
        self.encoded.keep_on(device)
        self._rare_words.keep_on(device)
        self._weights = None if self._weights is None else self._weights.to(device)

    def train_on(self, model: Any, batch: Batch) -> Any:
        """The model's output, and in its loss weights and smoothing in place of plain cross-entropy."""
        output = model(**batch)
        if self._weights is None and not self._label_smoothing:
            return output
        logits, labels = output.logits, batch["labels"]
        weight = None if self._weights is None else self._weights.to(labels.device)
        changed = cross_entropy(logits, labels, weight=weight, label_smoothing=self._label_smoothing)
        # What a family adds to the loss stays.
        output.loss = output.loss - cross_entropy(logits, labels) + changed
        return output

    def evaluate(self, model: PreTrainedModel, accelerator: Accelerator) -> dict[str, float]:
        """The figures of `measure`, each named `eval_...`."""
        return {f"eval_{name}": value for name, value in self.measure(model, accelerator).items()}

    def measure(self, model: PreTrainedModel, accelerator: Accelerator) -> dict[str, float]:
        """Mean loss of `model` on these texts, plain, as `loss`, and its `figures`."""
        batches = self.encoded.batches(by_length(self.encoded.lengths, EVALUATION_BATCH))
        logits, loss = outputs_of(model, batches, accelerator, lambda output: output.logits)
        assert loss is not None
        return {"loss": loss, **{name: float(value) for name, value in self.figures(logits).items()}}

    def figures(self, logits: np.ndarray) -> dict[str, float]:
        """Accuracy and macro F1 of logits, `(texts, labels)`: `accuracy`, `macro_f1`."""
        from ..evaluation import ClassificationMetrics  # the evaluate library: seconds that `predict` need not wait

        return ClassificationMetrics().compute(predictions=logits.argmax(-1), references=self.encoded.labels)


def logits_of(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], accelerator: Accelerator
) -> np.ndarray:
    """What a model says to texts, `(texts, labels)`."""
    encoded = EncodedTexts(tokenizer, texts)
    batches = encoded.batches(by_length(encoded.lengths, EVALUATION_BATCH))
    return outputs_of(model, batches, accelerator, lambda output: output.logits)[0]


def softmax(logits: np.ndarray) -> np.ndarray:
    """The probability of each label for each text, `(texts, labels)`."""
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)

"""Text classification: one label for a text."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from accelerate import Accelerator
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
    ):
        labels = np.array([label2id[label] for label in examples.labels], dtype=np.int64)
        self.encoded = EncodedTexts(tokenizer, examples.texts, max_length, labels)
        self._tokenizer = tokenizer
        self._batch_size, self._batch_tokens, self._seed = batch_size, batch_tokens, seed

    def epoch(self, number: int) -> LazyBatches:
        """Random batches of texts of similar length."""
        rng = np.random.default_rng((self._seed, number))
        indices = shuffled_buckets(self.encoded.lengths, self._batch_size, rng, self._batch_tokens)

        def collate(rows: np.ndarray) -> Batch:
            batch = self.encoded.collate(rows)
            hidden = self._rare_words.hide(batch["input_ids"], (self._seed, number, int(rows[0])))
            return batch | {"input_ids": hidden}

        return LazyBatches(indices, collate)

    @cached_property
    def _rare_words(self) -> RareWords:
        return RareWords(self.encoded.rows, len(self._tokenizer), self._tokenizer.unk_token_id)

    def items(self, batch: Batch) -> int:
        """Texts."""
        return len(batch["labels"])

    def evaluate(self, model: PreTrainedModel, accelerator: Accelerator) -> dict[str, float]:
        """The figures of `measure`, each named `eval_...`."""
        return {f"eval_{name}": value for name, value in self.measure(model, accelerator).items()}

    def measure(self, model: PreTrainedModel, accelerator: Accelerator) -> dict[str, float]:
        """Mean loss, accuracy and macro F1 of `model` on these texts: `loss`, `accuracy`, `macro_f1`."""
        from ..evaluation import ClassificationMetrics  # the evaluate library: seconds that `predict` need not wait

        batches = self.encoded.batches(by_length(self.encoded.lengths, EVALUATION_BATCH))
        logits, loss = outputs_of(model, batches, accelerator, lambda output: output.logits)
        assert self.encoded.labels is not None and loss is not None
        figures = ClassificationMetrics().compute(predictions=logits.argmax(-1), references=self.encoded.labels)
        return {"loss": loss, **{name: float(value) for name, value in figures.items()}}


def probabilities(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], accelerator: Accelerator
) -> np.ndarray:
    """The probability of each label for each text, `(texts, labels)`.

    Softmax over the labels; a sigmoid for each where the config says `multi_label_classification`.
    """
    encoded = EncodedTexts(tokenizer, texts)
    batches = encoded.batches(by_length(encoded.lengths, EVALUATION_BATCH))
    logits, _ = outputs_of(model, batches, accelerator, lambda output: output.logits)
    if model.config.problem_type == "multi_label_classification":
        return 1.0 / (1.0 + np.exp(-logits))
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)

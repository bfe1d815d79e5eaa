"""Seq2seq: a text is written for a text."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..batching import Batch, LazyBatches, by_length, shuffled_buckets
from ..encoding import EncodedTexts, max_length_of
from ..model_outputs import ragged_outputs_of
from ..padding import PaddedRows, ragged
from ..pairs import Pairs
from ..writing import plain_form, write_texts

EVALUATION_BATCH = 64
IGNORED = -100


class EncodedPairs:
    """Pairs that were tokenised once.

    Args:
        tokenizer: of both texts.
        pairs: the pairs.
        max_length: longer texts are cut, in tokens; `None` for the tokenizer's own limit.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, pairs: Pairs, max_length: int | None = None):
        self.sources = EncodedTexts(tokenizer, pairs.sources, max_length)
        self.targets = list(EncodedTexts(tokenizer, pairs.targets, max_length).rows)
        end = tokenizer.eos_token_id
        if end is not None:  # a tokenizer from elsewhere may not put it there; without it, nothing ever ends
            self.targets = [row if len(row) and row[-1] == end else np.append(row, end) for row in self.targets]
        self._labels = PaddedRows(ragged(self.targets), IGNORED)
        self.lengths = self.sources.lengths + np.array([len(row) for row in self.targets], dtype=np.int64)
        limit = max_length or max_length_of(tokenizer)
        full = [*np.flatnonzero(self.sources.lengths >= limit)]
        self.cut = _longer(tokenizer, [pairs.sources[row] for row in full], limit)
        full = [row for row, target in enumerate(self.targets) if len(target) >= limit]
        self.cut += _longer(tokenizer, [pairs.targets[row] for row in full], limit)

    @property
    def longest_target(self) -> int:
        """Tokens."""
        return max(map(len, self.targets))

    @property
    def rows(self) -> Sequence[np.ndarray]:
        """The ids of the sources."""
        return self.sources.rows

    def batches(self, indices: list[np.ndarray]) -> LazyBatches:
        """Batches of these pairs: `input_ids`, `attention_mask (batch, source length)`, `labels (batch, length)`."""

        def collate(rows: np.ndarray) -> Batch:
            return {**self.sources.collate(rows), "labels": self._labels.batch(rows)[0]}

        return LazyBatches(indices, collate)

    @property
    def nbytes(self) -> int:
        """What `keep_on` needs."""
        return self.sources.nbytes + self._labels.nbytes

    def keep_on(self, device: torch.device) -> None:
        """Lie on a device, where the batches are then made."""
        self.sources.keep_on(device)
        self._labels.to(device)


class TextPairs:
    """Pairs as batches, and how well a model writes the targets.

    Args:
        tokenizer: makes ids of both texts.
        pairs: sources and targets.
        label2id: a task without labels has none.
        batch_size: pairs in a training batch.
        max_length: longer texts are cut, in tokens.
        seed: of the order.
        batch_tokens: above 0, tokens in a training batch, in place of `batch_size`.
        label_smoothing: what share of a token's weight goes to all tokens alike in training.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        pairs: Pairs,
        label2id: dict[str, int] | None = None,
        batch_size: int = 32,
        max_length: int | None = None,
        seed: int = 0,
        batch_tokens: int = 0,
        label_smoothing: float = 0.0,
    ):
        self.encoded = EncodedPairs(tokenizer, pairs, max_length)
        self.label_smoothing = label_smoothing
        self._tokenizer, self._pairs = tokenizer, pairs
        self._batch_size, self._batch_tokens, self._seed = batch_size, batch_tokens, seed

    def epoch(self, number: int) -> LazyBatches:
        """Random batches of pairs of similar length."""
        rng = np.random.default_rng((self._seed, number))
        return self.encoded.batches(shuffled_buckets(self.encoded.lengths, self._batch_size, rng, self._batch_tokens))

    def items(self, batch: Batch) -> torch.Tensor:
        """Tokens to write."""
        return (batch["labels"] != IGNORED).sum()

    @property
    def nbytes(self) -> int:
        """What `keep_on` needs."""
        return self.encoded.nbytes

    def keep_on(self, device: torch.device) -> None:
        """Lie on a device, where the batches are then made."""
        self.encoded.keep_on(device)

    def train_on(self, model: Any, batch: Batch) -> Any:
        """The model's output, its loss smoothed."""
        return model(**batch, **({"smoothing": self.label_smoothing} if self.label_smoothing else {}))

    def evaluate(self, model: PreTrainedModel, accelerator: Accelerator) -> dict[str, float]:
        """The figures of `measure`, each named `eval_...`; without beams, since that is done after every epoch."""
        figures = self.measure(model, accelerator, num_beams=1)
        return {f"eval_{name}": value for name, value in figures.items() if isinstance(value, float)}

    def measure(self, model: PreTrainedModel, accelerator: Accelerator, **options: Any) -> dict[str, Any]:
        """`loss` of a token, and of what the model writes `bleu`, `chrf`, `rouge_l` and `exact_match`.

        Args:
            model: the model.
            accelerator: where to compute.
            options: what `generate()` takes.
        """
        from ..evaluation import TranslationMetrics  # the evaluate library: seconds that `predict` need not wait

        batches = self.encoded.batches(by_length(self.encoded.lengths, EVALUATION_BATCH))
        _, loss = ragged_outputs_of(
            model, batches, accelerator, lambda output, indices: [np.zeros(0)] * len(indices), self.items
        )
        assert loss is not None
        written = write_texts(model, self._tokenizer, self.encoded.sources, accelerator, **options)
        figures = TranslationMetrics().compute(
            predictions=[plain_form(self._tokenizer, rows[0]["text"]) for rows in written],
            references=[plain_form(self._tokenizer, target) for target in self._pairs.targets],
        )
        return {"loss": loss, **figures}


def _longer(tokenizer: Any, texts: list[str], limit: int) -> int:
    """How many texts have more tokens than the limit."""
    if not texts:
        return 0
    rows = tokenizer(texts, truncation=False, verbose=False)["input_ids"]
    return sum(len(row) > limit for row in rows)

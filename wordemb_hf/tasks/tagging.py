"""Tagging: a label for each word of a sentence."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..batching import Batch, LazyBatches, by_length, shuffled_buckets
from ..conll import TaggedSentences
from ..encoding import EncodedTexts
from ..model_outputs import ragged_outputs_of
from ..modeling.tag_constraints import first_forbidden
from ..padding import PaddedRows, ragged
from ..segmentation.chinese_words import word_numbers
from ..spans import continuation, mark_spans, spans_of
from .rare_words import RareWords
from .windows import EncodedSentences, Window

EVALUATION_BATCH = 64
IGNORED = -100


class Tagged(NamedTuple):
    """The answer for a sentence: a tag for each word, and how sure the model is, `(words,)`."""

    tags: list[str]
    scores: np.ndarray


class Tagging:
    """Tagged sentences as batches, and how well a model tags them.

    A word that the tokenizer splits has its tag on its first token. The others carry on what it began (`B-X` becomes
    `I-X`) where the scheme allows that, so that a pipeline on raw text finds the same spans; the figures are those of
    words.

    Args:
        tokenizer: makes ids of the words.
        sentences: words and tags; a tag beyond `label2id` is not learnt from, and counts as missed.
        label2id: ids of the tags.
        batch_size: sentences in a training batch.
        max_length: for training, longer sentences are cut, in tokens; for evaluation they are read in parts.
        seed: of the order.
        batch_tokens: above 0, tokens in a training batch, in place of `batch_size`.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        sentences: TaggedSentences,
        label2id: dict[str, int],
        batch_size: int = 32,
        max_length: int | None = None,
        seed: int = 0,
        batch_tokens: int = 0,
    ):
        self._tokenizer, self._sentences, self._label2id = tokenizer, sentences, label2id
        self._batch_size, self._batch_tokens = batch_size, batch_tokens
        self._max_length, self._seed = max_length, seed

    @cached_property
    def _learnt(self) -> tuple[EncodedSentences, PaddedRows]:
        """The sentences as they are trained on, and their labels."""
        sentences = EncodedSentences(self._tokenizer, self._sentences.tokens, self._max_length, cut=True)
        return sentences, PaddedRows(ragged(self._labels_of(sentences)), IGNORED)

    @cached_property
    def _whole(self) -> tuple[EncodedSentences, list[np.ndarray]]:
        """The sentences as they are measured on, and their labels."""
        sentences = EncodedSentences(self._tokenizer, self._sentences.tokens, self._max_length)
        return sentences, self._labels_of(sentences)

    @property
    def encoded(self) -> EncodedTexts:
        """The sentences as they are trained on."""
        return self._learnt[0].encoded

    def epoch(self, number: int) -> LazyBatches:
        """Random batches of sentences of similar length."""
        sentences, labels = self._learnt
        rng = np.random.default_rng((self._seed, number))
        indices = shuffled_buckets(sentences.encoded.lengths, self._batch_size, rng, self._batch_tokens)

        def collate(examples: np.ndarray) -> Batch:
            (batch,) = _labelled(sentences.encoded, [examples], labels)
            hidden = self._rare_words.hide(batch["input_ids"], (self._seed, number, int(examples[0])))
            return batch | {"input_ids": hidden}

        return LazyBatches(indices, collate)

    @cached_property
    def _rare_words(self) -> RareWords:
        return RareWords(self.encoded.rows, len(self._tokenizer), self._tokenizer.unk_token_id)

    def items(self, batch: Batch) -> torch.Tensor:
        """Tokens that have a tag."""
        return (batch["labels"] != IGNORED).sum()

    @property
    def nbytes(self) -> int:
        """What `keep_on` needs."""
        sentences, labels = self._learnt
        return sentences.encoded.nbytes + labels.nbytes

    def keep_on(self, device: torch.device) -> None:
        """Lie on a device, where the batches are then made."""
        sentences, labels = self._learnt
        sentences.encoded.keep_on(device)
        labels.to(device)
        self._rare_words.keep_on(device)

    def evaluate(self, model: PreTrainedModel, accelerator: Accelerator) -> dict[str, float]:
        """The figures of `measure` that are numbers, each named `eval_...`."""
        figures = self.measure(model, accelerator)
        return {f"eval_{name}": value for name, value in figures.items() if isinstance(value, float)}

    def measure(self, model: PreTrainedModel, accelerator: Accelerator) -> dict[str, Any]:
        """`loss`, the mean of a token's, and what `TaggingMetrics` gives for these sentences."""
        from ..evaluation import TaggingMetrics  # the evaluate library: seconds that `predict` need not wait

        sentences, labels = self._whole
        labels = self._allowed if getattr(model.config, "tag_decoder", "") == "crf" else labels
        answers, loss = _answers(model, sentences, accelerator, len(self._sentences), labels, self.items)
        figures = TaggingMetrics().compute(
            predictions=[answer.tags for answer in answers],
            references=self._sentences.tags,
            spans=mark_spans(list(self._label2id)),
        )
        return figures if loss is None else {"loss": loss, **figures}

    def _labels_of(self, sentences: EncodedSentences) -> list[np.ndarray]:
        """The label of each token of each window, `(length,)`."""
        names = list(self._label2id)
        further = {tag: self._label2id.get(continuation(tag, names) or "", IGNORED) for tag in names}
        rows = []
        for number, window in enumerate(sentences.windows):
            tags = self._tags_of(window)
            of_word = np.full((2, len(tags)), IGNORED, dtype=np.int64)  # of its first token, of the others
            answered = sentences.answered(number)
            of_word[0, answered] = [self._label2id.get(tag or "", IGNORED) for tag in tags[answered]]
            of_word[1, answered] = [further.get(tag or "", IGNORED) for tag in tags[answered]]
            ids, heads = sentences.encoded.word_ids[number], sentences.heads[number]
            labels = np.where(ids >= 0, of_word[1][ids], IGNORED)
            labels[heads[heads >= 0]] = of_word[0][heads >= 0]
            rows.append(labels)
        return rows

    def _tags_of(self, window: Window) -> list[str | None]:
        """The tags of a window's words, `None` for those of a span that its border cuts: it would begin amidst one."""
        whole: list[str | None] = list(self._sentences.tags[window.sentence])
        if window.stop - window.start < len(whole) and mark_spans(list(self._label2id)):
            for _, start, stop in spans_of(self._sentences.tags[window.sentence]):
                if start < window.start < stop or start < window.stop < stop:
                    whole[start:stop] = [None] * (stop - start)
        return whole[window.start : window.stop]

    @cached_property
    def _allowed(self) -> list[np.ndarray]:
        """Labels to measure on without those that the scheme forbids, to which a CRF gives no probability at all."""
        names = sorted(self._label2id, key=self._label2id.__getitem__)
        rows = []
        for labels in self._whole[1]:
            row = labels.copy()
            while found := first_forbidden([None if label == IGNORED else names[label] for label in row], names):
                row[found.position] = IGNORED
            rows.append(row)
        return rows


def tags_of(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    sentences: Sequence[Sequence[str]],
    accelerator: Accelerator,
) -> list[Tagged]:
    """The likeliest tag of each word, for sentences of any length; a sentence of no words has none.

    The tag of a word is that of the largest of its first token's logits, which of a model that finds the best sequence
    of tags carry that sequence.
    """
    return _answers(model, EncodedSentences(tokenizer, sentences), accelerator, len(sentences))[0]


def words_of(tokenizer: PreTrainedTokenizerBase, text: str) -> list[tuple[int, int]]:
    """Where the words of a text are, as the tokenizer finds them: `text[start:stop]`.

    What normalisation makes several words of one character (`½`) is one word.
    """
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    places = encoded["offset_mapping"]
    words: list[tuple[int, int]] = []
    before = None
    for word, (start, stop) in zip(word_numbers(tokenizer, encoded.encodings[0]), places, strict=True):
        if words and ((word is not None and word == before) or start < words[-1][1]):
            words[-1] = (words[-1][0], max(stop, words[-1][1]))
        elif stop > start:
            words.append((start, stop))
        before = word
    return words


def _answers(
    model: PreTrainedModel,
    sentences: EncodedSentences,
    accelerator: Accelerator,
    count: int,
    labels: Sequence[np.ndarray] | None = None,
    items: Callable[[Batch], int | torch.Tensor] | None = None,
) -> tuple[list[Tagged], float | None]:
    """An answer for each of `count` sentences, put together from its windows, and the mean loss if labels are known."""
    id2label: Any = model.config.id2label  # {id: label}
    outside = next((number for number, label in id2label.items() if label == "O"), 0)
    fallback = (0.0, outside)  # of a word without a token

    def pick(output: Any, examples: np.ndarray) -> list[np.ndarray]:
        best = torch.stack(output.logits.float().softmax(-1).max(-1)).cpu().numpy()  # (2, batch, length): scores, tags
        rows = []
        for row, example in enumerate(examples):
            heads = sentences.heads[example][sentences.answered(example)]  # (words,)
            rows.append(np.where(heads >= 0, best[:, row, heads], np.array([fallback]).T))  # (2, words)
        return rows

    encoded = sentences.encoded
    padded = None if labels is None else PaddedRows(ragged(labels), IGNORED)
    batches = _labelled(encoded, by_length(encoded.lengths, EVALUATION_BATCH), padded)
    rows, loss = ragged_outputs_of(model, batches, accelerator, pick, items)
    parts: list[list[np.ndarray]] = [[] for _ in range(count)]
    for window, row in zip(sentences.windows, rows, strict=True):
        parts[window.sentence].append(row)
    answers = []
    for part in parts:
        scores, tags = np.concatenate(part, axis=1) if part else np.zeros((2, 0))
        answers.append(Tagged([id2label[int(tag)] for tag in tags], scores))
    return answers, loss


def _labelled(encoded: EncodedTexts, indices: Sequence[np.ndarray], labels: PaddedRows | None) -> LazyBatches:
    """Batches of windows, with `labels (batch, length)` if they are known."""
    if labels is None:
        return encoded.batches(indices)

    def collate(examples: np.ndarray) -> Batch:
        return encoded.collate(examples) | {"labels": labels.batch(examples)[0]}

    return LazyBatches(indices, collate)

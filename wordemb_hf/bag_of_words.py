"""What a bag of words counts in its training texts: how many of them have a feature, and how many of each label."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .errors import UserError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

_BATCH_TOKENS = 1 << 18  # padding included


def fit_bag_of_words(
    model: "PreTrainedModel", rows: "Iterable[np.ndarray | Sequence[int]]", labels: np.ndarray | None = None
) -> None:
    """Fit the idf of a bag of words and, where there are labels, let its classifier start as naive Bayes.

    Texts are read once. Beside the labels, memory is that of a number for each feature and label.

    Args:
        model: a `BowModel`, or a classifier on one.
        rows: the ids of each training text.
        labels: class ids `(texts,)`, or 0 and 1 for several labels, `(texts, num_labels)`. Without them, or without
            `feature_scaling` in the config, only the idf is fitted.

    Raises:
        UserError: when there is no text, or when labels are not those of the texts or not those of the classifier.
    """
    import torch

    backbone: Any = model.base_model
    start = getattr(model, "start_from_ratios", None)
    if labels is not None and start is None:
        raise UserError(f"labels are given, but {type(model).__name__} has no classifier: leave them out")
    if getattr(model.config, "feature_scaling", None) == "none":
        labels = None
    size, num_labels = model.config.hidden_size, cast(int, model.config.num_labels)
    marks = None if labels is None else _marks(np.asarray(labels), num_labels)  # (texts, num_labels)
    frequencies = torch.zeros(size, dtype=torch.int64)
    by_label = torch.zeros((0 if marks is None else num_labels) * size, dtype=torch.int32)
    texts = 0
    for ids, mask in _batches(rows):
        features, present = _distinct_features(backbone, ids, mask)  # (batch, features of a text)
        frequencies += torch.bincount(features[present], minlength=size)
        if marks is not None:
            if texts + len(ids) > len(marks):
                raise UserError(f"there are {len(marks)} labels, but more texts")
            text, label = torch.from_numpy(marks[texts : texts + len(ids)]).nonzero(as_tuple=True)
            cells = (features[text] + label.unsqueeze(1) * size)[present[text]]
            by_label.index_add_(0, cells, torch.ones_like(cells, dtype=torch.int32))
        texts += len(ids)
    if not texts:
        raise UserError("there is no text to fit a bag of words to")
    if marks is not None and len(marks) != texts:
        raise UserError(f"there are {len(marks)} labels, but {texts} texts")
    backbone.set_document_frequencies(frequencies, texts)
    if marks is not None and start is not None:
        start(by_label.view(-1, size), frequencies)


def _marks(labels: np.ndarray, num_labels: int) -> np.ndarray:
    """Which text has which label, boolean `(texts, num_labels)`."""
    if labels.ndim == 2 and labels.shape[1] == num_labels and np.isin(labels, (0, 1)).all():
        return labels.astype(bool)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        shape = f"{labels.dtype} {labels.shape}"
        raise UserError(f"labels are {shape}, but must be class ids (texts,) or 0 and 1 (texts, {num_labels})")
    if len(labels) and not 0 <= labels.min() <= labels.max() < num_labels:
        raise UserError(
            f"labels go from {labels.min()} to {labels.max()}, but must be at least 0 and below {num_labels}"
        )
    return labels[:, None] == np.arange(num_labels)


def _batches(rows: "Iterable[np.ndarray | Sequence[int]]") -> "Iterator[tuple[Tensor, Tensor]]":
    """Texts in their order as padded ids and a mask, `(batch, length)`."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    def padded(texts: "list[Tensor]") -> "tuple[Tensor, Tensor]":
        lengths = torch.tensor([len(text) for text in texts])
        ids = pad_sequence(texts, batch_first=True)
        return ids, torch.arange(ids.shape[1]) < lengths.unsqueeze(1)

    texts: list[Tensor] = []
    longest = 0
    for row in rows:
        longest = max(longest, len(row))
        if texts and longest * (len(texts) + 1) > _BATCH_TOKENS:
            yield padded(texts)
            texts, longest = [], len(row)
        texts.append(torch.as_tensor(np.asarray(row, dtype=np.int64)))
    if texts:
        yield padded(texts)


def _distinct_features(backbone: Any, ids: "Tensor", mask: "Tensor") -> "tuple[Tensor, Tensor]":
    """The distinct features of texts, numbered as in their vectors, and a mask, both `(batch, features)`."""
    import torch

    starts = (0, backbone.config.vocab_size)  # of words, and of bigrams
    bags = [
        (start + found, counts > 0) for start, (found, counts) in zip(starts, backbone.count(ids, mask), strict=False)
    ]
    return torch.cat([found for found, _ in bags], 1), torch.cat([present for _, present in bags], 1)

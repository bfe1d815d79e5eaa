"""The loss of predicting a word out of a large vocabulary, exactly or by a sample, without a tensor of all scores."""

import math

import torch
from torch import Tensor, nn

_CHUNK_BYTES = 1 << 25  # of scores at a time, in float32: large enough for fast products, small beside a model
_IGNORED = -100


def softmax_loss(states: Tensor, head: nn.Linear, labels: Tensor, num_samples: int = 0) -> Tensor:
    """Mean cross-entropy of words that are predicted from states.

    Args:
        states: `(..., width)`.
        head: the output vectors and biases of the words.
        labels: the words to predict, of the shape of `states` without its width; -100 for none.
        num_samples: words that the softmax is estimated from; 0 for all.

    Returns:
        A scalar in float32; 0 when there is nothing to predict.
    """
    rows, labels = states.flatten(0, -2), labels.flatten()
    if num_samples:
        return sampled_softmax_loss(rows, head.weight, head.bias, labels, num_samples)
    return chunked_cross_entropy(rows, head.weight, head.bias, labels)


def chunked_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    labels: Tensor,
    chunk_size: int | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Mean cross-entropy of a softmax over `hidden @ weight.T + bias`, a few rows at a time.

    The gradients are computed with the scores of a chunk, which are then given back: at no time is there a tensor
    of `rows x vocabulary`, and nothing is computed twice. Scores are float32, also under autocast. It cannot be
    differentiated twice.

    Args:
        hidden: what predicts, `(rows, width)`.
        weight: output vectors of the words, `(vocabulary, width)`.
        bias: `(vocabulary,)` or `None`.
        labels: the words to predict, `(rows,)`; -100 for none.
        chunk_size: rows at a time; chosen by the size of the vocabulary if missing.
        label_smoothing: what share of the right word's weight goes to all words alike (Szegedy et al. 2016, section 7).

    Returns:
        A scalar in float32; 0 when there is nothing to predict.
    """
    if chunk_size is None:
        chunk_size = max(_CHUNK_BYTES // (4 * weight.shape[0]), 16)
    device = hidden.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        hidden, weight = hidden.to(dtype), weight.to(dtype)
    with torch.autocast(device, enabled=False):
        loss: Tensor = _ChunkedCrossEntropy.apply(hidden, weight, bias, labels, chunk_size, label_smoothing)
    return loss


class _ChunkedCrossEntropy(torch.autograd.Function):
    """`chunked_cross_entropy`: both the loss and its gradients are made in the forward pass."""

    @staticmethod
    def forward(ctx, hidden, weight, bias, labels, chunk_size, smoothing):
        wanted = ctx.needs_input_grad
        gradients = [
            torch.empty_like(hidden) if wanted[0] else None,
            torch.zeros_like(weight, dtype=torch.float32) if wanted[1] else None,
            torch.zeros_like(bias, dtype=torch.float32) if bias is not None and wanted[2] else None,
        ]
        counted = labels != _IGNORED
        count = counted.sum().clamp(min=1)
        loss = torch.zeros((), dtype=torch.float32, device=hidden.device)
        for start in range(0, hidden.shape[0], chunk_size):
            rows = slice(start, start + chunk_size)
            target = labels[rows].clamp(min=0).unsqueeze(1)  # (chunk, 1)
            scores = (hidden[rows] @ weight.T).float()  # (chunk, vocabulary)
            if bias is not None:
                scores += bias
            total = scores.logsumexp(1, keepdim=True)
            reached = scores.gather(1, target)
            if smoothing:
                reached = (1.0 - smoothing) * reached + smoothing * scores.mean(1, keepdim=True)
            loss += ((total - reached).squeeze(1) * counted[rows]).sum()
            if any(gradient is not None for gradient in gradients):
                # From here on, the scores are their own gradient.
                scores = scores.sub_(total).exp_()
                if smoothing:
                    scores -= smoothing / scores.shape[1]
                scores.scatter_add_(1, target, torch.full_like(target, smoothing - 1.0, dtype=scores.dtype))
                _add_gradients(gradients, rows, scores, counted[rows] / count, hidden, weight)
        ctx.save_for_backward(*gradients)
        ctx.weight_dtype = weight.dtype
        return loss / count

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        hidden, weight, bias = (None if saved is None else saved * gradient for saved in ctx.saved_tensors)
        return hidden, None if weight is None else weight.to(ctx.weight_dtype), bias, None, None, None


def _add_gradients(gradients, rows, scores, share, hidden, weight) -> None:
    """Pass the gradient of the scores of a chunk on, times the `share` of each row, `(chunk,)`."""
    scores *= share.unsqueeze(1)
    if gradients[2] is not None:
        gradients[2] += scores.sum(0)
    scores = scores.to(weight.dtype)
    if gradients[0] is not None:
        torch.mm(scores, weight, out=gradients[0][rows])
    if gradients[1] is not None:
        if scores.dtype == torch.float32:
            gradients[1].addmm_(scores.T, hidden[rows])
        else:
            gradients[1] += scores.T @ hidden[rows]


def sampled_softmax_loss(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor, num_samples: int
) -> Tensor:
    """Mean cross-entropy of a softmax over the right word and a sample of others (Jean et al. 2015, section 3).

    The others are drawn with replacement, one sample for all rows, by the log-uniform law of word frequencies: ids are
    taken to be sorted by falling frequency. Each score is corrected by how often its word is drawn, so that the
    gradient's expectation approaches that of the full softmax; a drawn word that is the right one does not count.

    Args:
        hidden: what predicts, `(rows, width)`.
        weight: output vectors of the words, `(vocabulary, width)`.
        bias: `(vocabulary,)` or `None`.
        labels: the words to predict, `(rows,)`; -100 for none.
        num_samples: words drawn.

    Returns:
        A scalar in float32; 0 when there is nothing to predict. For training only: it is not comparable with the full
        softmax, which a model is measured by.
    """
    vocabulary = weight.shape[0]
    span = math.log(vocabulary + 1)
    points = torch.rand(num_samples, device=hidden.device)
    drawn = (points * span).exp().long().sub(1).clamp(0, vocabulary - 1)  # (samples,)

    def log_expected_count(ids: Tensor) -> Tensor:
        return (((ids + 2.0) / (ids + 1.0)).log() / span * num_samples).log()

    counted = labels != _IGNORED
    right = labels.clamp(min=0)  # (rows,)
    words = torch.cat([right, drawn])
    vectors = torch.nn.functional.embedding(words, weight)
    offsets = -log_expected_count(words)
    if bias is not None:
        offsets = offsets + bias[words]
    rows = hidden.shape[0]
    right_scores = (hidden * vectors[:rows]).sum(1).float() + offsets[:rows]  # (rows,)
    other_scores = (hidden @ vectors[rows:].T).float() + offsets[rows:]  # (rows, samples)
    other_scores = other_scores.masked_fill(drawn == right.unsqueeze(1), float("-inf"))
    losses = torch.cat([right_scores.unsqueeze(1), other_scores], dim=1).logsumexp(1) - right_scores
    return losses.masked_fill(~counted, 0.0).sum() / counted.sum().clamp(min=1)

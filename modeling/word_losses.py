"""Losses that train word vectors from their neighbours without a softmax over the vocabulary."""

import torch
from torch import Tensor
from torch.nn.functional import softplus


def negative_sampling_loss(contexts: Tensor, context_mask: Tensor, outputs: Tensor, negative_mask: Tensor) -> Tensor:
    """Mean negative-sampling loss of a prediction (Mikolov et al. 2013b, equation 4).

    A prediction is a pair of a context vector and a target; its loss is
    `-log s(target . context) - sum_k log s(-negative_k . context)`. The negatives of a row serve all its contexts.

    Args:
        contexts: vectors that predict, `(batch, contexts, width)`.
        context_mask: which of them exist, boolean `(batch, contexts)`.
        outputs: output vectors of the word to predict and of the noise words, `(batch, 1 + negatives, width)`.
        negative_mask: which noise words count, boolean `(batch, negatives)`: one that is the target itself does not.

    Returns:
        A scalar in float32; 0 when there is no prediction.
    """
    scores = torch.bmm(contexts, outputs.transpose(1, 2)).float()  # (batch, contexts, 1 + negatives)
    # softplus(-x) is -log s(x).
    negative = softplus(scores[..., 1:]) * negative_mask.unsqueeze(1)  # (batch, contexts, negatives)
    losses = (softplus(-scores[..., 0]) + negative.sum(-1)) * context_mask  # (batch, contexts)
    return losses.sum() / context_mask.sum().clamp(min=1)


def draw_negatives(word_counts: Tensor, exponent: float, shape: tuple[int, ...]) -> Tensor:
    """Noise words drawn with probability proportional to `count ** exponent` (Mikolov et al. 2013b, section 2.2).

    Args:
        word_counts: occurrences of each word, `(vocabulary,)`; a word with count 0 is never drawn.
        exponent: 0.75 in the paper.
        shape: shape of the ids that are returned.
    """
    # Apple's GPUs have no float64, which keeps the edges of rare words apart in a large vocabulary.
    dtype = torch.float32 if word_counts.device.type == "mps" else torch.float64
    edges = word_counts.to(dtype).clamp(min=0).pow(exponent).masked_fill(word_counts <= 0, 0.0).cumsum(0)
    points = torch.rand(shape, dtype=dtype, device=word_counts.device) * edges[-1]
    # right=True: a point on an edge belongs to the word that begins there, so that empty intervals are never hit.
    return torch.searchsorted(edges, points, right=True).clamp(max=word_counts.numel() - 1)

"""The probability of a word as a product of decisions on the way to it through a binary tree.

Morin & Bengio 2005, "Hierarchical Probabilistic Neural Network Language Model"; Mikolov et al. 2013b, section 2.1. At
an inner node, branch 0 is taken with probability `s(node . context)` and branch 1 with what is left of one.
"""

import torch
from torch import Tensor
from torch.nn.functional import softplus

IMPOSSIBLE = -1e4  # logarithm of the probability of a word that is not in the tree; half precision has it as well


def hierarchical_softmax_loss(contexts: Tensor, context_mask: Tensor, nodes: Tensor, codes: Tensor) -> Tensor:
    """Mean loss of a prediction, the sum of `-log s((1 - 2 code) node . context)` over the path (equation 3 of 2013b).

    Args:
        contexts: vectors that predict, `(batch, contexts, width)`.
        context_mask: which of them exist, boolean `(batch, contexts)`.
        nodes: vectors of the nodes on the path to the word to predict, `(batch, length, width)`.
        codes: which branch is the word's at each of them, 0 or 1; -1 behind the end, `(batch, length)`.

    Returns:
        A scalar in float32; 0 when there is no prediction.
    """
    scores = torch.bmm(contexts, nodes.transpose(1, 2)).float()  # (batch, contexts, length)
    # softplus(-x) is -log s(x).
    decisions = softplus((2.0 * codes - 1.0).unsqueeze(1) * scores) * (codes >= 0).unsqueeze(1)
    losses = decisions.sum(-1) * context_mask  # (batch, contexts)
    return losses.sum() / context_mask.sum().clamp(min=1)


def word_log_probabilities(scores: Tensor, codes: Tensor, paths: Tensor, word_mask: Tensor) -> Tensor:
    """Logarithms of the probabilities of all words; those of the words in the tree sum to one.

    Args:
        scores: of every node with a context, `(batch, nodes)`.
        codes: the branches on the way to each word, -1 behind the end, `(vocabulary, length)`.
        paths: the nodes on the way, `(vocabulary, length)`.
        word_mask: which words are in the tree, boolean `(vocabulary,)`; the others get `IMPOSSIBLE`.

    Returns:
        `(batch, vocabulary)`, in the precision of `scores`.
    """
    first, second = -softplus(-scores.float()), -softplus(scores.float())  # log-probability of a node's branches 0, 1
    total = scores.new_zeros((len(scores), len(codes)), dtype=torch.float32)
    # Node by node down the paths, since all at once would need (batch, vocabulary, length).
    for code, node in zip(codes.unbind(1), paths.long().unbind(1), strict=True):
        total = total + first[:, node] * (code == 0) + second[:, node] * (code == 1)
    return total.masked_fill(~word_mask, IMPOSSIBLE).to(scores.dtype)

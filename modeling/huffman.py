"""Huffman's tree over the words of a vocabulary: short paths for frequent words (Mikolov et al. 2013b, section 2.1).

A word is found by decisions at the inner nodes from the root down, which makes its probability a product of few
(Morin & Bengio 2005). With `n` words that occur there are `n - 1` inner nodes. They are numbered by falling count, 0 is
the root: the nodes that most words pass lie together, as the most frequent words do in a vocabulary.
"""

import torch
from torch import Tensor


def huffman_tree(word_counts: Tensor, max_code_length: int) -> tuple[Tensor, Tensor]:
    """The way from the root to every word, by the method of two queues: O(V log V) for sorting, O(V) for the tree.

    Of equal counts words come before inner nodes, which keeps the longest code as short as can be, and later words
    before earlier ones. The lighter branch of a node is 0.

    Args:
        word_counts: occurrences of each word, integers `(vocabulary,)`; a word with count 0 is not in the tree.
        max_code_length: width of what is returned.

    Returns:
        Codes, int8 `(vocabulary, max_code_length)`: the branch that is taken at each node, -1 behind the end; and
        paths, int32 of the same shape: the node's number, 0 behind the end. Both on the CPU.

    Raises:
        ValueError: when a code is longer than `max_code_length`.
    """
    word_counts = word_counts.cpu()
    codes = torch.full((len(word_counts), max_code_length), -1, dtype=torch.int8)
    paths = torch.zeros((len(word_counts), max_code_length), dtype=torch.int32)
    words = word_counts.flip(0).argsort(stable=True)  # the last of equals first
    words = (len(word_counts) - 1 - words)[int((word_counts <= 0).sum()) :]  # (n,), by rising count
    if len(words) < 2:
        return codes, paths
    parents, branches = (torch.tensor(column) for column in _merge(word_counts[words].tolist()))  # (2n - 1,) each

    # All words climb at once, a step at a time, until they are at the root; as many steps as their codes are long.
    root, here, climbed = len(parents) - 1, torch.arange(len(words)), []
    while bool((here != root).any()):
        climbed.append(here)
        here = parents[here]
    steps = torch.stack(climbed)  # (longest, n): where each word is before each step
    lengths = (steps != root).sum(0)  # (n,)
    if len(steps) > max_code_length:
        raise ValueError(
            f"max_code_length is {max_code_length}, but the rarest of {len(words)} words need codes of length "
            f"{len(steps)}: raise it"
        )
    for step, nodes in enumerate(climbed):
        on_the_way = nodes != root
        rows, places = words[on_the_way], (lengths - 1 - step)[on_the_way]
        codes[rows, places] = branches[nodes[on_the_way]].to(torch.int8)
        paths[rows, places] = (root - parents[nodes[on_the_way]]).to(torch.int32)
    return codes, paths


def _merge(counts: list[int]) -> tuple[list[int], list[int]]:
    """Join the two lightest until one is left.

    Args:
        counts: of the words, rising: queue one. What is joined joins queue two, whose counts rise by themselves.

    Returns:
        For each word and then each inner node, in the order in which they are made, its parent and the branch that it
        is; the last is the root, its own parent.
    """
    words, heaviest = len(counts), sum(counts) + 1
    counts = [*counts, heaviest]  # which stands for a queue that is empty
    joined: list[int] = []
    parents, branches = [2 * words - 2] * (2 * words - 1), [0] * (2 * words - 1)
    word = node = 0
    for made in range(words, 2 * words - 1):
        total = 0
        for branch in (0, 1):
            if node == len(joined) or counts[word] <= joined[node]:
                child, count = word, counts[word]
                word += 1
            else:
                child, count = words + node, joined[node]
                node += 1
            parents[child], branches[child] = made, branch
            total += count
        joined.append(total)
    return parents, branches

"""Inference along a chain of tags, for a whole batch at once: sums over all paths, and the best path.

Lafferty et al. 2001, section 3 (the forward-backward recursion); Viterbi 1967. Scores are `(batch, length, tags)`, each
row's tokens in front, `lengths (batch,)` of them; transitions `(tags, tags)` go from the row's tag to the column's;
minus infinity forbids. Nothing here has a gradient: expected counts are the gradient of a log-partition.

Inside, tensors are `(length, tags, batch)`: a step is then a product of matrices, and its last dimension is long enough
for vector instructions.
"""

import math

import torch
from torch import Tensor

# `_scaled_sums` keeps probabilities of the tags, which sum to one at each token. It is right as long as no tag draws so
# little from those before that what has underflown, below 1e-38, would matter.
_SAFE = 1e-20
_HEADROOM = 40.0  # in nats, against underflow of the emissions


def sum_paths(
    scores: Tensor, transitions: Tensor, start: Tensor, end: Tensor, lengths: Tensor, counted: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum over all paths, in log space.

    Returns:
        The log-partition `(batch,)`, 0 for a row of no tokens and minus infinity where all paths are forbidden. If
        `counted`, also the probability of each tag at each token `(batch, length, tags)`, and how often each tag is
        expected to follow each other `(batch, tags, tags)`; zero where there is no token or no path.
    """
    model = transitions, start, end
    by_time = _by_time(scores, lengths)
    total, unary, pairs, safe = _scaled_sums(by_time, *model, lengths, counted)
    # Asking makes a GPU wait for what was begun; the exact way would have several times as many kernels at each token.
    lost = (~safe).nonzero().squeeze(1)
    if len(lost):
        total[lost], *counts = _exact_sums(by_time[:, :, lost], *model, lengths[lost], counted)
        if counted:
            unary[lost], pairs[lost] = counts
    return total, unary, pairs


def score_path(
    scores: Tensor, transitions: Tensor, start: Tensor, end: Tensor, lengths: Tensor, path: Tensor
) -> Tensor:
    """The score of one path for each row, tags `(batch, length)`: `(batch,)`, 0 for a row of no tokens."""
    token = _tokens(lengths, scores.shape[1])
    steps = transitions.flatten()[path[:, :-1] * len(transitions) + path[:, 1:]]  # (batch, length - 1)
    final = path.gather(1, _last(lengths).unsqueeze(1)).squeeze(1)
    ends = torch.where(lengths > 0, start[path[:, 0]] + end[final], 0.0)
    own = scores.gather(2, path.unsqueeze(2)).squeeze(2)  # (batch, length)
    return own.where(token, 0.0).sum(1) + steps.where(token[:, 1:], 0.0).sum(1) + ends


def count_path(path: Tensor, lengths: Tensor, unary: Tensor, pairs: Tensor) -> None:
    """Add one to what `sum_paths` counts, in place, for each tag and each transition of a path `(batch, length)`."""
    token = _tokens(lengths, path.shape[1]).to(unary.dtype)
    unary.scatter_add_(2, path.unsqueeze(2), token.unsqueeze(2))
    pairs.flatten(1).scatter_add_(1, path[:, :-1] * pairs.shape[2] + path[:, 1:], token[:, 1:])


def best_path(scores: Tensor, transitions: Tensor, start: Tensor, end: Tensor, lengths: Tensor) -> Tensor:
    """The tags of the path with the highest score, `(batch, length)`; undefined behind its last token."""
    length, rows = scores.shape[1], torch.arange(scores.shape[0], device=scores.device)
    by_time = _by_time(scores, lengths)
    steps = transitions.unsqueeze(2)  # (tags, tags, 1)
    behind = torch.empty_like(by_time)  # the best score of all paths that end in a tag
    candidates = scores.new_empty(*transitions.shape, len(rows))  # (tags before, tags, batch)
    torch.add(start.unsqueeze(1), by_time[0], out=behind[0])
    lowest = torch.finfo(scores.dtype).min
    for time, (before, now, score) in enumerate(zip(behind[:-1], behind[1:], by_time[1:], strict=True)):
        torch.add(before.unsqueeze(1), steps, out=candidates)
        torch.amax(candidates, 0, out=now)
        now += score
        if time % 32 == 0:  # small numbers are the finer ones
            now -= now.amax(0).clamp(min=lowest)
    # Backwards, which tag came before is asked along the best path alone.
    by_row = behind.permute(0, 2, 1).contiguous()  # (length, batch, tags)
    last = _last(lengths)
    tag = (by_row[last, rows] + end).argmax(1)  # (batch,)
    path = torch.empty(length, len(rows), dtype=torch.long, device=scores.device)
    path[-1] = tag
    into = transitions.T.contiguous()
    inside = torch.arange(length, device=scores.device).unsqueeze(1) < last  # (length, batch)
    for time in range(length - 2, -1, -1):
        before = into.index_select(0, tag).add_(by_row[time]).argmax(1)
        tag = torch.where(inside[time], before, tag, out=path[time])
    return path.T


def _scaled_sums(
    scores: Tensor, transitions: Tensor, start: Tensor, end: Tensor, lengths: Tensor, counted: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`sum_paths` by products of probabilities (Rabiner 1989, section V.A), and where that is right, `(batch,)`."""
    length, _, batch = scores.shape
    rows, last, token = torch.arange(batch, device=scores.device), _last(lengths), _tokens(lengths, length).T

    first = start.unsqueeze(1) + scores[0]
    highest = scores.amax(1, keepdim=True)  # (length, 1, batch)
    highest[0] = first.amax(0)
    weights = scores - highest
    weights[0] = first - highest[0]
    weights.add_(_HEADROOM).exp_()
    top, finish = transitions.amax(), (end - end.amax()).exp()
    steps = (transitions - top).exp()  # (tags, tags)
    into = steps.T.contiguous()

    sums = torch.empty_like(scores)  # what comes in from the tags before
    sums[0] = 1.0
    forward = torch.empty_like(scores)  # probabilities of the tags, given what was read so far
    norms = torch.empty_like(highest)
    before = None
    for incoming, weight, state, norm in zip(sums, weights, forward, norms, strict=True):
        if before is not None:
            torch.mm(into, before, out=incoming)
        torch.mul(incoming, weight, out=state)
        torch.sum(state, 0, keepdim=True, out=norm)
        before = state.div_(norm)
    finished = finish @ forward[last, :, rows].T  # (batch,)
    safe = sums.amin((0, 1)) >= _SAFE
    if not bool(safe.all()):  # or else it is the constraints that let nothing in
        safe |= ~_has_underflown(scores, first, transitions, sums, forward)
    safe = safe & (finished >= _SAFE) | (lengths == 0)
    growth = (norms * math.exp(-_HEADROOM)).log().add_(highest).squeeze(1)  # (length, batch)
    growth[1:] += top
    total = growth.where(token, 0.0).sum(0) + torch.where(lengths > 0, finished.log() + end.amax(), 0.0)
    if not counted:
        return total, *_nothing(scores), safe

    # Backwards: how much likelier what follows is than it was expected to be.
    outgoing = weights.div_(norms.masked_fill_(~token.unsqueeze(1), float("inf")))
    backward = torch.zeros_like(scores)
    backward[last, :, rows] = (finish / finished.unsqueeze(1)).where(lengths.unsqueeze(1) > 0, 0.0)
    states, out = backward.unbind(), outgoing.unbind()
    for time in range(length - 1, 0, -1):
        states[time - 1].addmm_(steps, out[time].mul_(states[time]))
    unary = backward.mul_(forward).permute(2, 0, 1).contiguous()  # (batch, length, tags)
    pairs = torch.bmm(forward[:-1].permute(2, 0, 1).contiguous().mT, outgoing[1:].permute(2, 0, 1).contiguous())
    return total, unary, pairs.mul_(steps), safe


def _has_underflown(scores: Tensor, first: Tensor, transitions: Tensor, sums: Tensor, forward: Tensor) -> Tensor:
    """In which rows a tag has too little probability, or none at all, and not because it is forbidden: `(batch,)`."""
    allowed = scores.isneginf().logical_not()
    allowed[0] = first.isneginf().logical_not()
    zero = forward == 0.0
    steps = transitions.T.isneginf().logical_not().to(scores.dtype)
    reached = torch.matmul(steps, (~zero[:-1]).to(scores.dtype)) > 0.0
    low = (sums[1:] < _SAFE) & reached & allowed[1:]
    return (zero & allowed & (sums > 0.0)).any(1).any(0) | low.any(1).any(0)


def _exact_sums(
    scores: Tensor, transitions: Tensor, start: Tensor, end: Tensor, lengths: Tensor, counted: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """`sum_paths` by logarithms of sums: slower, and right whatever the scores."""
    length, tags, batch = scores.shape
    last, steps = lengths - 1, transitions.unsqueeze(2)
    lowest = torch.finfo(scores.dtype).min
    token = _tokens(lengths, length).T
    forward, shifts = torch.empty_like(scores), scores.new_empty(length, batch)
    state = start.unsqueeze(1) + scores[0]
    for time in range(length):
        if time:
            state = (forward[time - 1].unsqueeze(1) + steps).logsumexp(0) + scores[time]
        shifts[time] = state.amax(0).clamp(min=lowest)
        forward[time] = state - shifts[time]
    ends = (forward[last, :, torch.arange(batch, device=scores.device)] + end).logsumexp(1)
    total = shifts.where(token, 0.0).sum(0) + ends
    if not counted:
        return total, *_nothing(scores)
    possible = total != float("-inf")
    backward, pairs = torch.empty_like(scores), scores.new_zeros(tags * tags, batch)
    for time in range(length - 1, -1, -1):
        state = end.unsqueeze(1).expand(tags, batch)
        if time < length - 1:
            onward = steps + (scores[time + 1] + backward[time + 1]).unsqueeze(0)  # (tags, tags after, batch)
            joint = (forward[time].unsqueeze(1) + onward).flatten(0, 1).softmax(0)
            pairs += joint.where((time < last) & possible, 0.0)
            state = torch.where(last == time, state, onward.logsumexp(1))
        backward[time] = state - state.amax(0).clamp(min=lowest)
    unary = (forward + backward).softmax(1).where((token & possible).unsqueeze(1), 0.0)
    return total, unary.permute(2, 0, 1), pairs.T.reshape(batch, tags, tags)


def _by_time(scores: Tensor, lengths: Tensor) -> Tensor:
    """`(length, tags, batch)`, zeros behind each row's last token."""
    padding = ~_tokens(lengths, scores.shape[1]).T.unsqueeze(1)
    return scores.permute(1, 2, 0).clone(memory_format=torch.contiguous_format).masked_fill_(padding, 0.0)


def _tokens(lengths: Tensor, length: int) -> Tensor:
    return torch.arange(length, device=lengths.device) < lengths.unsqueeze(1)  # (batch, length)


def _last(lengths: Tensor) -> Tensor:
    return (lengths - 1).clamp(min=0)


def _nothing(like: Tensor) -> tuple[Tensor, Tensor]:
    return like.new_empty(0), like.new_empty(0)

"""A linear-chain conditional random field: scores for whole sequences of tags, not for each tag by itself.

Lafferty et al. 2001, "Conditional Random Fields"; over a neural network's scores: Collobert et al. 2011, section 3.3.2,
and Huang et al. 2015, section 2.4. A sequence scores the sum of its tags' emissions and of its transitions, and its
probability is the softmax over all sequences.

What runs over time stands in `chains.py`. Here it is wrapped into operators that `torch.compile` takes as they are: an
unrolled loop would be compiled anew for every length.
"""

import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import initialization as init

from .chains import best_path, count_path, score_path, sum_paths
from .recurrent import TokenOrder


class LinearChainCRF(nn.Module):
    """Likelihood, marginals and best path of tag sequences.

    Masks are boolean `(batch, length)`; padding may stand on either side or in between. Everything is computed in
    float32, also under autocast; in float64 for emissions in float64. Time and memory are linear in the length. A
    sentence that the constraints leave no path has the likelihood minus infinity, and no gradient.

    Args:
        num_tags: number of tags.
        constraints: which tags may begin a sentence `(tags)`, which may follow which, from row to column
            `(tags, tags)`, and which may end it `(tags)`; `None` for all.
        initializer_range: fresh transitions are uniform between minus and plus this.
    """

    allowed_start: Tensor
    allowed_transitions: Tensor
    allowed_end: Tensor

    def __init__(
        self,
        num_tags: int,
        constraints: tuple[Sequence[bool], Sequence[Sequence[bool]], Sequence[bool]] | None = None,
        initializer_range: float = 0.1,
    ):
        super().__init__()
        self.num_tags = num_tags
        self.initializer_range = initializer_range
        self.transitions = nn.Parameter(torch.empty(num_tags, num_tags))  # from the row's tag to the column's
        self.start_transitions = nn.Parameter(torch.empty(num_tags))
        self.end_transitions = nn.Parameter(torch.empty(num_tags))
        # Not in checkpoints: they follow from the names of the tags, which are in the config.
        for name in ("allowed_start", "allowed_transitions", "allowed_end"):
            self.register_buffer(name, None, persistent=False)
        # After building on the meta device, weights arrive by themselves.
        self.register_load_state_dict_post_hook(_after_loading)
        self.set_constraints(constraints)
        self.reset_parameters()

    def set_constraints(self, constraints: tuple[Sequence[bool], Sequence[Sequence[bool]], Sequence[bool]] | None):
        """Allow and forbid tags at the start, after each other, and at the end; `None` allows all.

        Raises:
            ValueError: when they are not made for `num_tags` tags.
        """
        tags = self.num_tags
        if constraints is None:
            constraints = [True] * tags, [[True] * tags] * tags, [True] * tags
        start, transitions, end = constraints
        if any(len(row) != tags for row in (start, end, transitions, *transitions)):
            raise ValueError(f"constraints are not of the shapes ({tags},), ({tags}, {tags}) and ({tags},)")
        # Also kept as lists: transformers loads into empty memory, where a buffer has lost what it held.
        self._constraints = start, transitions, end
        self._restore_constraints()

    def _restore_constraints(self):
        device = self.transitions.device
        self.allowed_start, self.allowed_transitions, self.allowed_end = (
            torch.tensor(allowed, dtype=torch.bool, device=device) for allowed in self._constraints
        )

    def reset_parameters(self):
        """Fresh transitions, and the constraints as they were set: what a family's `_init_weights` calls.

        Transitions that transformers has loaded stay as they are.
        """
        for weight in (self.transitions, self.start_transitions, self.end_transitions):
            init.uniform_(weight, -self.initializer_range, self.initializer_range)
        self._restore_constraints()

    def log_likelihood(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """The logarithm of the probability of each sentence's tags.

        The gradient is the observed minus the expected counts (Lafferty et al., section 3); there is no second one.

        Args:
            emissions: scores of the tags, `(batch, length, tags)`.
            tags: `(batch, length)`; any tag is summed over where it is negative, as -100, and ignored where padded.
            mask: true where there is a token, `(batch, length)`.

        Returns:
            `(batch,)` in float32; 0 for a sentence of no tokens.
        """
        arguments = self._scores(emissions)
        counted = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in arguments)
        return _log_likelihood(*arguments, tags, mask, counted)[0]

    def marginals(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The probability of each tag at each token, over all sequences: `(batch, length, tags)`, zero where padded.

        Without a gradient; takes what `log_likelihood` takes.
        """
        return _marginals(*(tensor.detach() for tensor in self._scores(emissions)), mask)

    def log_marginals(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The logarithm of `marginals`, finite everywhere: what is impossible has that of the smallest float."""
        marginals = self.marginals(emissions, mask)
        return marginals.clamp(min=torch.finfo(marginals.dtype).tiny).log()

    def viterbi(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The tags of the most probable sequence, `(batch, length)`, -100 where padded."""
        return _viterbi(*(tensor.detach() for tensor in self._scores(emissions)), mask)

    def _scores(self, emissions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Emissions, transitions, start and end, in one precision, what is forbidden at minus infinity."""
        dtype = torch.promote_types(emissions.dtype, torch.float32)
        forbidden = float("-inf")
        return (
            emissions.to(dtype),
            self.transitions.to(dtype).masked_fill(~self.allowed_transitions, forbidden),
            self.start_transitions.to(dtype).masked_fill(~self.allowed_start, forbidden),
            self.end_transitions.to(dtype).masked_fill(~self.allowed_end, forbidden),
        )

    def extra_repr(self) -> str:
        return f"num_tags={self.num_tags}"


def _after_loading(crf: LinearChainCRF, _) -> None:
    crf._restore_constraints()


# The same code has several names: in the package, and in each checkpoint that brings it along.
NAMESPACE = re.sub(r"\W", "_", __name__)


@torch.library.custom_op(f"{NAMESPACE}::log_likelihood", mutates_args=())
def _log_likelihood(
    emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor, tags: Tensor, mask: Tensor, counted: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Log-likelihoods `(batch,)`, and each one's derivatives by emissions, transitions, start and end if `counted`."""
    sentences = _Sentences(mask)
    scores, lengths, model = sentences.front(emissions), sentences.lengths, (transitions, start, end)
    tags = sentences.front(tags.unsqueeze(2)).squeeze(2).where(sentences.token, 0)
    path, known = tags.clamp(min=0), tags >= 0
    partial = ~known.all(1)
    with torch.autocast(emissions.device.type, enabled=False):
        total, unary, pairs = sum_paths(scores, *model, lengths, counted)
        observed = score_path(scores, *model, lengths, path)
        if counted:
            count_path(path, lengths.where(~partial, 0), unary.neg_(), pairs.neg_())
        # Where a tag is not known, the observed are many paths: all that pass through the tags that are.
        rows = partial.nonzero().squeeze(1)
        if len(rows):
            every = torch.arange(scores.shape[2], device=scores.device)
            through = (path[rows].unsqueeze(2) == every) | ~known[rows].unsqueeze(2)  # (rows, length, tags)
            seen = scores[rows].where(through, float("-inf"))
            observed[rows], *counts = sum_paths(seen, *model, lengths[rows], counted)
            if counted:
                unary[rows] += counts[0]
                pairs[rows] += counts[1]
    likelihood = observed - total.clamp(min=torch.finfo(total.dtype).min)  # no path at all: minus infinity, and not NaN
    if not counted:
        return likelihood, *_nothing(emissions), *_nothing(emissions)
    last = unary[torch.arange(len(lengths), device=lengths.device), (lengths - 1).clamp(min=0)]
    return likelihood, sentences.back(unary), pairs, unary[:, 0].clone(), last


def _nothing(like: Tensor) -> tuple[Tensor, Tensor]:
    return like.new_empty(0), like.new_empty(0)


@_log_likelihood.register_fake
def _(emissions, transitions, start, end, tags, mask, counted):
    batch, length, size = emissions.shape
    shapes = ((batch, length, size), (batch, size, size), (batch, size), (batch, size)) if counted else ((0,),) * 4
    return emissions.new_empty(batch), *(emissions.new_empty(shape) for shape in shapes)


def _keep_counts(ctx, inputs, output):
    ctx.save_for_backward(*output)


def _differentiate(ctx, gradient, *_):
    if torch.is_grad_enabled() and not torch.compiler.is_compiling():  # it would be wrong without a word
        raise RuntimeError("the likelihood of a CRF cannot be differentiated twice (create_graph=True)")
    likelihood, by_emissions, by_transitions, by_start, by_end = ctx.saved_tensors
    gradient = gradient.where(likelihood != float("-inf"), 0.0)
    return (
        by_emissions * gradient.view(-1, 1, 1),
        torch.tensordot(gradient, by_transitions, 1),
        gradient @ by_start,
        gradient @ by_end,
        None,
        None,
        None,
    )


_log_likelihood.register_autograd(_differentiate, setup_context=_keep_counts)


@torch.library.custom_op(f"{NAMESPACE}::marginals", mutates_args=())
def _marginals(emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor, mask: Tensor) -> Tensor:
    sentences = _Sentences(mask)
    with torch.autocast(emissions.device.type, enabled=False):
        _, unary, _ = sum_paths(sentences.front(emissions), transitions, start, end, sentences.lengths)
    return sentences.back(unary)


@_marginals.register_fake
def _(emissions, transitions, start, end, mask):
    return torch.empty_like(emissions, memory_format=torch.contiguous_format)


@torch.library.custom_op(f"{NAMESPACE}::viterbi", mutates_args=())
def _viterbi(emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor, mask: Tensor) -> Tensor:
    sentences = _Sentences(mask)
    path = best_path(sentences.front(emissions), transitions, start, end, sentences.lengths)
    return sentences.back(path.unsqueeze(2)).squeeze(2).masked_fill(~mask, -100)


@_viterbi.register_fake
def _(emissions, transitions, start, end, mask):
    return torch.empty(mask.shape, dtype=torch.long, device=emissions.device)


class _Sentences:
    """A batch as `chains` wants it: each sentence's tokens in front, and no more padding than the longest one needs."""

    def __init__(self, mask: Tensor):
        self.lengths = mask.sum(1)  # (batch,)
        self._width = mask.shape[1]
        self._longest = int(self.lengths.max().clamp(min=1)) if mask.numel() else 1
        self.token = torch.arange(self._longest, device=mask.device) < self.lengths.unsqueeze(1)  # (batch, longest)
        in_front = bool((mask[:, 1:] <= mask[:, :-1]).all())
        self._order = TokenOrder(None if in_front else mask)

    def front(self, values: Tensor) -> Tensor:
        """`(batch, length, width)` to `(batch, longest, width)`."""
        if not self._width:
            return values.new_zeros(values.shape[0], 1, values.shape[2])
        return self._order.front(values)[:, : self._longest]

    def back(self, values: Tensor) -> Tensor:
        """`(batch, longest, width)` to where the tokens were, `(batch, length, width)`, zeros or anything between."""
        missing = self._width - self._longest
        if missing:
            values = nn.functional.pad(values, (0, 0, 0, missing))  # a negative number cuts
        return self._order.back(values)

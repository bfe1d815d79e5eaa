"""The linear-chain CRF against an enumeration of all paths."""

import copy
import importlib.util
import itertools
import math
import sys

import pytest
import torch
from torch import nn
from wordemb_hf.modeling import chains, crf
from wordemb_hf.modeling.crf import LinearChainCRF

TAGS = 4
MASKS = {
    "full": [[1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1]],
    "right": [[1, 1, 1, 1, 1], [1, 0, 0, 0, 0], [1, 1, 1, 0, 0]],
    "left": [[1, 1, 1, 1, 1], [0, 0, 0, 0, 1], [0, 0, 1, 1, 1]],
    "holes": [[1, 0, 1, 1, 1], [0, 1, 0, 1, 0], [0, 0, 1, 0, 0]],
    "no tokens": [[0, 0, 0, 0, 0], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]],
}
# 0 may not end, 3 may not begin, 1 is followed by 2 or 3 alone, and 2 never by itself.
CONSTRAINTS = (
    [True, True, True, False],
    [[True, True, True, True], [False, False, True, True], [True, True, False, True], [True, True, True, True]],
    [False, True, True, True],
)
each_mask = pytest.mark.parametrize("mask", [torch.tensor(mask).bool() for mask in MASKS.values()], ids=MASKS)
each_constraints = pytest.mark.parametrize("constraints", [None, CONSTRAINTS], ids=["all allowed", "constraints"])
# A spread of hundreds of nats is more than float32's exponents hold.
each_spread = pytest.mark.parametrize("spread", [1.0, 100.0], ids=["narrow", "wide"])


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def make_crf(constraints=None, tags: int = TAGS, dtype: torch.dtype = torch.float32) -> LinearChainCRF:
    block = LinearChainCRF(tags, constraints).to(dtype)
    for weight in block.parameters():
        nn.init.normal_(weight)
    return block


def all_paths(block: LinearChainCRF, emissions: torch.Tensor) -> list[tuple[tuple[int, ...], float]]:
    """Every allowed path over the tokens of one sentence, `(tokens, tags)`, and its score."""
    start, transitions, end = (
        weight.detach().double().masked_fill(~allowed, -math.inf).tolist()
        for weight, allowed in (
            (block.start_transitions, block.allowed_start),
            (block.transitions, block.allowed_transitions),
            (block.end_transitions, block.allowed_end),
        )
    )
    rows = emissions.double().tolist()
    paths = []
    for path in itertools.product(range(len(start)), repeat=len(rows)):
        score = sum(row[tag] for row, tag in zip(rows, path, strict=True))
        if path:
            score += start[path[0]] + end[path[-1]] + sum(transitions[a][b] for a, b in itertools.pairwise(path))
        if score > -math.inf:
            paths.append((path, score))
    return paths


def log_sum(scores) -> float:
    return torch.tensor(list(scores), dtype=torch.float64).logsumexp(0).item()


def naive_log_likelihood(block: LinearChainCRF, emissions, tags, mask) -> torch.Tensor:
    """The same by autograd, one sentence after another; unknown tags are negative."""
    forbidden = -math.inf
    start = block.start_transitions.masked_fill(~block.allowed_start, forbidden)
    end = block.end_transitions.masked_fill(~block.allowed_end, forbidden)
    transitions = block.transitions.masked_fill(~block.allowed_transitions, forbidden)
    likelihoods = []
    for row in range(len(emissions)):
        scores, known = emissions[row][mask[row]], tags[row][mask[row]]
        sums = []
        for through in (known, torch.full_like(known, -100)):  # the observed paths, and all
            state = None
            for score, tag in zip(scores, through, strict=True):
                score = score if tag < 0 else score.masked_fill(torch.arange(len(score)) != tag, forbidden)
                # A large negative number in place of minus infinity, whose gradient is not a number.
                into = start if state is None else (state.unsqueeze(1) + transitions.clamp(min=-1e6)).logsumexp(0)
                state = into.clamp(min=-1e6) + score.clamp(min=-1e6)
            sums.append((state + end.clamp(min=-1e6)).logsumexp(0) if state is not None else emissions.new_zeros(()))
        likelihoods.append(sums[0] - sums[1])
    return torch.stack(likelihoods)


def random_tags(block: LinearChainCRF, mask: torch.Tensor) -> torch.Tensor:
    """Tags that the constraints allow, in a random sentence, `-100` where padded."""
    tags = torch.full(mask.shape, -100)
    for row in range(len(mask)):
        count = int(mask[row].sum())
        paths = [path for path, _ in all_paths(block, torch.zeros(count, block.num_tags))]
        tags[row, mask[row]] = torch.tensor(paths[int(torch.randint(len(paths), ()))], dtype=torch.long)
    return tags


# The block against all paths


@each_mask
@each_constraints
@each_spread
def test_everything_is_a_sum_over_all_paths(mask, constraints, spread):
    block = make_crf(constraints)
    emissions = spread * torch.randn(*mask.shape, TAGS)
    tags = random_tags(block, mask)
    unknown = tags.masked_fill(torch.rand(mask.shape) < 0.5, -100)
    with torch.no_grad():
        likelihood = block.log_likelihood(emissions, tags, mask)
        partial = block.log_likelihood(emissions, unknown, mask)
    marginals, best = block.log_marginals(emissions, mask), block.viterbi(emissions, mask)
    assert likelihood.dtype == marginals.dtype == torch.float32 and marginals.isfinite().all()
    assert (best[~mask] == -100).all()
    for row in range(len(mask)):
        tokens = mask[row]
        paths = all_paths(block, emissions[row, tokens])
        total = log_sum(score for _, score in paths)
        known, seen = tags[row, tokens].tolist(), unknown[row, tokens].tolist()
        observed = next(score for path, score in paths if list(path) == known)
        assert likelihood[row].item() == pytest.approx(observed - total, rel=1e-5, abs=1e-4)
        through = [score for path, score in paths if all(b in (a, -100) for a, b in zip(path, seen, strict=True))]
        assert partial[row].item() == pytest.approx(log_sum(through) - total, rel=1e-5, abs=1e-4)
        assert best[row, tokens].tolist() == list(max(paths, key=lambda pair: pair[1])[0])
        for place, row_of_tags in enumerate(marginals[row, tokens].tolist()):
            for tag, logarithm in enumerate(row_of_tags):
                expected = log_sum([-math.inf, *(score for path, score in paths if path[place] == tag)]) - total
                assert logarithm == pytest.approx(max(expected, -87.0), rel=1e-4, abs=1e-4 if expected > -80 else 8)


@each_mask
def test_padding_changes_nothing(mask):
    block = make_crf(CONSTRAINTS)
    emissions, tags = torch.randn(*mask.shape, TAGS, requires_grad=True), random_tags(block, mask)
    noisy = torch.where(mask.unsqueeze(2), emissions.detach(), torch.nan).requires_grad_()
    other = torch.where(mask, tags, 99)
    results = []
    for scores, labels in ((emissions, tags), (noisy, other)):
        likelihood = block.log_likelihood(scores, labels, mask)
        likelihood.sum().backward()
        assert not scores.grad[~mask].any() and not block.marginals(scores, mask)[~mask].any()
        results.append((likelihood, scores.grad, block.viterbi(scores, mask), block.marginals(scores, mask)))
    torch.testing.assert_close(*results, rtol=0, atol=0)
    assert (results[0][0][mask.sum(1) == 0] == 0).all()
    for row in range(len(mask)):
        alone = (emissions[row : row + 1, mask[row]], tags[row : row + 1, mask[row]])
        count = int(mask[row].sum())
        likelihood = block.log_likelihood(*alone, torch.ones(1, count, dtype=torch.bool))
        torch.testing.assert_close(likelihood[0], results[0][0][row])


@pytest.mark.parametrize("shape", [(2, 0), (0, 3), (0, 0)], ids=str)
def test_empty_batches(shape):
    block, mask = make_crf(), torch.ones(shape, dtype=torch.bool)
    emissions, tags = torch.randn(*shape, TAGS, requires_grad=True), torch.zeros(shape, dtype=torch.long)
    likelihood = block.log_likelihood(emissions, tags, mask)
    likelihood.sum().backward()
    assert likelihood.tolist() == [0.0] * shape[0] and not block.transitions.grad.any()
    assert block.viterbi(emissions, mask).shape == shape
    assert block.log_marginals(emissions, mask).shape == emissions.grad.shape == (*shape, TAGS)


@each_mask
@each_constraints
@each_spread
def test_gradients_are_those_of_autograd(mask, constraints, spread):
    block = make_crf(constraints)
    emissions = (spread * torch.randn(*mask.shape, TAGS)).requires_grad_()
    tags = random_tags(block, mask)
    tags[:2][torch.rand(2, mask.shape[1]) < 0.4] = -100  # the third sentence is known throughout
    weights = torch.randn(len(mask))
    inputs = [emissions, *block.parameters()]
    expected = torch.autograd.grad(naive_log_likelihood(block, emissions, tags, mask) @ weights, inputs)
    actual = torch.autograd.grad(block.log_likelihood(emissions, tags, mask) @ weights, inputs)
    torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-4 if spread == 1 else 2e-3)


@each_mask
@each_constraints
@each_spread
def test_gradients_are_those_of_differences(mask, constraints, spread):
    block = make_crf(constraints, dtype=torch.float64)
    emissions = (spread * torch.randn(*mask.shape, TAGS, dtype=torch.float64)).requires_grad_()
    tags = random_tags(block, mask)
    tags[:2, 1] = -100

    def likelihood(emissions, transitions, start, end):
        weights = {"transitions": transitions, "start_transitions": start, "end_transitions": end}
        return torch.func.functional_call(
            _Likelihood(block), {f"crf.{k}": v for k, v in weights.items()}, (emissions, tags, mask)
        )

    assert torch.autograd.gradcheck(
        likelihood, (emissions, block.transitions, block.start_transitions, block.end_transitions)
    )


class _Likelihood(nn.Module):
    def __init__(self, block: LinearChainCRF):
        super().__init__()
        self.crf = block

    def forward(self, *inputs):
        return self.crf.log_likelihood(*inputs)


def test_a_second_derivative_is_refused():
    block, mask = make_crf(), torch.ones(1, 3, dtype=torch.bool)
    emissions = torch.randn(1, 3, TAGS, requires_grad=True)
    likelihood = block.log_likelihood(emissions, torch.zeros(1, 3, dtype=torch.long), mask)
    with pytest.raises(RuntimeError, match="twice"):
        torch.autograd.grad(likelihood.sum(), emissions, create_graph=True)


@each_constraints
def test_the_two_ways_to_sum_agree(constraints):
    block, lengths = make_crf(constraints), torch.tensor([7, 1, 4, 6])
    scores = torch.randn(4, 7, TAGS)
    with torch.no_grad():
        arguments = (chains._by_time(scores, lengths), *block._scores(scores)[1:], lengths, True)
    *scaled, safe = chains._scaled_sums(*arguments)
    assert safe.all()
    torch.testing.assert_close(tuple(scaled), chains._exact_sums(*arguments))


def test_constraints_alone_do_not_need_the_exact_way(monkeypatch):
    """Where a tag is known, most that may follow unknown tags has no probability at all: that is no underflow."""
    monkeypatch.setattr(chains, "_exact_sums", None)
    block, mask = make_crf(CONSTRAINTS), torch.tensor(MASKS["right"]).bool()
    tags = random_tags(block, mask)
    tags[0, [1, 3]] = -100
    emissions = torch.randn(*mask.shape, TAGS)
    torch.testing.assert_close(
        block.log_likelihood(emissions, tags, mask), naive_log_likelihood(block, emissions, tags, mask)
    )


@each_constraints
def test_what_underflows_is_summed_the_exact_way(constraints):
    """The one path that is not forbidden in the end goes through a tag that had a probability of e^-300."""
    block, lengths = make_crf(constraints), torch.tensor([3, 3])
    block.transitions.data[1, 0] = -math.inf
    scores = torch.zeros(2, 3, TAGS)
    scores[0, 0, 1] = 300.0
    scores[0, 1, 0] = 600.0
    with torch.no_grad():
        arguments = (chains._by_time(scores, lengths), *block._scores(scores)[1:], lengths, True)
        *_, safe = chains._scaled_sums(*arguments)
        total, *_ = chains.sum_paths(scores, *arguments[1:])
    assert safe.tolist() == [False, True]
    for row in range(2):
        assert total[row].item() == pytest.approx(
            log_sum(score for _, score in all_paths(block, scores[row])), rel=1e-6
        )


# Precision and length


@each_mask
def test_is_float32_under_autocast_and_for_half_precision(mask):
    block = make_crf(CONSTRAINTS)
    emissions, tags = torch.randn(*mask.shape, TAGS), random_tags(block, mask)
    for dtype in (torch.bfloat16, torch.float16):
        half, whole = emissions.to(dtype).requires_grad_(), emissions.to(dtype).float().requires_grad_()
        expected = block.log_likelihood(whole, tags, mask)
        expected.sum().backward()
        with torch.autocast("cpu", dtype=dtype):
            actual = block.log_likelihood(half, tags, mask)
            marginals, best = block.log_marginals(half, mask), block.viterbi(half, mask)
        actual.sum().backward()
        assert actual.dtype == marginals.dtype == torch.float32 and half.grad.dtype == dtype
        assert torch.equal(actual, expected) and torch.equal(half.grad, whole.grad.to(dtype))
        assert torch.equal(marginals, block.log_marginals(whole, mask))
        assert torch.equal(best, block.viterbi(whole, mask))


def test_a_sentence_of_ten_thousand_tokens():
    length, tags = 10_000, 9
    block = make_crf(tags=tags)
    emissions, path = 3 * torch.randn(2, length, tags), torch.randint(tags, (2, length))
    path[1, ::7] = -100
    mask = torch.ones(2, length, dtype=torch.bool)
    mask[1, 9_000:] = False
    answers = []
    for dtype in (torch.float32, torch.float64):
        one = make_crf(tags=tags).to(dtype)
        one.load_state_dict(block.state_dict())
        scores = emissions.to(dtype, copy=True).requires_grad_()
        likelihood = one.log_likelihood(scores, path, mask)
        likelihood.sum().backward()
        answers.append((likelihood.double(), scores.grad.double(), one.viterbi(scores, mask)))
        torch.testing.assert_close(one.marginals(scores, mask).sum(2), mask.to(dtype), rtol=1e-4, atol=1e-4)
        gradient = one.transitions.grad.double()
    assert answers[1][0].dtype == torch.float64 and gradient.abs().max() > 1
    torch.testing.assert_close(answers[0][:2], answers[1][:2], rtol=1e-5, atol=1e-4)
    score = [score_of(block, emissions.double(), mask, answer[2]) for answer in answers]
    torch.testing.assert_close(score[0], score[1], rtol=1e-7, atol=0)  # near ties may be decided otherwise


def score_of(block, emissions, mask, path) -> torch.Tensor:
    model = (block.transitions, block.start_transitions, block.end_transitions)
    lengths = mask.sum(1)
    return chains.score_path(emissions, *(weight.detach().double() for weight in model), lengths, path.clamp(min=0))


# What is impossible


def test_forbidden_tags_have_no_likelihood_and_no_gradient():
    block, mask = make_crf(CONSTRAINTS), torch.ones(4, 3, dtype=torch.bool)
    emissions = torch.randn(4, 3, TAGS, requires_grad=True)
    tags = torch.tensor([[3, 1, 2], [0, 2, 2], [1, 1, 0], [0, 1, 2]])  # at the start, in between, at the end; allowed
    likelihood = block.log_likelihood(emissions, tags, mask)
    assert likelihood[:3].tolist() == [-math.inf] * 3 and likelihood[3].isfinite()
    likelihood[3].backward(retain_graph=True)
    alone = emissions.grad.clone()
    emissions.grad = None
    likelihood.sum().backward()
    assert torch.equal(emissions.grad, alone) and alone.any() and block.transitions.grad.isfinite().all()


def test_a_sentence_without_any_path():
    block = make_crf(([True, False], [[True, False], [True, True]], [False, True]), tags=2)  # from 0 no way leads to 1
    emissions = torch.randn(2, 3, 2, requires_grad=True)
    mask = torch.tensor([[1, 1, 1], [0, 0, 0]]).bool()
    likelihood = block.log_likelihood(emissions, torch.zeros(2, 3, dtype=torch.long), mask)
    likelihood.sum().backward()
    assert likelihood.tolist() == [-math.inf, 0.0] and not emissions.grad.any()
    assert block.log_marginals(emissions, mask).isfinite().all()
    assert set(block.viterbi(emissions, mask)[0].tolist()) <= {0, 1}


def test_a_loss_that_is_no_number_stays_none():
    block, mask = make_crf(), torch.ones(2, 3, dtype=torch.bool)
    emissions = torch.randn(2, 3, TAGS)
    emissions[0, 1, 2] = math.nan
    likelihood = block.log_likelihood(emissions, torch.zeros(2, 3, dtype=torch.long), mask)
    assert likelihood.isnan().tolist() == [True, False]


@pytest.mark.parametrize(
    "constraints",
    [([True] * 3, [[True] * 4] * 4, [True] * 4), ([True] * 4, [[True] * 4] * 3, [True] * 4)],
    ids=["start", "transitions"],
)
def test_constraints_for_other_tags_are_refused(constraints):
    with pytest.raises(ValueError, match="constraints"):
        LinearChainCRF(TAGS, constraints)


# As a module


def test_a_copy_of_the_code_lives_beside_the_original(monkeypatch):
    """As the files that a checkpoint brings along do."""
    block, mask = make_crf(), torch.ones(2, 3, dtype=torch.bool)
    emissions, tags = torch.randn(2, 3, TAGS), torch.zeros(2, 3, dtype=torch.long)
    expected = block.log_likelihood(emissions, tags, mask)
    for _ in range(2):  # transformers reads a file anew when it has changed
        spec = importlib.util.spec_from_file_location("wordemb_hf.modeling.crf-copy.of_it", crf.__file__)
        module = importlib.util.module_from_spec(spec)
        module.__package__ = "wordemb_hf.modeling"
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        other = module.LinearChainCRF(TAGS)
        other.load_state_dict(block.state_dict())
        assert torch.equal(other.log_likelihood(emissions, tags, mask), expected)
        assert torch.equal(block.log_likelihood(emissions, tags, mask), expected)


def test_is_built_on_the_meta_device():
    with torch.device("meta"):
        block = LinearChainCRF(TAGS, CONSTRAINTS)
    assert all(tensor.is_meta for tensor in [*block.parameters(), *block.buffers()])
    block.load_state_dict(make_crf().state_dict(), assign=True)
    copied = copy.deepcopy(block)
    emptied = copy.deepcopy(block).to_empty(device="cpu")
    emptied.reset_parameters()
    for one in (block, copied, emptied):
        assert tuple(buffer.tolist() for buffer in one.buffers()) == CONSTRAINTS
        assert {*one.state_dict()} == {"transitions", "start_transitions", "end_transitions"}

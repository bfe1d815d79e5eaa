"""The linear-chain CRF against an enumeration of all paths, what tags' names allow, and the head on a tiny family."""

import copy
import importlib.util
import itertools
import math
import sys

import pytest
import torch
from huggingface_hub.dataclasses import strict
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling
from wordemb_hf.modeling import chains, crf
from wordemb_hf.modeling.crf import LinearChainCRF
from wordemb_hf.modeling.crf_head import CRFTokenClassificationHead
from wordemb_hf.modeling.heads import TokenClassificationHead
from wordemb_hf.modeling.tag_constraints import first_forbidden, tag_constraints

from .test_compile import COMPILERS

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


# From names to constraints


def table(names: list[str]) -> tuple[str, list[str], str]:
    """Constraints as they are written below: `x` for what is allowed."""
    constraints = tag_constraints(names)
    assert constraints is not None

    def marks(row):
        return "".join(".x"[allowed] for allowed in row)

    return marks(constraints.start), [marks(row) for row in constraints.transitions], marks(constraints.end)


def test_iob2():
    names = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG"]
    assert table(names) == (
        "xx.x.",
        [
            "xx.x.",  # O
            "xxxx.",  # B-PER
            "xxxx.",  # I-PER
            "xx.xx",  # B-ORG
            "xx.xx",  # I-ORG
        ],
        "xxxxx",
    )


@pytest.mark.parametrize(
    "names",
    [
        ["O", "B-X", "I-X", "E-X", "S-X", "B-Y", "E-Y"],
        ["O", "B-X", "M-X", "E-X", "W-X", "B-Y", "E-Y"],
        ["O", "B_X", "I_X", "L_X", "U_X", "B_Y", "L_Y"],
    ],
    ids=["BIOES", "BMEWO", "BILOU"],
)
def test_schemes_that_mark_ends(names):
    assert table(names) == (
        "xx..xx.",
        [
            "xx..xx.",  # O
            "..xx...",  # B-X
            "..xx...",  # I-X
            "xx..xx.",  # E-X
            "xx..xx.",  # S-X
            "......x",  # B-Y, of which no span had three tokens
            "xx..xx.",  # E-Y
        ],
        "x..xx.x",
    )


def test_word_segmentation():
    assert table(["B", "M", "E", "S"]) == ("x..x", [".xx.", ".xx.", "x..x", "x..x"], "..xx")


def test_words_of_two_characters_or_one():
    assert table(["S", "E", "B"]) == ("x.x", ["x.x", "x.x", ".x."], "xx.")


def test_names_that_a_scheme_would_have_and_are_missing():
    # A kind without B begins with I; a kind without E ends anywhere; without S and O, B stands alone.
    assert table(["O", "I-X", "B-Y", "I-Y"]) == ("xxx.", ["xxx.", "xxx.", "xxxx", "xxxx"], "xxxx")
    assert table(["O", "B-X", "I-X", "S-Y"]) == ("xx.x", ["xx.x", "xxxx", "xxxx", "xx.x"], "xxxx")
    assert table(["B", "M", "E"]) == ("x..", ["xxx", ".xx", "x.."], "x.x")


@pytest.mark.parametrize(
    "names",
    [
        ["LABEL_0", "LABEL_1"],
        ["NOUN", "VERB", "X"],
        ["O", "PER", "ORG"],
        ["O", "B-PER", "I-PER", "[PAD]"],
        ["E", "S"],
        ["O"],
        ["neg", "pos"],
    ],
    ids=" ".join,
)
def test_other_names_say_nothing(names):
    assert tag_constraints(names) is None
    assert first_forbidden([*names, *reversed(names)], names) is None


@pytest.mark.parametrize(
    "names",
    [
        ["O", "B-X", "I-X", "B-Y", "I-Y"],
        ["O", "B-X", "I-X", "E-X", "S-X"],
        ["B", "M", "E", "S"],
        ["B", "M", "E"],
        ["B-X", "E-X", "I-Y"],
        ["O", "I-X", "E-X"],
        ["S-X", "I-Y", "E-Z", "B-Y"],
    ],
    ids=" ".join,
)
def test_there_is_a_path_of_every_length(names):
    block = make_crf(tag_constraints(names), tags=len(names))
    for length in range(1, 6):
        assert all_paths(block, torch.zeros(length, len(names)))


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["B-PER", "I-PER", "O", "B-ORG", "I-ORG"], None),
        (["B-PER", "I-ORG", "I-PER"], (1, "I-ORG cannot follow B-PER")),
        (["O", "O", "I-PER"], (2, "I-PER cannot follow O")),
        (["I-PER", "I-ORG"], (0, "I-PER cannot begin a sentence")),
        (["O", None, "I-PER", "I-ORG"], (3, "I-ORG cannot follow I-PER")),
        ([None, "I-PER"], None),
        ([], None),
    ],
)
def test_the_first_forbidden_tag(tags, expected):
    assert first_forbidden(tags, ["O", "B-PER", "I-PER", "B-ORG", "I-ORG"]) == expected


def test_a_span_that_does_not_end():
    assert first_forbidden(["S", "B", "M"], ["B", "M", "E", "S"]) == (2, "M cannot end a sentence")


def test_a_tag_that_is_none_of_the_names():
    with pytest.raises(ValueError, match="B-LOC"):
        first_forbidden(["O", "B-LOC"], ["O", "B-PER"])


# The head, on a family made for it


@strict
class TinyConfig(PreTrainedConfig):
    model_type = "wordemb_tiny_crf"

    vocab_size: int = 11
    hidden_size: int = 6
    classifier_dropout: float | int = 0.0
    pad_token_id: int | None = 0
    tag_decoder: str = "crf"


class TinyPreTrainedModel(PreTrainedModel):
    config_class = TinyConfig
    base_model_prefix = "tiny"

    @torch.no_grad()
    def _init_weights(self, module):
        if isinstance(module, nn.Embedding | nn.Linear):
            init.normal_(module.weight)
        elif isinstance(module, LinearChainCRF):
            module.reset_parameters()


class TinyModel(TinyPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.words = nn.Embedding(config.vocab_size, config.hidden_size)
        self.post_init()

    def forward(self, input_ids=None, attention_mask=None, inputs_embeds=None, output_hidden_states=None, **kwargs):
        states = self.words(input_ids) if inputs_embeds is None else inputs_embeds
        return BaseModelOutputWithPooling(
            last_hidden_state=states, hidden_states=(states,) if output_hidden_states else None
        )


class TinyForTokenClassification(CRFTokenClassificationHead, TinyPreTrainedModel):
    backbone_class = TinyModel


class SoftmaxForTokenClassification(TokenClassificationHead, TinyPreTrainedModel):
    backbone_class = TinyModel


NAMES = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG"]


def tagger(names=NAMES, **fields) -> TinyForTokenClassification:
    model = TinyForTokenClassification(TinyConfig(id2label=dict(enumerate(names)), **fields)).eval()
    for weight in model.parameters():
        nn.init.normal_(weight)
    return model


def tagger_batch(batch: int = 4, length: int = 6) -> dict[str, torch.Tensor]:
    mask = torch.arange(length) < torch.tensor([length, 1, *[length - 2] * (batch - 2)]).unsqueeze(1)
    labels = torch.tensor([0, 1, 2, 2, 3, 4])[:length].expand(batch, length)
    ids = torch.randint(1, 11, (batch, length))
    return {"input_ids": ids * mask, "attention_mask": mask.long(), "labels": labels.where(mask, -100)}


def test_the_argmax_of_the_logits_is_the_best_path():
    model, batch = tagger(), tagger_batch(batch=200)
    model.tagger.weight.data *= 0.3  # where emissions say little, paths and single tags differ more often
    mask = batch["attention_mask"].bool()
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        with torch.no_grad():
            answer = model.to(dtype)(**batch)
        expected = model.crf.viterbi(answer.emissions, mask)
        marginals = model.crf.log_marginals(answer.emissions, mask)
        assert answer.logits.dtype == answer.emissions.dtype == dtype and answer.logits.isfinite().all()
        assert torch.equal(answer.tags, expected)
        assert torch.equal(answer.logits.argmax(2)[mask], expected[mask])
        assert (marginals.argmax(2) != expected)[mask].sum() > 20  # where it makes a difference
        changed = answer.logits.sort(2).values[mask] - marginals.to(dtype).sort(2).values[mask]
        assert changed.abs().max() <= 8 * torch.finfo(dtype).eps  # the same probabilities, in other places
        assert not answer.logits[~mask].any()
        for row, tokens in zip(answer.tags, mask, strict=True):
            assert first_forbidden([NAMES[tag] for tag in row[tokens]], NAMES) is None


def test_labels_do_not_change_what_comes_out():
    model, batch = tagger(), tagger_batch()
    with torch.no_grad():
        labelled = model(**batch)
        plain = model(input_ids=batch["input_ids"])  # padding is known by its id
    assert plain.loss is None and labelled.loss > 0
    for name in ("logits", "tags", "emissions"):
        assert torch.equal(plain[name], labelled[name])


def test_in_training_nobody_looks_for_the_best_path(monkeypatch):
    model, batch = tagger().train(), tagger_batch()
    monkeypatch.setattr(LinearChainCRF, "viterbi", None)
    monkeypatch.setattr(LinearChainCRF, "log_marginals", None)
    answer = model(**batch)
    assert answer.tags is None and torch.equal(answer.logits, answer.emissions)
    answer.loss.backward()
    assert all(weight.grad.isfinite().all() and weight.grad.any() for weight in model.parameters())


def test_the_loss_is_a_mean_over_tagged_tokens():
    model, batch = tagger(), tagger_batch()
    batch["labels"][0, 2:4] = -100  # summed over, and not counted
    answer = model(**batch)
    mask = batch["attention_mask"].bool()
    likelihood = model.crf.log_likelihood(answer.emissions, batch["labels"], mask)
    naive = naive_log_likelihood(model.crf, answer.emissions, batch["labels"], mask)
    torch.testing.assert_close(likelihood, naive)
    torch.testing.assert_close(answer.loss, -naive.sum() / (6 - 2 + 1 + 4 + 4))
    batch["labels"][:] = -100
    assert model(**batch).loss.abs() < 1e-6


def test_with_softmax_it_is_the_plain_head():
    names = dict(enumerate(NAMES))
    model = TinyForTokenClassification(TinyConfig(id2label=names, tag_decoder="softmax")).eval()
    plain = SoftmaxForTokenClassification(TinyConfig(id2label=names)).eval()
    plain.load_state_dict(model.state_dict())
    batch = tagger_batch()
    for options in ({}, {"output_hidden_states": True}, {"return_dict": False}):
        actual, expected = model(**batch, **options), plain(**batch, **options)
        assert type(actual) is type(expected)
        torch.testing.assert_close(actual, expected, rtol=0, atol=0)


def test_tuples():
    model, batch = tagger(), tagger_batch()
    named, values = model(**batch), model(**batch, return_dict=False)
    assert list(named) == ["loss", "logits", "tags", "emissions"]
    torch.testing.assert_close(values, named.to_tuple())


@pytest.mark.parametrize(
    ("row", "tags", "message"),
    [
        (0, [0, 1, 4, 0, 0, 0], "sentence 0, position 2: I-ORG cannot follow B-PER"),
        (1, [2, 0, 0, 0, 0, 0], "sentence 1, position 0: I-PER cannot begin a sentence"),
        (3, [0, 0, 0, 4, 0, 0], "sentence 3, position 3: I-ORG cannot follow O"),
        (2, [0, 5, 0, 0, 0, 0], r"labels\[2, 1\] is 5, .* below num_labels, 5"),
        (2, [0, -1, 0, 0, 0, 0], r"labels\[2, 1\] is -1, .* -100"),
    ],
)
def test_labels_that_cannot_be_are_refused(row, tags, message):
    model, batch = tagger(), tagger_batch()
    batch["labels"][row] = torch.tensor(tags).where(batch["attention_mask"][row].bool(), -100)
    with pytest.raises(ValueError, match=message):
        model(**batch)


def test_positions_are_counted_with_the_padding():
    model, batch = tagger(), tagger_batch()
    batch = {name: tensor.flip(1) for name, tensor in batch.items()}
    batch["labels"] = torch.tensor([0, 0, 0, 0, 0, 0]).where(batch["attention_mask"].bool(), -100)
    batch["labels"][2, 3] = 4
    with pytest.raises(ValueError, match="sentence 2, position 3: I-ORG cannot follow O"):
        model(**batch)


def test_names_without_a_scheme_allow_everything():
    model, batch = tagger(["LABEL_0", "LABEL_1", "LABEL_2"]), tagger_batch()
    batch["labels"] = torch.randint(3, (4, 6))
    assert model(**batch).loss.isfinite() and model.crf.allowed_transitions.all()


@pytest.mark.filterwarnings("ignore:.*fill uninitialized memory")
def test_constraints_and_weights_survive_a_folder(tmp_path):
    model, batch = tagger(), tagger_batch()
    model.save_pretrained(tmp_path / "tagger")
    model.tiny.save_pretrained(tmp_path / "backbone")
    assert not any("allowed" in name for name in model.state_dict())
    fresh = TinyForTokenClassification(model.config).crf
    try:
        torch.use_deterministic_algorithms(True)  # memory that nobody has written is filled
        whole, report = TinyForTokenClassification.from_pretrained(tmp_path / "tagger", output_loading_info=True)
        headless, lacking = TinyForTokenClassification.from_pretrained(
            tmp_path / "backbone", id2label=dict(enumerate(NAMES)), output_loading_info=True
        )
    finally:
        torch.use_deterministic_algorithms(False)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    weights = {"crf.transitions", "crf.start_transitions", "crf.end_transitions"}
    assert set(lacking["missing_keys"]) == {"tagger.weight", "tagger.bias", *weights}
    for loaded in (whole, headless):
        for name, buffer in fresh.named_buffers():
            assert torch.equal(loaded.crf.get_buffer(name), buffer), name
    assert not fresh.allowed_transitions.all()
    for name, weight in headless.crf.named_parameters():
        assert 0.02 < weight.std() < 0.1 and weight.abs().max() <= 0.1, name
    with torch.no_grad():
        torch.testing.assert_close(whole(**batch).to_tuple(), model(**batch).to_tuple(), rtol=0, atol=0)


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


def test_learns_what_single_tags_cannot_tell():
    """The tag of a word depends on the tag before alone: a CRF knows, each tag by itself does not."""
    labels = torch.tensor([[0, 1, 2, 0, 1, 2], [1, 2, 0, 1, 2, 0], [2, 0, 1, 2, 0, 1]])
    ids = torch.full_like(labels, 5)
    ids[:, 0] = labels[:, 0] + 1
    model = tagger(["LABEL_0", "LABEL_1", "LABEL_2"]).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
    assert torch.equal(model.eval()(input_ids=ids).logits.argmax(2), labels)


# Under other names, and compiled


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


@pytest.mark.slow
@pytest.mark.skipif(not COMPILERS, reason="torch.compile makes C++, and there is no compiler for it here")
def test_compiles_to_one_graph_for_all_lengths():
    model = tagger()
    for training in (True, False):
        model.train(training)
        torch.compiler.reset()
        torch._dynamo.utils.counters.clear()
        compiled = torch.compile(model, fullgraph=True, dynamic=True)
        for batch in (tagger_batch(4, 6), tagger_batch(3, 5), tagger_batch(5, 4)):
            batch["labels"][0, 1] = -100
            answers = []
            for run in (compiled, model):
                model.zero_grad()
                answer = run(**batch)
                answer.loss.backward()
                answers.append([*answer.to_tuple(), *(weight.grad for weight in model.parameters())])
            torch.testing.assert_close(*answers)
        assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1

"""Losses over a large vocabulary against PyTorch's cross-entropy, and what they keep in memory."""

import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode
from wordemb_hf.modeling import RNNConfig, RNNForCausalLM
from wordemb_hf.modeling.softmax_losses import chunked_cross_entropy, sampled_softmax_loss

ROWS, WIDTH, WORDS = 23, 5, 37


@pytest.fixture
def inputs() -> list[torch.Tensor]:
    torch.manual_seed(0)
    labels = torch.randint(WORDS, (ROWS,))
    labels[::4] = -100
    return [
        torch.randn(ROWS, WIDTH, requires_grad=True),
        torch.randn(WORDS, WIDTH, requires_grad=True),
        torch.randn(WORDS, requires_grad=True),
        labels,
    ]


@pytest.mark.parametrize("chunk_size", [1, 7, 23, 100, None])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_it_is_cross_entropy_with_its_gradients(inputs, chunk_size, biased, smoothing):
    hidden, weight, bias, labels = inputs
    bias = bias if biased else None
    wanted = [tensor for tensor in (hidden, weight, bias) if tensor is not None]
    logits = torch.nn.functional.linear(hidden, weight, bias)
    expected = cross_entropy(logits, labels, label_smoothing=smoothing)
    actual = chunked_cross_entropy(hidden, weight, bias, labels, chunk_size, smoothing)
    torch.testing.assert_close(actual, expected)
    for one, two in zip(
        torch.autograd.grad(3 * actual, wanted), torch.autograd.grad(3 * expected, wanted), strict=True
    ):
        torch.testing.assert_close(one, two)


def test_nothing_to_predict_costs_nothing(inputs):
    hidden, weight, bias, labels = inputs
    for rows in (labels.fill_(-100), labels[:0]):
        loss = chunked_cross_entropy(hidden[: len(rows)], weight, bias, rows)
        loss.backward()
        assert loss == 0 and not weight.grad.any()


def test_frozen_words_get_no_gradient(inputs):
    hidden, weight, bias, labels = inputs
    loss = chunked_cross_entropy(hidden, weight.detach(), bias.detach(), labels)
    loss.backward()
    assert hidden.grad.any() and weight.grad is None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
def test_under_autocast_scores_stay_float32(inputs, dtype):
    hidden, weight, bias, labels = inputs
    expected = cross_entropy(torch.nn.functional.linear(hidden, weight, bias), labels)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        loss = chunked_cross_entropy(hidden, weight, bias, labels)
    loss.backward()
    assert loss.dtype == torch.float32 and weight.grad.dtype == torch.float32
    torch.testing.assert_close(loss, expected, rtol=2e-2, atol=2e-2)


class _Largest(TorchDispatchMode):
    """The largest tensor that any operation makes."""

    size = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        output = function(*args, **(kwargs or {}))
        for tensor in output if isinstance(output, tuple | list) else [output]:
            if isinstance(tensor, torch.Tensor):
                self.size = max(self.size, tensor.numel())
        return output


def test_there_is_never_a_tensor_of_all_scores():
    rows, words = 512, 300
    hidden, weight = torch.randn(rows, 4, requires_grad=True), torch.randn(words, 4, requires_grad=True)
    kept = 0

    def count(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        kept += tensor.numel()
        return tensor

    with _Largest() as largest, torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        chunked_cross_entropy(hidden, weight, None, torch.randint(words, (rows,)), chunk_size=16).backward()
    assert largest.size <= 16 * words
    assert kept <= rows * 4 + words * 4


def test_a_sample_estimates_the_sum_over_the_vocabulary(inputs):
    hidden, weight, bias, _ = (tensor.detach() for tensor in inputs)
    hidden, label = hidden[:1] * 0.3, torch.tensor([4])
    scores = (hidden @ weight.T + bias * 0.3)[0]
    samples = 20
    count = torch.log(torch.tensor(6 / 5)) / torch.log(torch.tensor(WORDS + 1.0)) * samples
    right = scores[4] - count.log()
    others = []
    for seed in range(3000):
        torch.manual_seed(seed)
        loss = sampled_softmax_loss(hidden, weight, bias * 0.3, label, num_samples=samples)
        others.append((loss + right).exp() - right.exp())
    expected = scores.exp().sum() - scores[4].exp()
    assert torch.stack(others).mean() == pytest.approx(expected.item(), rel=0.03)


def test_a_sample_ignores_what_is_ignored(inputs):
    hidden, weight, bias, labels = inputs
    torch.manual_seed(1)
    loss = sampled_softmax_loss(hidden, weight, bias, labels, num_samples=8)
    counted = labels != -100
    torch.manual_seed(1)
    torch.testing.assert_close(
        loss, sampled_softmax_loss(hidden[counted], weight, bias, labels[counted], num_samples=8)
    )
    assert sampled_softmax_loss(hidden, weight, bias, labels.fill_(-100), num_samples=8) == 0


def test_a_recurrent_language_model_draws_in_training_alone():
    config = RNNConfig(vocab_size=40, embedding_size=6, hidden_size=6, num_softmax_samples=5, eos_token_id=1)
    torch.manual_seed(0)
    model, ids = RNNForCausalLM(config), torch.randint(2, 40, (3, 9))
    assert len({float(model.train()(ids, labels=ids).loss) for _ in range(4)}) == 4
    with torch.no_grad():
        scores = model.eval()(ids).logits[:, :-1]
        exact = torch.nn.functional.cross_entropy(scores.flatten(0, 1), ids[:, 1:].flatten())
        torch.testing.assert_close(model(ids, labels=ids).loss, exact)

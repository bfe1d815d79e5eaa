"""Blocks against something slower and obviously right: loops, counts, the formula of the paper."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from wordemb_hf.modeling.convolution import ParallelConvolutions
from wordemb_hf.modeling.pooling import masked_max, masked_mean
from wordemb_hf.modeling.word_losses import draw_negatives, negative_sampling_loss

from wordemb_hf.errors import UserError
from wordemb_hf.objectives.windows import ContextWindows, WordWindows


def sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


# Convolutions and pooling


@pytest.mark.parametrize("length", [1, 2, 7])
def test_convolutions_are_loops_over_tokens(length):
    widths, filters = (1, 2, 3, 4, 5), 3
    block = ParallelConvolutions(input_size=4, num_filters=filters, filter_sizes=widths)
    states = torch.randn(2, length, 4)
    expected = torch.zeros(2, length, filters * len(widths))
    for which, width in enumerate(widths):
        convolution = block.convolutions[which]
        for text in range(2):
            for token in range(length):
                answer = convolution.bias.detach().clone()
                for place in range(width):
                    other = token - (width - 1) // 2 + place
                    if 0 <= other < length:
                        answer += convolution.weight[:, :, place].detach() @ states[text, other]
                expected[text, token, which * filters : (which + 1) * filters] = answer
    torch.testing.assert_close(block(states).detach(), expected)


def test_pooling_is_loops_over_tokens():
    states = torch.randn(5, 6, 3) - 3.0  # mostly negative, so that a zero would win a maximum
    mask = torch.rand(5, 6) < 0.5
    mask[0], mask[1] = False, True
    mean, largest = masked_mean(states, mask), masked_max(states, mask)
    for text in range(5):
        tokens = [states[text, token] for token in range(6) if mask[text, token]]
        for column in range(3):
            values = [float(token[column]) for token in tokens] or [0.0]
            assert float(mean[text, column]) == pytest.approx(sum(values) / len(values), abs=1e-6)
            assert float(largest[text, column]) == max(values)


@pytest.mark.parametrize("pool", [masked_mean, masked_max])
def test_pooling_gives_padding_no_gradient(pool):
    states = torch.randn(3, 4, 2, requires_grad=True)
    mask = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0], [0, 1, 1, 1]]).bool()
    pool(states, mask).square().sum().backward()
    assert states.grad.isfinite().all() and not states.grad[~mask].any() and states.grad[mask].any()


# Negative sampling


def naive_loss(contexts, context_mask, outputs, negative_mask) -> tuple[float, np.ndarray, np.ndarray]:
    """Equation 4 of Mikolov et al. 2013b one pair at a time, and its derivatives written out."""
    loss, pairs = 0.0, int(context_mask.sum())
    by_contexts, by_outputs = np.zeros_like(contexts), np.zeros_like(outputs)
    for row in range(len(contexts)):
        for place in range(contexts.shape[1]):
            if not context_mask[row, place]:
                continue
            context, target = contexts[row, place], outputs[row, 0]
            loss -= math.log(sigmoid(target @ context))
            by_contexts[row, place] += (sigmoid(target @ context) - 1) * target
            by_outputs[row, 0] += (sigmoid(target @ context) - 1) * context
            for number in range(outputs.shape[1] - 1):
                if negative_mask[row, number]:
                    noise = outputs[row, 1 + number]
                    loss -= math.log(sigmoid(-noise @ context))
                    by_contexts[row, place] += sigmoid(noise @ context) * noise
                    by_outputs[row, 1 + number] += sigmoid(noise @ context) * context
    return loss / pairs, by_contexts / pairs, by_outputs / pairs


def test_negative_sampling_is_the_papers_formula():
    rng = np.random.default_rng(0)
    contexts, outputs = rng.normal(size=(4, 3, 5)), rng.normal(size=(4, 1 + 6, 5))
    context_mask, negative_mask = rng.random((4, 3)) < 0.6, rng.random((4, 6)) < 0.7
    context_mask[0] = negative_mask[1] = False  # a window with no context, and one with no noise
    context_mask[1] = True
    expected, by_contexts, by_outputs = naive_loss(contexts, context_mask, outputs, negative_mask)

    inputs = [torch.tensor(array, dtype=torch.float32, requires_grad=True) for array in (contexts, outputs)]
    loss = negative_sampling_loss(inputs[0], torch.from_numpy(context_mask), inputs[1], torch.from_numpy(negative_mask))
    loss.backward()
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    for tensor, gradient in zip(inputs, (by_contexts, by_outputs), strict=True):
        np.testing.assert_allclose(tensor.grad.numpy(), gradient, rtol=1e-4, atol=1e-6)


def test_negative_sampling_with_nothing_to_predict():
    contexts, outputs = torch.randn(2, 3, 4, requires_grad=True), torch.randn(2, 5, 4, requires_grad=True)
    loss = negative_sampling_loss(contexts, torch.zeros(2, 3).bool(), outputs, torch.ones(2, 4).bool())
    loss.backward()
    assert loss.item() == 0.0 and not contexts.grad.any() and not outputs.grad.any()


def test_negative_sampling_survives_large_scores():
    contexts = torch.full((1, 1, 1), 200.0, requires_grad=True)
    outputs = torch.tensor([[[-1.0], [1.0]]])
    loss = negative_sampling_loss(contexts, torch.ones(1, 1).bool(), outputs, torch.ones(1, 1).bool())
    loss.backward()
    assert loss.item() == pytest.approx(400.0) and contexts.grad.item() == pytest.approx(2.0)


@pytest.mark.parametrize("exponent", [0.75, 1.0, 0.0])
def test_noise_words_are_drawn_by_their_counts(exponent):
    counts = torch.tensor([0, 0, 1000, 300, 0, 10, 3, 1, 50, 0])  # zeros first, in the middle and last
    draws = 200_000
    ids = draw_negatives(counts, exponent, (draws // 4, 4))
    assert ids.shape == (draws // 4, 4) and ids.dtype == torch.int64
    weights = [float(count) ** exponent if count else 0.0 for count in counts.tolist()]
    expected = np.array(weights) / sum(weights) * draws
    observed = np.bincount(ids.flatten().numpy(), minlength=len(counts))
    assert not observed[expected == 0].any()
    # The 99.9th percentile of chi-square with six kinds of word, five degrees of freedom.
    likely = expected > 0
    assert ((observed - expected)[likely] ** 2 / expected[likely]).sum() < 20.5


# Windows. Every token of the corpus is a word of its own, so that a word tells its place.

DOCUMENTS = (1, 7, 2, 30, 0, 12)
OFFSETS = np.concatenate([[0], np.cumsum(DOCUMENTS)])
TOKENS = int(OFFSETS[-1])
IDS = np.arange(2, 2 + TOKENS, dtype=np.int32)
WINDOW = 4


def windows(kind=WordWindows, threshold: float = 0.0, seed: int = 0, batch_size: int = 7, counts=None):
    counts = np.concatenate([[0, 0], np.ones(TOKENS, np.int64)]) if counts is None else counts
    return kind(IDS, OFFSETS, counts, WINDOW, threshold, batch_size, seed)


def read(batches) -> list[tuple[int, list[int]]]:
    """The word in the middle and the words around it, of every window in order."""
    return [
        (int(label), [int(word) for word in row if word])
        for batch in batches
        for label, row in zip(batch["labels"], batch["input_ids"], strict=True)
    ]


def possible(kept: set[int], middle: int) -> list[list[int]]:
    """What may stand around a word, for each width of the window: the slow way."""
    answers = []
    for width in range(1, WINDOW + 1):
        around = []
        for begin, end in pairwise(OFFSETS):
            document = [int(word) for word in IDS[begin:end] if int(word) in kept]
            if middle in document:
                place = document.index(middle)
                around = document[max(place - width, 0) : place] + document[place + 1 : place + 1 + width]
        answers.append(around)
    return answers


@pytest.mark.parametrize("threshold", [0.0, 0.005])
def test_windows_are_those_of_a_slow_reader(threshold):
    source = windows(threshold=threshold)
    sizes = set()
    for number in range(3):
        found = read(source.epoch(number))
        kept = {middle for middle, _ in found}
        assert len(found) == len(kept)  # each word that is kept is in the middle once
        sizes.add(len(kept))
        for middle, around in found:
            assert around in possible(kept, middle)
    assert sizes == {TOKENS} if threshold == 0 else max(sizes) < TOKENS


def test_widths_are_uniform():
    source, middle = windows(), int(OFFSETS[3]) + 2 + 15  # the middle of the longest document
    lengths = [len(dict(read(source.epoch(number)))[middle]) // 2 for number in range(800)]
    observed = np.bincount(lengths, minlength=WINDOW + 1)
    assert observed[0] == 0 and observed.sum() == 800
    assert ((observed[1:] - 200.0) ** 2 / 200.0).sum() < 16.3  # the 99.9th percentile of chi-square, three degrees


def test_frequent_words_are_thinned_out_as_in_word2vec_c():
    counts = np.ones(2 + TOKENS, np.int64)
    counts[:2] = 0
    counts[2:6] = (10_000, 1_000, 200, 30)
    threshold, epochs = 1e-3, 1500
    source = windows(threshold=threshold, counts=counts)
    seen = np.zeros(2 + TOKENS)
    for number in range(epochs):
        for batch in source.epoch(number):
            seen[batch["labels"].numpy()] += 1
    for word in range(2, 2 + TOKENS):
        share = counts[word] / counts.sum()
        probability = min(math.sqrt(threshold / share) + threshold / share, 1.0)
        deviation = math.sqrt(probability * (1 - probability) / epochs)
        assert abs(seen[word] / epochs - probability) <= 4 * deviation, word
    assert (seen[2:6] < epochs).any() and (seen[6:] == epochs).all()


def test_epochs_differ_and_a_seed_decides_them():
    def epoch(number: int, seed: int = 0):
        return read(windows(threshold=0.01, seed=seed).epoch(number))

    assert epoch(1) == epoch(1)
    assert epoch(1) != epoch(2) and epoch(1) != epoch(1, seed=1)
    assert sorted(epoch(1)) != epoch(1)  # not in the order of the text
    source = windows(threshold=0.01)
    assert [read(source.epoch(number)) for number in (2, 1)] == [epoch(2), epoch(1)]  # whatever was asked for before


def test_batches_are_a_sequence():
    batches = windows(batch_size=7).epoch(0)
    assert all(1 <= len(batch["labels"]) <= 7 for batch in batches)
    assert len(list(batches)) == len(batches) and read([batches[len(batches) - 1]]) == read(list(batches)[-1:])
    with pytest.raises(IndexError):
        batches[len(batches)]
    for batch in batches:
        assert batch["input_ids"].dtype == batch["labels"].dtype == torch.int64
        assert batch["input_ids"].shape[1] <= 2 * WINDOW


def test_predictions_are_counted_as_the_loss_takes_its_mean():
    for batch in windows().epoch(0):
        around = [words for _, words in read([batch])]
        assert int(windows().items(batch)) == sum(map(len, around))
        assert int(windows(ContextWindows).items(batch)) == sum(map(bool, around))


def test_a_corpus_of_which_nothing_is_left_is_refused():
    source = WordWindows(IDS[:0], OFFSETS[:1], np.zeros(2, np.int64), WINDOW, 1e-3, 4, 0)
    with pytest.raises(UserError, match="subsample-threshold"):
        source.epoch(0)

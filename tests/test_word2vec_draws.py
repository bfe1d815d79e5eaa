"""What word2vec draws on a device: the generator's published numbers, exact tables, and frequencies."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from wordemb_hf.word2vec.philox import KEEP_BITS, alias_table, draw_noise, draw_widths, keep_thresholds, philox

# Random123's known answers for philox4x32-10: counter, key, numbers.
KNOWN = [
    ([0, 0, 0, 0], 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ([0xFFFFFFFF] * 4, 0xFFFFFFFFFFFFFFFF, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        0x299F31D0A4093822,
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_philox_gives_the_published_numbers(counter, key, expected):
    numbers = philox(key, tuple(torch.tensor([word]) for word in counter))
    assert " ".join(f"{int(number):08x}" for number in numbers) == expected


@pytest.mark.parametrize(
    "weights",
    [
        [3.0],
        [1.0] * 6,
        [0, 0, 1, 5],
        [5, 1, 0, 0],
        [0, 1e-9, 1, 0, 1e9],
        1 / np.arange(1, 3000) ** 1.2,
        np.random.default_rng(0).random(1000),
    ],
    ids=len,
)
def test_an_alias_table_holds_exactly_its_weights(weights):
    weights = np.asarray(weights, float)
    table = alias_table(weights)
    assert table.dtype == np.int32 and table[:, 1].min() >= 0 and table[:, 1].max() < len(weights)
    own = table[:, 0] / (1 << KEEP_BITS)
    shares = np.bincount(table[:, 1], 1 - own, minlength=len(weights)) + own
    np.testing.assert_allclose(shares / len(weights), weights / weights.sum(), atol=1e-9)
    assert not table[weights == 0, 0].any() and weights[table[weights == 0, 1]].all()


def test_thresholds_are_exact_at_both_ends():
    words = torch.arange(2, dtype=torch.int32).repeat(5000)
    widths = draw_widths(words, 0, torch.from_numpy(keep_thresholds(np.array([0.0, 1.0]))), 1, seed=0, epoch=0)
    assert torch.equal(widths, words)


@pytest.mark.parametrize("start", [0, 2**32 - 3000])
def test_widths_are_even_and_words_stay_with_their_probability(start):
    stay = 0.3
    words = torch.ones(20_000, dtype=torch.int32)
    keep = torch.from_numpy(keep_thresholds(np.array([0.0, stay])))
    counts = np.bincount(draw_widths(words, start, keep, 5, seed=7, epoch=1), minlength=6)
    assert chisquare(counts, len(words) * np.array([1 - stay, *[stay / 5] * 5])).pvalue > 1e-3


def test_noise_words_have_the_frequencies_of_their_weights():
    weights = np.array([0, 0, *1 / np.arange(1, 30)])
    places = torch.arange(4000, dtype=torch.int32)
    drawn = draw_noise(places, 2**33, torch.from_numpy(alias_table(weights)), 5, seed=3, epoch=2)
    assert drawn.shape == (4000, 5) and drawn.dtype == torch.int32
    for column in drawn.T:
        counts = np.bincount(column, minlength=len(weights))
        assert not counts[:2].any()
        assert chisquare(counts[2:], 4000 * weights[2:] / weights.sum()).pvalue > 1e-4


def test_draws_follow_from_seed_epoch_and_place_alone():
    words, keep = torch.arange(300, dtype=torch.int32), torch.from_numpy(keep_thresholds(np.full(300, 0.6)))
    whole = draw_widths(words, 50, keep, 9, seed=1, epoch=2)
    assert torch.equal(whole[100:], draw_widths(words[100:], 150, keep, 9, seed=1, epoch=2))
    noise = torch.from_numpy(alias_table(np.ones(300)))
    drawn = draw_noise(words, 50, noise, 3, seed=1, epoch=2)
    assert torch.equal(drawn[100:], draw_noise(words[:200], 150, noise, 3, seed=1, epoch=2))
    for seed, epoch in ((2, 2), (1, 3), (1 + 2**32, 2)):
        assert not torch.equal(whole, draw_widths(words, 50, keep, 9, seed=seed, epoch=epoch))
        assert not torch.equal(drawn, draw_noise(words, 50, noise, 3, seed=seed, epoch=epoch))

"""The mix of layers against its formula."""

import numpy as np
import pytest
import torch
from wordemb_hf.modeling.scalar_mix import ScalarMix

LAYERS = [torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]


def test_begins_as_the_mean():
    torch.testing.assert_close(ScalarMix(3)(LAYERS), torch.stack(LAYERS).mean(0))


@pytest.mark.parametrize("layer_norm", [False, True])
def test_is_the_formula(layer_norm):
    mix = ScalarMix(3, layer_norm)
    weights = np.array([0.3, -1.0, 2.0])
    with torch.no_grad():
        mix.weights.copy_(torch.from_numpy(weights))
        mix.scale.fill_(1.7)
    shares = np.exp(weights) / np.exp(weights).sum()
    expected = np.zeros((2, 3, 4))
    for share, layer in zip(shares, LAYERS, strict=True):
        values = layer.double().numpy()
        if layer_norm:
            values = values - values.mean(-1, keepdims=True)
            values = values / np.sqrt((values**2).mean(-1, keepdims=True) + 1e-5)
        expected += 1.7 * share * values
    np.testing.assert_allclose(mix(LAYERS).detach(), expected, rtol=1e-5, atol=1e-6)


def test_padding_stays_zero():
    padded = [layer.clone() for layer in LAYERS]
    for layer in padded:
        layer[:, 2] = 0.0
    assert not ScalarMix(3, layer_norm=True)(padded)[:, 2].any()


def test_a_token_does_not_depend_on_its_batch():
    mix = ScalarMix(3, layer_norm=True)
    torch.testing.assert_close(mix(LAYERS)[:1], mix([layer[:1] for layer in LAYERS]))


def test_learns_which_layer_matters():
    mix = ScalarMix(3)
    optimizer = torch.optim.Adam(mix.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        (mix(LAYERS) - 2 * LAYERS[1]).square().mean().backward()
        optimizer.step()
    assert mix.weights.softmax(0)[1] > 0.95 and mix.scale.item() == pytest.approx(2.0, abs=0.05)


def test_another_number_of_layers_is_refused():
    with pytest.raises(ValueError):
        ScalarMix(2)(LAYERS)

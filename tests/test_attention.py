"""Attention pooling against a loop."""

import pytest
import torch
from wordemb_hf.modeling.attention import AttentionPooling, attention_penalty
from wordemb_hf.modeling.pooling import first_token, last_token

MASK = torch.tensor([[1, 1, 1, 0], [0, 1, 0, 1], [0, 0, 0, 0]]).bool()


@pytest.mark.parametrize("hops", [1, 3])
def test_attention_is_a_weighted_mean(hops):
    torch.manual_seed(0)
    pooling, states = AttentionPooling(input_size=5, attention_size=4, num_hops=hops), torch.randn(3, 4, 5)
    pooled, weights = pooling(states, MASK)
    assert pooled.shape == (3, 5) and weights.shape == (3, hops, 4)
    for row in range(3):
        tokens = [states[row, place] for place in range(4) if MASK[row, place]]
        means = []
        for hop in range(hops):
            scores = [
                pooling.scores.weight[hop] @ torch.tanh(pooling.hidden.weight @ token + pooling.hidden.bias)
                for token in tokens
            ]
            total = sum(score.exp() for score in scores)
            shares = [score.exp() / total for score in scores]
            torch.testing.assert_close(weights[row, hop, MASK[row]], torch.stack(shares) if shares else torch.zeros(0))
            means.append(sum((share * token for share, token in zip(shares, tokens, strict=True)), torch.zeros(5)))
        expected = torch.cat(means)
        torch.testing.assert_close(pooled[row], pooling.output(expected).relu() if hops > 1 else expected)
    assert not weights.transpose(1, 2)[~MASK].any()


def test_the_penalty_counts_overlap():
    apart = torch.eye(3).expand(2, 3, 3)  # each hop looks at a token of its own
    assert attention_penalty(apart) == 0
    together = torch.zeros(2, 3, 4)
    together[:, :, 1] = 1
    assert attention_penalty(together) == 6  # all but the diagonal of 3 x 3


def test_last_and_first_token():
    states = torch.arange(12.0).view(3, 4, 1) + 1
    assert last_token(states, MASK).flatten().tolist() == [3.0, 8.0, 0.0]
    assert first_token(states, MASK).flatten().tolist() == [1.0, 6.0, 0.0]

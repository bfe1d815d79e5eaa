"""Attention over words and the decoder that has it, against loops."""

from itertools import product

import pytest
import torch
from torch import nn
from wordemb_hf.modeling.attention_decoder import AttentionDecoder
from wordemb_hf.modeling.word_attention import WordAttention

MASK = torch.tensor([[1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1], [0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]]).bool()
KINDS = list(product(("additive", "dot", "general"), ("global", "local")))


def expected_weights(attention: WordAttention, query: torch.Tensor, tokens: list[torch.Tensor]) -> list[torch.Tensor]:
    """The weights of one query over the tokens of one text, by the papers' formulas."""
    scores = []
    for token in tokens:
        if attention.score == "additive":
            layer = attention.query_layer
            hidden = torch.tanh(layer.weight @ query + layer.bias + attention.source_layer.weight @ token)
            scores.append(attention.scores.weight[0] @ hidden)
        elif attention.score == "dot":
            scores.append(query @ token)
        else:
            scores.append(token @ (attention.query_layer.weight @ query))
    if attention.place_layers is None:
        total = sum(score.exp() for score in scores)
        return [score.exp() / total for score in scores]
    first, _, second = attention.place_layers
    place = len(tokens) * torch.sigmoid(second.weight[0] @ torch.tanh(first.weight @ query))
    near = [abs(number - place) <= attention.window for number in range(len(tokens))]
    total = sum(score.exp() for score, close in zip(scores, near, strict=True) if close)
    sigma = attention.window / 2
    return [
        score.exp() / total * torch.exp(-((number - place) ** 2) / (2 * sigma**2)) if close else torch.tensor(0.0)
        for number, (score, close) in enumerate(zip(scores, near, strict=True))
    ]


@pytest.mark.parametrize(("score", "span"), KINDS)
def test_attention_is_that_of_the_papers(score, span):
    torch.manual_seed(0)
    attention = WordAttention(score, 5, 5 if score == "dot" else 4, attention_size=3, span=span, window=1)
    for weight in attention.parameters():
        nn.init.uniform_(weight, -2, 2)
    source = torch.randn(len(MASK), MASK.shape[1], 5 if score == "dot" else 4)
    queries = torch.randn(len(MASK), 3, 5)
    found, weights = attention(queries, attention.keys(source), source, MASK)
    assert weights.shape == (4, 3, 6) and found.shape == (4, 3, source.shape[-1])
    assert not weights.transpose(1, 2)[~MASK].any() and not found[3].any()
    for row, step in product(range(3), range(3)):
        tokens = list(source[row, MASK[row]])
        expected = torch.stack(expected_weights(attention, queries[row, step], tokens))
        torch.testing.assert_close(weights[row, step, MASK[row]], expected)
        torch.testing.assert_close(found[row, step], (expected.unsqueeze(1) * source[row, MASK[row]]).sum(0))


def make_decoder(cell_type: str, input_feeding: bool) -> AttentionDecoder:
    torch.manual_seed(1)
    attention = WordAttention("general", query_size=4, source_size=5, attention_size=3)
    decoder = AttentionDecoder(
        cell_type=cell_type,
        input_size=3,
        hidden_size=4,
        num_layers=2,
        dropout=0.0,
        attention=attention,
        source_size=5,
        input_feeding=input_feeding,
    )
    return decoder.eval()


@pytest.mark.parametrize("input_feeding", [False, True], ids=["at once", "input feeding"])
@pytest.mark.parametrize("cell_type", ["gru", "lstm"])
@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
def test_the_decoder_takes_steps(cell_type, input_feeding, padded):
    decoder = make_decoder(cell_type, input_feeding)
    words, source = torch.randn(2, 5, 3), torch.randn(2, 6, 5)
    mask = torch.tensor([[1, 1, 1, 0, 0], [0, 1, 1, 1, 1]]).bool() if padded else None
    cell = torch.randn(2, 2, 4) if cell_type == "lstm" else [None, None]
    begin = list(zip(torch.randn(2, 2, 4), cell, strict=True))
    keys = decoder.attention.keys(source)
    with torch.no_grad():
        outputs, weights, states, fed = decoder(words, mask, source, MASK[:2], keys, begin, keep_states=True)
    cells = nn.LSTMCell if cell_type == "lstm" else nn.GRUCell
    for row in range(2):
        known = [(h[row], None if c is None else c[row]) for h, c in begin]
        last = torch.zeros(3)
        for step in range(5):
            if padded and not mask[row, step]:
                continue
            hidden = torch.cat([words[row, step], last]) if input_feeding else words[row, step]
            for number, layer in enumerate(decoder.layers.forward_layers):
                one = cells(layer.input_size, 4)
                one.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
                after = one(hidden, known[number] if cell_type == "lstm" else known[number][0])
                known[number] = after if cell_type == "lstm" else (after, None)
                hidden = known[number][0]
            tokens = source[row, MASK[row]]
            shares = torch.stack(expected_weights(decoder.attention, hidden, list(tokens)))
            both = torch.cat([(shares.unsqueeze(1) * tokens).sum(0), hidden])
            last = torch.tanh(decoder.combine.weight @ both + decoder.combine.bias)
            torch.testing.assert_close(outputs[row, step], last)
            torch.testing.assert_close(weights[row, step, MASK[row]], shares)
        for (h, c), (expected_h, expected_c) in zip(states, known, strict=True):
            torch.testing.assert_close(h[row], expected_h)
            if c is not None:
                torch.testing.assert_close(c[row], expected_c)
        if input_feeding:
            torch.testing.assert_close(fed[row], last)

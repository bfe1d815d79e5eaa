"""The character CNN against loops over words, filters and places."""

import numpy as np
import pytest
import torch
from wordemb_hf.modeling.char_cnn import CharacterCNN, Highway
from wordemb_hf.modeling.spelled_words import SpelledWords
from wordemb_hf.modeling.spelling import BEGIN_SENTENCE, BEGIN_WORD, END_SENTENCE, END_WORD, NUM_CHARACTERS, PADDING
from wordemb_hf.tokenization import character_ids

FILTERS = [(1, 2), (3, 4), (5, 1)]


def network(**options) -> CharacterCNN:
    torch.manual_seed(0)
    return CharacterCNN(**{"embedding_size": 3, "filters": FILTERS, "num_characters": 20, **options})


def arrays(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: weight.detach().double().numpy() for name, weight in module.state_dict().items()}


def by_loops(weights: dict[str, np.ndarray], word: list[int], activation, highways: int) -> np.ndarray:
    """One word's vector."""
    letters = [weights["embeddings.weight"][letter] for letter in word]
    features = []
    for number, (width, count) in enumerate(FILTERS):
        kernel, bias = weights[f"convolutions.{number}.weight"], weights[f"convolutions.{number}.bias"]
        for feature in range(count):
            answers = []
            for start in range(len(word) - width + 1):
                window = sum(kernel[feature, :, place] @ letters[start + place] for place in range(width))
                answers.append(activation(window + bias[feature]))
            features.append(max(answers))
    state = np.array(features)
    for number in range(highways):
        layer = f"highways.{number}"
        changed = np.maximum(weights[f"{layer}.transform.weight"] @ state + weights[f"{layer}.transform.bias"], 0)
        gate = 1 / (1 + np.exp(-(weights[f"{layer}.gate.weight"] @ state + weights[f"{layer}.gate.bias"])))
        state = gate * changed + (1 - gate) * state
    if "projection.weight" in weights:
        state = weights["projection.weight"] @ state + weights["projection.bias"]
    return state


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize(("highways", "output_size"), [(0, None), (1, None), (2, 5)])
def test_is_a_loop_over_places(activation, highways, output_size):
    model = network(num_highway_layers=highways, activation=activation, output_size=output_size)
    words = torch.randint(0, 20, (2, 3, 6))
    vectors = model(words)
    assert vectors.shape == (2, 3, output_size or 7)
    function = np.tanh if activation == "tanh" else lambda value: max(value, 0.0)
    for row in range(2):
        for column in range(3):
            expected = by_loops(arrays(model), words[row, column].tolist(), function, highways)
            np.testing.assert_allclose(vectors[row, column].detach(), expected, rtol=1e-5, atol=1e-6)


def test_no_words_at_all():
    assert network(output_size=5)(torch.zeros((2, 0, 6), dtype=torch.long)).shape == (2, 0, 5)


def test_a_closed_gate_lets_everything_through():
    layer, states = Highway(4), torch.randn(3, 4)
    torch.nn.init.constant_(layer.gate.bias, -50.0)
    torch.testing.assert_close(layer(states), states)
    torch.nn.init.constant_(layer.gate.bias, 50.0)
    torch.testing.assert_close(layer(states), layer.transform(states).relu())


def test_too_few_characters_are_refused():
    with pytest.raises(ValueError, match=r"character_ids has 4 characters .* needs 5"):
        network()(torch.zeros((1, 1, 4), dtype=torch.long))


def test_the_numbers_are_those_of_the_tokenizer():
    names = ("NUM_CHARACTERS", "BEGIN_SENTENCE", "END_SENTENCE", "BEGIN_WORD", "END_WORD", "PADDING")
    ours = (NUM_CHARACTERS, BEGIN_SENTENCE, END_SENTENCE, BEGIN_WORD, END_WORD, PADDING)
    assert ours == tuple(getattr(character_ids, name) for name in names)


def test_words_are_spelled_by_the_table_or_as_given():
    words = SpelledWords(4, 6, embedding_size=3, filters=FILTERS)
    spellings = torch.randint(1, NUM_CHARACTERS, (4, 6))
    words.spelling.set_spellings(spellings)
    ids, others = torch.tensor([[3, 0, 3]]), torch.randint(1, NUM_CHARACTERS, (1, 3, 6))
    torch.testing.assert_close(words(ids), words.characters(spellings[ids]))
    torch.testing.assert_close(words(ids, others), words.characters(others))
    assert words.num_embeddings == len(words.weight) == 4


def test_the_ends_of_a_sentence_are_spelled_as_the_tokenizer_does():
    words = SpelledWords(4, 6, embedding_size=3, filters=FILTERS)
    marks = [character_ids.spell_mark(mark, 6) for mark in (BEGIN_SENTENCE, END_SENTENCE)]
    torch.testing.assert_close(words.boundaries(torch.device("cpu")), words.characters(torch.tensor(marks)))

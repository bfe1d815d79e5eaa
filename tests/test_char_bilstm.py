"""The BiLSTM over characters against `nn.LSTM` on each word alone."""

import pytest
import torch
from wordemb_hf.modeling.char_bilstm import CharacterBiLSTM
from wordemb_hf.modeling.spelling import PADDING
from wordemb_hf.tokenization.character_ids import spell

WORDS = ["cat", "", "cat", "a", "中文", "catastrophe" * 9, "tac", "b"]


@pytest.fixture
def block() -> CharacterBiLSTM:
    torch.manual_seed(0)
    return CharacterBiLSTM(embedding_size=5, hidden_size=3)


def batch(size: int = 50) -> torch.Tensor:
    """Words, twice the same among them, and two rows of no word: `(2, 5, size)`."""
    rows = [spell(word, size) for word in WORDS] + [(0,) * size, (PADDING,) * size]
    return torch.tensor(rows).view(2, 5, size)


def word_by_word(block: CharacterBiLSTM, character_ids: torch.Tensor) -> torch.Tensor:
    """What `nn.LSTM` says of each word without its padding, forwards and backwards."""
    vectors = []
    for word in character_ids.flatten(0, 1).tolist():
        characters = torch.tensor([character for character in word if character not in (0, PADDING)])
        if len(characters) == 0:
            vectors.append(torch.zeros(6))
            continue
        _, (onward, _) = block.forward_layer(block.embeddings(characters))
        _, (back, _) = block.backward_layer(block.embeddings(characters.flip(0)))
        vectors.append(torch.cat([onward[0], back[0]]))
    return torch.stack(vectors).view(*character_ids.shape[:2], 6)


def gradients(block: CharacterBiLSTM, output: torch.Tensor) -> dict[str, torch.Tensor]:
    block.zero_grad()
    (output * torch.arange(output.numel()).view_as(output)).sum().backward()
    return {name: weight.grad.clone() for name, weight in block.named_parameters()}


def test_it_is_a_loop_over_words(block):
    ids = batch()
    actual, expected = block(ids), word_by_word(block, ids)
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(gradients(block, actual), gradients(block, expected), rtol=1e-4, atol=1e-5)
    assert not actual[1, 3:].any() and actual[:, :3].any(-1).all()


def test_room_behind_a_word_changes_nothing(block):
    ids = batch()[:1, :4]  # short ones
    for size in (7, 12):
        torch.testing.assert_close(block(batch(size)[:1, :4]), block(ids))
    zeros = torch.where(ids == PADDING, 0, ids)
    torch.testing.assert_close(block(zeros), block(ids))


def test_both_ends_are_read(block):
    """Of a word that is cut at either end, one half of the vector stays and the other changes."""
    word = torch.tensor([[[10, 11, 12, 13, 0]]])
    other_end, other_begin = word.clone(), word.clone()
    other_end[..., 3], other_begin[..., 0] = 20, 20
    for other in (other_end, other_begin):
        assert (block(word) != block(other)).all()
    reverse = CharacterBiLSTM(embedding_size=5, hidden_size=3)
    reverse.embeddings = block.embeddings
    reverse.forward_layer, reverse.backward_layer = block.backward_layer, block.forward_layer
    mirrored = torch.tensor([[[13, 12, 11, 10, 0]]])
    torch.testing.assert_close(reverse(mirrored), block(word).roll(3, -1))


def test_no_words_at_all(block):
    for shape in ((2, 0, 7), (0, 3, 7), (2, 3, 7)):
        vectors = block(torch.zeros(shape, dtype=torch.long))
        assert vectors.shape == (*shape[:2], 6) and not vectors.any()
        vectors.sum().backward()
    assert block(batch()[0]).shape == (5, 6)  # of any number of dimensions


def test_what_a_compiler_sees_is_the_same(block, monkeypatch):
    ids = batch()
    expected = block(ids)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    torch.testing.assert_close(block(ids), expected)
    exported = torch.export.export(block, (ids,), strict=False).module()
    torch.testing.assert_close(exported(ids), expected)

"""Texts that an objective hides parts of, and pieces of a stream: how much is hidden, where, and by what seed."""

import itertools

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from wordemb_hf.errors import UserError
from wordemb_hf.objectives.denoising import GappedTexts
from wordemb_hf.objectives.masked import MaskedWords, Vocabulary
from wordemb_hf.objectives.pieces import TextPieces
from wordemb_hf.objectives.sentences import WholeTexts
from wordemb_hf.token_words import changeable
from wordemb_hf.vocabulary import build_tokenizer

MASK, END, SIZE = 2, 3, 50
PLAIN = Vocabulary(MASK, np.arange(4, SIZE), np.ones(SIZE, bool), np.zeros(SIZE, bool))
RNG = np.random.default_rng(0)
LENGTHS = [20, 1, 7, 40, 13] * 8
IDS = RNG.integers(4, SIZE, sum(LENGTHS)).astype(np.int32)
OFFSETS = np.cumsum([0, *LENGTHS])


def texts(seed: int | None = 0) -> WholeTexts:
    return WholeTexts(IDS, OFFSETS, batch_size=5, max_length=64, pad_token_id=0, seed=seed)


def masked(vocabulary: Vocabulary = PLAIN, **options) -> MaskedWords:
    return MaskedWords(texts(), vocabulary, **options)


def test_a_share_of_each_text_is_hidden_in_the_way_of_the_paper():
    ways = {"mask": 0, "other": 0, "same": 0}
    for number in range(20):
        for whole, batch in zip(texts().epoch(number), masked().epoch(number), strict=True):
            ids, labels, tokens = batch["input_ids"], batch["labels"], batch["attention_mask"].bool()
            hidden = labels != -100
            assert torch.equal(labels[hidden], whole["input_ids"][hidden]) and not (hidden & ~tokens).any()
            assert torch.equal(ids[~hidden], whole["input_ids"][~hidden])
            for row in range(len(ids)):
                assert hidden[row].sum() == max(round(0.15 * int(tokens[row].sum())), 1)
            ways["mask"] += int((ids[hidden] == MASK).sum())
            ways["same"] += int((ids[hidden] == labels[hidden]).sum())
            ways["other"] += int(((ids[hidden] != labels[hidden]) & (ids[hidden] != MASK)).sum())
    total = sum(ways.values())
    assert ways["mask"] / total == pytest.approx(0.8, abs=0.03)
    assert ways["other"] / total == pytest.approx(0.1, abs=0.03)
    assert ways["same"] / total == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("make", [masked, lambda: GappedTexts(texts(), PLAIN, 0, END)], ids=["masked", "gaps"])
def test_what_is_hidden_depends_on_seed_epoch_and_batch_alone(make):
    def epoch(number: int) -> list[list]:
        batches = make().epoch(number)
        return [batches[index]["input_ids"].tolist() for index in reversed(range(len(batches)))]

    assert epoch(1) == epoch(1) != epoch(2)


def test_whole_words_are_hidden_as_a_whole():
    goes_on = np.arange(SIZE) % 3 == 0
    vocabulary = Vocabulary(MASK, np.arange(4, SIZE), np.ones(SIZE, bool), goes_on)
    for whole, batch in zip(texts().epoch(0), masked(vocabulary, whole_words=True).epoch(0), strict=True):
        for ids, labels, mask in zip(whole["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
            tokens, hidden = ids[mask.bool()].tolist(), (labels[mask.bool()] != -100).tolist()
            assert any(hidden)
            for place in range(1, len(tokens)):
                if goes_on[tokens[place]]:
                    assert hidden[place] == hidden[place - 1]


def test_words_are_known_by_the_tokenizer():
    pieces = ["[PAD]", "[UNK]", "[MASK]", "un", "##believ", "##able", "story", "##"]
    backend = Tokenizer(models.WordPiece({token: number for number, token in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", mask_token="[MASK]"
    )
    vocabulary = changeable(tokenizer)
    assert vocabulary.words(np.array([3, 4, 5, 6, 1, 4, 7])).tolist() == [0, 0, 0, 1, 2, 3, 4]
    assert vocabulary.ordinary.tolist() == [3, 4, 5, 6, 7]
    characters = build_tokenizer(["to be 好的"], kind="char-space", min_count=1, special_tokens=["<mask>"])
    ids = np.array(characters("to be 好的", add_special_tokens=False)["input_ids"])
    assert changeable(characters).words(ids).tolist() == [0, 0, 1, 2, 2, 3, 4, 5]
    words = build_tokenizer(["to be or not"], min_count=1, special_tokens=["<mask>"])
    assert changeable(words).words(np.array(words("to be or")["input_ids"])).tolist() == [0, 1, 2]
    with pytest.raises(UserError, match="no mask token"):
        changeable(build_tokenizer(["to be"], min_count=1))


def test_gaps_are_written_again_in_full():
    gaps, spoilt, tokens = 0, 0, 0
    for whole, batch in zip(texts().epoch(0), GappedTexts(texts(), PLAIN, 0, END).epoch(0), strict=True):
        for row in range(len(whole["input_ids"])):
            text = whole["input_ids"][row][whole["attention_mask"][row].bool()].tolist()
            labels = batch["labels"][row]
            assert labels[labels != -100].tolist() == [*text, END]
            source = batch["input_ids"][row][batch["attention_mask"][row].bool()].tolist()
            gaps += source.count(MASK)
            kept = [token for token in source if token != MASK]
            spoilt += len(text) - len(kept)
            tokens += len(text)
            rest = iter(text)
            assert all(token in rest for token in kept)  # what is left is left in order
    assert spoilt / tokens == pytest.approx(0.3, abs=0.02)  # but for texts of one token
    assert 1.5 < spoilt / gaps < 4


@pytest.mark.parametrize("seed", [None, 0, 5])
@pytest.mark.parametrize("length", [1, 4, 7, 100])
def test_each_token_of_a_stream_is_predicted_once(seed, length):
    ids = np.arange(100, 161, dtype=np.int32)
    pieces = TextPieces(ids, batch_size=3, length=length, seed=seed)
    seen = []
    for batch in pieces.epoch(2):
        inputs, labels, mask = batch["input_ids"], batch["shift_labels"], batch["attention_mask"].bool()
        predicted = labels != -100
        assert torch.equal(labels[predicted], inputs[predicted] + 1) and not (predicted & ~mask).any()
        for row, tokens in zip(inputs, mask, strict=True):
            assert all(two == one + 1 for one, two in itertools.pairwise(row[tokens].tolist()))
        seen += labels[predicted].tolist()
        assert pieces.items(batch) == predicted.sum()
    assert sorted(seen) == list(range(101, 161))


def test_a_measured_token_has_something_before_it():
    batch = TextPieces(np.arange(100, 161, dtype=np.int32), batch_size=99, length=8).epoch(0)[0]
    first = (batch["shift_labels"] != -100).float().argmax(1)
    assert first.tolist()[0] == 0 and set(first.tolist()[1:]) == {4}


def test_pieces_change_with_the_epoch_and_need_text():
    pieces = TextPieces(np.arange(100, 161, dtype=np.int32), batch_size=3, length=9, seed=0)
    assert pieces.epoch(0)[0]["input_ids"].tolist() != pieces.epoch(1)[0]["input_ids"].tolist()
    with pytest.raises(UserError, match="at least 2"):
        TextPieces(np.arange(1, dtype=np.int32), batch_size=1, length=4)

"""Which tokens make a word: what is hidden as a whole, of any kind of tokenizer."""

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from wordemb_hf.errors import UserError
from wordemb_hf.objectives.masked import MaskedWords
from wordemb_hf.subwords import train_subwords
from wordemb_hf.token_words import changeable
from wordemb_hf.vocabulary import build_tokenizer

ALL = "abcdefghijklmnopqrstuvwxyz0123456789"
LETTERS = [ALL, ALL[::-1], " ".join(ALL), "我们研究生命,!"]  # no two stand side by side more than once


def words_of(tokenizer, text):
    """The text of each word, as its tokens stand there."""
    encoding = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    numbers = changeable(tokenizer).words(np.array(encoding["input_ids"]))
    places: dict[int, list[int]] = {}
    for number, (start, stop) in zip(numbers.tolist(), encoding["offset_mapping"], strict=True):
        places.setdefault(number, []).extend((start, stop))
    return [text[min(ends) : max(ends)].strip() for ends in places.values()]


def pieces(kind, **options):
    return train_subwords(LETTERS, kind=kind, vocab_size=600, min_count=99, special_tokens=["<mask>"], **options)


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "unigram"])
def test_pieces_of_a_word_belong_together(kind):
    tokenizer = pieces(kind)
    text = "believable stories, 1984! <mask>be"
    assert len(tokenizer.tokenize(text)) > 20
    assert words_of(tokenizer, text) == ["believable", "stories", ",", "1984", "!", "<mask>", "be"]


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "unigram"])
def test_chinese_pieces_stand_alone(kind):
    assert words_of(pieces(kind), "use我们use研究") == ["use", "我", "们", "use", "研", "究"]


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_the_bytes_of_a_character_stay_in_its_word(kind):
    tokenizer = pieces(kind, byte_fallback=True)
    assert "<0xC3>" in tokenizer.tokenize("naïve")
    assert words_of(tokenizer, "a naïve one") == ["a", "naïve", "one"]


def test_bytes_as_letters():
    """As in GPT-2 and RoBERTa, whose `Ġ` is a space."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(["<mask>", "<unk>", *alphabet])}
    backend = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, mask_token="<mask>", unk_token="<unk>")
    ids = np.array(tokenizer("to naïve, us")["input_ids"])
    assert tokenizer.convert_ids_to_tokens(ids.tolist())[2] == "Ġ"
    # The space alone is a token here, and opens no word: only a SentencePiece mark does.
    assert changeable(tokenizer).words(ids).tolist() == [0, 0, 1, 2, 2, 2, 2, 2, 2, 3, 4, 5, 5]


def test_words_of_chinese_are_words():
    tokenizer = build_tokenizer(
        ["我们研究iPhone 15, 我们"], kind="word-zh", dictionary={"我们": 5, "研究": 3}, min_count=1,
        special_tokens=["<mask>"],
    )  # fmt: skip
    assert words_of(tokenizer, "我们研究iPhone 15, 我们") == ["我们", "研究", "iPhone", "15", ",", "我们"]


@pytest.mark.parametrize("options", [{}, {"kind": "word-space"}, {"phrases": ["to be"]}, {"max_characters": 9}])
def test_whole_words_are_words(options):
    tokenizer = build_tokenizer(["to be or not to be"], min_count=1, special_tokens=["<mask>"], **options)
    text = "not or , be"
    assert words_of(tokenizer, text) == text.split()


def test_characters_make_words():
    tokenizer = build_tokenizer(["to be 好的 2"], kind="char-space", min_count=1, special_tokens=["<mask>"])
    assert words_of(tokenizer, "to be好的 22") == ["to", "", "be", "好", "的", "", "22"]


def test_a_mask_is_needed():
    with pytest.raises(UserError, match="no mask token, which a masked language model needs: give it <mask>"):
        changeable(build_tokenizer(["to be"], min_count=1))


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "unigram"])
def test_a_word_is_hidden_with_all_its_pieces(kind):
    import torch

    tokenizer = pieces(kind)
    batch = tokenizer(["believable stories of 1984 use words"] * 8, return_tensors="pt", padding=True)
    vocabulary = changeable(tokenizer)

    class Texts:
        def epoch(self, number):
            return [{name: batch[name] for name in ("input_ids", "attention_mask")}]

    for epoch in range(5):
        labels = MaskedWords(Texts(), vocabulary, whole_words=True).epoch(epoch)[0]["labels"]
        assert (labels != -100).any(1).all() and (labels == -100).any()
        for ids, hidden in zip(batch["input_ids"], labels != -100, strict=True):
            words = torch.from_numpy(vocabulary.words(ids.numpy()))
            for word in words.unique():
                assert hidden[words == word].unique().numel() == 1

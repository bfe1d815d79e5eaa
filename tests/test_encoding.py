"""Texts as padded batches: ids, what else a tokenizer tells of each token, and which word a token is from."""

import numpy as np
import pytest
import torch

from wordemb_hf.encoding import MAX_LENGTH, EncodedTexts
from wordemb_hf.vocabulary import build_tokenizer

TEXTS = ["The Cat sat on it .", "", "Catastrophe !", "THE the"]


def make(**options):
    return build_tokenizer(["the cat sat on it ."], **{"min_count": 1, "max_characters": 9, **options})


def check(encoded: EncodedTexts, tokenizer, texts, **options):
    """Batches are what the tokenizer itself would pad."""
    for indices in ([0, 2], [1], [3, 1, 2, 0]):
        batch = encoded.batches([np.array(indices)])[0]
        expected = tokenizer([texts[index] for index in indices], padding=True, return_tensors="pt", **options)
        assert list(batch) == list(expected)
        width = batch["input_ids"].shape[1]  # a batch without tokens has one place for them
        assert width == max(expected["input_ids"].shape[1], 1)
        for name, tensor in expected.items():
            assert batch[name].dtype == torch.int64
            assert torch.equal(batch[name][:, : tensor.shape[1]], tensor)
            assert batch[name].shape == (len(indices), width, *tensor.shape[2:])


@pytest.mark.parametrize("max_characters", [None, 9])
def test_batches_are_those_of_the_tokenizer(max_characters):
    tokenizer = make(max_characters=max_characters)
    check(EncodedTexts(tokenizer, TEXTS), tokenizer, TEXTS)


def test_labels_and_lengths():
    encoded = EncodedTexts(make(), TEXTS, max_length=2, labels=np.arange(4))
    assert len(encoded) == 4 and encoded.lengths.tolist() == [2, 0, 2, 2]
    batch = encoded.batches([np.array([2, 0])])[0]
    assert batch["labels"].tolist() == [2, 0] and batch["character_ids"].shape == (2, 2, 9)


def test_a_limit_where_the_tokenizer_has_none():
    long = [" ".join(["the"] * 600)]
    assert EncodedTexts(make(), long).lengths.tolist() == [MAX_LENGTH]
    assert EncodedTexts(make(max_length=7), long).lengths.tolist() == [7]


def test_words_that_are_apart_already():
    tokenizer = make()
    words = [["The", "it.", "\u200b", "Cat"], [], ["sat"], ("on", ".")]
    encoded = EncodedTexts(tokenizer, words, split_into_words=True)
    check(encoded, tokenizer, [list(text) for text in words], is_split_into_words=True)
    assert [ids.tolist() for ids in encoded.word_ids] == [[0, 1, 1, 3], [], [0], [0, 1]]
    assert len(EncodedTexts(tokenizer, [], split_into_words=True)) == 0


def test_tokens_of_a_template_are_of_no_word():
    from tokenizers.processors import TemplateProcessing

    tokenizer = make(special_tokens=["<s>", "</s>"])
    ids = [(token, tokenizer.convert_tokens_to_ids(token)) for token in ("<s>", "</s>")]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=ids)
    encoded = EncodedTexts(tokenizer, [["The", "cat"], []], split_into_words=True)
    assert [ids.tolist() for ids in encoded.word_ids] == [[-1, 0, 1, -1], [-1, -1]]
    check(EncodedTexts(tokenizer, TEXTS), tokenizer, TEXTS)


def test_other_things_of_a_token_come_along_by_their_own_names():
    """Token types are one number for each token, and what a tokenizer gives may be large or below zero."""

    class Tokenizer:
        model_max_length, pad_token_id = 10, 5

        def __call__(self, texts, **options):
            return {
                "input_ids": [[1] * len(text) for text in texts],
                "token_type_ids": [list(range(len(text))) for text in texts],
                "hashes": [[[1 << 20, -place] for place in range(len(text))] for text in texts],
            }

    batch = EncodedTexts(Tokenizer(), ["ab", "abc", ""]).batches([np.array([1, 2, 0])])[0]
    assert batch["input_ids"].tolist() == [[1, 1, 1], [5, 5, 5], [1, 1, 5]]
    assert batch["token_type_ids"].tolist() == [[0, 1, 2], [0, 0, 0], [0, 1, 0]]
    big = 1 << 20
    assert batch["hashes"].tolist() == [
        [[big, 0], [big, -1], [big, -2]], [[0, 0]] * 3, [[big, 0], [big, -1], [0, 0]]
    ]  # fmt: skip


def test_a_spelling_is_kept_once():
    texts = [" ".join(["the", "cat"] * 200)] * 50
    encoded = EncodedTexts(make(), texts)
    kept = encoded._more["character_ids"]
    assert kept.values.shape == (3, 9) and kept.values.dtype == torch.int16  # padding and two words
    assert len(kept._padded._flat) == 20000


def test_texts_without_a_single_token():
    batch = EncodedTexts(make(), ["", " "]).batches([np.array([0, 1])])[0]
    assert batch["input_ids"].tolist() == [[0], [0]] and not batch["attention_mask"].any()
    assert "character_ids" not in batch  # a model looks the padding's spelling up

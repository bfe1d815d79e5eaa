"""n-grams of unseen words: fastText's numbers, whatever is asked of the tokenizer, and wherever it is loaded."""

import json

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, DataCollatorWithPadding
from wordemb_hf.modeling import Word2VecConfig, Word2VecModel
from wordemb_hf.tokenization import NgramWordTokenizer
from wordemb_hf.tokenization.ngram_hashing import NgramScheme, hash_ngrams

from wordemb_hf.errors import UserError
from wordemb_hf.families import ngrams_read
from wordemb_hf.vocabulary import build_tokenizer, extend_tokenizer, vocabulary_ngrams

TEXT = "The cat sat on the mat ."
SCHEME = NgramScheme(1000, 3, 4, 12)
NOTHING = (0,) * SCHEME.max_ngrams


def make(scheme: NgramScheme = SCHEME, **options) -> NgramWordTokenizer:
    return build_tokenizer([TEXT], **{"min_count": 1, "special_tokens": ["<s>"], **options}, ngrams=scheme)


@pytest.fixture
def tokenizer() -> NgramWordTokenizer:
    return make()


def read(words: list[str | None], scheme: NgramScheme = SCHEME) -> list[tuple[int, ...]]:
    """What unseen words are to give; `None` for all that is none."""
    return [hash_ngrams(word, scheme) if word is not None else (0,) * scheme.max_ngrams for word in words]


# Numbers

# By `ft_hash_bytes` of gensim 4.4, which is checked there against fastText's own binaries.
BY_FASTTEXT = {
    "where": {"<wh": 1048167652, "<whe": 3668989715, "whe": 888420941, "where>": 4012121234, "re>": 2062867498},
    "straße": {"<str": 1036064706, "traß": 1242733376, "aße>": 1124031141, "ße>": 2436679512},
    "中": {"<中>": 3090476616},
}


@pytest.mark.parametrize(("word", "expected"), BY_FASTTEXT.items())
def test_hashes_are_those_of_fasttext(word, expected):
    found = hash_ngrams(word, NgramScheme(2**32, 3, 6, 99))
    grams = ngrams_of(word, 3, 6)
    assert {gram: found[grams.index(gram)] - 1 for gram in expected} == expected


def ngrams_of(word: str, shortest: int, longest: int) -> list[str]:
    """By the rule of fastText's `computeSubwords`: n-grams of one character are none if they are an end of the word."""
    word, found = f"<{word}>", []
    for start in range(len(word)):
        for length in range(shortest, longest + 1):
            gram = word[start : start + length]
            if len(gram) == length and not (length == 1 and start in (0, len(word) - 1)):
                found.append(gram)
    return found


def fnv(gram: str) -> int:
    value = 2166136261
    for byte in gram.encode():
        signed = byte - 256 if byte > 127 else byte
        value = ((value ^ (signed % 2**32)) * 16777619) % 2**32
    return value


@pytest.mark.parametrize("lengths", [(3, 6), (1, 2), (1, 1), (2, 9)], ids=str)
@pytest.mark.parametrize("word", ["where", "a", "", "l'été", "日本語のテキスト", "😀ok", "x" * 20])
def test_ngrams_are_found_and_hashed_as_by_hand(word, lengths):
    found = hash_ngrams(word, NgramScheme(97, *lengths, 500))
    expected = [fnv(gram) % 97 + 1 for gram in ngrams_of(word, *lengths)]
    assert list(found) == expected + [0] * (500 - len(expected))
    assert hash_ngrams(word, NgramScheme(97, *lengths, 4)) == found[:4]


@pytest.mark.parametrize("scheme", [(0,), (9, 0), (9, 3, 2), (9, 3, 6, 0)], ids=str)
def test_impossible_schemes_are_refused(scheme):
    with pytest.raises(ValueError, match=r"NgramScheme\(.* must have num_ngram_buckets, min_ngram and max_ngrams"):
        hash_ngrams("cat", NgramScheme(*scheme))


# What is asked


def test_only_unseen_words_have_ngrams_and_those_of_their_normal_form(tokenizer):
    encoded = tokenizer("THE  Cats ｓat <s> <unk> ﬁn’s <pad>")
    assert encoded.tokens() == ["the", "<unk>", "sat", "<s>", "<unk>", "<unk>", "<pad>"]
    assert encoded["ngram_ids"] == read([None, "cats", None, None, None, "fin's", None])
    assert list(encoded) == ["input_ids", "attention_mask", "ngram_ids"]
    json.dumps(dict(encoded))
    cased = make(lowercase=False)
    assert cased("the Cats")["ngram_ids"] == read([None, "Cats"])


def test_words_that_are_apart_already(tokenizer):
    encoded = tokenizer([["The", "dogs-cats"], [], ["Mats"]], is_split_into_words=True)
    assert encoded["ngram_ids"] == [read([None, "dogs", "-", "cats"]), [], read(["mats"])]


@pytest.mark.parametrize("side", ["right", "left"])
def test_padding_is_zeros(tokenizer, side):
    tokenizer.padding_side = side
    texts = ["The Cats sat", "mats", ""]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    assert batch["ngram_ids"].shape == (3, 3, 12) and batch["ngram_ids"].dtype == torch.int64
    missing = [NOTHING] * 2
    row = read(["mats"])
    assert batch["ngram_ids"][1].tolist() == [list(n) for n in (missing + row if side == "left" else row + missing)]
    assert not batch["ngram_ids"][2].any()
    collated = DataCollatorWithPadding(tokenizer)([tokenizer(text) for text in texts])
    assert all(torch.equal(collated[name], batch[name]) for name in batch)
    assert np.array_equal(tokenizer(texts, padding=True, return_tensors="np")["ngram_ids"], batch["ngram_ids"].numpy())


def test_the_vocabulary(tokenizer):
    table = vocabulary_ngrams(tokenizer)
    assert table.dtype == np.int32 and table.shape == (len(tokenizer), 12)
    special = {"<pad>", "<unk>", "<s>"}
    for word, index in tokenizer.get_vocab().items():
        assert tuple(table[index]) == (NOTHING if word in special else hash_ngrams(word, SCHEME))


def test_an_extended_tokenizer_gives_the_same(tokenizer):
    longer = extend_tokenizer(tokenizer, ["cats"])
    assert type(longer) is NgramWordTokenizer and longer.scheme == SCHEME
    assert longer("Cats mats")["ngram_ids"] == read([None, "mats"])


def test_characters_and_ngrams_exclude_each_other():
    with pytest.raises(UserError, match="max_characters and ngrams are both given"):
        make(max_characters=9)


def test_a_config_names_its_scheme():
    assert ngrams_read(Word2VecConfig()) is None
    assert ngrams_read(Word2VecConfig(num_ngram_buckets=9, max_ngram=5)) == NgramScheme(9, 3, 5, 64)


# Saving and loading


@pytest.mark.parametrize("with_model", [False, True], ids=["alone", "beside a model"])
def test_it_loads_by_its_name_with_the_installed_class(tokenizer, tmp_path, with_model):
    tokenizer.padding_side, tokenizer.model_max_length = "left", 5
    if with_model:
        Word2VecModel(Word2VecConfig(vocab_size=len(tokenizer), num_ngram_buckets=1000)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert saved["auto_map"] == {"AutoTokenizer": ["tokenization_ngram_word.NgramWordTokenizer", None]}
    code = {"tokenization_ngram_word.py", "ngram_hashing.py", "token_numbers.py"}
    assert code <= {path.name for path in tmp_path.iterdir()}
    for options in ({}, {"trust_remote_code": True}):
        loaded = AutoTokenizer.from_pretrained(tmp_path, **options)
        assert type(loaded) is NgramWordTokenizer
        assert (loaded.scheme, loaded.padding_side, loaded.model_max_length) == (SCHEME, "left", 5)
        texts = ["The Catastrophe", "mat"]
        assert dict(loaded(texts, padding=True)) == dict(tokenizer(texts, padding=True))

"""Tokenizers made from counts: which words, which ids, which offsets; and a corpus as ids."""

import os
import subprocess
import sys
import unicodedata
from collections import Counter

import numpy as np
import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from wordemb_hf.tokenization import CharWordTokenizer
from wordemb_hf.tokenization.character_ids import spell

from wordemb_hf.errors import UserError
from wordemb_hf.token_ids import encode_corpus
from wordemb_hf.vocabulary import build_tokenizer, extend_tokenizer, vocabulary_spellings

ENGLISH = "Don't stop the o'clock film 's 3.5 at 10:30, state-of-the-art! It’s 4th — the 'quoted' dogs' U.S. café naïve"
NASTY = "ﬁne ½ İstanbul x\u200by so\u00adft ＡＢＣ ❤️ 👩‍💻 <unk> 北京大学 カタカナー Привет snake_case a\u00a0b ''s ’tis"


# What they are cut into, between spaces.
ENGLISH_WORDS = (
    "don't stop the o'clock film 's 3.5 at 10:30 , state - of - the - art ! it's 4th — the ' quoted ' dogs ' "
    "u . s . café naïve"
)
NASTY_WORDS = (
    "fine 1 ⁄ 2 i̇stanbul x y so ft abc ❤️ 👩 💻 <unk> 北 京 大 学 カ タ カ ナ ー привет snake _ case a b ' 's ' tis"
)


def build(texts, **options):
    return build_tokenizer(texts, **{"min_count": 1} | options)


def test_words_of_english():
    assert build([ENGLISH]).tokenize(ENGLISH) == ENGLISH_WORDS.split()


def test_words_of_other_scripts_and_symbols():
    assert build([NASTY]).tokenize(NASTY) == NASTY_WORDS.split()


def test_characters():
    text = "我在 2024年\u3000Go，“好”。"
    tokenizer = build([text], kind="char", lowercase=False)
    assert tokenizer.tokenize(text) == list("我在2024年Go,“好”。")  # NFKC makes the comma half as wide
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == "我在2024年Go,“好”。"
    assert build(["a b"]).decode(build(["a b"])("A b")["input_ids"]) == "a b"


def test_characters_with_their_spaces():
    text = "To be,  or not\u3000to\tbe?"
    tokenizer = build([text], kind="char-space", lowercase=False, special_tokens=["</s>"])
    written = "To be,  or not tobe?"  # a tab is no space but a control character
    assert tokenizer.tokenize(text) == list(written)
    ids = tokenizer(f"{text}</s>")["input_ids"]
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True) == written


def test_what_stands_between_white_space():
    text = " U.S.\tＡＢＣ ½ ´ don’t <unk>  =\u3000北京 a\u00a0b\n@-@ foo<unk>bar ."
    words = "U.S. ＡＢＣ ½ ´ don’t <unk> = 北京 a b @-@ foo <unk> bar ."
    tokenizer = build([text], kind="whitespace", lowercase=False)
    assert tokenizer.tokenize(text) == words.split()
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == words
    assert tokenizer("<unk> nobody =")["input_ids"][:2] == [1, 1]
    assert build([text], kind="whitespace").tokenize("u.s. ａｂｃ DON’T") == ["u.s.", "ａｂｃ", "don’t"]


def test_words_that_are_apart_already_stay_whole():
    words = ["U.S.", "don’t", "´", "1/2", "<unk>", "北京"]
    encoding = build([" ".join(words)], kind="whitespace")(words, is_split_into_words=True)
    assert encoding.word_ids() == list(range(len(words))) and encoding["input_ids"].count(1) == 1


@pytest.mark.parametrize("kind", ["word", "char", "whitespace"])
def test_characters_change_nothing_else(kind, tmp_path):
    options = {"kind": kind, "special_tokens": ["<mask>", "<s>"], "max_length": 32}
    plain, tokenizer = build([ENGLISH, NASTY], **options), build([ENGLISH, NASTY], **options, max_characters=12)
    assert type(plain) is PreTrainedTokenizerFast and type(tokenizer) is CharWordTokenizer
    assert tokenizer.get_vocab() == plain.get_vocab() and tokenizer.special_tokens_map == plain.special_tokens_map
    assert (tokenizer.model_max_length, tokenizer.max_characters) == (32, 12)
    encoded = tokenizer([ENGLISH, NASTY], truncation=True, return_offsets_mapping=True)
    spelled, offsets = encoded.pop("character_ids"), encoded["offset_mapping"]
    assert dict(encoded) == dict(plain([ENGLISH, NASTY], truncation=True, return_offsets_mapping=True))
    for text, rows, places in zip((ENGLISH, NASTY), spelled, offsets, strict=True):
        assert rows == [spell(text[start:stop], 12) for start, stop in places]


def test_ids_go_by_frequency_then_code_point():
    texts = ["b a c", "c b d", "b"]
    tokenizer = build(texts, special_tokens=["<mask>", "<s>"])
    assert tokenizer.convert_ids_to_tokens(range(8)) == ["<pad>", "<unk>", "<mask>", "<s>", "b", "c", "a", "d"]
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.mask_token_id, tokenizer.bos_token_id) == (
        0,
        1,
        2,
        3,
    )
    assert len(build(texts, max_size=2)) == 4
    assert len(build(texts, max_size=None)) == 6
    assert len(build(texts, min_count=2)) == 4


def test_the_vocabulary_is_counted_right_and_does_not_depend_on_the_order():
    generator = np.random.default_rng(0)
    words = [f"w{int(number)}" for number in generator.zipf(1.3, 20000) % 3000]
    texts = [" ".join(words[start : start + 50]) for start in range(0, len(words), 50)]
    tokenizer = build(texts, min_count=3, max_size=500)
    wanted = sorted(
        ((word, count) for word, count in Counter(words).items() if count >= 3), key=lambda x: (-x[1], x[0])
    )
    assert tokenizer.convert_ids_to_tokens(range(2, len(tokenizer))) == [word for word, _ in wanted[:500]]
    assert build(texts[::-1], min_count=3, max_size=500).get_vocab() == tokenizer.get_vocab()
    counts = encode_corpus(tokenizer, texts).counts(len(tokenizer))
    assert counts.tolist() == [0, 0] + [count for _, count in wanted[:500]]


def test_special_tokens_in_the_text_are_not_counted_as_words():
    assert build(["one <unk> two <pad> <s>"], special_tokens=["<s>"]).get_vocab().keys() == {
        "<pad>", "<unk>", "<s>", "one", "two",
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["word", "char", "whitespace"])
def test_offsets_point_at_the_original_characters(kind):
    for text in (ENGLISH, NASTY):
        encoding = build([text], kind=kind)(text, return_offsets_mapping=True)
        before = (0, 0)
        for token, (start, stop) in zip(encoding.tokens(), encoding["offset_mapping"], strict=True):
            piece = text[start:stop] if kind == "whitespace" else unicodedata.normalize("NFKC", text[start:stop])
            piece = piece.lower()
            piece = piece.replace("’", "'") if kind == "word" else piece
            # ½ is one character and three tokens, which share its offsets
            assert token == piece or (token in piece and stop - start == 1) or text[start:stop] == token == "<unk>"
            assert start >= before[1] or (start, stop) == before
            before = (start, stop)


def test_it_loads_in_a_process_that_knows_nothing_of_the_package(tmp_path):
    tokenizer = build([ENGLISH, NASTY], special_tokens=["<mask>", "<extra>"], max_length=32)
    tokenizer.save_pretrained(tmp_path)
    code = (
        "import sys; from transformers import AutoTokenizer; t = AutoTokenizer.from_pretrained(sys.argv[1]);"
        "e = t([sys.argv[2], 'the'], truncation=True, padding=True);"
        "print(ascii((e['input_ids'], sorted(e), t.model_max_length, t.padding_side, t.mask_token, t.decode([5, 6]),"
        "t.clean_up_tokenization_spaces, 'wordemb_hf' in sys.modules)))"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUTF8": "1"}
    command = [sys.executable, "-c", code, str(tmp_path), ENGLISH + NASTY]
    output = subprocess.run(command, env=environment, capture_output=True, check=True, cwd=tmp_path).stdout.decode()
    ids = tokenizer([ENGLISH + NASTY, "the"], truncation=True, padding=True)["input_ids"]
    assert len(ids[0]) == 32
    decoded = tokenizer.decode([5, 6])
    expected = (ids, ["attention_mask", "input_ids"], 32, "right", "<mask>", decoded, False, False)
    assert output.strip() == ascii(expected)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"min_count": 5},
            r"no word .* occurs at least 5 times \(the most frequent, 'x', occurs 2 times\): lower --min-count",
        ),
        ({"min_count": 3, "kind": "char"}, "no character of the corpus .*'x', occurs 2 times"),
        ({"min_count": 0}, "min_count must be at least 1, not 0"),
        ({"max_size": 0}, "max_size must be at least 1, not 0"),
        ({"max_length": -1}, "max_length must be at least 1, not -1"),
        ({"kind": "bpe"}, "kind must be one of word, word-space, word-zh, char, char-space, whitespace, not 'bpe'"),
        ({"min_count": 3, "kind": "whitespace"}, "no word of the corpus .*'x', occurs 2 times"),
        ({"max_characters": 2}, "max_characters must be at least 3, not 2: two go to begin and end of word"),
        ({"special_tokens": [""]}, "special_tokens must not hold an empty string"),
    ],
)
def test_what_cannot_be_built(options, sentence):
    with pytest.raises(UserError, match=sentence):
        build(["x y", "z x"], **options)


def test_a_corpus_without_words():
    for texts in ([], ["", " \u200b"]):
        with pytest.raises(UserError, match="the corpus holds no word at all"):
            build(texts)


@pytest.mark.parametrize("max_characters", [None, 12])
@pytest.mark.parametrize("kind", ["word", "char", "whitespace"])
def test_new_words_for_a_tokenizer(kind, max_characters, tmp_path):
    tokenizer = build(
        ["b a b"], kind=kind, max_characters=max_characters, special_tokens=["<mask>", "<s>", "</s>"], max_length=9
    )
    tokenizer.padding_side = tokenizer.truncation_side = "left"
    tokenizer.save_pretrained(tmp_path)
    for old in (tokenizer, AutoTokenizer.from_pretrained(tmp_path)):
        new = extend_tokenizer(old, ["d c <mask> c a", "c D"])
        assert type(new) is type(old)
        assert new.convert_ids_to_tokens(range(len(old), len(new))) == ["c", "d"] and len(old) == 7
        assert new.convert_ids_to_tokens(range(7)) == old.convert_ids_to_tokens(range(7))
        for name in ("special_tokens_map", "model_max_length", "model_input_names", "padding_side", "truncation_side"):
            assert getattr(new, name) == getattr(old, name)
        assert new.name_or_path == ""
        if max_characters:
            assert new.max_characters == max_characters and new("D")["character_ids"] == [spell("D", 12)]
        assert new.decode(new("a d")["input_ids"]) == ("ad" if kind == "char" else "a d")
    assert len(extend_tokenizer(tokenizer, ["d c c"], min_count=2)) == 8


def test_spellings_of_a_vocabulary():
    tokenizer = build(["The cat 北京"], kind="whitespace", max_characters=9, special_tokens=["<s>", "</s>"])
    spellings = vocabulary_spellings(tokenizer)
    assert spellings.dtype == np.int16 and spellings.shape == (7, 9) == (len(tokenizer), 9)
    assert not spellings[0].any() and spellings[2].tolist() == [259, 257, 260] + [261] * 6
    assert spellings[3].tolist() == [259, 258, 260] + [261] * 6
    words = tokenizer.convert_ids_to_tokens(range(7))
    for row in (1, 4, 5, 6):
        assert tuple(spellings[row]) == spell(words[row], 9)
    assert sorted(words[4:]) == ["cat", "the", "北京"]


def test_a_corpus_as_ids():
    tokenizer = build(["a b a", "b c", "c c c"], min_count=2, max_length=2)
    assert tokenizer.convert_ids_to_tokens(range(2, 5)) == ["c", "a", "b"]
    texts = ["a x b", "x y", "", "c <pad> b", "a a a a"]
    tokenizer(texts, truncation=True, padding=True)  # must leave no trace
    ids = encode_corpus(tokenizer, iter(texts))
    assert (ids.ids.dtype, ids.offsets.dtype) == (np.int32, np.int64)
    assert (ids.ids.tolist(), ids.offsets.tolist()) == ([3, 4, 2, 4, 3, 3, 3, 3], [0, 2, 4, 8])
    assert ids.counts(len(tokenizer)).tolist() == [0, 0, 1, 5, 2]
    whole = encode_corpus(tokenizer, texts, drop_unknown=False)
    assert (whole.ids.tolist(), whole.offsets.tolist()) == (
        [3, 1, 4, 1, 1, 2, 0, 4, 3, 3, 3, 3], [0, 3, 5, 8, 12]
    )  # fmt: skip
    empty = encode_corpus(tokenizer, ["x"])
    assert (empty.ids.tolist(), empty.offsets.tolist()) == ([], [0])


def test_chunks_do_not_show(monkeypatch):
    from wordemb_hf import token_ids

    tokenizer = build(["a b c d e"])
    texts = ["a b", "z", "c d e", "", "e"] * 20
    at_once = encode_corpus(tokenizer, texts)
    monkeypatch.setattr(token_ids.in_batches, "__defaults__", (3,))
    in_pieces = encode_corpus(tokenizer, texts)
    assert np.array_equal(at_once.ids, in_pieces.ids) and np.array_equal(at_once.offsets, in_pieces.offsets)

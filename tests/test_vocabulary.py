"""Tokenizers made from counts: which words, which ids, which offsets; and a corpus as ids."""

import os
import subprocess
import sys
import unicodedata
from collections import Counter

import numpy as np
import pytest

from wordemb_hf.errors import UserError
from wordemb_hf.vocabulary import build_tokenizer, encode_corpus

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


@pytest.mark.parametrize("kind", ["word", "char"])
def test_offsets_point_at_the_original_characters(kind):
    for text in (ENGLISH, NASTY):
        encoding = build([text], kind=kind)(text, return_offsets_mapping=True)
        before = (0, 0)
        for token, (start, stop) in zip(encoding.tokens(), encoding["offset_mapping"], strict=True):
            piece = unicodedata.normalize("NFKC", text[start:stop]).lower()
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
        ({"kind": "bpe"}, "kind must be one of word, char, not 'bpe'"),
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
    from wordemb_hf import vocabulary

    tokenizer = build(["a b c d e"])
    texts = ["a b", "z", "c d e", "", "e"] * 20
    at_once = encode_corpus(tokenizer, texts)
    monkeypatch.setattr(vocabulary._chunks, "__defaults__", (3,))
    in_pieces = encode_corpus(tokenizer, texts)
    assert np.array_equal(at_once.ids, in_pieces.ids) and np.array_equal(at_once.offsets, in_pieces.offsets)

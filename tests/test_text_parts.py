"""Long texts in parts: a tokenizer makes of them what it makes of the whole, and reads no more than a part at once."""

import random
import re
import subprocess
import sys

import numpy as np
import pytest

from tests.test_corpus_ids import LINES
from wordemb_hf import text_parts
from wordemb_hf.errors import UserError
from wordemb_hf.segmentation.new_words import with_new_words
from wordemb_hf.subwords import SUBWORD_KINDS, train_subwords
from wordemb_hf.text_parts import batches_of_parts, cuts_for, cuts_of, parts_of
from wordemb_hf.token_ids import encode_corpus
from wordemb_hf.tokenizer_kinds import KINDS, NORMALISED
from wordemb_hf.tokenizer_report import measure_tokenizer
from wordemb_hf.vocabulary import build_tokenizer, extend_tokenizer

MORE = [
    "A,b;c, d,北京。上海，か\u3099き、カ！x？Y；ｚ 1，000 2,000 3;4 5,６７８ 我们，iPhone手机，x. 々、々人 ，\u0301京",
    "北京 大学 北 京 研究生命的起源 。 我们 , \u0301a ,\u0301b , b ;\u200bc ;c  \t d \x1c e\x85 f\u3000g   ",
]
TEXTS = [*LINES[:10], *MORE, "", *LINES[11:], " ".join([*LINES[:7], *MORE]).replace("\n", " ")]
DICTIONARY = {"北京": 5.0, "大学": 5.0, "研究": 9.0, "生命": 4.0, "我们": 30.0, "京大": 1.0}


def made(kind, texts):
    if kind == "unigram":  # whose trainer fails on such a text
        texts = LINES[:2] * 9
    if kind in SUBWORD_KINDS:
        return train_subwords(texts, kind=kind, vocab_size=240 if kind == "unigram" else 700, special_tokens=("</s>",))
    return build_tokenizer(
        texts,
        kind=kind,
        min_count=1,
        special_tokens=("</s>", "<mask>"),
        dictionary=DICTIONARY if "zh" in kind else None,
    )


def short_parts(monkeypatch, part=3):
    monkeypatch.setattr(text_parts, "PART", part)
    monkeypatch.setattr(text_parts, "BATCH", 40)


@pytest.mark.parametrize("kind", [*KINDS, *sorted({*NORMALISED.values()} - {"word"}), *SUBWORD_KINDS])
def test_nothing_else_comes_out(kind, monkeypatch):
    texts = [text + end for text in TEXTS for end in ("", "</s>")]
    whole = made(kind, texts)
    ids = [encode_corpus(whole, texts, drop_unknown=dropped) for dropped in (True, False)]
    rare = build_tokenizer(texts, kind=kind, min_count=3, dictionary=DICTIONARY) if kind not in SUBWORD_KINDS else whole
    reports = [measure_tokenizer(tokenizer, texts, kind) for tokenizer in (whole, rare)]
    short_parts(monkeypatch)
    assert kind in SUBWORD_KINDS or cuts_for(whole) is not None
    assert sum(len(list(parts_of(text, cuts_of(kind)))) for text in texts) > len(texts) + 50
    if kind not in ("wordpiece", "unigram"):  # whose trainers break ties as they come
        assert made(kind, texts).backend_tokenizer.to_str() == whole.backend_tokenizer.to_str()
    for dropped, wanted in zip((True, False), ids, strict=True):
        found = encode_corpus(whole, texts, drop_unknown=dropped)
        assert (found.ids.tolist(), found.offsets.tolist()) == (wanted.ids.tolist(), wanted.offsets.tolist())
    assert [measure_tokenizer(tokenizer, texts, kind) for tokenizer in (whole, rare)] == reports


@pytest.mark.parametrize("kind", [*KINDS])
def test_random_text(kind, monkeypatch):
    short_parts(monkeypatch, 1)
    generator = random.Random(0)
    alphabet = [
        *"aB3.,;:'-! \t北京，。か々é½´’",
        "\u0301",
        "\u3099",
        "\u3000",
        "</s>",
        "the ",
        "'s",
        "\u200b",
        "１",
        ", ",
    ]
    tokenizer = made(kind, TEXTS)
    for _ in range(300):
        text = "".join(generator.choices(alphabet, k=generator.randrange(1, 60)))
        parts = list(parts_of(text, cuts_for(tokenizer)))
        assert "".join(parts) == text
        wanted = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
        assert encode_corpus(tokenizer, [text], drop_unknown=False).ids.tolist() == wanted


@pytest.mark.parametrize("kind", ["word", "whitespace", "word-zh"])
def test_a_tokenizer_that_learns_more_words(kind, monkeypatch):
    tokenizer = made(kind, TEXTS[:2])
    whole = extend_tokenizer(tokenizer, TEXTS)
    short_parts(monkeypatch)
    assert extend_tokenizer(tokenizer, TEXTS).backend_tokenizer.to_str() == whole.backend_tokenizer.to_str()


def test_new_words_across_parts(monkeypatch):
    generator = random.Random(1)
    names = ["葡萄", "琵 琶", "蝴蝶", "蜘 蛛", *"的是了天人大中上下不有他这来到时地出就说，"]
    text = "".join(generator.choices(names, k=6000))
    characters = dict.fromkeys("".join(names), 1.0)
    whole = with_new_words(characters, [text])
    assert {"葡萄", "琵琶"} <= set(whole)
    short_parts(monkeypatch)
    assert with_new_words(characters, [text]) == whole


def test_what_is_not_cut():
    long = "a, b " * text_parts.PART
    assert len(list(parts_of(long, cuts_of("word")))) == 5
    assert cuts_of("word", ["b c"]) is None and cuts_of("word", ["、"]) is None and cuts_of("another") is None
    assert list(parts_of(long, None)) == [long]
    assert list(parts_of("x" * len(long), cuts_of("word"))) == ["x" * len(long)]
    tokenizer = build_tokenizer(["new york"], min_count=1, phrases=["new york"])
    assert cuts_for(tokenizer) is None


def test_parts_and_batches_are_short():
    text = "word, other " * 100_000
    batches = list(batches_of_parts(["first", text, "last"], cuts_of("word")))
    assert max(len(part) for batch, _ in batches for part in batch) < text_parts.PART + 20
    assert max(sum(map(len, batch)) for batch, _ in batches) < text_parts.BATCH + text_parts.PART + 20
    assert np.concatenate([ends for _, ends in batches]).sum() == 3 and batches[-1][1][-1]


def test_half_a_pair_is_named_by_its_text():
    with pytest.raises(UserError, match="text 2 holds half of a surrogate pair"):
        list(batches_of_parts(["a", "b\ud800"], None))


# What the process may take beside what it holds after a short line. A character takes 100 bytes where it is not cut.
_RUN = """
import resource, sys
from wordemb_hf.token_ids import encode_corpus
from wordemb_hf.tokenizer_report import measure_tokenizer
from wordemb_hf.vocabulary import build_tokenizer

kind, line, room = sys.argv[1], sys.argv[2] * 50_000, int(sys.argv[3])
def read(text):
    tokenizer = build_tokenizer([text], kind=kind, min_count=1, dictionary={"我们": 1.0})
    return len(encode_corpus(tokenizer, [text], drop_unknown=False).ids), measure_tokenizer(tokenizer, [text]).tokens

read(line[:400_000])
held = int(next(row for row in open("/proc/self/status") if row.startswith("VmData")).split()[1]) << 10
limit = held + (room << 20)
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
print(*read(line))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit is set as Linux has it")
@pytest.mark.parametrize("kind", ["word", "char", "word-zh"])
def test_a_long_line_takes_little_memory(kind, tmp_path):
    words = "我们，他们在 the 北京；大学，a b c d, e f g h i j k l m n o p q r s t u v w x y z, and more of it "
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _RUN, kind, words, "100"],
        capture_output=True,
        text=True,
        env={**__import__("os").environ, "MALLOC_ARENA_MAX": "1", "TOKENIZERS_PARALLELISM": "false"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    tokens, again = map(int, done.stdout.split())
    assert tokens == again > 50_000 * len(re.findall(r"[a-z]", words)) // 2

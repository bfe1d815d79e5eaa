"""A tokenizer and its report by the scanner: what counting and reading the text with the tokenizer give."""

import gzip
import json
import random
import sys
from dataclasses import asdict

import numpy as np
import pytest

pytest.importorskip("numba", reason="the scanner needs the extra `fast`")

import wordemb_hf
from tests.test_corpus_ids import LINES
from wordemb_hf.corpus import read_texts
from wordemb_hf.errors import UserError
from wordemb_hf.tokenizer_report import measure_tokenizer
from wordemb_hf.vocabulary import build_tokenizer
from wordemb_hf.word2vec import scanned_text, text_counts
from wordemb_hf.word2vec.text_counts import count_text
from wordemb_hf.word2vec.text_size import text_size

KINDS = ["word", "char", "whitespace"]


@pytest.fixture(autouse=True)
def always(monkeypatch):
    """The scanner reads every text, in small pieces."""
    monkeypatch.setattr(scanned_text, "SMALL", 0)
    monkeypatch.setattr(scanned_text, "PIECE", 100)


def check(paths, threads=2, text_column="text", **options):
    """Compare with the slow way, what is most often unknown and equally often among it."""
    options = {"kind": "word", "min_count": 1, "max_size": None, "lowercase": True} | options
    tokenizer = build_tokenizer(read_texts(paths, text_column=text_column), **options)
    report = measure_tokenizer(tokenizer, read_texts(paths, text_column=text_column))
    counted = count_text(paths, threads=threads, text_column=text_column, **options)
    assert counted is not None
    assert counted[0].backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()
    assert (type(counted[0]), counted[0].init_kwargs) == (type(tokenizer), tokenizer.init_kwargs)
    for name, value in asdict(report).items():
        found = getattr(counted[1], name)
        assert (name, found) == (name, value)
        assert not isinstance(value, dict) or list(found.items()) == list(value.items())
    assert counted[1].lines() == report.lines()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lowercase", [True, False])
def test_hostile_text(tmp_path, kind, lowercase):
    path = tmp_path / "all.txt"
    path.write_bytes("\n".join([*LINES, *LINES[::-1], *LINES[:4]]).encode())
    check(path, kind=kind, lowercase=lowercase)
    check(path, kind=kind, lowercase=lowercase, min_count=2, max_size=9)
    check(path, kind=kind, lowercase=lowercase, special_tokens=["<mask>", "<s>", "e.", "3"], min_count=3)
    check(path, kind=kind, lowercase=lowercase, max_characters=9)


@pytest.mark.parametrize("kind", KINDS)
def test_random_text(tmp_path, kind):
    generator = random.Random(0)
    alphabet = [
        *"aB3.,:'-!<> \n\r\té北がＡ½´’",
        "\u0301",
        "\u3099",
        "\u3000",
        "<unk>",
        "the ",
        "'s",
        "\u200b",
        "１",
        "\u2028",
    ]
    path = tmp_path / "a.txt"
    for number in range(12):
        path.write_bytes(("".join(generator.choices(alphabet, k=generator.randrange(1, 2000))) + " x y x" * 3).encode())
        check(path, kind=kind, threads=1 + number % 3, lowercase=number % 2 == 0, min_count=1 + number % 4)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_what_is_unknown_is_told_in_the_order_of_the_text(tmp_path, threads):
    generator = random.Random(1)
    words = [f"word{number}" for number in range(3000)]
    path = tmp_path / "a.txt"
    path.write_text("".join(" ".join(generator.choices(words, k=20)) + "\n" for _ in range(300)))
    check(path, threads=threads, min_count=4)


def test_other_files(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress("\ufeffone two\r\n\n\u3000\n\u00a0three\n".encode()))
    (tmp_path / "b.jsonl").write_text(
        "".join(json.dumps({"text": text}) + "\n" for text in ["x\ny\r\n", "", " \u2003", "é"])
    )
    (tmp_path / "c.csv").write_text('text,n\n"thirteen\nfourteen",1\n  ,2\n', encoding="utf-8")
    check([tmp_path / "a.txt.gz", tmp_path / "b.jsonl", tmp_path / "c.csv"])
    check(tmp_path / "c.csv", text_column="n")


def test_white_space_is_pythons():
    points = [point for point in range(sys.maxunicode + 1) if not 0xD800 <= point < 0xE000]
    text = "".join(map(chr, points))
    lines = text.split("\n")
    found = text_size(np.frombuffer(text.encode(), np.uint8))
    assert found == (sum(map(len, text.split())), sum(bool(line.strip()) for line in lines))
    for point in points[:0x4000]:
        space = chr(point).isspace()
        assert text_size(np.frombuffer(chr(point).encode(), np.uint8)) == ((0, 0) if space else (1, 1))
    assert text_size(np.frombuffer("a\n\u3000 \n\n b \u2028c".encode(), np.uint8)) == (3, 2)


@pytest.mark.parametrize("kind", [*KINDS, "word-space", "char-space", "word-zh"])
def test_the_verb_takes_it_where_it_can(tmp_path, kind, monkeypatch, capsys):
    (tmp_path / "a.txt").write_text("the cat 北京 sat, the\n" * 9, encoding="utf-8")
    (tmp_path / "words.txt").write_text("北京 3\n", encoding="utf-8")
    reports, folders = [], []
    for small in (0, 1 << 30):
        monkeypatch.setattr(scanned_text, "SMALL", small)
        folders.append(tmp_path / str(small))
        options = {"dictionary": [tmp_path / "words.txt"]} if kind == "word-zh" else {}
        if kind in KINDS and not small:
            monkeypatch.setattr("wordemb_hf.vocabulary.build_tokenizer", None)  # which is not called
        reports.append(wordemb_hf.tokenizer([tmp_path / "a.txt"], folders[-1], kind=kind, **options))
        monkeypatch.undo()
    assert reports[0] == reports[1]
    for file in folders[0].iterdir():
        assert file.read_bytes() == (folders[1] / file.name).read_bytes()


def test_wrong_text_is_named_as_ever(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"fine\n" * 50 + b"\xff\n")
    assert count_text([tmp_path / "a.txt"], kind="word", min_count=1, max_size=None, lowercase=True) is None
    with pytest.raises(UserError, match="line 51, byte 250: not UTF-8"):
        wordemb_hf.tokenizer([tmp_path / "a.txt"], tmp_path / "made")
    (tmp_path / "a.txt").write_bytes(b"fine\n" * 4)
    with pytest.raises(UserError, match=r"no word of the corpus occurs at least 5 times .the most frequent, 'fine'"):
        wordemb_hf.tokenizer([tmp_path / "a.txt"], tmp_path / "made")
    with pytest.raises(UserError, match="max_characters must be at least 3, not 2"):
        wordemb_hf.tokenizer([tmp_path / "a.txt"], tmp_path / "made", max_characters=2)


def test_no_text_is_kept(tmp_path, monkeypatch):
    """Of a line that comes again and again, the tokenizer reads what is different in it, once."""
    read = []
    add = text_counts.TokenTally.add
    monkeypatch.setattr(
        text_counts.TokenTally, "add", lambda tally, texts, times: read.extend(texts) or add(tally, texts, times)
    )
    (tmp_path / "a.txt").write_text("the cat sat on the mat.\n" * 1000)
    count_text([tmp_path / "a.txt"], kind="word", min_count=1, max_size=None, lowercase=True)
    assert sorted(read) == [".", "cat", "mat", "on", "sat", "the"]

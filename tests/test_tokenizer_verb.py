"""The verb `tokenizer`: from a text to a folder, its report and its picture; and what is refused."""

import subprocess
import sys

import pytest
from transformers import AutoTokenizer

import wordemb_hf
from wordemb_hf.errors import UserError
from wordemb_hf.plots.histograms import length_histogram
from wordemb_hf.tokenizer_report import measure_tokenizer
from wordemb_hf.tokenizer_training import PICTURE
from wordemb_hf.vocabulary import build_tokenizer

ENGLISH = "The cat isn't in New York; it's 10,000 miles (or 3.5) away, the well-known cat said.\n" * 6
CHINESE = "我们研究生命的起源,用iPhone手机。\n北京大学的研究生。\n" * 6
DICTIONARY = "我们 50\n研究 20\n研究生 10\n生命 20\n起源 8\n的 100\n手机 9\n北京 5\n大学 5\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "english.txt").write_text(ENGLISH, encoding="utf-8")
    (tmp_path / "chinese.txt").write_text(CHINESE, encoding="utf-8")
    (tmp_path / "words.txt").write_text(DICTIONARY, encoding="utf-8")
    return tmp_path


def made(folder, name="english", **options):
    report = wordemb_hf.tokenizer([folder / f"{name}.txt"], folder / "made", **options)
    return AutoTokenizer.from_pretrained(folder / "made"), report


@pytest.mark.parametrize(
    ("options", "text", "tokens"),
    [
        ({}, "It's 3.5 well-known", "it's 3.5 well - known"),
        ({"lowercase": False}, "The cat, the", "The cat , the"),
        ({"normalise": "text8"}, "The CAT's 3.5", "the cat s three five"),
        ({"normalise": "glove"}, "It isn't 10,000 well-known", "it is n't 10,000 well-known"),
        ({"phrases": "npmi"}, "New York", "new_york"),
        ({"kind": "whitespace"}, "cat (or 3.5)", "cat (or 3.5)"),
        ({"kind": "char"}, "a cat", "a c a t"),
        ({"kind": "word-space"}, "The cat", "▁The ▁cat"),
        ({"max_characters": 9}, "cat said", "cat said"),
    ],
)
def test_english(folder, options, text, tokens):
    tokenizer, report = made(folder, **options)
    assert tokenizer.tokenize(text) == tokens.split()
    assert report.unknown == 0 and report.texts == 6 and report.vocabulary == len(tokenizer)
    assert (folder / "made" / PICTURE).read_bytes().startswith(b"\x89PNG")
    assert ("character_ids" in tokenizer("cat")) == ("max_characters" in options)


@pytest.mark.parametrize("options", [{"kind": "bpe"}, {"kind": "wordpiece"}, {"kind": "unigram"}])
def test_pieces(folder, options):
    tokenizer, report = made(folder, **options)
    assert report.unknown == 0 and "".join(tokenizer.tokenize("The cat")).replace("▁", "").startswith("The")


def test_pieces_with_bytes(folder):
    tokenizer, report = made(folder, kind="bpe", byte_fallback=True)
    assert tokenizer.tokenize("龘")[-3:] == ["<0xE9>", "<0xBE>", "<0x98>"]
    assert not any(token.startswith("<0x") for token in report.longest)


def test_chinese_words_of_a_dictionary(folder):
    tokenizer, _ = made(folder, "chinese", kind="word-zh", dictionary=[folder / "words.txt"])
    assert tokenizer.tokenize("我们用iPhone研究生命") == ["我们", "用", "▁iphone▁", "研究", "生命"]


def test_a_users_own_words(folder):
    (folder / "own.txt").write_text("北京大学\n", encoding="utf-8")
    both = [folder / "words.txt", folder / "own.txt"]
    tokenizer, _ = made(folder, "chinese", kind="word-zh", dictionary=both)
    assert "北京大学" in tokenizer.tokenize("北京大学的")


def test_all_words_of_a_dictionary(folder):
    (folder / "own.txt").write_text("石家庄 3\n我们 9\n", encoding="utf-8")
    tokenizer, report = made(folder, "chinese", kind="word-zh", dictionary=[folder / "own.txt"], min_count=0)
    assert tokenizer.tokenize("石家庄") == ["石家庄"] and report.unseen > 0
    assert any("do not occur" in line for line in report.lines())


def test_words_of_segmented_text(folder):
    (folder / "cut.txt").write_text("北京大学 的 研究生\n" * 5, encoding="utf-8")
    (folder / "empty.txt").write_text("一 1\n", encoding="utf-8")
    tokenizer, _ = made(
        folder, "chinese", kind="word-zh", segmented=[folder / "cut.txt"], dictionary=[folder / "empty.txt"]
    )
    assert tokenizer.tokenize("北京大学的研究生") == ["北京大学", "的", "研究生"]


def test_words_that_the_corpus_tells(folder):
    import random

    words = ["葡萄", "琵琶", "蝴蝶", "巧克力", "乒乓", "徘徊", "玻璃", "蜘蛛", "的", "是", "了", "天", "人", "大"]
    draw = random.Random(0)
    lines = ["".join(draw.choices(words, k=12)) for _ in range(400)]
    (folder / "random.txt").write_text("\n".join(lines), encoding="utf-8")
    tokenizer, _ = made(folder, "random", kind="word-zh", learn=True)
    assert tokenizer.tokenize("巧克力的蝴蝶") == ["巧克力", "的", "蝴蝶"]


# The report


def test_figures_by_hand():
    tokenizer = build_tokenizer(["a bb a", "ccc"], min_count=1)
    report = measure_tokenizer(tokenizer, ["a dd a", "bb dd e"])
    assert (report.vocabulary, report.texts, report.characters, report.tokens, report.unknown) == (5, 2, 9, 6, 3)
    assert (report.coverage, report.tokens_per_character) == (0.5, 6 / 9)
    assert (report.longest, report.rarest) == (["ccc", "bb", "a"], {"bb": 1, "a": 2})
    assert (report.frequent_unknown, report.unseen, report.lengths) == ({"dd": 2, "e": 1}, 1, [3, 3])


REPORT = {
    "en": """5 tokens in the vocabulary; 6 in 2 texts of 9 characters.
coverage 50.00 %, unknown 50.00 %, 0.667 tokens per character
longest: ccc  bb  a
rarest: bb 1  a 2
most often unknown: dd 2  e 1
tokens of the vocabulary that do not occur: 1""",
    "zh": """词表共 5 个词元；2 条文本共 9 个字符，切分为 6 个词元。
覆盖率 50.00 %，未登录词 50.00 %，平均每个字符 0.667 个词元
最长的词元：ccc  bb  a
最少见的词元：bb 1  a 2
最常见的未登录词：dd 2  e 1
词表中未在文本里出现的词元：1 个""",
}


@pytest.mark.parametrize("language", REPORT)
def test_the_report_is_read_by_people(language, monkeypatch):
    monkeypatch.setenv("WORDEMB_HF_LANGUAGE", language)
    report = measure_tokenizer(build_tokenizer(["a bb a", "ccc"], min_count=1), ["a dd a", "bb dd e"])
    assert "\n".join(report.lines()) == REPORT[language]


def test_what_a_terminal_would_not_show_is_quoted():
    report = measure_tokenizer(build_tokenizer(["a , "], kind="char-space", min_count=1), ["a , ,", "e\u0301\u00a0"])
    lines = report.lines()
    assert "rarest: a 1  , 2  ' ' 3" in lines
    assert not any(line.startswith("longest") for line in lines)  # of characters all are as long


@pytest.mark.parametrize("counts", [[], [5800], [100, 40, 2, *[0] * 20, 1], [3] * 40])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_picture_of_any_lengths(counts, language, tmp_path):
    length_histogram(counts, tmp_path / "a.png", language=language)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


# What is refused


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"kind": "words"}, "kind is 'words', but must be one of word, .*unigram, or model:FOLDER"),
        ({"kind": "char", "learn": True}, "learn is given, but is for word-zh, and kind is char"),
        ({"kind": "bpe", "phrases": "npmi"}, "phrases is given, but is for word without normalise, and kind is bpe"),
        ({"normalise": "glove", "phrases": "npmi"}, "word without normalise, and kind is word with normalise glove"),
        ({"kind": "wordpiece", "byte_fallback": True}, "byte_fallback is given, but is for bpe and unigram"),
        ({"kind": "unigram", "min_count": 3}, "min_count is given, but is for all kinds but this, and kind is unigram"),
        ({"kind": "bpe", "max_characters": 9}, "max_characters is given, but is for kinds of whole words"),
        ({"phrase_threshold": 0.3}, "phrase_threshold is given, but phrases is not: say npmi or mikolov"),
        ({"vocab_size": 0}, "vocab_size must be at least 1, not 0"),
        ({"min_count": 0}, "min_count must be at least 1, not 0"),
        ({"kind": "word-zh", "min_count": -1}, "min_count must be at least 0, not -1"),
    ],
)
def test_settings_that_cannot_be(folder, options, sentence):
    with pytest.raises(UserError, match=sentence):
        made(folder, **options)
    assert not (folder / "made").exists()


# With models


CUT = "".join(f"{character}\t{tag}\n" for character, tag in zip("我们研究生命的", "BEBEBES", strict=True)) + "\n"


@pytest.mark.slow
def test_a_model_that_cuts_words(folder):
    (folder / "cws.conll").write_text(CUT * 40, encoding="utf-8")
    wordemb_hf.finetune(folder / "cws.conll", folder / "cutter", family="textcnn", epochs=20, learning_rate=0.05)
    (folder / "raw.txt").write_text("我们研究生命的\n" * 6, encoding="utf-8")
    tokenizer, _ = made(folder, "raw", kind=f"model:{folder / 'cutter'}")
    assert tokenizer.tokenize("我们研究生命的") == ["我们", "研究", "生命", "的"]


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"kind": "bpe"}, {"kind": "unigram"}, {"kind": "word-zh"}, {"max_characters": 9}])
def test_models_are_trained_with_it(folder, options):
    """A folder of the verb loads where this package is not known, and begins a model's training."""
    if options.get("kind") == "word-zh":
        options = {**options, "dictionary": [folder / "words.txt"]}
    name = "chinese" if "dictionary" in options else "english"
    tokenizer, _ = made(folder, name, special_token=["<mask>"], **options)
    if "max_characters" not in options:
        code = "import sys; from transformers import AutoTokenizer as A; print(A.from_pretrained(sys.argv[1])('cat')"
        code += "['input_ids'], 'wordemb_hf' in sys.modules)"
        command = [sys.executable, "-c", code, str(folder / "made")]
        output = subprocess.run(command, capture_output=True, check=True, cwd=folder, encoding="utf-8").stdout
        assert output.strip() == f"{tokenizer('cat')['input_ids']} False"
    text = (folder / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    (folder / "data.tsv").write_text("".join(f"{n % 2}\t{line}\n" for n, line in enumerate(text * 4)), encoding="utf-8")
    wordemb_hf.finetune(folder / "data.tsv", folder / "tuned", tokenizer=folder / "made", epochs=1)
    small = ["hidden_size=16", "intermediate_size=16", "num_attention_heads=2", "num_hidden_layers=1"]
    wordemb_hf.pretrain(
        folder / f"{name}.txt", folder / "masked", family="transformer_encoder", tokenizer=folder / "made",
        whole_words=True, epochs=1, fields=small,
    )  # fmt: skip
    for trained in ("tuned", "masked"):
        assert AutoTokenizer.from_pretrained(folder / trained).get_vocab() == tokenizer.get_vocab()

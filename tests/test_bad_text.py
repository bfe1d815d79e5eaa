"""Text and dictionaries that are none: encodings, line ends, endless lines, and halves of characters."""

import tracemalloc

import pytest

import wordemb_hf
from wordemb_hf import records
from wordemb_hf.corpus import gather_texts
from wordemb_hf.encoding import EncodedTexts
from wordemb_hf.errors import UserError
from wordemb_hf.phrases import find_phrases
from wordemb_hf.segmentation.by_model import ModelSegmenter
from wordemb_hf.segmentation.dictionaries import read_dictionary
from wordemb_hf.segmentation.discovery import discover_words
from wordemb_hf.subwords import SUBWORD_KINDS, train_subwords
from wordemb_hf.token_ids import encode_corpus
from wordemb_hf.tokenizer_kinds import KINDS, NORMALISED
from wordemb_hf.tokenizer_report import measure_tokenizer
from wordemb_hf.vectors import KeyedVectors
from wordemb_hf.vocabulary import build_tokenizer, extend_tokenizer

SENTENCE = "我们研究生命的起源。\n"
BAD = {
    "nothing": (b"", "holds no document"),
    "white space": (b"\n \r\n\t\n", "holds no document"),
    "GB18030": (SENTENCE.encode("gb18030"), "line 1, byte 0: not UTF-8, but perhaps GB18030; convert the file: iconv"),
    "Big5": ("我們研究生命的起源。\n".encode("big5"), "not UTF-8, but perhaps BIG5; convert the file: iconv -f big5"),
    "UTF-16": (SENTENCE.encode("utf-16"), "not UTF-8, but perhaps UTF-16; convert the file: iconv -f utf-16 -t utf-8"),
    "UTF-16, big end first": (
        "\ufeff我们".encode("utf-16-be"),
        "not UTF-8, but perhaps UTF-16; convert the file: iconv",
    ),
    "UTF-16 without a mark": ("abc\n".encode("utf-16-le"), "line 1: a NUL byte; the file is binary or UTF-16"),
    "NUL": (b"abc\ndef\0\n", "line 2: a NUL byte; the file is binary or UTF-16, and UTF-8 is expected"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_corpus_that_is_no_text(tmp_path, bad):
    content, sentence = BAD[bad]
    (tmp_path / "corpus.txt").write_bytes(content)
    with pytest.raises(UserError) as error:
        wordemb_hf.tokenizer([tmp_path / "corpus.txt"], tmp_path / "made")
    assert sentence in str(error.value) and str(tmp_path / "corpus.txt") in str(error.value)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("bad", [name for name in BAD if name not in ("nothing", "white space")])
def test_a_dictionary_that_is_no_text(tmp_path, bad):
    content, sentence = BAD[bad]
    (tmp_path / "words.txt").write_bytes(content)
    with pytest.raises(UserError) as error:
        read_dictionary(tmp_path / "words.txt")
    assert sentence in str(error.value)


def test_a_dictionary_of_carriage_returns(tmp_path):
    (tmp_path / "words.txt").write_bytes("我们 5\r\n手机 3\r研究 2\r".encode())
    with pytest.raises(UserError, match="line 2: a carriage return in the middle; a line feed ends a line"):
        read_dictionary(tmp_path / "words.txt")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n"])
@pytest.mark.parametrize("kind", ["word", "char-space", "bpe"])
def test_line_ends_are_no_words(tmp_path, end, kind):
    """A carriage return alone ends no document, but parts words as any white space does."""
    (tmp_path / "corpus.txt").write_bytes(f"我们 cats{end}我们 dogs{end}".encode() * 5)
    wordemb_hf.tokenizer([tmp_path / "corpus.txt"], tmp_path / "made", kind=kind, lowercase=True)
    from transformers import AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(tmp_path / "made").get_vocab()
    assert not any("\r" in token or "\n" in token for token in tokens)
    assert not any("catsdogs" in token for token in tokens)


def test_an_endless_line_fills_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "MAX_LINE", 1 << 20)
    (tmp_path / "corpus.txt").write_bytes(b"a few words " * (1 << 20))
    tracemalloc.start()
    with pytest.raises(UserError, match=r"line 1: longer than 1 MiB; end lines where documents end"):
        wordemb_hf.tokenizer([tmp_path / "corpus.txt"], tmp_path / "made")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 << 20  # of 12 MiB, and of Python's own


HALF = ["a whole text", "half \ud83d of one"]
REFUSED = "text 2 holds half of a surrogate pair, which is not text"


@pytest.mark.parametrize("kind", [*KINDS, *NORMALISED.values()])
def test_half_a_surrogate_pair_is_no_text_to_count(kind):
    with pytest.raises(UserError, match=REFUSED):
        build_tokenizer(HALF, kind=kind, min_count=1, dictionary={"我": 1.0})


@pytest.mark.parametrize("kind", SUBWORD_KINDS)
def test_half_a_surrogate_pair_is_no_text_for_pieces(kind):
    with pytest.raises(UserError, match=REFUSED):
        train_subwords(HALF, kind=kind)


@pytest.mark.parametrize(
    "read",
    [
        encode_corpus,
        extend_tokenizer,
        measure_tokenizer,
        EncodedTexts,
        lambda tokenizer, texts: find_phrases(tokenizer.backend_tokenizer, texts),
        lambda tokenizer, texts: EncodedTexts(tokenizer, [text.split() for text in texts], split_into_words=True),
        lambda tokenizer, texts: gather_texts(texts, None, "text"),
    ],
)
def test_half_a_surrogate_pair_is_no_text_to_read(read):
    """A call of the tokenizer itself raises what the tokenizers library raises."""
    with pytest.raises(UserError, match=REFUSED):
        read(build_tokenizer(["a b"], min_count=1), HALF)


def test_half_a_surrogate_pair_is_no_word_and_no_special_token():
    with pytest.raises(UserError, match="the dictionary holds half of a surrogate pair"):
        build_tokenizer(["我"], kind="word-zh", min_count=1, dictionary={"\ud83d": 1.0})
    with pytest.raises(UserError, match="special_tokens holds half of a surrogate pair"):
        build_tokenizer(["a"], min_count=1, special_tokens=["\udcff"])


@pytest.mark.parametrize("half", ["\ud83d", "a\udcff"])
def test_half_a_surrogate_pair_is_no_word_to_ask_for(half, tmp_path):
    (tmp_path / "text.txt").write_text("a b c d e\n" * 20)
    for name, options in (("plain", []), ("ngrams", ["num_ngram_buckets=10"])):
        model = str(
            wordemb_hf.pretrain([tmp_path / "text.txt"], tmp_path / name, hidden_size=4, epochs=1, fields=options)
        )
        for ask in (
            lambda: wordemb_hf.neighbors(model, ["a", half]),  # noqa: B023
            lambda: wordemb_hf.analogy(model, ["a", half, "b"]),  # noqa: B023
            lambda: wordemb_hf.similarity(model, ["a", half]),  # noqa: B023
            lambda: wordemb_hf.embed(model, ["a", half]),  # noqa: B023
        ):
            with pytest.raises(UserError, match=r"(text|word) 2 holds half of a surrogate pair, which is not text"):
                ask()
    vectors = KeyedVectors.load(str(tmp_path / "plain"))
    assert half not in vectors
    with pytest.raises(UserError, match=r"the word .* is not in the vocabulary of 5 words"):
        vectors.similarity("a", half)


def test_it_is_no_part_of_chinese_words_that_a_text_tells():
    assert discover_words(["我\ud83d我"]) == {"我": 2.0}


# A model that cuts text


def tagger(monkeypatch, names, tags=""):
    from types import SimpleNamespace

    from wordemb_hf import loading
    from wordemb_hf.tasks import tagging

    model = SimpleNamespace(config=SimpleNamespace(id2label=dict(enumerate(names))))
    monkeypatch.setattr(loading, "load_trained", lambda *_: (model, None))
    monkeypatch.setattr(tagging, "tags_of", lambda *given: [SimpleNamespace(tags=tags[: len(row)]) for row in given[2]])
    return ModelSegmenter("a-model", None)


def test_a_model_cuts_within_white_space(monkeypatch):
    cut = tagger(monkeypatch, "BMES", "BESBME")
    assert list(cut(["我们的研究生 我们", "", "的"])) == [["我们", "的", "研究生", "我们"], [], ["的"]]


def test_a_model_of_other_tags_cuts_nothing(monkeypatch):
    with pytest.raises(UserError, match="a-model gives the tags O, B-LOC, I-LOC, but a segmenter gives B, M, E and S"):
        tagger(monkeypatch, ["O", "B-LOC", "I-LOC"])

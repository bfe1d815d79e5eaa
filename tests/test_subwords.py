"""Pieces of words: what is trained, what is unknown, and what cannot be."""

import pytest
from transformers import AutoTokenizer

from wordemb_hf.errors import UserError
from wordemb_hf.subwords import BYTES, SUBWORD_KINDS, train_subwords

TEXTS = [
    "the lower the lowest low",
    "new newer newest wide wider widest",
    "我们研究生命，我们研究",
    "it's 3.5, OK!",
] * 5
UNSEEN = "naïve 龘"


def train(kind, **options):
    return train_subwords(TEXTS, kind=kind, **{"vocab_size": 150, **options})


@pytest.mark.parametrize("kind", SUBWORD_KINDS)
def test_pieces_know_their_text_and_give_it_back(kind, tmp_path):
    trained = train(kind, special_tokens=["<mask>", "</s>"], max_length=7)
    trained.save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.convert_ids_to_tokens(range(4)) == ["<pad>", "<unk>", "<mask>", "</s>"]
    assert (tokenizer.model_max_length, tokenizer.eos_token_id, len(tokenizer) <= 150) == (7, 3, True)
    for text in TEXTS[:4]:
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.unk_token_id not in ids and ids == trained(text)["input_ids"]
        if kind != "wordpiece":  # which takes symbols and Chinese characters apart
            assert tokenizer.decode(ids) == text.replace("，", ",")
    assert tokenizer.decode(tokenizer("newer widest")["input_ids"]) == "newer widest"
    assert len(tokenizer.tokenize("newest")) < 6


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_bytes_stand_in_for_unknown_characters(kind):
    plain, tokenizer = train(kind), train(kind, vocab_size=406, byte_fallback=True)
    assert plain.unk_token_id in plain(UNSEEN)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(range(2, 258)) == list(BYTES)
    ids = tokenizer(UNSEEN)["input_ids"]
    assert tokenizer.unk_token_id not in ids and tokenizer.decode(ids) == UNSEEN
    for text in TEXTS[:4]:
        assert not set(tokenizer.tokenize(text)) & set(BYTES)
        assert tokenizer.tokenize(text) == plain.tokenize(text)
    assert tokenizer.decode(tokenizer("<0x41>")["input_ids"]) == "<0x41>"  # which is no byte


def test_bpe_learns_the_same_pieces_in_every_run():
    """Also where there are more characters than pieces, all of them equally rare."""
    texts = [chr(0x4E00 + number) + " word" * (number % 7) for number in range(400)] * 2

    def pieces():
        return train_subwords(texts, kind="bpe", vocab_size=450).get_vocab()

    first = pieces()
    assert all(pieces() == first for _ in range(3))


def test_wordpiece_marks_what_goes_on():
    assert train("wordpiece").tokenize("widerest")[1].startswith("##")


@pytest.mark.parametrize("kind", SUBWORD_KINDS)
def test_case(kind):
    tokenizer = train(kind)
    assert "OK" in tokenizer.decode(tokenizer("OK!")["input_ids"])
    lower = train(kind, lowercase=True)
    assert lower("OK THE")["input_ids"] == lower("ok the")["input_ids"]


@pytest.mark.parametrize("kind", SUBWORD_KINDS)
def test_special_tokens_of_the_text_are_no_pieces(kind):
    tokenizer = train_subwords([f"{text} <unk> <mask>" for text in TEXTS], kind=kind, vocab_size=150)
    assert not any("unk" in token for token in tokenizer.get_vocab() if token != "<unk>")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"kind": "char"}, "kind must be one of bpe, wordpiece, unigram, not 'char'"),
        ({"kind": "wordpiece", "byte_fallback": True}, "wordpiece has no bytes to fall back on: take bpe or unigram"),
        (
            {"kind": "bpe", "vocab_size": 2},
            "vocab_size is 2, but 2 of the pieces are special tokens or bytes: give more",
        ),
        ({"kind": "bpe", "vocab_size": 258, "byte_fallback": True}, "258 of the pieces are special tokens or bytes"),
        ({"kind": "bpe", "vocab_size": 9}, "vocab_size is 9, but characters and special tokens alone are [0-9]+: give"),
        ({"kind": "wordpiece", "vocab_size": 9}, "vocab_size is 9, but characters and special tokens alone are"),
        ({"kind": "unigram", "vocab_size": 9}, "not large enough .*: give more text, or a larger vocab_size"),
        ({"kind": "bpe", "vocab_size": 0}, "vocab_size must be at least 1, not 0"),
        ({"kind": "bpe", "min_count": 0}, "min_count must be at least 1, not 0"),
        ({"kind": "bpe", "max_length": 0}, "max_length must be at least 1, not 0"),
        ({"kind": "bpe", "special_tokens": [""]}, "special_tokens must not hold an empty string"),
    ],
)
def test_what_cannot_be_trained(options, sentence):
    with pytest.raises(UserError, match=sentence):
        train(**options)


@pytest.mark.parametrize("kind", SUBWORD_KINDS)
@pytest.mark.parametrize("texts", [[], ["", " \u3000"], ["<unk> <pad>"]])
def test_no_text(kind, texts):
    with pytest.raises(UserError, match=r"no pieces can be learned|holds no text to learn pieces from"):
        train_subwords(texts, kind=kind)


@pytest.mark.parametrize(("raised", "ends_in"), [("PanicException", UserError), ("KeyboardInterrupt", BaseException)])
def test_a_panic_of_the_library_is_told_and_nothing_else_is_caught(raised, ends_in, monkeypatch):
    # Its trainer of unigrams was seen to panic on odd text, with an exception that is no `Exception`.
    failure = type(raised, (BaseException,), {})

    def fail(*_):
        raise failure("likelihood is NAN")

    blank = type("Blank", (), {"train_from_iterator": fail})
    monkeypatch.setattr("wordemb_hf.subwords._blank", lambda *_: blank())
    monkeypatch.setattr("wordemb_hf.subwords._characters", lambda *_: [])
    with pytest.raises(ends_in) as found:
        train_subwords(["odd"], kind="unigram", vocab_size=10)
    assert isinstance(found.value, UserError) is (raised == "PanicException")

"""The whole line in Chinese: names of a text, vectors, spellings and tags of words in raw sentences."""

from itertools import product

import numpy as np
import pytest
from accelerate import Accelerator
from transformers import pipeline
from wordemb_hf.tokenization.character_ids import spell
from wordemb_hf.tokenization.ngram_hashing import NgramScheme, hash_ngrams

import wordemb_hf
from wordemb_hf import UserError
from wordemb_hf.families import make_config, word_vector_settings
from wordemb_hf.segmentation.new_words import with_new_words
from wordemb_hf.tasks.tagging import words_of
from wordemb_hf.token_vectors import token_vectors
from wordemb_hf.vocabulary import build_tokenizer, spelled_vocabulary, vocabulary_ngrams, vocabulary_spellings

WORDS = {"我们": 50.0, "研究": 20.0, "手机": 9.0, "的": 100.0, "看见": 10.0, "听说": 10.0, "今天": 10.0, "花园": 5.0}
NAMES = (
    *("黛玉", "袭人", "宝钗", "紫鹃", "麝月", "贾琏", "香菱", "妙玉", "探春", "湘云", "晴雯"),
    *("司棋", "莺儿", "雪雁", "芳官", "薛蟠", "焙茗", "秦钟", "尤氏", "李纨", "凤姐", "刘姥姥"),
)
VERBS, BEHIND = ("看见", "听说", "研究", "笑", "走", "坐"), ("今天", "花园", "了", "去", "来", "", "呢")
NOVEL = [f"{name}{verb}我们{behind}。{verb}{name}{behind}" for name, verb, behind in product(NAMES, VERBS, BEHIND)]


def test_names_that_a_dictionary_lacks_are_found():
    found = with_new_words(WORDS, NOVEL)
    assert set(found) - set(WORDS) == set(NAMES)
    assert {word: found[word] for word in WORDS} == WORDS
    tokenizer = build_tokenizer(NOVEL, kind="word-zh", dictionary=WORDS, min_count=1, new_words=True)
    assert tokenizer.tokenize("袭人笑刘姥姥了") == ["袭人", "笑", "刘姥姥", "了"]
    plain = build_tokenizer(NOVEL, kind="word-zh", dictionary=WORDS, min_count=1)
    assert plain.tokenize("袭人笑") == ["袭", "人", "笑"]


def test_a_text_of_known_words_has_no_new_ones():
    assert with_new_words(WORDS, ["我们研究手机", "OK"] * 20) == WORDS


def test_a_small_text_is_read_more_often():
    config = make_config("word2vec")
    read = [word_vector_settings(config, words) for words in (0, 560_000, 2_000_000, 4_000_000, 10**9)]
    assert [epochs for _, _, epochs in read] == [30, 30, 10, 5, 5]
    assert [threshold for _, threshold, _ in read] == [1e-3, 1e-3, 1e-3, 1e-4, 1e-4]


@pytest.fixture(scope="module")
def text() -> str:
    return "我们研究手机 iPhone 1,234.5 it's的"


@pytest.mark.parametrize("lowercase", [False, True])
def test_marks_are_no_letters_of_a_word(text, lowercase):
    how = {"kind": "word-zh", "dictionary": WORDS, "min_count": 1, "lowercase": lowercase}
    tokenizer = build_tokenizer([text], max_characters=20, **how)
    rows = vocabulary_spellings(tokenizer)
    words = {word: index for word, index in spelled_vocabulary(tokenizer).items() if index > 1}
    assert {"我们", "1234.5", "it's"} < set(words)
    for word, index in words.items():
        assert tuple(rows[index]) == spell(word, 20) == tuple(tokenizer(word)["character_ids"][0])

    scheme = NgramScheme(1000, 1, 3, 20)
    tokenizer = build_tokenizer([text], ngrams=scheme, **how)
    rows = vocabulary_ngrams(tokenizer)
    for word, index in spelled_vocabulary(tokenizer).items():
        if index > 1:
            assert tuple(rows[index]) == hash_ngrams(word, scheme)
    (unseen, known) = tokenizer("phonex我们")["ngram_ids"]
    assert tuple(unseen) == hash_ngrams("phonex", scheme) and not any(known)


def test_a_space_is_no_letter_of_a_word():
    tokenizer = build_tokenizer(["the cat sat"], kind="word-space", min_count=1, max_characters=9)
    assert [tuple(row) for row in tokenizer("the cat")["character_ids"]] == [spell("the", 9), spell("cat", 9)]
    rows = vocabulary_spellings(tokenizer)
    assert tuple(rows[tokenizer.get_vocab()["▁cat"]]) == spell("cat", 9)


def test_words_of_a_text_are_its_tokens(text):
    tokenizer = build_tokenizer([text], kind="word-zh", dictionary=WORDS, min_count=1)
    expected = ["我们", "研究", "手机", "iPhone", "1,234.5", "it's", "的"]
    assert [text[start:stop] for start, stop in words_of(tokenizer, text)] == expected
    model = wordemb_hf.modeling.RNNModel(
        make_config("rnn", vocab_size=len(tokenizer), embedding_size=4, hidden_size=4)
    ).eval()
    (found,) = token_vectors(model, tokenizer, [text], Accelerator(cpu=True))
    assert found.words == expected and found.vectors.shape == (len(expected), 4)
    assert len(np.unique(found.vectors, axis=0)) == len(expected)


TAGS = {"我们": "PRON", "你们": "PRON", "研究": "VERB", "看见": "VERB", "手机": "NOUN", "花园": "NOUN", "。": "PUNCT"}
RAW = "我们看见花园。你们研究手机。我们研究花园。"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two taggers of the same tagged words: one reads what stands between spaces, one finds words itself."""
    folder = tmp_path_factory.mktemp("chinese")
    sentences = list(product(("我们", "你们"), ("研究", "看见"), ("手机", "花园"), "。")) * 8
    lines = ["".join(f"{word}\t{TAGS[word]}\n" for word in words) for words in sentences]
    (folder / "train.conll").write_text("\n".join(lines), encoding="utf-8")
    for kind in ("whitespace", "word-zh"):
        wordemb_hf.finetune(
            folder / "train.conll",
            folder / kind,
            family="textcnn",
            tokenizer_kind=kind,
            settings={"embedding_size": 8, "num_filters": 32, "filter_sizes": [1]},
            epochs=8,
            learning_rate=0.03,
        )
    return folder


def tags_in(answer: dict) -> list[tuple[str, str]]:
    """The words of an answer, by their places, and their tags."""
    return [(answer["text"][span["start"] : span["end"]], span["type"]) for span in answer["spans"]]


def test_raw_sentences_are_tagged(folder):
    words = ["我们", "看见", "花园", "。", "你们", "研究", "手机", "。", "我们", "研究", "花园", "。"]
    expected = [(word, TAGS[word]) for word in words]
    (answer,) = wordemb_hf.predict(str(folder / "word-zh"), [RAW])
    assert tags_in(answer) == expected
    tag = pipeline("token-classification", model=str(folder / "word-zh"))
    assert [(RAW[token["start"] : token["end"]], token["entity"]) for token in tag(RAW)] == expected
    (answer,) = wordemb_hf.predict(str(folder / "whitespace"), [RAW], segmenter=str(folder / "word-zh"))
    assert tags_in(answer) == expected
    (answer,) = wordemb_hf.predict(str(folder / "whitespace"), ["我们 看见 花园 。"])
    assert tags_in(answer) == expected[:4]


def test_a_tagger_of_words_between_spaces_asks_for_words(folder):
    with pytest.raises(UserError, match=r"the text '我们看见花园。.*' … has no spaces, .* give --segmenter"):
        wordemb_hf.predict(str(folder / "whitespace"), [RAW])

"""Chinese words inside a tokenizer.json: dictionaries, the most probable words, and words learned from text."""

import json
import math
import random
import threading
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from wordemb_hf import UserError
from wordemb_hf.segmentation.batches import BatchCounter, BatchSegmenter, reads_in_batches
from wordemb_hf.segmentation.building import build_segmenter
from wordemb_hf.segmentation.chinese_words import (
    blank_segmenter,
    is_segmenter,
    log_probabilities,
    marked,
    unmarked,
    with_pieces,
)
from wordemb_hf.segmentation.dictionaries import (
    counted_words,
    is_han,
    joined_words,
    merged,
    read_dictionary,
    read_segmented,
    scaled,
)
from wordemb_hf.segmentation.discovery import autonomies, discover_words, sample_of
from wordemb_hf.segmentation.narrow import NarrowSegmenter
from wordemb_hf.tokenizer_kinds import PAD, UNK, kind_of
from wordemb_hf.vocabulary import build_tokenizer, extend_tokenizer, spelled_vocabulary, tokenizer_from_words

WORDS = {"我们": 50.0, "研究": 20.0, "研究生": 10.0, "生命": 20.0, "命": 5.0, "起源": 8.0, "的": 100.0, "手机": 9.0}
TEXT = ["我们研究生命的起源,用iPhone 15手机,共1,234.5元。", "我们的手机 it's 2024-11-23 10:30 OK!"]


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer(TEXT, kind="word-zh", dictionary=WORDS, min_count=1)


def test_words_are_the_most_probable_ones(tokenizer):
    # By hand: 研究 生命 20/222 * 20/222, 研究生 命 10/222 * 5/222.
    assert tokenizer.tokenize("研究生命的起源") == ["研究", "生命", "的", "起源"]


def test_what_is_not_chinese_is_whole_and_marked(tokenizer):
    text = TEXT[0]
    encoded = tokenizer(text, return_offsets_mapping=True)
    whole = [text[start:stop] for start, stop in encoded["offset_mapping"]]
    assert whole == [
        "我们",
        "研究",
        "生命",
        "的",
        "起源",
        ",",
        "用",
        "iPhone",
        "15",
        "手机",
        ",",
        "共",
        "1,234.5",
        "元",
        "。",
    ]
    assert tokenizer.unk_token_id not in encoded["input_ids"]
    pieces = tokenizer.convert_ids_to_tokens(encoded["input_ids"])
    assert "▁iphone▁" in pieces and pieces[12] == "▁1234．5▁"
    assert tokenizer.tokenize(TEXT[1])[3:7] == ["▁it＇s▁", "▁2024－11－23▁", "▁10：30▁", "▁ok▁"]


def test_an_unknown_word_is_one_unknown_token(tokenizer):
    """No known word is found within another, not at its beginning, nor at its end."""
    for text in ("iphones", "aiphone", "150", "215", "2024-11-24", "ok'd", "1.15"):
        assert tokenizer.tokenize(text) == tokenizer.convert_ids_to_tokens([1]) or tokenizer(text)["input_ids"] == [1]


def test_characters_stand_in_for_unknown_words(tokenizer):
    assert tokenizer.tokenize("究起") == ["究", "起"]


def test_text_comes_back(tokenizer):
    ids = tokenizer("我们用 iPhone 15手机 10:30 it's OK!")["input_ids"]
    assert tokenizer.decode(ids) == "我们用iphone 15手机10:30 it's ok!"


def test_it_loads_without_code_of_ours(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    assert not list(tmp_path.glob("*.py"))
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again(TEXT)["input_ids"] == tokenizer(TEXT)["input_ids"]
    assert kind_of(again) == ("word-zh", True)


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
MIXED = st.lists(
    st.sampled_from([*WORDS, "iphone", "15", " ", ",", "。", "é", "👍🏽", "\u200d", "\0", "ש", "ａ", "½"])
).map("".join)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(ANY_TEXT | MIXED)
def test_any_text(tokenizer, text):
    encoded = tokenizer(text, return_offsets_mapping=True)
    ends = [0]
    for start, stop in encoded["offset_mapping"]:
        assert 0 <= start < stop <= len(text)
        ends.append(stop)
    assert ends == sorted(ends)
    assert tokenizer([text, "我们"])["input_ids"][0] == encoded["input_ids"]


def test_every_piece_comes_back(tokenizer):
    for index in set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids):
        assert tokenizer(tokenizer.decode([index]))["input_ids"] == [index]


def test_threads_agree(tokenizer):
    backend, found = tokenizer.backend_tokenizer, []
    threads = [
        threading.Thread(target=lambda: found.append([backend.encode(text).ids for text in TEXT * 50]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(ids == found[0] for ids in found) and len(found) == 4


def test_marks():
    assert unmarked(marked("it's")) == "it's"
    assert unmarked(marked("2024-11-23")) == "2024-11-23"
    assert unmarked("我们") == "我们"


def test_a_vocabulary_is_spelled_without_marks(tokenizer):
    spelled = spelled_vocabulary(tokenizer)
    assert {"iphone", "我们", "1234.5", "it's"} <= spelled.keys() and len(spelled) == len(tokenizer)


def test_is_segmenter(tokenizer):
    import json

    assert is_segmenter(json.loads(tokenizer.backend_tokenizer.to_str()))
    other = build_tokenizer(TEXT, min_count=1)
    assert not is_segmenter(json.loads(other.backend_tokenizer.to_str()))


# What is known


def test_ids_follow_the_counts_of_the_text():
    built = build_segmenter(
        ["的的的我们我们起源", "a a"], WORDS, min_count=1, max_size=None, lowercase=True, specials=[PAD, UNK]
    )
    known = sorted(built.get_vocab(), key=built.get_vocab().get)
    assert known[:6] == [PAD, UNK, "的", "▁a▁", "我们", "起源"]
    assert set(known[6:]) == {"我", "们", "起", "源"}  # which the text has within words alone


def test_rare_words_fall_into_characters():
    built = build_segmenter(
        ["的的我们研究我们研究生"], WORDS, min_count=2, max_size=None, lowercase=True, specials=[PAD, UNK]
    )
    assert "研究生" not in built.get_vocab()
    assert built.encode("研究生").tokens[:2] == ["研", "究"] and "研究" not in built.get_vocab()


def test_the_vocabulary_has_its_size():
    built = build_segmenter(["我们的研究的起源"], WORDS, min_count=1, max_size=8, lowercase=True, specials=[PAD, UNK])
    assert built.get_vocab_size() == 10
    assert {"我", "们", "研", "究", "起", "源", "的"} <= built.get_vocab().keys()


def test_all_of_a_dictionary_is_kept_for_min_count_0():
    built = build_segmenter(["我们"], WORDS, min_count=0, max_size=None, lowercase=True, specials=[PAD, UNK])
    assert WORDS.keys() <= built.get_vocab().keys()


def test_too_little_text():
    with pytest.raises(UserError, match="no word of the corpus occurs at least 5 times"):
        build_tokenizer(["我们"], kind="word-zh", dictionary=WORDS)


def test_words_without_frequencies_stay_whole():
    scores = log_probabilities({**WORDS, "我们的": 0.0})
    assert scores["我们的"] == pytest.approx(math.log(50 / 222) + math.log(100 / 222) + 1.0)
    segmenter = with_pieces(blank_segmenter(lowercase=True), [PAD, UNK], scores)
    assert segmenter.encode("我们的手机").tokens == ["我们的", "手机"]


def test_words_by_rank():
    ranked = tokenizer_from_words(["的", "我们", "iphone", "手机"], kind="word-zh")
    assert ranked.tokenize("我们的iPhone手机") == ["我们", "的", "▁iphone▁", "手机"]
    assert ranked.get_vocab()["的"] == 2


def test_a_tokenizer_learns_more_words(tokenizer):
    longer = extend_tokenizer(tokenizer, ["我们用Android 15,研究龙", "android"], min_count=1)
    assert longer.get_vocab().items() >= tokenizer.get_vocab().items()
    assert {"▁android▁", "龙"} <= longer.get_vocab().keys()
    assert longer.unk_token_id not in longer("我们用Android 15,研究龙")["input_ids"]


# Dictionaries


@pytest.fixture
def dictionary(tmp_path):
    def write(text, name="words.txt"):
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def test_a_dictionary(dictionary):
    path = dictionary("我们 50 r\r\n\n手机\t9\n云计算 n\nT恤 3\n我们 1\n研究")
    assert read_dictionary(path) == {"我们": 51.0, "手机": 9.0, "云计算": 0.0, "研究": 0.0}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("我们 50\n手机 x1", "line 2: 'x1' is no frequency; a line is a word, a space and a number"),
        ("我们 -1", "line 1: a frequency is -1, but must be finite and not negative"),
        ("我们 nan", "line 1: a frequency is nan, but must be finite and not negative"),
        ("我们 1e999", "line 1: a frequency is 1e999, but must be finite and not negative"),
        ("我" * 33, "line 1: a word of 33 characters, but a line holds one of at most 32, and perhaps"),
        ("", "holds no Chinese word"),
        ("hello 3", "holds no Chinese word"),
        ("我们 50\n手机".encode("gb18030"), "line 1, byte 0: not UTF-8, but perhaps GB18030; convert the file: iconv"),
        ("我們 50".encode("big5"), "line 1, byte 0: not UTF-8, but perhaps BIG5"),
        ("我们".encode("utf-16"), "not UTF-8"),
    ],
)
def test_what_is_no_dictionary(dictionary, text, sentence):
    with pytest.raises(UserError) as error:
        read_dictionary(dictionary(text))
    assert sentence in str(error.value)


def test_words_of_tags():
    assert joined_words("我们用的", "BESS") == ["我们", "用", "的"]
    assert joined_words("们用", "ES") == ["们", "用"]


def test_segmented_text(dictionary):
    assert list(read_segmented(dictionary("我们 用 手机\n\n的\n"))) == [["我们", "用", "手机"], ["的"]]
    tagged = dictionary("我\tB\n们\tE\n的\tS\n\n用\tS\n", "text.conll")
    assert list(read_segmented(tagged)) == [["我们", "的"], ["用"]]
    assert counted_words(read_segmented(tagged)) == {"我们": 1.0, "的": 1.0, "用": 1.0}


def test_dictionaries_together():
    assert merged([{"我": 1.0, "你": 2.0}, {"我": 3.0}]) == {"我": 4.0, "你": 2.0}
    assert scaled({"我": 1.0, "你": 3.0}, 8.0) == {"我": 2.0, "你": 6.0}


# Words that a text tells


def _text(words, count, seed=0):
    draw = random.Random(seed)
    return ["".join(draw.choice(words) for _ in range(12)) for _ in range(count)]


def test_words_are_found_in_a_text_of_random_words():
    """Words in random order, so that nothing but words holds together."""
    words = ["葡萄", "琵琶", "蝴蝶", "巧克力", "乒乓", "徘徊", "玻璃", "蜘蛛", "的", "是", "了", "天", "人", "大"]
    found = discover_words(_text(words, 400))
    # By chance some pairs of characters meet a few times.
    assert {word for word, count in found.items() if len(word) > 1 and count > 100} == {w for w in words if len(w) > 1}


def test_autonomy_by_hand():
    """Within 甲乙 nothing varies, and beside it all does: as one string it is more than its characters are."""
    runs = ["丙甲乙丁", "丁甲乙丙", "甲乙", "丙丁甲乙"] * 5
    text = np.frombuffer("\n".join([*runs, ""]).encode("utf-32-le"), np.uint32)
    scores = autonomies(text, min_count=2)
    assert scores["甲乙"] > scores["甲"] + scores["乙"]
    assert "丙甲" not in scores  # 5 in 70, where 10 * 20 in 70 * 70 are chance: log(7/4) nats, which is too little
    assert autonomies(text, min_count=11).keys() == {"甲", "乙", "丙", "丁", "甲乙"}


def test_no_chinese_text():
    with pytest.raises(UserError, match="holds no Chinese text"):
        discover_words(["hello"])


def test_a_sample_loses_nothing():
    sample, rest = sample_of(iter(["a", "b"]))
    assert sample == ["a", "b"] and list(rest) == []


def test_loading_is_the_same(tokenizer):
    again = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    assert [again.encode(text).ids for text in TEXT] == [tokenizer.backend_tokenizer.encode(text).ids for text in TEXT]


# The same words in batches


@pytest.fixture(scope="module")
def by_batches(tokenizer):
    assert reads_in_batches(tokenizer.backend_tokenizer)
    return BatchSegmenter(tokenizer.backend_tokenizer)


HARD = [
    "㍿我们",
    "我们\ufe0f的",
    "我\u3099们",
    "々我",
    "🈚我们",
    "<unk>我们",
    "𠀀我们",
    "研究生命" * 600,
    "究究我们究",
    "\u2f00我",
    "½我",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(ANY_TEXT | MIXED | st.sampled_from(HARD), max_size=6))
def test_batches_give_the_ids_of_the_tokenizer(tokenizer, by_batches, texts):
    ids, lengths = by_batches.encode(texts)
    wanted = [encoding.ids for encoding in tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=False)]
    assert [row.tolist() for row in np.split(ids, np.cumsum(lengths)[:-1])] == (wanted or [[]])


def test_batches_agree_on_ties_and_long_sentences():
    """Frequencies that recur make many sums equal, or nearly so: the same words must win."""
    draw = random.Random(0)
    letters = "甲乙丙丁戊己"
    words = {"".join(draw.choices(letters, k=draw.randint(1, 4))): float(2 ** draw.randint(0, 2)) for _ in range(300)}
    scores = log_probabilities(words | {"一" * 40: 1.0})
    segmenter = with_pieces(blank_segmenter(True), [PAD, UNK], scores)
    texts = ["".join(draw.choices(letters + "庚", k=draw.randint(1, 300))) for _ in range(200)] + ["一" * 99]
    wanted = [encoding.ids for encoding in segmenter.encode_batch(texts, add_special_tokens=False)]
    ids, lengths = BatchSegmenter(segmenter).encode(texts)
    assert ids.tolist() == [index for row in wanted for index in row] and lengths.tolist() == list(map(len, wanted))


def test_batches_count_what_the_tokenizer_finds(tokenizer):
    texts = [*TEXT, *HARD, "我们 究起 zebra"]
    counts = Counter()
    for encoding in tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=False):
        for piece, index in zip(encoding.tokens, encoding.ids, strict=True):
            unknown = index == tokenizer.unk_token_id and is_han(piece)  # unknown Chinese words count as characters
            counts.update(piece if unknown else [piece])
    scores = dict(json.loads(tokenizer.backend_tokenizer.to_str())["model"]["vocab"])
    assert BatchCounter(NarrowSegmenter(scores, lowercase=True)).count(texts) == counts


def test_words_that_a_text_does_not_hold_change_nothing(tokenizer):
    generator = random.Random(2)
    vocabulary = dict(json.loads(tokenizer.backend_tokenizer.to_str())["model"]["vocab"])
    scores = {piece: score for piece, score in vocabulary.items() if is_han(piece)}
    scores |= {"々": -3.0, "人々": -4.0, "㐀京": -2.0, "zz": -20.0}
    for lowercase in (True, False):
        whole = with_pieces(blank_segmenter(lowercase), [PAD, UNK], scores)
        narrow = NarrowSegmenter(scores, lowercase)
        drawn = ["".join(generator.choices("我们研究生命人々㐀京aＡ，\n 究", k=30)) for _ in range(50)]
        texts = [*TEXT, *HARD, "人々㐀京 ⽣命", "", *drawn]
        wanted = whole.encode_batch(texts, add_special_tokens=False)
        found = narrow.encode_batch(texts)
        assert [encoding.tokens for encoding in found] == [encoding.tokens for encoding in wanted]
        assert [encoding.offsets for encoding in found] == [encoding.offsets for encoding in wanted]


def test_what_is_not_read_in_batches(tokenizer):
    other = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    other.add_tokens(["our own"])
    assert not reads_in_batches(other)
    assert not reads_in_batches(build_tokenizer(TEXT, kind="char", min_count=1).backend_tokenizer)

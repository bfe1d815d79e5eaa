"""What every kind of tokenizer promises of any text: offsets, batches, threads, and the same after loading."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer
from wordemb_hf.tokenization.ngram_hashing import NgramScheme

from wordemb_hf.subwords import train_subwords
from wordemb_hf.vocabulary import build_tokenizer

CORPUS = [
    "the cat don't stop 3.5 at 10:30, it's naïve state-of-the-art! U.S. new york ½ <unk>",
    "我们研究生命的起源,用iPhone 15手机,共1,234.5元。 カタカナ Привет שלום hello_world 👍🏽 e\u0301 ﬁne ＡＢＣ a b c",
]  # fmt: skip


def words(**options):
    return build_tokenizer(CORPUS, min_count=1, **options)


def pieces(**options):
    return train_subwords(CORPUS * 3, **options)


KINDS = {
    "word": words,
    "word, cased": lambda: words(lowercase=False),
    "word of text8": lambda: words(kind="word-text8"),
    "word of GloVe": lambda: words(kind="word-glove"),
    "word with its space": lambda: words(kind="word-space", lowercase=False),
    "word with phrases": lambda: words(phrases=["new york", "the cat"]),
    "word with characters": lambda: words(max_characters=9),
    "word with n-grams": lambda: words(ngrams=NgramScheme(100)),
    "char": lambda: words(kind="char"),
    "char with spaces": lambda: words(kind="char-space"),
    "white space": lambda: words(kind="whitespace", lowercase=False),
    "Chinese words": lambda: words(kind="word-zh", dictionary={"我们": 5, "研究": 3, "生命": 2, "的": 9}),
    "bpe": lambda: pieces(kind="bpe", vocab_size=150),
    "bpe and bytes": lambda: pieces(kind="bpe", vocab_size=450, byte_fallback=True),
    "wordpiece": lambda: pieces(kind="wordpiece", vocab_size=250, lowercase=True),
    "unigram": lambda: pieces(kind="unigram", vocab_size=150),
    "unigram and bytes": lambda: pieces(kind="unigram", vocab_size=450, byte_fallback=True),
}

# What has broken tokenizers: accents apart, joined emoji, zero-width and right-to-left marks, forms that NFKC changes
# into several characters, kinds of white space, what looks like a mark or a byte of a vocabulary.
PARTS = [
    *"abcxyz019 ,.'-_/:我们的研カナー々〇é½ßİﬁａⅧ①ﷺש\0\t\u3000\x85\u2028\u200b\u200d\u00ad\u202e\ufeff\ufffd▁Ġ’“…𠀀⼀",
    *("don't", "new york", "3.5", "10:30", "1,234", "e\u0301", "👍🏽", "👩‍💻", "ｶﾞ", "각", "שלום", "\r\n"),
    *("<unk>", "<pad>", "##", "<0x41>", "我们", "研究", "the cat"),
]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.lists(
    st.sampled_from(PARTS), max_size=12
).map("".join)


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request):
    return KINDS[request.param]()


@pytest.fixture(scope="module")
def again(tokenizer, tmp_path_factory):
    """The same tokenizer as it is loaded."""
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


# derandomize: a test that fails at one time and not at another tells nothing of the change it fails on.
few = settings(max_examples=30, deadline=None, derandomize=True, database=None)


@few
@given(TEXTS)
def test_offsets_are_places_of_the_text_in_order(tokenizer, text):
    before = (0, 0)
    for start, stop in tokenizer(text, return_offsets_mapping=True)["offset_mapping"]:
        assert before[0] <= start < stop <= len(text) and before[1] <= stop
        before = (start, stop)


@few
@given(TEXTS)
def test_known_words_come_back(tokenizer, text):
    """What is decoded becomes the same ids, where all of it was known: the text, but for what normalisation takes."""
    ids = tokenizer(text)["input_ids"]
    if not {tokenizer.unk_token_id, tokenizer.pad_token_id} & set(ids):
        assert tokenizer(tokenizer.decode(ids))["input_ids"] == ids


@few
@given(TEXTS, TEXTS)
def test_a_batch_and_a_loaded_tokenizer_give_the_same(tokenizer, again, text, other):
    alone = dict(tokenizer(text, return_offsets_mapping=True))
    for each in (tokenizer, again):
        batch = each([other, text], return_offsets_mapping=True)
        assert {name: batch[name][1] for name in batch} == alone


def test_known_words_are_decoded_as_they_are_written(tokenizer):
    ids = tokenizer("the cat")["input_ids"]
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids) in ("the cat", "thecat")  # characters alone have lost their spaces


def test_threads_give_the_same(tokenizer):
    texts = ["".join(PARTS[start : start + 9]) for start in range(len(PARTS))]
    alone = [tokenizer(text)["input_ids"] for text in texts]
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: [tokenizer(text)["input_ids"] for text in texts], range(4)):
            assert found == alone

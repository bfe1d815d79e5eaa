"""Words that belong together: both scores by hand, and phrases inside the tokenizer."""

import math

import pytest
from transformers import AutoTokenizer

from wordemb_hf.errors import UserError
from wordemb_hf.phrases import find_phrases, phrase_pattern
from wordemb_hf.vocabulary import build_tokenizer

# 10 words; `new york` is there 3 times, and once with a comma in between.
TEXTS = ["new york new york", "New York cold", "new, york cold"]


def words(texts=TEXTS):
    return build_tokenizer(texts, min_count=1).backend_tokenizer


def found(score, threshold, texts=TEXTS, **options):
    return find_phrases(words(texts), texts, score=score, threshold=threshold, min_count=1, **options)


def test_normalised_mutual_information():
    """11 tokens with the comma: new 4, york 4; together 3 times, and `york new` and `york cold` once, twice."""
    exact = math.log(3 * 11 / (4 * 4)) / -math.log(3 / 11)
    assert "new york" in found("npmi", exact - 1e-9) and "new york" not in found("npmi", exact + 1e-9)
    beside = math.log(2 * 11 / (4 * 2)) / -math.log(2 / 11)  # york cold
    assert "york cold" in found("npmi", beside - 1e-9) and "york cold" not in found("npmi", beside + 1e-9)
    assert found("npmi", -1.0)[0] == max([(exact, "new york"), (beside, "york cold")])[1]


def test_score_of_mikolov():
    assert (3 - 1) * 11 / (4 * 4) == (2 - 1) * 11 / (4 * 2) == 1.375
    assert found("mikolov", 1.375) == ["new york", "york cold"] and found("mikolov", 1.376) == []
    assert found("mikolov", 0.0)[2] == "york new"  # (1 - 1) * 11 / (4 * 4)


def test_nothing_stands_between_the_words_of_a_phrase():
    assert found("npmi", -1.0, ["a, b", "a-b", "a  b", "a\tb", "3 b", "b 3"]) == ["a b"]  # by the tab alone


def test_rare_pairs_and_the_most():
    assert find_phrases(words(), TEXTS, threshold=-1.0, min_count=3) == ["new york"]
    assert len(found("npmi", -1.0)) == 3 and len(found("npmi", -1.0, most=1)) == 1


def test_an_unknown_score():
    with pytest.raises(UserError, match="phrases must be one of npmi, mikolov, not 'pmi'"):
        find_phrases(words(), TEXTS, score="pmi")


@pytest.fixture
def tokenizer():
    return build_tokenizer([*TEXTS, "the newer new yorker"], min_count=1, phrases=["new york", "new york cold"])


def test_phrases_are_words_with_their_places(tokenizer):
    text = "In New York, new  york, the new york."
    encoding = tokenizer(text, return_offsets_mapping=True)
    phrases = [
        place for token, place in zip(encoding.tokens(), encoding["offset_mapping"], strict=True) if "_" in token
    ]
    assert [text[start:stop] for start, stop in phrases] == ["New York", "new york"]  # not those two spaces apart
    assert tokenizer.convert_tokens_to_ids("new_york") != tokenizer.unk_token_id


def test_the_longest_phrase_and_no_part_of_a_word(tokenizer):
    assert tokenizer.tokenize("new york cold") == ["new_york_cold"]
    assert tokenizer.tokenize("newer new yorker") == ["newer", "new", "yorker"]


def test_phrases_come_back_with_their_spaces(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    for each in (tokenizer, AutoTokenizer.from_pretrained(tmp_path)):
        ids = each("the new york new, new york cold")["input_ids"]
        assert each.decode(ids) == "the new york new , new york cold"


def test_the_expression_is_short_where_phrases_begin_alike():
    assert phrase_pattern(["new york", "new yorker", "c++ d"]) == r"(?:c\+\+\ d|new\ york(?:er)?)"

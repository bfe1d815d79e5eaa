"""What the names of tags allow, written out by hand for each scheme."""

import pytest
import torch
from wordemb_hf.modeling.tag_constraints import first_forbidden, tag_constraints

from .test_crf import all_paths, make_crf


def table(names: list[str]) -> tuple[str, list[str], str]:
    """Constraints as they are written below: `x` for what is allowed."""
    constraints = tag_constraints(names)
    assert constraints is not None

    def marks(row):
        return "".join(".x"[allowed] for allowed in row)

    return marks(constraints.start), [marks(row) for row in constraints.transitions], marks(constraints.end)


def test_iob2():
    names = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG"]
    assert table(names) == (
        "xx.x.",
        [
            "xx.x.",  # O
            "xxxx.",  # B-PER
            "xxxx.",  # I-PER
            "xx.xx",  # B-ORG
            "xx.xx",  # I-ORG
        ],
        "xxxxx",
    )


@pytest.mark.parametrize(
    "names",
    [
        ["O", "B-X", "I-X", "E-X", "S-X", "B-Y", "E-Y"],
        ["O", "B-X", "M-X", "E-X", "W-X", "B-Y", "E-Y"],
        ["O", "B_X", "I_X", "L_X", "U_X", "B_Y", "L_Y"],
    ],
    ids=["BIOES", "BMEWO", "BILOU"],
)
def test_schemes_that_mark_ends(names):
    assert table(names) == (
        "xx..xx.",
        [
            "xx..xx.",  # O
            "..xx...",  # B-X
            "..xx...",  # I-X
            "xx..xx.",  # E-X
            "xx..xx.",  # S-X
            "......x",  # B-Y, of which no span had three tokens
            "xx..xx.",  # E-Y
        ],
        "x..xx.x",
    )


def test_word_segmentation():
    assert table(["B", "M", "E", "S"]) == ("x..x", [".xx.", ".xx.", "x..x", "x..x"], "..xx")


def test_words_of_two_characters_or_one():
    assert table(["S", "E", "B"]) == ("x.x", ["x.x", "x.x", ".x."], "xx.")


def test_names_that_a_scheme_would_have_and_are_missing():
    # A kind without B begins with I; a kind without E ends anywhere; without S and O, B stands alone.
    assert table(["O", "I-X", "B-Y", "I-Y"]) == ("xxx.", ["xxx.", "xxx.", "xxxx", "xxxx"], "xxxx")
    assert table(["O", "B-X", "I-X", "S-Y"]) == ("xx.x", ["xx.x", "xxxx", "xxxx", "xx.x"], "xxxx")
    assert table(["B", "M", "E"]) == ("x..", ["xxx", ".xx", "x.."], "x.x")


@pytest.mark.parametrize(
    "names",
    [
        ["LABEL_0", "LABEL_1"],
        ["NOUN", "VERB", "X"],
        ["O", "PER", "ORG"],
        ["O", "B-PER", "I-PER", "[PAD]"],
        ["E", "S"],
        ["O"],
        ["neg", "pos"],
    ],
    ids=" ".join,
)
def test_other_names_say_nothing(names):
    assert tag_constraints(names) is None
    assert first_forbidden([*names, *reversed(names)], names) is None


@pytest.mark.parametrize(
    "names",
    [
        ["O", "B-X", "I-X", "B-Y", "I-Y"],
        ["O", "B-X", "I-X", "E-X", "S-X"],
        ["B", "M", "E", "S"],
        ["B", "M", "E"],
        ["B-X", "E-X", "I-Y"],
        ["O", "I-X", "E-X"],
        ["S-X", "I-Y", "E-Z", "B-Y"],
    ],
    ids=" ".join,
)
def test_there_is_a_path_of_every_length(names):
    block = make_crf(tag_constraints(names), tags=len(names))
    for length in range(1, 6):
        assert all_paths(block, torch.zeros(length, len(names)))


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["B-PER", "I-PER", "O", "B-ORG", "I-ORG"], None),
        (["B-PER", "I-ORG", "I-PER"], (1, "I-ORG cannot follow B-PER")),
        (["O", "O", "I-PER"], (2, "I-PER cannot follow O")),
        (["I-PER", "I-ORG"], (0, "I-PER cannot begin a sentence")),
        (["O", None, "I-PER", "I-ORG"], (3, "I-ORG cannot follow I-PER")),
        ([None, "I-PER"], None),
        ([], None),
    ],
)
def test_the_first_forbidden_tag(tags, expected):
    assert first_forbidden(tags, ["O", "B-PER", "I-PER", "B-ORG", "I-ORG"]) == expected


def test_a_span_that_does_not_end():
    assert first_forbidden(["S", "B", "M"], ["B", "M", "E", "S"]) == (2, "M cannot end a sentence")


def test_a_tag_that_is_none_of_the_names():
    with pytest.raises(ValueError, match="B-LOC"):
        first_forbidden(["O", "B-LOC"], ["O", "B-PER"])

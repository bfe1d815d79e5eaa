"""Tagged sentences: what is read is what stands there, and what cannot be read is told with its place."""

import gzip
import json
import random

import pytest

from wordemb_hf.conll import TaggedSentences, is_tagged, read_tagged, read_tagged_splits, tag_names, unknown_tags
from wordemb_hf.errors import UserError

SENTENCES = [(["Ada", "Lovelace", "wrote"], ["B-PER", "I-PER", "O"]), (["London"], ["B-LOC"])]


def write(path, content):
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def as_conll(sentences, between="\t"):
    return "\n".join("".join(f"{t}{between}{g}\n" for t, g in zip(*row, strict=True)) for row in sentences)


def as_jsonl(sentences):
    return "".join(json.dumps({"tokens": tokens, "tags": tags}) + "\n" for tokens, tags in sentences)


def pairs(sentences):
    return list(zip(sentences.tokens, sentences.tags, strict=True))


def random_sentences(count, seed=0):
    rng = random.Random(seed)
    return [(["w"] * n, rng.choices(["O", "B-X", "I-X"], k=n)) for n in rng.choices(range(1, 9), k=count)]


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.conll", as_conll(SENTENCES)),
        ("a.bio", as_conll(SENTENCES)),
        ("a.bmes", as_conll(SENTENCES)),
        ("a.iob", as_conll(SENTENCES)),
        ("A.CoNLL.gz", as_conll(SENTENCES)),
        ("a.txt", as_conll(SENTENCES)),
        ("a.tsv", as_conll(SENTENCES)),
        ("a.jsonl", as_jsonl(SENTENCES)),
        ("a.jsonl.gz", as_jsonl(SENTENCES)),
        ("a.conll", as_conll(SENTENCES, " ")),
        ("a.conll", as_conll(SENTENCES, "   ")),
        ("a.conll", as_conll(SENTENCES, "\tNNP\tx\t")),
        ("a.conll", as_conll(SENTENCES, " NNP x ")),
        ("a.conll", as_conll(SENTENCES).replace("\n", "\r\n")),
        ("a.conll", "\ufeff" + as_conll(SENTENCES)),
        ("a.conll", as_conll(SENTENCES).rstrip("\n")),
        ("a.conll", "\n\n" + as_conll(SENTENCES).replace("\n\n", "\n \t \n\n") + "\n\n\n"),
        ("a.conll", "-DOCSTART-\tO\n\n" + as_conll(SENTENCES) + "\n-DOCSTART- -X- O\n\n"),
        ("a.conll", as_conll(SENTENCES).replace("\n\n", "\n-DOCSTART-\n")),
        ("a.conll", as_conll(SENTENCES).replace("B-LOC", "B-LOC  ")),
    ],
)
def test_every_form_of_a_file_is_the_same_sentences(tmp_path, name, content):
    sentences = read_tagged(write(tmp_path / name, content))
    assert pairs(sentences) == SENTENCES
    assert len(sentences) == 2


def test_only_white_space_of_a_tab_separated_word_is_its_own(tmp_path):
    path = write(tmp_path / "a.conll", "10 000\tNUM\n\u3000\tX\n\u200b\tX\n#\tSYM\n")
    assert pairs(read_tagged(path)) == [(["10 000", "\u3000", "\u200b", "#"], ["NUM", "X", "X", "SYM"])]


def test_json_has_integers_and_names_of_its_own(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"words": ["a", "b"], "ner": [0, 11], "more": null}\n')
    assert pairs(read_tagged(path, token_column="words", tag_column="ner")) == [(["a", "b"], ["0", "11"])]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("missing.conll", None, "no such file: "),
        (
            "a.docx",
            "x",
            "has an unknown extension: .conll, .bio, .bmes, .iob, .jsonl, .parquet, .txt, .tsv are read, text also ",
        ),
        ("a.conll", "", "is empty: it holds no sentence"),
        ("a.conll", "-DOCSTART- O\n\n", "is empty: it holds no sentence"),
        ("a.conll", "a\tO\n\nb\n", r"a\.conll, line 3, sentence 2: no tag for 'b'; a line is word<TAB>tag"),
        ("a.conll", "a\tO\nb\tX\tO\n", r"line 2, sentence 1: 3 columns, where the first line has 2"),
        ("a.conll", "a NN O\n\nb O\n", r"line 3, sentence 2: 2 columns, where the first line has 3"),
        ("a.conll", "a\tO\n\tO\n", r"line 2, sentence 1: the word is empty; a line is word<TAB>tag"),
        ("a.conll", "a\tO\nb\tO\t\n", r"line 2, sentence 1: 3 columns, where the first line has 2"),
        ("a.conll", "a\tO\nb\t \n", r"line 2, sentence 1: the tag is empty; a line is word<TAB>tag"),
        ("a.conll", b"a\tO\ncaf\xe9\tO\n", r"line 2, byte 7: not UTF-8"),
        ("a.conll", "a\tO\n".encode("utf-16"), "a NUL byte"),
        ("a.conll.gz", None, "no such file"),
        ("a.conll", b"x" * (17 * 2**20), "line 1: longer than 16 MiB"),
        ("a.jsonl", "[1]\n", "line 1: a JSON object is expected, not an array"),
        ("a.jsonl", '{"tokens": ["a"]}\n', "line 1 has no column 'tags'; it has 'tokens'"),
        ("a.jsonl", '{"tokens": "a b", "tags": ["O"]}\n', "line 1: tokens must be an array of strings, not a string"),
        ("a.jsonl", '{"tokens": [1], "tags": ["O"]}\n', "line 1: tokens must hold strings, not a number"),
        ("a.jsonl", '{"tokens": ["a"], "tags": [true]}\n', "tags must hold strings or integers, not a boolean"),
        ("a.jsonl", '{"tokens": ["a"], "tags": ["O", "O"]}\n', "line 1: 1 tokens, but 2 tags"),
        ("a.jsonl", '\n{"tokens": [], "tags": []}\n', "line 2: a sentence of no tokens; leave the line out"),
        ("a.jsonl", '{"tokens": ["a", ""], "tags": ["O", "O"]}\n', "line 1: tokens hold an empty string"),
        ("a.jsonl", '{"tokens": ["\\ud83d"], "tags": ["O"]}\n', "line 1: tokens holds half of a surrogate pair"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(tmp_path, name, content, sentence):
    if content is not None:
        write(tmp_path / name, content)
    with pytest.raises(UserError, match=sentence):
        read_tagged(tmp_path / name)


def test_a_damaged_archive(tmp_path):
    path = tmp_path / "a.conll.gz"
    path.write_bytes(gzip.compress(as_conll(random_sentences(500)).encode())[:-20])
    with pytest.raises(UserError, match="is damaged or not gzip"):
        read_tagged(path)


def test_the_place_of_a_word(tmp_path):
    text = "-DOCSTART- O\n\n\na O\nb O\n\nc O\n"
    conll = read_tagged(write(tmp_path / "a.conll", text))
    assert conll.where(0, 1) == f"{tmp_path / 'a.conll'}, line 5, word 2 of its sentence"
    assert conll.where(1, 0) == f"{tmp_path / 'a.conll'}, line 7, word 1 of its sentence"
    jsonl = read_tagged(write(tmp_path / "a.jsonl", "\n" + as_jsonl(SENTENCES)))
    assert jsonl.where(0, 2).endswith("line 2, word 3 of its sentence")
    assert jsonl.take([1], "x").where(0, 0) == "x, line 3, word 1 of its sentence"


def test_texts_have_spaces_unless_words_are_characters():
    words, characters = (TaggedSentences(rows, [], [], "") for rows in ([["a", "bc"], ["d"]], [["北", "京"], ["好"]]))
    assert words.texts == ["a bc", "d"] and not words.are_characters
    assert characters.texts == ["北京", "好"] and characters.are_characters


# --- parts ------------------------------------------------------------------------------------------------------------


def parts_of(tmp_path, **files):
    for name, content in files.items():
        write(tmp_path / f"{name}.conll", content)
    return tmp_path


def test_a_folder_holds_its_parts(tmp_path):
    parts_of(tmp_path, train=as_conll(SENTENCES), dev="a\tO\n", test="b\tO\n")
    write(tmp_path / "train.pos.conll", "a\tNN\n")
    splits = read_tagged_splits(tmp_path)
    assert [pairs(part)[0][0][0] for part in (splits.train, splits.dev, splits.test)] == ["Ada", "a", "b"]
    other = write(tmp_path / "other.jsonl", as_jsonl(SENTENCES))
    assert len(read_tagged_splits(tmp_path, dev=other).dev) == 2


def test_a_tenth_is_held_out_by_the_seed(tmp_path):
    path = write(tmp_path / "a.conll", as_conll(random_sentences(100)))
    whole = read_tagged(path)
    first, again, other = (read_tagged_splits(path, seed=seed) for seed in (0, 0, 1))
    assert first == again != other
    assert (len(first.train), len(first.dev), first.test) == (90, 10, None)
    assert sorted(first.train.lines + first.dev.lines) == whole.lines
    assert sorted(pairs(first.train) + pairs(first.dev)) == sorted(pairs(whole))
    assert first.dev.source.endswith("(the share held out as dev)")
    assert read_tagged_splits(path, dev_fraction=0).dev is None


@pytest.mark.parametrize(("count", "dev"), [(1, None), (2, 1), (4, 1), (26, 3)])
def test_the_share_of_few_sentences(tmp_path, count, dev):
    path = write(tmp_path / "a.conll", as_conll([(["a", "b"], ["O", "B-X"])] * count))
    found = read_tagged_splits(path).dev
    assert (None if found is None else len(found)) == dev


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"dev": "a O\n"}, r"has no training part: train\.conll, train\.bio, "),
        ({"train": "a O\nb O\n"}, r"only one tag \('O'\) in .*train\.conll: a tagger needs at least two"),
        ({"train": "a O\nb B-X\n", "test": "a NN\nb VB\n"}, r"the tags in .* \('NN', 'VB'\) are none of .* 'B-X'"),
    ],
)
def test_parts_that_cannot_be_used(tmp_path, files, sentence):
    with pytest.raises(UserError, match=sentence):
        read_tagged_splits(parts_of(tmp_path, **files))


def test_two_files_claim_a_part(tmp_path):
    parts_of(tmp_path, train=as_conll(SENTENCES))
    write(tmp_path / "train.bio", as_conll(SENTENCES))
    with pytest.raises(UserError, match=r"has train\.bio and train\.conll: keep one"):
        read_tagged_splits(tmp_path)


def test_a_tag_that_only_another_part_has_is_kept(tmp_path):
    splits = read_tagged_splits(parts_of(tmp_path, train="a O\nb B-X\n\na O\n", test="a B-X\nb I-X\nb I-X\n"))
    assert unknown_tags(splits.test, tag_names(splits.train)) == {"I-X": 2}
    assert unknown_tags(splits.train, tag_names(splits.train)) == {}


def test_nothing_but_outside_is_no_other_task(tmp_path):
    path = write(tmp_path / "a.conll", "a O\n")
    assert unknown_tags(read_tagged(path), ["O", "B-X"]) == {}


def test_tags_have_an_order():
    tags = [["I-PER", "O", "B-PER", "B-LOC", "S-LOC", "E-LOC"], ["B-creative-work"]]
    names = tag_names(TaggedSentences([], tags, [], ""))
    assert names == ["O", "B-LOC", "E-LOC", "S-LOC", "B-PER", "I-PER", "B-creative-work"]
    assert tag_names(TaggedSentences([], [["VERB", "NOUN", "X"]], [], "")) == ["NOUN", "VERB", "X"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train.conll", "dev.conll"], True),
        (["train.bmes.gz"], True),
        (["train.tsv", "test.conll"], False),
        (["train.pos.conll"], False),
        ([], False),
    ],
)
def test_data_tell_their_task_by_their_names(tmp_path, names, expected):
    for name in names:
        write(tmp_path / name, "a O\n")
    assert is_tagged(tmp_path) is expected
    for name in names[:1]:
        assert is_tagged(tmp_path / name) is name.startswith(("train.conll", "train.bmes", "train.pos.conll"))


def test_a_folder_of_either_task_is_refused(tmp_path):
    write(tmp_path / "train.conll", "a O\n")
    write(tmp_path / "train.tsv", "a\tx\n")
    with pytest.raises(UserError, match=r"has train\.tsv and train\.conll: say --task classification or tagging"):
        is_tagged(tmp_path)

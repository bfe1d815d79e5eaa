"""Parquet files: what every reader takes from them, classes by their names, and what is wrong in them."""

import json

import pyarrow
import pyarrow.parquet
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from wordemb_hf.conll import is_tagged, read_tagged, read_tagged_splits
from wordemb_hf.corpus import read_examples, read_splits, read_texts
from wordemb_hf.errors import UserError
from wordemb_hf.pairs import read_pairs
from wordemb_hf.splits import find_parts

TEXTS = ["good", "bad", "", "again\nand again"]
REVIEWS = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])})
TAGS = ClassLabel(names=["O", "B-PER", "I-PER"])
NAMES = Features({"id": Value("string"), "tokens": List(Value("string")), "ner_tags": List(TAGS)})


def write(path, columns, features=None):
    """A parquet file, with what `datasets` writes beside it if it knows the features."""
    table = pyarrow.table(columns) if features is None else Dataset.from_dict(columns, features).with_format("arrow")[:]
    pyarrow.parquet.write_table(table, path)
    return path


@pytest.mark.parametrize(
    ("labels", "features", "read"),
    [
        (["a", " b", "b", "a"], None, ["a", "b", "b", "a"]),
        ([0, 10, 2, 0], None, ["0", "10", "2", "0"]),
        ([0, 1, 1, 0], REVIEWS, ["neg", "pos", "pos", "neg"]),
    ],
)
def test_labelled_texts(tmp_path, labels, features, read):
    path = write(tmp_path / "a.parquet", {"text": TEXTS, "label": labels}, features)
    examples = read_examples(path)
    assert (examples.texts, examples.labels) == (TEXTS, read)
    assert list(read_texts(path)) == [text for text in TEXTS if text]
    assert list(read_texts(tmp_path)) == [text for text in TEXTS if text]


def test_a_folder_of_parts(tmp_path):
    columns = {"text": TEXTS * 5, "label": [0, 1, 1, 0] * 5}
    for name in ("train", "validation", "test"):
        write(tmp_path / f"{name}.parquet", columns, REVIEWS)
    splits = read_splits(tmp_path)
    assert [len(part) for part in (splits.train, splits.dev, splits.test)] == [20, 20, 20]
    (tmp_path / "validation.parquet").rename(tmp_path / "val.parquet")
    assert find_parts(tmp_path, None, None, (".parquet",), 0.1)[1] == tmp_path / "val.parquet"


def test_many_rows_in_any_number_of_groups_stay_in_order(tmp_path):
    texts = [f"text {number}" for number in range(2500)]
    table = pyarrow.table({"text": texts, "other": [b"\0"] * 2500})
    for size in (7, 1000, 2500):
        pyarrow.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=size)
        assert list(read_texts(tmp_path / "a.parquet")) == texts


def test_tagged_sentences_with_names_of_tags(tmp_path):
    columns = {"id": ["0", "1"], "tokens": [["Ada", "Lovelace", "wrote"], ["He", "left"]]}
    path = write(tmp_path / "train.parquet", {**columns, "ner_tags": [[1, 2, 0], [0, 0]]}, NAMES)
    assert is_tagged(path) and is_tagged(tmp_path)
    sentences = read_tagged(path, tag_column="ner_tags")
    assert (sentences.tokens, sentences.tags) == (columns["tokens"], [["B-PER", "I-PER", "O"], ["O", "O"]])
    assert sentences.where(1, 1) == f"{path}, line 2, word 2 of its sentence"
    assert len(read_tagged_splits(tmp_path, tag_column="ner_tags").dev) == 1
    assert not is_tagged(write(tmp_path / "train.parquet", {"text": ["a"], "tokens": [["a"]]}))


def test_translations_are_found_inside_their_column(tmp_path):
    rows = [{"de": "ein Hund", "en": "a dog"}, {"de": "eine Katze", "en": "a cat"}]
    path = write(tmp_path / "a.parquet", {"id": [1, 2], "translation": rows})
    for source, target in (("de", "en"), ("translation.de", "translation.en")):
        pairs = read_pairs(path, text_column=source, target_column=target)
        assert (pairs.sources, pairs.targets) == (["ein Hund", "eine Katze"], ["a dog", "a cat"])
    with pytest.raises(UserError, match=r"no column 'fr'; it has 'id', 'translation', 'translation.de', '"):
        read_pairs(path, text_column="de", target_column="fr")


@pytest.mark.parametrize(
    ("columns", "features", "sentence"),
    [
        ({"text": ["a"]}, None, r"a\.parquet has no column 'label'; it has 'text'"),
        ({"text": ["a"], "label": [None]}, None, "line 1: label must be a string or an integer, not null"),
        ({"text": ["a", "b"], "label": [0, -1]}, REVIEWS, "line 2: label must be a string or an integer, not null"),
        ({"text": ["a", None], "label": [0, 1]}, REVIEWS, "line 2: text must be a string, not null"),
        ({"text": ["a"], "label": [b"x"]}, None, "line 1: label must be a string or an integer, not bytes"),
        ({"text": [1], "label": ["x"]}, None, "line 1: text must be a string, not a number"),
        ({"text": [], "label": []}, None, r"a\.parquet is empty: it holds no example"),
        ({"text": [], "label": []}, REVIEWS, r"a\.parquet is empty: it holds no example"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, columns, features, sentence):
    path = write(tmp_path / "a.parquet", columns, features)
    with pytest.raises(UserError, match=sentence):
        read_examples(path)


def test_what_is_no_parquet(tmp_path):
    path = write(tmp_path / "a.parquet", {"text": TEXTS * 1000, "label": ["x"] * 4000})
    content = path.read_bytes()
    for damaged in (b"", b"PAR1", content[:-20], content[: len(content) // 2] + b"PAR1"):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"a\.parquet cannot be read as parquet: .") as told:
            read_examples(path)
        assert "\n" not in str(told.value)
        with pytest.raises(UserError, match="cannot be read as parquet"):
            is_tagged(path)


@pytest.mark.parametrize(
    "features",
    [
        "[" * 100_000,
        {"info": None},
        {"info": {"features": {"label": {"_type": "ClassLabel", "names": [1, 2]}}}},
        {"info": {"features": {"label": [[[[[[[[[[[[]]]]]]]]]]]]}}},
        {"info": {"features": ["label"]}},
    ],
)
def test_strange_words_about_the_columns_are_passed_over(tmp_path, features):
    note = features if isinstance(features, str) else json.dumps(features)
    table = pyarrow.table({"text": ["a"], "label": [1]}).replace_schema_metadata({"huggingface": note})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert read_examples(tmp_path / "a.parquet").labels == ["1"]


def test_a_class_that_has_no_name(tmp_path):
    note = {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["neg", "pos"]}}}}
    table = pyarrow.table({"text": ["a"], "label": [2]}).replace_schema_metadata({"huggingface": json.dumps(note)})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"line 1: label is 2, but the classes are 0 to 1"):
        read_examples(tmp_path / "a.parquet")

"""Files of text: what is read, and one clear sentence for what cannot be."""

import csv
import gzip
import io
import json

import pytest

from wordemb_hf import records
from wordemb_hf.corpus import Examples, label_names, read_examples, read_splits, read_texts
from wordemb_hf.errors import UserError

# Accents, right to left, beyond the first plane, quotation marks, what other readers take for line ends.
NASTY = [
    "plain words",
    'she said "no, thanks" and left',
    "café cafe\u0301 ﬁne ½ ①",
    "שלום مرحبا",
    "北京大学，你好！ 𠮷野家",
    "👩‍💻❤️ 🇨🇳",
    "one\u2028two\u0085three\x0bfour\x1efive",
    "no\u00a0break\u200bzero\u00adsoft",
    "{not json} <pad> <unk> \\t \\n",
]
LABELS = [str(number % 3) for number in range(len(NASTY))]


def write(path, content):
    raw = content if isinstance(content, bytes) else content.encode()
    if path.suffix == ".gz":
        raw = gzip.compress(raw)
    path.write_bytes(raw)
    return path


def as_csv(texts, labels=None):
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["id", "text"] + (["label"] if labels else []))
    for row, text in enumerate(texts):
        writer.writerow([row, text] + ([labels[row]] if labels else []))
    return file.getvalue()


def as_jsonl(texts, labels=None):
    rows = ({"text": text} | ({"label": labels[row]} if labels else {}) for row, text in enumerate(texts))
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize("gz", ["", ".gz"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "\n\n".join(NASTY)),
        ("a.txt", "\ufeff" + "\r\n".join(NASTY) + "\r\n"),
        ("a.jsonl", as_jsonl(NASTY)),
        ("a.csv", as_csv(NASTY)),
        ("a.CSV", "\ufeff" + as_csv(NASTY)),
        ("a.tsv", "id\ttext\n" + "".join(f"{row}\t{text}\n" for row, text in enumerate(NASTY))),
    ],
)
def test_documents_come_back_from_every_format(tmp_path, name, content, gz):
    assert list(read_texts(write(tmp_path / (name + gz), content))) == NASTY


@pytest.mark.parametrize("gz", ["", ".gz"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", as_jsonl(NASTY, LABELS)),
        ("a.csv", as_csv(NASTY, LABELS)),
        ("a.tsv", "".join(f"{label}\t{text}\n" for label, text in zip(LABELS, NASTY, strict=True))),
        ("a.tsv", "text\tlabel\n" + "".join(f"{text}\t{label}\n" for label, text in zip(LABELS, NASTY, strict=True))),
    ],
)
def test_examples_come_back_from_every_format(tmp_path, name, content, gz):
    path = write(tmp_path / (name + gz), content)
    assert read_examples(path) == Examples(NASTY, LABELS, str(path))


def test_a_folder_is_its_readable_files_in_order(tmp_path):
    write(tmp_path / "b.txt", "two\n")
    write(tmp_path / "a.jsonl.gz", as_jsonl(["one"]))
    write(tmp_path / "c.md", "no")
    write(tmp_path / ".b.txt", "no")
    (tmp_path / "d.txt").mkdir()
    assert list(read_texts(tmp_path)) == ["one", "two"]
    assert list(read_texts([str(tmp_path / "b.txt"), tmp_path])) == ["two", "one", "two"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "x\tone\ny\t\nz\t  \n"),
        ("a.csv", 'text,label\none,x\n,y\n"  ",z\n'),
        ("a.jsonl", as_jsonl(["one", "", "  "], ["x", "y", "z"])),
    ],
)
def test_a_labelled_text_may_be_empty(tmp_path, name, content):
    path = write(tmp_path / name, content)
    assert read_examples(path) == Examples(["one", "", ""], ["x", "y", "z"], str(path))


def test_only_the_first_tab_splits_and_a_quotation_mark_is_text(tmp_path):
    path = write(tmp_path / "a.tsv", 'x\t"one\ttwo\ny\tthree"\n')
    assert read_examples(path).texts == ['"one\ttwo', 'three"']


def test_a_cell_may_hold_lines(tmp_path):
    path = write(tmp_path / "a.csv", 'text,label\n"one\ntwo",x\n\nthree,y\n')
    assert read_examples(path).texts == ["one\ntwo", "three"]


def test_a_long_cell_is_no_error(tmp_path):
    text = "word " * 100_000
    assert list(read_texts(write(tmp_path / "a.csv", f"text\n{text}\n"))) == [text.strip()]


def test_empty_documents_are_kept_where_answers_must_stay_in_step(tmp_path):
    path = write(tmp_path / "a.txt", "one\n\n  \ntwo\n")
    assert list(read_texts(path)) == ["one", "two"]
    assert list(read_texts(path, keep_empty=True)) == ["one", "", "", "two"]
    with pytest.raises(UserError, match="is empty"):
        list(read_texts(write(tmp_path / "b.txt", ""), keep_empty=True))


def test_other_columns_and_integer_labels(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"title": "one", "class": 3}\n{"title": "two", "class": 10}\n')
    assert read_examples(path, text_column="title", label_column="class").labels == ["3", "10"]


def test_reading_is_lazy_but_paths_are_checked_at_once(tmp_path):
    path = write(tmp_path / "a.txt", b"good\n\xff\n")
    assert next(read_texts(path)) == "good"
    with pytest.raises(UserError, match="no such file"):
        read_texts([path, tmp_path / "b.txt"])


UTF16 = "some text\n".encode("utf-16")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.txt", "", r"a\.txt is empty: it holds no document"),
        ("a.txt", " \n\n", "is empty"),
        ("a.csv", "", "is empty"),
        ("a.csv", "text\n", "is empty"),
        ("a.pdf", "x", r"unknown extension: \.txt, \.jsonl, \.csv, \.tsv, \.parquet are read, text also as \.gz"),
        ("a.gz", "x", "unknown extension"),
        ("a.txt", b"good\nb\xffd\n", r"a\.txt, line 2, byte 6: not UTF-8"),
        ("a.txt", b"\xef\xbb\xbfb\xffd\n", r"line 1, byte 4: not UTF-8"),
        ("a.txt", UTF16, "line 1: a NUL byte; the file is binary or UTF-16"),
        ("a.jsonl", b'{"text": "a\0"}', "NUL"),
        ("a.csv", "id,body\n1,x\n", r"the header of .*a\.csv has no column 'text'; it has 'id', 'body'"),
        ("a.tsv", "x\tone\n", "has no column 'text'; it has 'x', 'one'"),
        ("a.jsonl", '{"body": 1}', r"a\.jsonl, line 1 has no column 'text'; it has 'body'"),
        ("a.jsonl", "{}", "it has none at all"),
        ("a.jsonl", '{"text": "x"}\n{"text": ', "line 2: not JSON"),
        ("a.jsonl", "[" * 100_000, "line 1: not JSON"),
        ("a.jsonl", "[1]", "line 1: a JSON object is expected, not an array"),
        ("a.jsonl", '{"text": 3}', "line 1: text must be a string, not a number"),
        ("a.jsonl", '{"text": null}', "text must be a string, not null"),
        ("a.jsonl", '{"text": "\\ud83d"}', "half of a surrogate pair"),
        ("a.csv", "id,text\n1,one, two\n", "line 2: 3 cells, where the header has 2"),
        ("a.csv", 'id,text\n1,"open\n2,x\n', "not a row of csv .*quotation mark left open"),
    ],
)
def test_what_is_wrong_with_documents(tmp_path, name, content, sentence):
    with pytest.raises(UserError, match=sentence) as caught:
        list(read_texts(write(tmp_path / name, content)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.tsv", "x\tone\nno tab here\n", r"a\.tsv, line 2: no tab; .*label<TAB>text"),
        ("a.tsv", "x\tone\n\ttwo\n", "line 2: the label is empty"),
        ("a.csv", "text,label\none,\n", "line 2: the label is empty"),
        ("a.csv", "text,class\none,x\n", "has no column 'label'; it has 'text', 'class'"),
        ("a.jsonl", '{"text": "a", "label": true}', "label must be a string or an integer, not a boolean"),
        ("a.jsonl", '{"text": "a", "label": 1.5}', "label must be a string or an integer, not a number"),
        ("a.jsonl", '{"text": "a", "label": [1]}', "not an array"),
        ("a.tsv", "", "is empty: it holds no example"),
        ("a.txt", "one\n", r"unknown extension: \.tsv, \.csv, \.jsonl, \.parquet are read"),
    ],
)
def test_what_is_wrong_with_examples(tmp_path, name, content, sentence):
    with pytest.raises(UserError, match=sentence):
        read_examples(write(tmp_path / name, content))


def test_paths_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match=r"no such file: .*missing\.tsv"):
        read_examples(tmp_path / "missing.tsv")
    with pytest.raises(UserError, match="is a folder, where a file is expected"):
        read_examples(tmp_path)
    with pytest.raises(UserError, match="has no file to read"):
        read_texts(tmp_path)
    with pytest.raises(UserError, match="no text is given"):
        read_texts([])


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-20], lambda raw: b"plain text\n", lambda raw: raw[:200] + b"!" * 99]
)
def test_damaged_gz(tmp_path, damage):
    raw = gzip.compress("".join(f"line {number * number}\n" for number in range(999)).encode())
    with pytest.raises(UserError, match=r"a\.txt\.gz is damaged or not gzip, behind line \d+"):
        (tmp_path / "a.txt.gz").write_bytes(damage(raw))
        list(read_texts(tmp_path / "a.txt.gz"))


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "MAX_LINE", 1 << 20)
    with pytest.raises(UserError, match="line 2: longer than 1 MiB"):
        list(read_texts(write(tmp_path / "a.txt.gz", "one\n" + "x" * (2 << 20))))


def test_a_cell_without_end_is_refused(tmp_path):
    line = "x" * (1 << 20) + "\n"
    with pytest.raises(UserError, match=r"line \d+: not a row of csv .*quotation mark left open"):
        list(read_texts(write(tmp_path / "a.csv", 'text\n"' + line * 17)))


def labelled(count, classes=3, prefix=""):
    return "".join(f"c{row % classes}\t{prefix}text {row}\n" for row in range(count))


def test_a_folder_of_parts(tmp_path):
    write(tmp_path / "train.tsv", labelled(30))
    write(tmp_path / "train.fine.tsv", "not\tthis\n")
    write(tmp_path / "train.txt", "nor this\n")
    write(tmp_path / "test.fine.tsv", "not\tthis\n")
    write(tmp_path / "validation.tsv.gz", labelled(6, prefix="dev "))
    write(tmp_path / "test.jsonl", as_jsonl(["test"], ["c1"]))
    splits = read_splits(tmp_path)
    assert (len(splits.train), len(splits.dev), len(splits.test)) == (30, 6, 1)
    other = write(tmp_path / "mine.tsv", labelled(3))
    assert len(read_splits(tmp_path, dev=other, test=str(other)).dev) == 3


def test_a_file_is_the_training_part_and_a_share_of_it_dev(tmp_path):
    path = write(tmp_path / "data.tsv", labelled(100, 4) + "rare\tonce\n")
    first, again, other = (read_splits(path, seed=seed) for seed in (0, 0, 1))
    assert first == again != other
    assert first.test is None
    assert "data.tsv" in first.dev.source
    assert sorted(first.train.texts + first.dev.texts) == sorted(read_examples(path).texts)
    assert {label: first.dev.labels.count(label) for label in label_names(first.dev)} == dict.fromkeys(
        ("c0", "c1", "c2", "c3"), 3
    )
    assert "rare" in first.train.labels
    assert read_splits(path, dev_fraction=0).dev is None


def test_a_class_never_leaves_the_training_part(tmp_path):
    splits = read_splits(write(tmp_path / "a.tsv", labelled(4, 2)), dev_fraction=0.99)
    assert sorted(splits.train.labels) == sorted(splits.dev.labels) == ["c0", "c1"]
    assert read_splits(write(tmp_path / "b.tsv", labelled(3, 3))).dev is None
    assert len(read_splits(write(tmp_path / "c.tsv", labelled(6, 3))).dev) == 1


def test_what_is_wrong_with_parts(tmp_path):
    with pytest.raises(UserError, match=r"has no training part: train\.tsv, train\.csv, train\.jsonl, train\.parq"):
        read_splits(tmp_path)
    train = write(tmp_path / "train.tsv", labelled(30))
    write(tmp_path / "dev.tsv", "c7\tx\n")
    with pytest.raises(UserError, match=r"'c7' in .*dev\.tsv does not occur in the training part: 'c0', 'c1', 'c2'$"):
        read_splits(tmp_path)
    write(tmp_path / "valid.csv", "text,label\nx,c1\n")
    with pytest.raises(UserError, match=r"has dev\.tsv and valid\.csv: keep one"):
        read_splits(tmp_path)
    write(tmp_path / "train.jsonl", as_jsonl(["x"], ["y"]))
    with pytest.raises(UserError, match=r"has train\.jsonl and train\.tsv: keep one"):
        read_splits(tmp_path)
    with pytest.raises(UserError, match=r"only one class \('c0'\) in .*one\.tsv: a classifier needs at least two"):
        read_splits(write(tmp_path / "one.tsv", labelled(5, 1)))
    many = write(tmp_path / "many.tsv", labelled(30, 15))
    with pytest.raises(UserError, match="and 5 more"):
        read_splits(many, test=write(tmp_path / "test.tsv", "new\tx\n"))
    with pytest.raises(UserError, match=r"dev_fraction must be at least 0 and less than 1, not 1\.5"):
        read_splits(train, dev_fraction=1.5)


def test_labels_are_sorted_by_number_where_all_are_numbers():
    assert label_names(Examples([], ["10", "9", "-1", "9"], "")) == ["-1", "9", "10"]
    assert label_names(Examples([], ["10", "9", "b", "B"], "")) == ["10", "9", "B", "b"]

"""Data sets of the Hub by name: through `datasets`, from a Hub on this machine."""

import io
import json
import os
import subprocess
import sys

import pytest

from wordemb_hf.errors import UserError
from wordemb_hf.hub_datasets import dataset_name, split_names

from .hub_server import File, HubServer, Repo

CARD = """---
configs:
- config_name: small
  data_files: small.csv
- config_name: large
  data_files: large.csv
---
"""


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ("you/reviews", True),
        ("you/reviews:de-en", True),
        ("you/reviews:20231101.en@v1.0", True),
        ("you/reviews@refs/pr/1", True),
        ("reviews", False),
        ("you/reviews.tsv", False),
        ("you/train.tsv.gz", False),
        ("./reviews", False),
        ("../reviews", False),
        ("a/b/c", False),
        ("/data/reviews", False),
        ("you/re views", False),
    ],
)
def test_what_is_a_name(tmp_path, monkeypatch, data, named):
    monkeypatch.chdir(tmp_path)
    assert dataset_name(data) == (data if named else None)


def test_a_folder_that_is_there_is_no_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "you" / "reviews").mkdir(parents=True)
    assert dataset_name("you/reviews") is None


def test_without_a_network_it_says_so():
    with pytest.raises(UserError, match=r"^you/nothing is no file or folder, and cannot be read from the Hub: [^\n]+$"):
        split_names("you/nothing")


def parquet(columns, features=None):
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table(columns)
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file)
    return File(file.getvalue(), False)


def lines(rows):
    return File("".join(json.dumps(row) + "\n" for row in rows).encode(), False)


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """Run some lines in a process whose Hub is ours; what it prints is JSON."""
    label = {"text": {"dtype": "string", "_type": "Value"}, "label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}
    tags = {
        "tokens": {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"},
        "ner_tags": {"feature": {"names": ["O", "B-X"], "_type": "ClassLabel"}, "_type": "List"},
    }
    reviews = {"text": ["good", "bad"] * 5, "label": [1, 0] * 5}
    contents = {
        "you/reviews": {
            "data/train-00000-of-00002.parquet": parquet(reviews, label),
            "data/train-00001-of-00002.parquet": parquet(reviews, label),
            "data/validation-00000-of-00001.parquet": parquet({"text": ["good"] * 20, "label": [1] * 20}, label),
            "data/test-00000-of-00001.parquet": parquet({"text": ["secret"], "label": [-1]}, label),
        },
        "you/names": {
            "train.parquet": parquet({"tokens": [["Ada"], [], ["he", "sat"]], "ner_tags": [[1], [], [0, 0]]}, tags),
            "test.parquet": parquet({"tokens": [["Ada"]], "ner_tags": [[1]]}, tags),
        },
        "you/pairs": {
            "train.jsonl": lines({"translation": {"de": f"d{n}", "en": f"e{n}"}} for n in range(2500)),
        },
        "you/configs": {
            "README.md": File(CARD.encode(), False),
            "small.csv": File(b"text,label\na,x\nb,y\n", False),
            "large.csv": File(b"text,label\n" + b"a,x\nb,y\n" * 5, False),
        },
        "you/program": {"program.py": File(b"import os\nos.mkdir('ran')\n", False)},
        "you/pictures": {"train.tar": File(b"\0" * 1024, False)},
        "you/damaged": {"train.parquet": File(b"PAR1 but no more", False)},
        "you/secret": {"test.jsonl": lines([{"text": "a", "label": None}, {"text": "b", "label": None}])},
    }
    folder = tmp_path_factory.mktemp("hub")
    with HubServer() as hub:
        for name, files in contents.items():
            hub.repos[name] = Repo(name)
            hub.repos[name].commit("main", files, "all of it")

        def run(code):
            code = "import json\nfrom wordemb_hf.errors import UserError\n" + code
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", code],
                env={**os.environ, **hub.environment(folder / "home"), "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"},
                capture_output=True,
                text=True,
                cwd=folder,
                timeout=120,
            )
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)

        yield run
    assert not (folder / "ran").exists()


@pytest.mark.slow
def test_parts_and_names_of_classes(ask):
    parts = ask("""
from wordemb_hf.corpus import read_examples, read_splits
from wordemb_hf.conll import is_tagged, read_tagged_splits
from wordemb_hf.pairs import read_pair_splits
from wordemb_hf.splits import source_of
reviews = read_splits("you/reviews")
assert not is_tagged("you/reviews") and is_tagged("you/names")
names = read_tagged_splits("you/names", tag_column="ner_tags", dev_fraction=0)
pairs = read_pair_splits("you/pairs", text_column="de", target_column="en", dev_fraction=0)
print(json.dumps({
    "labels": reviews.train.labels[:3], "sizes": [len(reviews.train), len(reviews.dev)], "test": reviews.test is None,
    "source": reviews.train.source,
    "tags": [names.train.tags, names.test.tags], "lines": names.train.lines,
    "pairs": [pairs.train.sources[::2499], pairs.train.targets[::2499], len(pairs.train)],
    "config": len(read_examples(source_of("you/configs:large", "train"))),
}))
""")
    assert parts == {
        "labels": ["pos", "neg", "pos"],
        "sizes": [20, 20],
        "test": True,
        "source": "you/reviews (train)",
        "tags": [[["B-X"], ["O", "O"]], [["B-X"]]],
        "lines": [1, 3],
        "pairs": [["d0", "d2499"], ["e0", "e2499"], 2500],
        "config": 10,
    }


@pytest.mark.slow
def test_verbs_take_a_name(ask):
    told = ask("""
import io, contextlib
from wordemb_hf import evaluate, finetune
with contextlib.redirect_stdout(io.StringIO()):
    measured = finetune("you/reviews", "classifier", family="bow", epochs=20)
    finetune("you/names", "tagger", family="textcnn", label_column="ner_tags", epochs=1)
    tagged = evaluate("tagger", "you/names", label_column="ner_tags")
card = open("classifier/README.md").read().split("---")[1]
print(json.dumps([measured["dev"]["accuracy"], sorted(measured), "- you/reviews\\n" in card, sorted(tagged)]))
""")
    assert told == [1.0, ["dev"], True, ["accuracy", "f1", "loss", "precision", "recall", "types"]]


@pytest.mark.slow
def test_text_is_streamed(ask):
    read = ask("""
from wordemb_hf.corpus import read_texts
from wordemb_hf.splits import source_of
texts = list(read_texts(source_of("you/pairs", "train"), text_column="translation.de"))
reviews = list(read_texts([source_of("you/reviews", "train"), source_of("you/reviews", "dev", "validation")]))
print(json.dumps([texts[::2499], len(texts), reviews[-2:], len(reviews)]))
""")
    assert read == [["d0", "d2499"], 2500, ["good", "good"], 40]


@pytest.mark.slow
def test_a_name_is_streamed_once_and_pre_trained_on(ask):
    found = ask("""
import contextlib, io, os
from pathlib import Path
os.environ["WORDEMB_HF_CACHE"] = "cache"
from wordemb_hf import pretrain
options = dict(family="rnn", tokenizer_kind="whitespace", min_count=1, epochs=1, batch_size=2, length=50)
with contextlib.redirect_stdout(io.StringIO()):
    for output in ("one", "two"):
        pretrain(["you/pairs"], output, text_column="translation.de", **options)
    pretrain(["you/pairs"], "vectors", text_column="translation.de", min_count=1, epochs=1, hidden_size=4)
    os.environ["WORDEMB_HF_CACHE_GB"] = "0"
    pretrain(["you/reviews"], "three", dev="you/reviews", **options)
kept = [path for path in Path("cache/ids").iterdir() if not path.name.startswith(".")]
rows = (kept[0] / "text.jsonl").read_text().splitlines()
same = Path("one/model.safetensors").read_bytes() == Path("two/model.safetensors").read_bytes()
named = "- you/pairs\\n" in Path("one/README.md").read_text()
print(json.dumps([len(kept), len(rows), rows[0], same, named, Path("vectors/config.json").is_file()]))
""")
    assert found == [1, 2500, '{"translation.de": "d0"}', True, True, True]


@pytest.mark.slow
def test_what_cannot_be_read_is_one_sentence(ask):
    told = ask("""
from wordemb_hf.corpus import read_examples, read_splits, read_texts
from wordemb_hf.splits import source_of
def said(read):
    try:
        read()
    except UserError as error:
        return str(error)
print(json.dumps([
    said(lambda: read_splits("you/nothing")),
    said(lambda: read_splits("you/program")),
    said(lambda: read_splits("you/pictures")),
    said(lambda: read_splits("you/configs")),
    said(lambda: read_splits("you/configs:tiny")),
    said(lambda: read_splits("you/damaged")),
    said(lambda: list(read_texts(source_of("you/damaged", "train")))),
    said(lambda: read_splits("you/secret")),
    said(lambda: read_examples(source_of("you/secret", "test"))),
    said(lambda: read_splits("you/pairs")),
    said(lambda: list(read_texts(source_of("you/pairs", "train")))),
    said(lambda: read_splits("you/reviews@v9")),
]))
""")
    begins = [
        "you/nothing is no file or folder, and cannot be read from the Hub: ",
        "you/program is no file or folder, and cannot be read from the Hub: Dataset scripts are no longer supported",
        "you/pictures holds files of the kind 'webdataset', but data sets are read of arrow, conll, csv, json, parquet",
        "you/configs has several configs: name one of ['small', 'large'] as you/configs:CONFIG",
        "you/configs:tiny is no file or folder, and cannot be read from the Hub: BuilderConfig 'tiny' not found",
        "you/damaged is no file or folder, and cannot be read from the Hub: ",
        "you/damaged is no file or folder, and cannot be read from the Hub: ",
        "you/secret has no part called train: it has test",
        "you/secret (test), line 1: label must be a string or an integer, not null",
        "you/pairs (train) has no column 'text'; it has 'translation', 'translation.de', 'translation.en'",
        "you/pairs (train) has no column 'text'; it has 'translation', 'translation.de', 'translation.en'",
        "you/reviews@v9 is no file or folder, and cannot be read from the Hub: ",
    ]
    assert [text[: len(begin)] for text, begin in zip(told, begins, strict=True)] == begins
    assert not any("\n" in text for text in told)

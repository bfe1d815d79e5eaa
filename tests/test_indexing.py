"""The text of a language model as ids in a file: equal to ids in memory, made once, and never all in memory."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

from wordemb_hf import growing_array, indexing, kept_ids
from wordemb_hf.corpus import read_texts
from wordemb_hf.encoding import EncodedTexts
from wordemb_hf.errors import UserError
from wordemb_hf.growing_array import GrowingArray, GrowingRows
from wordemb_hf.indexing import encode_lines, index_text
from wordemb_hf.objectives.sentences import WholeTexts
from wordemb_hf.token_ids import encode_corpus
from wordemb_hf.vocabulary import build_tokenizer
from wordemb_hf.word2vec import scanned_text

TEXT = "\n".join(["The cat sat, didn't it?", "", "猫 坐 着", "a <mask> cat  ran", "x" * 40]) + "\n"
WORDS = {"min_count": 1, "max_size": None, "lowercase": True, "special_tokens": ("<s>", "</s>", "<mask>")}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDEMB_HF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(indexing, "SMALL", 0)
    return tmp_path / "cache" / "ids"


@pytest.fixture
def scanned(cache, monkeypatch):
    """Little text is read by the scanner too."""
    pytest.importorskip("numba")
    monkeypatch.setattr(scanned_text, "SMALL", 0)
    monkeypatch.setattr(indexing, "build_tokenizer", None)  # which the scanner stands in for
    monkeypatch.setattr(indexing, "encode_corpus", None)
    return cache


def index(path, kind="word", max_characters=None, line_ends=True):
    return index_text(
        [path], kind=kind, max_characters=max_characters, text_column="text", line_ends=line_ends, **WORDS
    )


@pytest.mark.parametrize("line_ends", [True, False])
@pytest.mark.parametrize(
    ("kind", "max_characters"),
    [("word", None), ("word-space", None), ("char", None), ("char-space", None), ("whitespace", None), ("word", 9)],
)
def test_ids_are_those_of_the_tokenizer_the_second_time_too(tmp_path, cache, kind, max_characters, line_ends):
    path = tmp_path / "a.txt"
    path.write_text(TEXT, encoding="utf-8")
    tokenizer = build_tokenizer(read_texts(path), kind=kind, max_characters=max_characters, **WORDS)
    ids = encode_lines(tokenizer, read_texts(path, keep_empty=line_ends), line_ends)
    for _ in range(2):
        again, found = index(path, kind, max_characters, line_ends)
        assert again.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()
        assert (type(again), again.init_kwargs.keys()) == (type(tokenizer), tokenizer.init_kwargs.keys())
        assert again.special_tokens_map == tokenizer.special_tokens_map
        assert (found.ids.tolist(), found.offsets.tolist()) == (ids.ids.tolist(), ids.offsets.tolist())
        assert (found.ids.dtype, found.offsets.dtype) == (np.int32, np.int64)
        assert not found.ids.flags.writeable
    assert len([entry for entry in cache.iterdir() if not entry.name.startswith(".")]) == 1


MANY = TEXT + "  \n\nA <unk> unknown <pad> x.y <mask>ran 3.5, 10:30\n\tend of it, 北京\n" + TEXT + "\n\nno line end"


@pytest.mark.parametrize("drop_unknown", [True, False])
@pytest.mark.parametrize("line_ends", [True, False])
@pytest.mark.parametrize("kind", ["word", "char", "whitespace"])
@pytest.mark.parametrize("given", [True, False])
def test_the_scanner_gives_the_same_ids(tmp_path, scanned, kind, line_ends, drop_unknown, given):
    path = tmp_path / "a.txt"
    path.write_text(MANY, encoding="utf-8")
    counting = {**WORDS, "min_count": 2}
    tokenizer = build_tokenizer(read_texts(path), kind=kind, **counting)
    texts = list(read_texts(path, keep_empty=line_ends))
    if line_ends:
        texts = [text + "</s>" for text in texts]
    wanted = encode_corpus(tokenizer, texts, drop_unknown=drop_unknown)
    settings = {"max_characters": None, "text_column": "text", "line_ends": line_ends, "drop_unknown": drop_unknown}
    if given:
        settings["given"] = tokenizer
        counting["min_count"] = 9
    for _ in range(2):
        again, found = index_text([path], kind="char" if given else kind, **settings, **counting)
        assert again.get_vocab() == tokenizer.get_vocab()
        assert (found.ids.tolist(), found.offsets.tolist()) == (wanted.ids.tolist(), wanted.offsets.tolist())
        assert not found.ids.flags.writeable
    assert len([entry for entry in scanned.iterdir() if not entry.name.startswith(".")]) == 1


def test_the_second_time_nothing_is_tokenised(tmp_path, cache, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text(TEXT, encoding="utf-8")
    _, ids = index(path)
    monkeypatch.delattr(indexing, "build_tokenizer")
    monkeypatch.delattr(indexing, "encode_corpus")
    assert index(path)[1].ids.tolist() == ids.ids.tolist()
    with pytest.raises(NameError):  # of another text
        path.write_text(TEXT + "more\n", encoding="utf-8")
        index(path)


def test_where_nothing_is_kept_the_file_goes_with_the_ids(tmp_path, cache, monkeypatch):
    monkeypatch.setenv("WORDEMB_HF_CACHE_GB", "0")
    path = tmp_path / "a.txt"
    path.write_text(TEXT, encoding="utf-8")
    tokenizer, ids = index(path)
    assert len(list(cache.iterdir())) == 1
    assert ids.ids.tolist() == encode_lines(tokenizer, read_texts(path, keep_empty=True), True).ids.tolist()
    del ids
    assert not list(cache.iterdir())


def test_text_that_cannot_be_read_leaves_nothing_behind(tmp_path, cache):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\n\xff\n")
    with pytest.raises(UserError, match="line 2, byte 4: not UTF-8"):
        index(path)
    assert [entry.name for entry in cache.iterdir()] == [".locks"]


@pytest.mark.parametrize("large", [0, 10, 1 << 20])
def test_numbers_are_the_same_in_memory_and_on_disk(monkeypatch, large):
    monkeypatch.setattr(growing_array, "LARGE", large)
    array, rows = GrowingArray(np.int32), GrowingRows()
    pieces = [np.arange(3), np.zeros(0), np.array([-1]), np.arange(2000)]
    for piece in pieces:
        array.append(piece)
        rows.append([piece.astype(int).tolist()])
    rows.append([])
    assert array.finish().tolist() == np.concatenate(pieces).tolist()
    assert [row.tolist() for row in rows.finish()] == [piece.tolist() for piece in pieces]
    assert GrowingArray(np.int64).finish().tolist() == [] and len(GrowingRows().finish()) == 0


def test_texts_on_disk_are_the_texts(monkeypatch):
    texts = TEXT.split("\n") * 300
    tokenizer = build_tokenizer(texts, min_count=1, max_characters=9)
    batches = []
    for large in (0, 1 << 28):
        monkeypatch.setattr(growing_array, "LARGE", large)
        encoded = EncodedTexts(tokenizer, texts)
        batches.append(encoded.collate(np.arange(0, len(texts), 7)))
        assert (encode_corpus(tokenizer, texts).ids[:5] == encode_corpus(tokenizer, texts[:5]).ids[:5]).all()
    for name, values in batches[0].items():
        assert (values == batches[1][name]).all()


@pytest.mark.parametrize("length", [1, 2, 3, 7, 100])
def test_pieces_of_texts_are_where_they_were(length):
    offsets = np.cumsum([0, 5, 0, 7, 1, 0, 3])
    texts = WholeTexts(np.arange(16), offsets, batch_size=1, max_length=length, pad_token_id=0)
    pieces = [
        (start, min(start + length, end))
        for begin, end in itertools.pairwise(offsets.tolist())
        for start in range(begin, end, length)
    ]
    found = [batch["input_ids"][0].tolist() for batch in texts.epoch(0)]
    assert sorted(found) == sorted(list(range(*piece)) for piece in pieces)


# A tiny model, so that what the process holds is the text or nothing.
_RUN = """
import resource, sys
from pathlib import Path
from wordemb_hf import pretrain

options = dict(
    family="rnn", tokenizer_kind="whitespace", min_count=1, epochs=1, batch_size=20, length=200,
    fields=["embedding_size=2", "hidden_size=2", "num_hidden_layers=1"],
)
pretrain([Path("small.txt")], "small", **options)
held = int(next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1]) << 10
limit = held + (int(sys.argv[1]) << 20)
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
pretrain([Path("large.txt")], "large", **options)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not os.path.exists("/proc/self/status"), reason="how much a process holds is read as Linux tells it"
)
def test_a_text_larger_than_memory_is_trained_on(tmp_path):
    """Beside what it holds after a small text, the process may hold two fifths of the ids of the large one."""
    rng = np.random.default_rng(0)
    words = np.array([f"w{number}" for number in range(20)])
    line = " ".join(words[rng.integers(20, size=1000)]) + "\n"
    room = 40  # MiB: the ids are 100
    tokens = (100 << 20) // 4
    (tmp_path / "small.txt").write_text(line * 5000)
    with (tmp_path / "large.txt").open("w") as file:
        for _ in range(tokens // 1000 + 1):
            file.write(line)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _RUN, str(room)],
        cwd=tmp_path,
        env={
            **os.environ,
            "WORDEMB_HF_CACHE": str(tmp_path / "cache"),
            "OMP_NUM_THREADS": "1",
            "MALLOC_ARENA_MAX": "1",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "large" / "model.safetensors").is_file()
    sizes = [(entry / kept_ids.IDS).stat().st_size for entry in (tmp_path / "cache" / "ids").glob("[!.]*")]
    assert max(sizes) >= 100 << 20

"""Vector files: every format there and back, beside what the peer library reads, and what a hostile file gets."""

import bz2
import gzip
import io
import json
import pickle
import pickletools
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from wordemb_hf.errors import UserError
from wordemb_hf.vectors import fasttext_binary, static_folders, text_vectors, word2vec_binary
from wordemb_hf.vectors.formats import FORMATS, format_of, read_vectors
from wordemb_hf.vectors.word_table import Classifier, NgramRows, WordTable

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
WORDS = ["the", "国王", "naïve", "a\u00a0b", "1", "3.5", "-", "ﬁ", "😀", "x" * 300]


def numbers(rows, width, seed=0):
    """Floats of every size that float32 has, signed zeros and subnormal ones among them."""
    generator = np.random.default_rng(seed)
    matrix = generator.normal(size=(rows, width)) * 10.0 ** generator.integers(-8, 8, size=(rows, width))
    matrix[0, :4] = [0.0, -0.0, 1e-42, 3.4e38][: min(4, width)]
    return matrix.astype(np.float32)


def table(words=WORDS, width=7):
    return WordTable(list(words), numbers(len(words), width))


def same(one, other):
    assert one.words == other.words
    assert one.matrix.dtype == other.matrix.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(one.matrix).view(np.int32), np.asarray(other.matrix).view(np.int32))


NAMES = {
    "word2vec": "v.txt",
    "glove": "v.glove",
    "word2vec-binary": "v.bin",
    "fasttext": "v.ftm",
    "npy": "v.npy",
    "npz": "v.npz",
    "safetensors": "v.safetensors",
}


@pytest.mark.parametrize("name", NAMES)
def test_there_and_back_bit_for_bit(name, tmp_path):
    FORMATS[name].write(table(), tmp_path / NAMES[name])
    same(read_vectors(tmp_path / NAMES[name]), table())
    limited = read_vectors(tmp_path / NAMES[name], limit=3, target=tmp_path / "matrix")
    same(limited, WordTable(WORDS[:3], table().matrix[:3]))
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("packing", [".gz", ".bz2", ".zst", ".zip"])
@pytest.mark.parametrize("name", ["word2vec", "glove", "word2vec-binary", "fasttext"])
def test_packed_files(name, packing, tmp_path):
    if packing == ".zst":
        pytest.importorskip("zstandard")
    path = tmp_path / (NAMES[name] + packing)
    FORMATS[name].write(table(), path)
    plain = tmp_path / NAMES[name]
    FORMATS[name].write(table(), plain)
    assert path.read_bytes() != plain.read_bytes()
    same(read_vectors(path), table())


def test_a_zip_of_several_files(tmp_path):
    with zipfile.ZipFile(tmp_path / "glove.zip", "w") as archive:
        archive.writestr("glove.1d.txt", "a 1\nb 2\n")
        archive.writestr("glove.2d.txt", "a 1 2\nb 2 3\n")
    with pytest.raises(UserError, match=r"holds 2 files.*glove\.1d\.txt"):
        read_vectors(tmp_path / "glove.zip")
    assert read_vectors(tmp_path / "glove.zip" / "glove.2d.txt").matrix.tolist() == [[1, 2], [2, 3]]


def test_formats_by_name():
    found = {name: format_of(Path(name)) for name in ("a.txt", "a.vec.gz", "a.bin", "a.npy", "a.kv", "folder", "a.6B")}
    assert list(found.values()) == ["word2vec", "word2vec", "word2vec-binary", "npy", "gensim", None, None]


LINES = [
    ("a 1 2 3\nb 4 5 6\n", ["a", "b"]),
    ("2 3\na 1 2 3\nb 4 5 6\n", ["a", "b"]),
    ("2 3\na 1 2 3 \nb 4 5 6 \n", ["a", "b"]),
    ("2 3\r\na 1 2 3\r\nb 4 5 6\r\n", ["a", "b"]),
    ("a\t1\t2\t3\nb\t4\t5\t6", ["a", "b"]),
    ("\ufeff2 3\na 1 2 3\nb 4 5 6\n\n", ["a", "b"]),
    (". . 1 2 3\nb 4 5 6\n", [". .", "b"]),
    ("2 3\n1 2 1 2 3\n  4 5 6\n", ["1 2", " "]),
    ("a 1.00000000000000000000000000000 2e0 +3\nb .4e1 5. 600000000000000000000000E-23\n", ["a", "b"]),
]


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(("text", "words"), LINES)
def test_lines_of_text(text, words, compiled, tmp_path, monkeypatch):
    if compiled:
        pytest.importorskip("numba")
    monkeypatch.setattr(text_vectors, "find_spec", lambda name: compiled)
    path = tmp_path / "v.txt"
    path.write_text(text, encoding="utf-8", newline="")
    found = read_vectors(path)
    assert found.words == words
    assert found.matrix.tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("compiled", [True, False])
def test_numbers_are_read_as_python_reads_them(compiled, tmp_path, monkeypatch):
    if compiled:
        pytest.importorskip("numba")
    monkeypatch.setattr(text_vectors, "find_spec", lambda name: compiled)
    monkeypatch.setattr(text_vectors, "_BLOCK", 1 << 14)
    generator = np.random.default_rng(0)
    written = []
    for digits in (1, 5, 8, 15, 16, 17, 19, 20, 30):
        for exponent in ("", "e-30", "E+5", "e-7", "e22", "e-22", "e-23", "e+19", "e-44"):
            for _ in range(20):
                point = generator.integers(0, digits + 1)
                text = "".join(map(str, generator.integers(0, 10, digits)))
                written.append(generator.choice(["", "-", "+"]) + text[:point] + "." + text[point:] + exponent)
    written = [number for number in written if number.strip("+-") != "." and abs(float(number)) < 3e38]
    written = written[: len(written) // 4 * 4]
    path = tmp_path / "v.txt"
    lines = [f"w{start} {' '.join(written[start : start + 4])}\n" for start in range(0, len(written), 4)]
    path.write_text("".join(lines), encoding="utf-8")
    expected = np.array([float(number) for number in written]).astype(np.float32).reshape(-1, 4)
    np.testing.assert_array_equal(read_vectors(path).matrix, expected)


def test_repeated_words(tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("4 1\na 1\nb 2\na 3\nc 4\n", encoding="utf-8")
    found = read_vectors(path)
    assert found.words == ["a", "b", "c"] and found.matrix.tolist() == [[1], [2], [4]]
    assert "more than once" in found.notes[0]


def test_words_that_a_format_cannot_hold_are_told(tmp_path):
    words = WordTable(["a", "b c", "d\ne", ""], numbers(4, 4))
    for name, left in (("word2vec", ["a", "b c"]), ("word2vec-binary", ["a"])):
        words.notes.clear()
        FORMATS[name].write(words, tmp_path / NAMES[name])
        assert read_vectors(tmp_path / NAMES[name]).words == left
        assert words.notes[0].startswith(f"{4 - len(left)} words")
    FORMATS["npy"].write(words, tmp_path / "v.npy")
    same(read_vectors(tmp_path / "v.npy"), words)


# --- beside the peers ----------------------------------------------------------------------------------------------


@pytest.fixture
def gensim_vectors():
    keyedvectors = pytest.importorskip("gensim.models.keyedvectors")
    made = keyedvectors.KeyedVectors(7)
    made.add_vectors(WORDS, numbers(len(WORDS), 7))
    for row, word in enumerate(WORDS):
        made.set_vecattr(word, "count", 100 - row)
    return made


@pytest.mark.parametrize("binary", [True, False])
def test_gensim_reads_what_we_write_and_the_other_way_round(binary, gensim_vectors, tmp_path):
    path = tmp_path / ("v.bin" if binary else "v.txt")
    gensim_vectors.save_word2vec_format(path, binary=binary)
    same(read_vectors(path), table())
    FORMATS["word2vec-binary" if binary else "word2vec"].write(table(), path)
    read = type(gensim_vectors).load_word2vec_format(path, binary=binary)
    assert read.index_to_key == WORDS
    np.testing.assert_array_equal(read.vectors, table().matrix)


@pytest.mark.parametrize("sep_limit", [0, 10**9])
def test_gensims_own_files(sep_limit, gensim_vectors, tmp_path):
    path = tmp_path / "v.kv"
    gensim_vectors.save(str(path), sep_limit=sep_limit)
    assert (tmp_path / "v.kv.vectors.npy").exists() == (sep_limit == 0)
    found = read_vectors(path)
    same(found, table())
    assert found.counts.tolist() == [100 - row for row in range(len(WORDS))]


def test_gensims_fasttext(tmp_path):
    fasttext = pytest.importorskip("gensim.models.fasttext")
    texts = [["hello", "world", "wörld", "国王"]] * 20
    made = fasttext.FastText(texts, vector_size=5, min_count=1, bucket=50, epochs=1, seed=1, workers=1).wv
    made.save(str(tmp_path / "v.kv"))
    found = read_vectors(tmp_path / "v.kv")
    for word in made.index_to_key:
        np.testing.assert_allclose(found.matrix[found.words.index(word)], made[word], atol=1e-7)
    for word in ("hallo", "王国王"):
        np.testing.assert_allclose(found.compose(word), made[word], atol=1e-7)


def test_a_whole_gensim_model_is_told_how_to_export(tmp_path):
    word2vec = pytest.importorskip("gensim.models.word2vec")
    path = tmp_path / "v.model"
    word2vec.Word2Vec([["a", "b"]] * 10, vector_size=2, min_count=1).save(str(path))
    with pytest.raises(UserError, match=r"Word2Vec\.load\('v\.model'\)\.wv\.save_word2vec_format\('v\.txt'\)"):
        read_vectors(path)


def with_ngrams(classifier=None, longest=4):
    words = ["</s>", *WORDS]
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(len(words) + 30, 5)).astype(np.float32)
    ngrams = NgramRows(rows[:-30], rows[-30:], 2, longest)
    matrix = np.empty((len(words), 5), np.float32)
    ngrams.compose(words, matrix)
    return WordTable(words, matrix, np.arange(len(words), 0, -1), ngrams, classifier)


def test_fasttext_reads_what_we_write(tmp_path):
    fasttext = pytest.importorskip("fasttext")
    made = with_ngrams()
    FORMATS["fasttext"].write(made, tmp_path / "v.ftm")
    loaded = fasttext.load_model(str(tmp_path / "v.ftm"))
    assert loaded.get_words() == made.words
    for row, word in enumerate(made.words):
        np.testing.assert_allclose(made.matrix[row], loaded.get_word_vector(word), atol=1e-6)
    for word in ("unseen", "王", "ﬁﬁ", "a\u00a0b\u00a0c"):
        np.testing.assert_allclose(made.compose(word), loaded.get_word_vector(word), atol=1e-6)
    again = read_vectors(tmp_path / "v.ftm")
    same(again, made)
    FORMATS["fasttext"].write(again, tmp_path / "again.ftm")
    assert (tmp_path / "again.ftm").read_bytes() == (tmp_path / "v.ftm").read_bytes()


@pytest.mark.parametrize("name", ["lee_fasttext_new.bin", "crime-and-punishment.bin", "toy-model-pretrained.bin"])
def test_real_fasttext_files(name):
    path = DATA / "vec_gensim" / name
    if not path.is_file():
        pytest.skip(f"{path.name} is not there")
    fasttext = pytest.importorskip("fasttext")
    loaded, found = fasttext.load_model(str(path)), read_vectors(path)
    assert found.words == loaded.get_words()
    for row, word in enumerate(found.words):
        np.testing.assert_allclose(found.matrix[row], loaded.get_word_vector(word), atol=1e-6)
    for word in ("internationalisation", "преступление", "naïvetés"):
        np.testing.assert_allclose(found.compose(word), loaded.get_word_vector(word), atol=1e-6)


REAL = [
    ("vec_gensim/test_glove.txt", 76, 50),
    ("vec_gensim/lee_fasttext.vec", 1762, 10),
    ("vec_gensim/word2vec_pre_kv_c", 1750, 10),
    ("vec_allennlp/glove.6B.100d.sample.txt.gz", 100, 100),
    ("vec_zh_tencent/embedding_Tencent.npz", 4762, 200),
]


@pytest.mark.parametrize(("name", "words", "width"), REAL)
def test_real_files(name, words, width):
    if not (DATA / name).is_file():
        pytest.skip(f"{name} is not there")
    found = read_vectors(DATA / name)
    assert found.matrix.shape == (words, width) and len(set(found.words)) == words


# --- hostile files -------------------------------------------------------------------------------------------------


def pickled(body):
    """A pickle that would make `body`, an object with a `__reduce__`."""
    return pickle.dumps(body, protocol=4)


class _Runs:
    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


def _nested(depth):
    return b"\x80\x04" + b"]" * depth + b"a" * (depth - 1) + b"."


def _doubled(times):
    """A pair of pairs of pairs …, of 2^times leaves."""
    return (
        b"\x80\x04K\x01"
        + b"\x94h\x00\x86"
        + b"".join(b"q" + bytes([index]) + b"h" + bytes([index]) + b"\x86" for index in range(1, times))
        + b"."
    )


def _keys(times):
    """The same as the key of a dictionary, which Python would hash for ever."""
    body = _doubled(times)[2:-1]
    return b"\x80\x04}" + body + b"K\x01s."


def npy(header, data=b""):
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def fasttext_bytes(**changed):
    """A small fastText file; `changed` names what is written otherwise."""
    field = {"magic": 793712314, "version": 12, "dim": 2, "bucket": 3, "minn": 2, "maxn": 3, "model": 2, "loss": 2}
    field |= {"entries": 2, "words": 2, "labels": 0, "pruned": -1, "rows": 5, "columns": 2, "quant": 0}
    field |= {"word": b"b", "kind": 0, "tail": b"", "cut": 0} | changed
    args = [
        field["dim"],
        5,
        1,
        1,
        5,
        1,
        field["loss"],
        field["model"],
        field["bucket"],
        field["minn"],
        field["maxn"],
        1,
    ]
    data = struct.pack("<2i12id", field["magic"], field["version"], *args, 1e-4)
    data += struct.pack("<3i2q", field["entries"], field["words"], field["labels"], 9, field["pruned"])
    data += b"a\0" + struct.pack("<qb", 5, 0) + field["word"] + b"\0" + struct.pack("<qb", 4, field["kind"])
    data += struct.pack("<?2q", field["quant"], field["rows"], field["columns"])
    data += np.ones(10, "<f4").tobytes() + struct.pack("<?2q", 0, 2, 2) + np.ones(4, "<f4").tobytes()
    return (data + field["tail"])[: len(data) - field["cut"]] if field["cut"] else data + field["tail"]


def zipped(name, data, lie=None):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return held.getvalue() if lie is None else held.getvalue().replace(*lie)


WORD = b"a " + np.ones(2, "<f4").tobytes()
HOSTILE = {
    # name: (file name, content, what the sentence says)
    "an empty file": ("v.txt", b"", "is empty"),
    "nothing but zeros": ("v.txt", bytes(10_000), "no text of word vectors|no word with its numbers|line 1"),
    "a header that promises too much": ("v.txt", b"9 2\na 1 2\n", "cannot hold"),
    "a header that promises too much, packed": (
        "v.txt.gz",
        gzip.compress(b"9 2\na 1 2\n"),
        "promises 9 words .* has 1",
    ),
    "a header that promises too little": ("v.txt", b"1 2\na 1 2\nb 1 2\n", "promises 1 words .* has 2"),
    "negative counts": ("v.txt", b"-1 2\na 1 2\n", "promises -1 words"),
    "a negative width": ("v.txt", b"1 -2\na 1 2\n", "of width -2"),
    "an enormous count": ("v.txt", b"99999999999999999999 2\na 1 2\n", "cannot hold"),
    "an enormous count, packed": ("v.txt.gz", gzip.compress(b"9999999999 300\na 1 2\n"), "300 numbers are expected"),
    "an enormous width": ("v.txt", b"1 99999999999\na 1 2\n", "of width 99999999999"),
    "another width than promised": ("v.txt", b"2 3\na 1 2 3\nb 1 2\n", "line 3: a word and 3 numbers"),
    "NaN": ("v.txt", b"a 1 2\nb nan 2\n", "line 2: 'nan' is no finite number"),
    "infinity": ("v.txt", b"2 2\na 1 2\nb 1e39 2\n", "line 3: '1e39' is no finite number"),
    "a word for a number": ("v.txt", b"a 1 2\nb x 2\n", "line 2"),
    "hexadecimal numbers": ("v.txt", b"a 1 2\nb 0x1 2\n", "'0x1' is no finite number"),
    "digits of another script": ("v.txt", "a 1 2\nb ١ 2\n".encode(), "'١' is no finite number"),
    "a word that is no UTF-8": ("v.txt", b"a 1 2\n\xff\xfe 1 2\n", "no UTF-8"),
    "GBK": ("v.txt", "2 2\n国王 1 2\n王 1 2\n".encode("gbk"), "no UTF-8"),
    "UTF-16": ("v.txt", "a 1 2\nb 1 2\n".encode("utf-16"), "line 1|no known format"),
    "a line without end": ("v.txt", b"a 1 2\nb" + b" 1" * 4_000_000, "longer than"),
    "a bomb of gzip": ("v.txt.gz", gzip.compress(b"a 1\n" + bytes(1 << 26)), "longer than"),
    "a bomb of bzip2": ("v.txt.bz2", bz2.compress(b"a 1\n" + bytes(1 << 26)), "longer than"),
    "a gzip that is cut": ("v.txt.gz", gzip.compress(b"a 1 2\n" * 999)[:-20], "cannot be read"),
    "a gzip that is none": ("v.txt.gz", b"a 1 2\n", "cannot be read"),
    "a zip that is none": ("v.zip", b"a 1 2\n", "cannot be read"),
    "a bzip2 that is none": ("v.txt.bz2", b"a 1 2\n", "cannot be read"),
    "binary: too many promised": ("v.bin", b"9 2\n" + WORD, "cannot hold"),
    "binary: too many promised, packed": ("v.bin.gz", gzip.compress(b"9 2\n" + WORD), "ends after 1"),
    "binary: too few promised": ("v.bin", b"1 2\n" + WORD + WORD, "more bytes follow"),
    "binary: enormous": ("v.bin", b"999999999999 300\n" + WORD, "cannot hold"),
    "binary: negative": ("v.bin", b"-5 2\n" + WORD, "promises -5 words"),
    "binary: width 0": ("v.bin", b"5 0\n" + WORD + bytes(50), "of width 0"),
    "binary: cut": ("v.bin", b"2 2\n" + WORD + b"bc " + bytes(7), "ends after 1"),
    "binary: no UTF-8": ("v.bin", b"1 2\n\xff\xfe " + bytes(8), "no UTF-8"),
    "binary: a space in a word": ("v.bin", b"2 2\na b " + bytes(8) + WORD, "zero byte"),
    "binary: a word without end": ("v.bin.gz", gzip.compress(b"9 2\n" + b"\1" * (1 << 24)), "longer than"),
    "binary: NaN": ("v.bin", b"1 1\na " + struct.pack("<f", float("nan")), "no finite number"),
    "fastText: another version": ("v.bin", fasttext_bytes(version=99), "version 99"),
    "fastText: quantised": ("v.ftz", fasttext_bytes(quant=1), "quantised"),
    "fastText: pruned": ("v.ftz", fasttext_bytes(pruned=0), "quantised"),
    "fastText: negative words": ("v.bin", fasttext_bytes(words=-1), "-1 words"),
    "fastText: enormous vocabulary": ("v.bin", fasttext_bytes(entries=2**31 - 1, words=2**31 - 1), "cannot hold"),
    "fastText: width 0": ("v.bin", fasttext_bytes(dim=0), "width 0"),
    "fastText: negative buckets": ("v.bin", fasttext_bytes(bucket=-3), "-3 buckets"),
    "fastText: n-grams upside down": ("v.bin", fasttext_bytes(minn=5, maxn=3), "n-grams of 5 to 3"),
    "fastText: enormous n-grams": ("v.bin", fasttext_bytes(maxn=2**30), "n-grams of 2 to"),
    "fastText: enormous matrix": ("v.bin", fasttext_bytes(rows=2**60), "cannot hold"),
    "fastText: negative matrix": ("v.bin", fasttext_bytes(rows=-1), "-1 of width"),
    "fastText: fewer rows than buckets": ("v.bin", fasttext_bytes(bucket=4), "4 buckets"),
    "fastText: labels among words": ("v.bin", fasttext_bytes(kind=1), "of kind 1"),
    "fastText: no UTF-8": ("v.bin", fasttext_bytes(word=b"\xff"), "no UTF-8"),
    "fastText: a word without end": ("v.bin", fasttext_bytes(word=b"b" * 90_000), "longer than"),
    "fastText: cut": ("v.bin", fasttext_bytes(cut=3), "cannot hold|ends within"),
    "fastText: cut at once": ("v.bin", fasttext_bytes()[:20], "ends within its settings"),
    "fastText: a tail": ("v.bin", fasttext_bytes(tail=b"x"), "goes on behind"),
    "fastText: packed and cut": ("v.bin.gz", gzip.compress(fasttext_bytes(rows=10**12)), "ends within"),
    "pickle: runs code": ("v.kv", pickled(_Runs()), "holds the name 'builtins.exec'"),
    "pickle: another library": ("v.kv", pickled(Path("/etc/passwd")), "holds the name 'pathlib"),
    "pickle: a name of old": ("v.kv", b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.", "holds the name 'os.system'"),
    "pickle: persistent ids": ("v.kv", b"\x80\x02K\x01Q.", "holds the opcode BINPERSID"),
    "pickle: extension registry": ("v.kv", b"\x80\x02\x82\x01.", "holds the opcode EXT1"),
    "pickle: deep": ("v.kv", _nested(200_000), "no vectors of gensim"),
    "pickle: a bomb of pairs": ("v.kv", _doubled(200), "no vectors of gensim"),
    "pickle: a key that hashes for ever": ("v.kv", _keys(200), "neither words nor numbers"),
    "pickle: bytes that are not there": ("v.kv", b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"a.", "damaged"),
    "pickle: a number of a GB": ("v.kv", b"\x80\x04\x8b" + struct.pack("<i", 1 << 30) + b"1.", "damaged"),
    "pickle: no mark": ("v.kv", b"\x80\x04K\x01K\x02t.", "damaged"),
    "pickle: no memo": ("v.kv", b"\x80\x04h\x07.", "damaged"),
    "pickle: cut": ("v.kv", pickled(["a"] * 100)[:50], "damaged"),
    "pickle: an array of objects": ("v.kv", pickled(np.array([{}], object)), "damaged|holds"),
    "pickle: data": ("v.kv", pickled({"a": [1.0, "b"]}), "no vectors of gensim"),
    "npy: objects": (
        "v.npy",
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (1, 2), }", b"x"),
        "cannot be read",
    ),
    "npy: a shape that lies": (
        "v.npy",
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 2), }", bytes(8)),
        "cannot be read",
    ),
    "npy: a header of code": ("v.npy", npy("__import__('os').system('ls')"), "cannot be read"),
    "npy: no words": (
        "v.npy",
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }", bytes(8)),
        "file of words",
    ),
    "npy: integers": (
        "v.npy",
        npy("{'descr': '<i4', 'fortran_order': False, 'shape': (1, 2), }", bytes(8)),
        "matrix of floats",
    ),
    "npz: a shape that lies": (
        "v.npz",
        zipped("vectors.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 200), }", bytes(8))),
        "promises the shape",
    ),
    "npz: nothing of use": ("v.npz", zipped("readme.txt", b"hello"), "holds no matrix"),
    "npz: none": ("v.npz", b"PK\x03\x04 nothing", "cannot be read"),
    "safetensors: none": ("v.safetensors", b"\xff" * 100, "cannot be read"),
    "safetensors: an enormous header": ("v.safetensors", struct.pack("<Q", 1 << 60) + b"{}", "cannot be read"),
    "something else": ("v.jpg", b"\xff\xd8\xff\xe0" + bytes(1000), "no known format"),
    "prose": ("v.txt", b"It was the best of times,\nit was the worst of times.\n", "line 1|no finite number"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_end_in_a_sentence(name, tmp_path, record_property):
    file_name, content, sentence = HOSTILE[name]
    path = tmp_path / file_name
    path.write_bytes(content)
    tracemalloc.start()
    begun = time.perf_counter()
    try:
        with pytest.raises(UserError, match=sentence) as told:
            read_vectors(path)
        seconds, (_, peak) = time.perf_counter() - begun, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    text = str(told.value)
    assert "\n" not in text and len(text) < 400 and file_name in text
    assert peak < (300 << 20) and seconds < 20
    record_property("sentence", text.replace(str(tmp_path) + "/", ""))


def test_words_files_that_do_not_fit(tmp_path):
    FORMATS["npy"].write(table(), tmp_path / "v.npy")
    words = tmp_path / "v.json"
    for content, sentence in [
        ("[]", "has 0 words, but"),
        ("{}", "must give each of 10 rows to one word"),
        ('{"a": 5}', "must give each of 10 rows to one word"),
        ("[1, 2]", "must hold a list of words"),
        ("nonsense", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
    ]:
        words.write_text(content)
        with pytest.raises(UserError, match=sentence):
            read_vectors(tmp_path / "v.npy")
    words.unlink()
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    same(read_vectors(tmp_path / "v.npy"), table())
    (tmp_path / "vocab.json").write_text(json.dumps({word: row for row, word in enumerate(WORDS)}))
    same(read_vectors(tmp_path / "v.npy"), table())


def test_memory_is_that_of_what_is_asked_for(tmp_path):
    """A long file in pieces: a thousand words of a hundred thousand, and the whole on disk."""
    matrix = np.tile(numbers(1000, 60), (50, 1))
    path = tmp_path / "v.bin"
    word2vec_binary.write(WordTable([f"w{row}" for row in range(50_000)], matrix), path)
    del matrix
    for options, bound in (({"limit": 1000}, 12 << 20), ({"target": tmp_path / "matrix"}, 40 << 20)):
        tracemalloc.start()
        found = read_vectors(path, **options)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < bound, options
        assert len(found.words) == len(found.matrix)


def test_nothing_of_a_pickle_is_kept_for_its_opcodes():
    """Every opcode of pickletools is known to be data, or is refused."""
    from wordemb_hf.vectors.plain_pickles import _Reader

    refused = set()
    for opcode in pickletools.opcodes:
        try:
            _Reader(Path("x")).step(opcode.name, None)
        except UserError:
            refused.add(opcode.name)
        except Exception:
            pass
    assert {"INST", "OBJ", "PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "NEWOBJ_EX"} <= refused


def test_classifiers_there_and_back(tmp_path):
    classifier = Classifier(["good", "坏"], [3, 2], numbers(2, 5, 3) / 1e9, "softmax", 2)
    made = with_ngrams(classifier)
    fasttext_binary.write(made, tmp_path / "v.ftm")
    found = read_vectors(tmp_path / "v.ftm").classifier
    assert (found.labels, found.counts, found.activation, found.max_word_ngram) == (
        ["good", "坏"],
        [3, 2],
        "softmax",
        2,
    )
    np.testing.assert_array_equal(found.weight, classifier.weight)


def test_static_folders_are_known_by_their_files(tmp_path):
    assert not static_folders.is_folder(tmp_path)
    with pytest.raises(UserError, match="no folder of word vectors"):
        read_vectors(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"has no tokenizer\.json"):
        read_vectors(tmp_path)

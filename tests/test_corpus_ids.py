"""Text to ids by the scanner: vocabulary, ids and documents as `build_tokenizer` and `encode_corpus` give them."""

import gzip
import json
import os
import random
import shutil
import unicodedata

import numpy as np
import pytest
from wordemb_hf.tokenization.ngram_hashing import NgramScheme

pytest.importorskip("numba", reason="the scanner needs the extra `fast`")

from wordemb_hf import kept_ids, records
from wordemb_hf.corpus import read_texts
from wordemb_hf.errors import UserError
from wordemb_hf.token_ids import encode_corpus
from wordemb_hf.vocabulary import build_tokenizer, extend_tokenizer
from wordemb_hf.word2vec import corpus_ids, scanned_text, text_pieces, text_scanner
from wordemb_hf.word2vec.corpus_ids import index_corpus

ENGLISH = (
    "Don't stop the o'clock film 's 3.5 at 10:30, state-of-the-art! It’s 4th — the 'quoted' dogs' U.S. café naïve\n"
    '1,000,000.00 dollars (or 3.,5 .5 5. 3.a ...) e.g. "this"; a/b -- x=y*2 [see] {it} #tag @home 50% snake_case `c`'
)
CHINESE = "我在北京大学。“3，5”，GPT4很好！カタカナーとがぎ か\u3099き北\u0301京 3.５ ５.3 7.北 ﾊﾟｶﾞ 한국어 ᄒ\u1161ᆫ"
LINES = [
    ENGLISH,
    CHINESE,
    "\ttabs\tand\x0bothers\x0c here\r\nwindows\r\n\r\nlone\rreturn \r\n",
    "non\u00a0breaking ideo\u3000graphic \u2028line\u2029 nel\u0085x \u200bzero \u00adsoft\u00ad \ufeffmark",
    "´acute ¨x =\u0338 a.\u0301b -\u0301 é e\u0301 \u0301 \u0301alone x\u0338y ½ ﬁne ① ² 3.² ³.5 ﷺ ǅ İSTANBUL ΣΑΣ ß",
    "👩‍💻❤️ 🇨🇳🇩🇪 1️⃣ 𠮷野家 𝐁old 𝟑.𝟓 १.२ ١٬٢",
    "<pad> <unk> x<unk>y <unk><pad> <UNK> ＜unk＞ < unk> <p<unk>ad> <mask> a<mask>b <s>",
    "",
    "   ",
    "\u3000\u00a0",
    "long" * 5000 + " " + "北" * 300 + " " + "," * 300 + " " + "1." * 300 + " " + "é" * 200,
    "seven77 eight888 eight889 seven78 \x01control\x7f a\x08b",
    "last line without an end",
]
KINDS = ["word", "char", "whitespace"]


@pytest.fixture(autouse=True)
def always(tmp_path, monkeypatch):
    """The scanner reads every text, in small pieces, and keeps ids in a folder of the test."""
    monkeypatch.setattr(scanned_text, "SMALL", 0)
    monkeypatch.setattr(scanned_text, "PIECE", 100)
    monkeypatch.setenv("WORDEMB_HF_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("WORDEMB_HF_CACHE_GB", raising=False)


@pytest.fixture
def scanned(monkeypatch):
    """Fail where the slow way is taken."""

    def unexpected(*args, **options):
        raise AssertionError("the scanner did not read the text")

    monkeypatch.setattr(corpus_ids, "build_tokenizer", unexpected)


def write(path, content):
    raw = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


def check(paths, threads=2, text_column="text", **options):
    """Compare with the slow way, twice: made and kept."""
    options = {"min_count": 1, "max_size": None} | options
    tokenizer = build_tokenizer(read_texts(paths, text_column=text_column), **options)
    ids = encode_corpus(tokenizer, read_texts(paths, text_column=text_column))
    for _ in range(2):
        found, found_ids = index_corpus(paths, threads=threads, text_column=text_column, **options)
        assert found.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()
        assert found.init_kwargs == tokenizer.init_kwargs
        assert found_ids.ids.dtype == np.int32 and found_ids.offsets.dtype == np.int64
        np.testing.assert_array_equal(found_ids.ids, ids.ids)
        np.testing.assert_array_equal(found_ids.offsets, ids.offsets)
    return found, found_ids


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lowercase", [True, False])
def test_hostile_text(tmp_path, scanned, kind, lowercase):
    for number, line in enumerate(LINES[:7] + LINES[10:]):
        check(write(tmp_path / f"{number}.txt", line), kind=kind, lowercase=lowercase)
    everything = write(tmp_path / "all.txt", "\n".join(LINES))
    check(everything, kind=kind, lowercase=lowercase)
    check(everything, kind=kind, lowercase=lowercase, min_count=2, max_size=9)
    check(everything, kind=kind, lowercase=lowercase, special_tokens=["<mask>", "<s>", "e.", "3"])


@pytest.mark.parametrize("kind", KINDS)
def test_random_text(tmp_path, scanned, kind):
    generator = random.Random(0)
    alphabet = [*"aB3.,:'-!<> \n\r\té北がＡ½´’", "\u0301", "\u3099", "\u3000", "<unk>", "the ", "'s", "\u200b", "１"]
    for number in range(12):
        text = "".join(generator.choices(alphabet, k=generator.randrange(1, 400))) + "x"
        check(write(tmp_path / f"{number}.txt", text), kind=kind, threads=1 + number % 3, lowercase=number % 2 == 0)


def may_join(point):
    """Whether NFKC, or a number, may join the character with what stands beside it; and one in a hundred others."""
    character = chr(point)
    joins = unicodedata.category(character) in ("Mn", "Mc", "Nd") or unicodedata.combining(character)
    return joins or (unicodedata.decomposition(character) and point % 10 == 0) or point % 100 == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("all_points", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_no_character_joins_where_text_is_cut(tmp_path, scanned, kind, all_points):
    places = ["a{}b", "北{}b", "3{}5", "'{}s", "北 {}", "-{}", ".{}a", "3.{}", "{}.5", "が{}北"]
    points = [point for point in range(0x80, 0x11000) if not 0xD800 <= point < 0xE000]
    points = [point for point in points if all_points or may_join(point)]
    path = write(tmp_path / "a.txt", "\n".join(place.format(chr(point)) for place in places for point in points))
    tokenizer = build_tokenizer(read_texts(path), kind=kind, min_count=1, max_size=None)
    ids = encode_corpus(tokenizer, read_texts(path))
    found, found_ids = index_corpus(path, kind=kind, min_count=1, max_size=None, threads=1)
    assert found.get_vocab() == tokenizer.get_vocab()
    np.testing.assert_array_equal(found_ids.ids, ids.ids)
    np.testing.assert_array_equal(found_ids.offsets, ids.offsets)


def test_a_tokenizer_of_ngrams(tmp_path, scanned):
    found, _ = check(write(tmp_path / "a.txt", ENGLISH), ngrams=NgramScheme(100))
    assert found("unheard")["ngram_ids"]


@pytest.mark.parametrize("min_count", [1, 3, 10**6])
@pytest.mark.parametrize("kind", KINDS)
def test_more_text_for_a_tokenizer(tmp_path, monkeypatch, kind, min_count):
    tokenizer = build_tokenizer([ENGLISH, "<s> 3.5"], kind=kind, min_count=1, special_tokens=["<s>"])
    paths = [write(tmp_path / f"{number}.txt", line) for number, line in enumerate(LINES) if line.strip()]
    longer = extend_tokenizer(tokenizer, read_texts(paths), min_count=min_count)
    ids = encode_corpus(longer, read_texts(paths))

    def unexpected(*args, **options):
        raise AssertionError("the scanner did not read the text")

    monkeypatch.setattr(corpus_ids, "extend_tokenizer", unexpected)
    found, found_ids = corpus_ids.extend_corpus(tokenizer, paths, min_count=min_count, threads=2)
    assert found.backend_tokenizer.to_str() == longer.backend_tokenizer.to_str()
    assert found.init_kwargs == longer.init_kwargs
    np.testing.assert_array_equal(found_ids.ids, ids.ids)
    np.testing.assert_array_equal(found_ids.offsets, ids.offsets)


def test_line_ends_marks_and_file_ends(tmp_path, scanned):
    folder = tmp_path / "texts"
    folder.mkdir()
    write(folder / "a.txt", "\ufeffone two\r\n\r\n\nthree\rfour\n")
    write(folder / "b.txt", "")
    write(folder / "c.txt", "\ufeff\ufefffive \ufeffsix")
    write(folder / "d.txt.gz", "\ufeff" + "seven eight\nnine\n" * 20 + "ten")
    write(folder / "e.jsonl", "".join(json.dumps({"text": text}) + "\n" for text in ["eleven\ntwelve\r\n", "", "é 北"]))
    write(folder / "f.csv", 'text,n\n"thirteen\nfourteen, ""15""",1\n  ,2\nsixteen,3\n')
    write(folder / "g.tsv", 'n\ttext\n1\t"seventeen\n2\teighteen\n')
    check([folder, folder / "a.txt"], threads=3)
    check(folder / "f.csv", text_column="n")


def test_pieces_are_whole_lines_that_make_up_the_file(tmp_path):
    text = "".join(f"{'x' * number}\n" for number in range(50)).encode() + b"end"
    for name in ("a.txt", "a.txt.gz"):
        for size in (1, 7, 100, 10_000):
            pieces = text_pieces.TextPieces([write(tmp_path / name, text)], "text", size)
            found = list(iter(pieces.take, None))
            assert [number for number, _ in found] == list(range(len(found)))
            parts = [piece.tobytes() for _, piece in found]
            assert b"".join(parts) == text and all(part.endswith(b"\n") for part in parts[:-1])
            assert len(found) > 3 or size == 10_000


def test_threads_change_nothing(tmp_path, scanned, monkeypatch):
    monkeypatch.setenv("WORDEMB_HF_CACHE_GB", "0")
    generator = random.Random(1)
    words = [f"word{number}" for number in range(300)]
    path = write(tmp_path / "a.txt", "".join(" ".join(generator.choices(words, k=20)) + "\n" for _ in range(40)))
    for threads in (1, 2, 5, 1000):
        check(path, threads=threads)


def test_a_table_grows(tmp_path, scanned, monkeypatch):
    monkeypatch.setattr(text_scanner.ChunkTable.__init__, "__defaults__", (4, 8))
    words = [f"{number:b}" for number in range(2000)] + ["x" * 100_000]
    check(write(tmp_path / "a.txt", " ".join(words) + "\n" + "\n".join(words[::-1])))


def test_equal_hashes_are_not_equal_chunks(monkeypatch):
    table = text_scanner.ChunkTable(slots=4, room=8)
    classes = text_scanner.byte_classes("word", ["<pad>", "<unk>"])
    # All slots of a small table are soon taken, so that most chunks meet another in theirs.
    words = [f"{'long' * (number % 3)}{number}" for number in range(1000)]
    text = np.frombuffer(" ".join(words * 2).encode(), np.uint8)
    numbers = table.scan(text, classes)
    assert numbers.tolist() == [*range(1000), *range(1000), text_scanner.END_OF_DOCUMENT]
    assert table.counts.tolist() == [2] * 1000
    assert table.joined.tobytes().decode().split() == words
    # The same key, other bytes: what the table compares behind the hash.
    table._bytes[table._starts[2]] = ord("X")  # in "longlong2"
    assert table.scan(np.frombuffer(b"longlong2", np.uint8), classes)[0] == 1000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"fine\nzero \0 byte\n", "line 2: a NUL byte"),
        (b"fine\nbad \xff byte\n", "line 2, byte 9: not UTF-8"),
        (b"fine\nhalf \xe4\xb8", "line 2, byte 10: not UTF-8"),
        (b"surrogate \xed\xa0\x80", "line 1, byte 10: not UTF-8"),
        ("北".encode()[:2] + "北京".encode(), "line 1, byte 0: not UTF-8"),
        (b"", "is empty: it holds no document"),
        (b"\n \r\n\xe3\x80\x80\n", "is empty: it holds no document"),
        (b"\xe2\x80\x8b \n", "holds no word at all"),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_wrong_text_is_named_as_ever(tmp_path, name, content, message):
    path = write(tmp_path / name, content)
    with pytest.raises(UserError) as slow:
        build_tokenizer(read_texts(path))
    with pytest.raises(UserError, match=message) as fast:
        index_corpus(path)
    assert str(fast.value) == str(slow.value)
    with pytest.raises(UserError) as first:
        index_corpus([write(tmp_path / "b.txt", b"good words\n"), path, write(tmp_path / "c.txt", b"\xff\n")])
    assert "holds no word" in message or str(first.value) == str(slow.value)
    assert not [*(tmp_path / "cache").rglob("*.*")]


def test_the_first_mistake_is_named(tmp_path):
    wrong = write(tmp_path / "a.txt", b"fine\n" * 50 + b"\xff\n")
    with pytest.raises(UserError, match=r"a\.txt, line 51"):
        index_corpus([wrong, write(tmp_path / "b.txt", b"")])


def test_a_damaged_gzip_file(tmp_path):
    path = write(tmp_path / "a.txt.gz", "word " * 10_000)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match="is damaged or not gzip"):
        index_corpus(path)


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_the_longest_line(tmp_path, monkeypatch, name, extra):
    for module in (records, text_pieces):
        monkeypatch.setattr(module, "MAX_LINE", 300)
    monkeypatch.setattr(text_scanner.ChunkTable.scan, "__defaults__", (297, False))
    path = write(tmp_path / name, "short\n" + "x" * (298 + extra) + " \n")
    if extra:
        with pytest.raises(UserError, match="line 2: longer than"):
            index_corpus(path)
    else:
        check(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "threads must be at least 1, not 0"),
        ({"kind": "words"}, "kind must be one of word, word-space, word-zh, char, char-space, whitespace, not 'words'"),
        ({"min_count": 0}, "min_count must be at least 1, not 0"),
        ({"min_count": 9}, "no word of the corpus occurs at least 9 times .the most frequent, 'a', occurs 2 times"),
    ],
)
def test_wrong_settings(tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        index_corpus(write(tmp_path / "a.txt", "a b a\n"), **options)


def test_more_words_than_ids(tmp_path, monkeypatch):
    monkeypatch.setattr(text_scanner.ChunkTable.__init__, "__defaults__", (1 << 10, 1 << 10))
    monkeypatch.setattr(text_scanner, "MAX_CHUNKS", 1000)
    with pytest.raises(UserError, match="more than 1,000 different words"):
        index_corpus(write(tmp_path / "a.txt", " ".join(map(str, range(4000)))))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("a b\x1c\n\x1cc \x1dd\n", {"kind": "whitespace"}),
        ("a b\n", {"kind": "char-space"}),
        ("a bc d\n", {"special_tokens": ["b c"]}),
        ("a 北京 d\n", {"special_tokens": ["北京"]}),
        ("<PAD> <UNK>\n", {"kind": "whitespace"}),
    ],
)
def test_what_the_scanner_leaves_to_others(tmp_path, text, options, monkeypatch):
    taken = []
    monkeypatch.setattr(corpus_ids, "build_tokenizer", lambda *a, **b: taken.append(1) or build_tokenizer(*a, **b))
    path = write(tmp_path / "a.txt", text)
    if "PAD" in text:
        with pytest.raises(UserError, match="no word of the corpus"):
            check(path, **options)
        with pytest.raises(UserError, match="no word of the corpus"):
            index_corpus(path, min_count=1, **options)
    else:
        check(path, **options)
    assert taken


def test_zero_characters_of_json_are_text(tmp_path):
    check(write(tmp_path / "a.jsonl", json.dumps({"text": "a\0b c\0"})), kind="whitespace")


def test_without_numba(tmp_path, monkeypatch):
    path = write(tmp_path / "a.txt", "a b a\n")
    monkeypatch.setitem(__import__("sys").modules, "wordemb_hf.word2vec.text_scanner", None)
    check(path)
    assert not (tmp_path / "cache" / "ids").exists()


# What is kept


def entries(tmp_path):
    return sorted((tmp_path / "cache" / "ids").iterdir())


def test_ids_are_kept_by_content_and_settings(tmp_path, monkeypatch):
    path = write(tmp_path / "a.txt", "a b a\n")
    check(path)
    (entry,) = entries(tmp_path)
    assert {file.name for file in entry.iterdir()} == {"ids.int32", "offsets.int64", "words.txt", "header.json"}
    monkeypatch.setattr(corpus_ids, "scan_text", None)  # not called again
    index_corpus(shutil.copy(path, tmp_path / "b.txt"), min_count=1, max_size=None)
    monkeypatch.undo()
    monkeypatch.setattr(scanned_text, "SMALL", 0)
    monkeypatch.setenv("WORDEMB_HF_CACHE", str(tmp_path / "cache"))
    for number, options in enumerate(
        [{"lowercase": False}, {"kind": "char"}, {"min_count": 2}, {"max_size": 1}, {"special_tokens": ["<s>"]}], 2
    ):
        check(path, **options)
        assert len(entries(tmp_path)) == number
    check(write(path, "a c a\n"))
    assert len(entries(tmp_path)) == 7


@pytest.mark.parametrize("name", ["ids.int32", "offsets.int64", "words.txt", "header.json"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "missing"])
def test_a_damaged_entry_is_made_again(tmp_path, name, damage):
    path = write(tmp_path / "a.txt", "some words of some text\n" * 9)
    check(path)
    (entry,) = entries(tmp_path)
    file = entry / name
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        flipped = bytes([*content[:9], content[9] ^ 1, *content[10:]])
        file.write_bytes({"flipped": flipped, "cut": content[:-1], "empty": b""}[damage])
    check(path)
    assert file.read_bytes() == content


def test_an_entry_of_another_text_is_not_believed(tmp_path):
    one, other = write(tmp_path / "a.txt", "some words\n"), write(tmp_path / "b.txt", "other words\n")
    check(one)
    (entry,) = entries(tmp_path)
    check(other)
    (foreign,) = set(entries(tmp_path)) - {entry}
    shutil.rmtree(entry)
    shutil.copytree(foreign, entry)
    check(one)


def test_kept_ids_can_be_written_to_and_stay_as_they_are(tmp_path):
    path = write(tmp_path / "a.txt", "a b a\n")
    _, ids = check(path)
    ids.ids[:] = 0
    check(path)


def test_the_oldest_entries_make_room(tmp_path, monkeypatch):
    paths = [write(tmp_path / f"{number}.txt", f"text {number}\n" * 100) for number in range(4)]
    made = []
    for age, path in enumerate(paths[:3]):
        index_corpus(path, min_count=1)
        (new,) = set(entries(tmp_path)) - set(made)
        made.append(new)
        os.utime(new, (1e9 + age, 1e9 + age))
    index_corpus(paths[0], min_count=1)  # used, so that it is not the oldest
    abandoned = tmp_path / "cache" / "ids" / ".partial-x"
    abandoned.mkdir()
    os.utime(abandoned, (1e9, 1e9))
    size = sum(file.stat().st_size for file in made[0].iterdir())
    monkeypatch.setenv("WORDEMB_HF_CACHE_GB", str(3.5 * size / 1e9))
    index_corpus(paths[3], min_count=1)
    assert len(entries(tmp_path)) == 3 and made[1] not in entries(tmp_path) and abandoned not in entries(tmp_path)
    monkeypatch.setenv("WORDEMB_HF_CACHE_GB", str(0.5 * size / 1e9))
    before = entries(tmp_path)
    check(write(tmp_path / "5.txt", "text 5\n" * 100))  # too large to be kept, but ids all the same
    monkeypatch.setenv("WORDEMB_HF_CACHE_GB", "0")
    check(write(tmp_path / "6.txt", "text 6\n" * 100))
    assert set(entries(tmp_path)) == set(before)


@pytest.mark.parametrize("value", ["many", "-1", "nan", "inf"])
def test_a_wrong_size_of_what_is_kept(tmp_path, monkeypatch, value):
    monkeypatch.setenv("WORDEMB_HF_CACHE_GB", value)
    with pytest.raises(UserError, match=f"WORDEMB_HF_CACHE_GB is '{value}', but must be a number of gigabytes"):
        index_corpus(write(tmp_path / "a.txt", "a\n"))


def test_a_folder_that_cannot_be_made_is_done_without(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDEMB_HF_CACHE", str(write(tmp_path / "file", "")))
    check(write(tmp_path / "a.txt", "a b a\n"))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full, a disk that is always full")
@pytest.mark.parametrize("name", ["chunks-0", "ids.int32", "offsets.int64", "words.txt", "header.json"])
def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch, name):
    folder = tmp_path / "cache" / "ids" / ".partial-full"

    def made():
        folder.mkdir(parents=True)
        (folder / name).symlink_to("/dev/full")
        return folder

    monkeypatch.setattr(kept_ids, "work_folder", made)
    with pytest.raises(UserError, match=r"cannot be written in .*ids \(No space left on device\): make room, or set W"):
        index_corpus(write(tmp_path / "a.txt", "a b a\n"), min_count=1, threads=1)
    assert not folder.exists()


def test_two_processes_may_make_the_same_entry(tmp_path, monkeypatch):
    path = write(tmp_path / "a.txt", "a b a\n")
    check(path)
    (entry,) = entries(tmp_path)
    monkeypatch.setattr(kept_ids, "load_entry", lambda *args: None)  # as if the other were quicker
    check(path)
    assert entries(tmp_path) == [entry]

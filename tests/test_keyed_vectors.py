"""Word vectors without their model: search against sorting all words, memory, and what is refused."""

import json
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from wordemb_hf.errors import UserError
from wordemb_hf.vectors import KeyedVectors, search
from wordemb_hf.vectors.tensor_file import TensorFile

WORDS = 3000
NAMES = [f"word{index}" for index in range(WORDS)]


@pytest.fixture(scope="module")
def vectors():
    return KeyedVectors(NAMES, np.random.default_rng(0).standard_normal((WORDS, 16)).astype(np.float32))


def cosines(vectors, query):
    """The slow way, in double precision."""
    matrix, query = vectors.matrix.astype(np.float64), np.asarray(query, np.float64)
    return matrix @ query / np.linalg.norm(matrix, axis=1) / np.linalg.norm(query)


def by_sorting(scores, top, excluded=(), rows=WORDS):
    order = [row for row in np.argsort(-scores[:rows], kind="stable") if row not in excluded][:top]
    return [(NAMES[row], pytest.approx(scores[row], abs=1e-5)) for row in order]


@pytest.mark.parametrize("scores", [1 << 8, 1 << 12, 1 << 19], ids=["many blocks", "some", "one"])
@pytest.mark.parametrize("top", [1, 7, 600, WORDS + 5])
def test_search_is_what_sorting_finds(vectors, top, scores, monkeypatch):
    monkeypatch.setattr(search, "_SCORES", scores)
    words = [NAMES[row] for row in (0, 5, 2999)]
    found = vectors.nearest_each(words, top)
    for word, near in zip(words, found, strict=True):
        row = NAMES.index(word)
        assert near == by_sorting(cosines(vectors, vectors.matrix[row]), top, {row})
    assert vectors.nearest(words[1], top) == [(word, pytest.approx(cosine, abs=1e-6)) for word, cosine in found[1]]


def test_among_the_first_words_only(vectors):
    row = 2500
    wanted = by_sorting(cosines(vectors, vectors.matrix[row]), 5, rows=100)
    assert vectors.nearest(NAMES[row], 5, restrict_vocab=100) == wanted
    assert vectors.nearest_each([NAMES[row]], 5, restrict_vocab=100) == [wanted]
    assert len(vectors.nearest(NAMES[row], 200, restrict_vocab=100)) == 100
    assert len(vectors.nearest(NAMES[3], 200, restrict_vocab=100)) == 99


def test_near_to_some_and_far_from_others(vectors):
    units = vectors.matrix / np.linalg.norm(vectors.matrix, axis=1, keepdims=True)
    scores = cosines(vectors, units[1] + 0.5 * units[2] - units[3] + units[9])
    found = vectors.nearest("word1", 60, positive=[("word2", 0.5), vectors.matrix[9]], negative="word3")
    assert found == by_sorting(scores, 60, {1, 2, 3})
    assert "word9" in dict(found)  # given as a vector, it is no word that was asked for


@pytest.mark.parametrize("method", ["3cosadd", "3cosmul"])
def test_analogies_are_what_their_formula_says(vectors, method):
    questions = [("word1", "word2", "word3"), ("word7", "word8", "word7")]
    for question, found in zip(questions, vectors.analogies(questions, method, 5), strict=True):
        a, b, c = (NAMES.index(word) for word in question)
        units = vectors.matrix / np.linalg.norm(vectors.matrix, axis=1, keepdims=True)
        if method == "3cosadd":
            scores = cosines(vectors, units[b] - units[a] + units[c])
        else:
            near = [(1 + cosines(vectors, units[row])) / 2 for row in (a, b, c)]
            scores = near[1] * near[2] / (near[0] + 1e-6)
        wanted = by_sorting(scores, 5, {a, b, c})
        assert [word for word, _ in found] == [word for word, _ in wanted]
        assert [score for _, score in found] == pytest.approx([score.expected for _, score in wanted], rel=1e-4)
        assert vectors.analogy(*question, method=method, top=5)[0][0] == found[0][0]


def test_a_planted_analogy_is_solved():
    royal, female, rng = np.eye(20)[0], np.eye(20)[1], np.random.default_rng(1)
    meanings = {"man": 0 * royal, "woman": female, "king": royal, "queen": royal + female}
    others = {f"w{index}": rng.standard_normal(20) for index in range(50)}
    base = np.ones(20) / 4
    table = np.float32([*(base + 2 * meaning for meaning in meanings.values()), *others.values()])
    vectors = KeyedVectors([*meanings, *others], table)
    assert vectors.analogy("man", "king", "woman")[0][0] == "queen"
    assert vectors.analogy("man", "king", "woman", method="3cosmul")[0][0] == "queen"
    assert vectors.doesnt_match(["man", "king", "w3", "woman", "queen"]) == "w3"


def test_ranks(vectors):
    near = [word for word, _ in vectors.nearest("word4", WORDS)]
    for rank in (1, 2, 50, WORDS - 1):
        assert vectors.rank("word4", near[rank - 1]) == rank
        assert vectors.closer_than("word4", near[rank - 1]) == sorted(near[: rank - 1], key=NAMES.index)


def test_zeros_and_what_is_no_number_are_no_neighbors():
    matrix = np.float32([[1, 0], [0, 0], [np.nan, 1], [1, 1], [np.inf, 1]])
    with np.errstate(invalid="ignore"):
        found = KeyedVectors(list("abcde"), matrix).nearest("a", 5)
    assert found == [("d", pytest.approx(0.5**0.5)), ("b", 0.0)]


def test_one_word_and_none():
    assert KeyedVectors(["a"], np.ones((1, 3), np.float32)).nearest("a") == []
    assert KeyedVectors(["a"], np.ones((1, 3), np.float32)).nearest_each([]) == []
    assert KeyedVectors([], np.ones((0, 3), np.float32)).nearest(np.ones(3)) == []
    assert KeyedVectors(["a"], np.ones((1, 3), np.float32))[[]].shape == (0, 3)


def test_unseen_words_are_made_of_their_ngrams():
    matrix = np.eye(3, dtype=np.float32)
    made = KeyedVectors(list("abc"), matrix, str.lower, lambda word: matrix[1] if word.startswith("b") else None)
    assert made.nearest("BB", 1) == [("b", 1.0)] and "BB" not in made
    assert made.nearest_each(["bb", "b"], 1)[0] == [("b", 1.0)]
    assert made.similarity("bbb", "B") == 1.0
    np.testing.assert_array_equal(made[["A", "bb"]], matrix[:2])
    with pytest.raises(UserError, match="the word 'x' is not in the vocabulary of 3 words"):
        made.nearest_each(["a", "x"])


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda v: v.nearest("word1", 0), "top is 0"),
        (lambda v: v.nearest("word1", restrict_vocab=0), "restrict_vocab is 0"),
        (lambda v: v.nearest(), "nothing is asked for"),
        (lambda v: v.nearest(np.ones(3)), r"a vector has shape \(3,\), but those here have width 16"),
        (lambda v: v.nearest(positive=["no"]), "the word 'no' is not in the vocabulary"),
        (lambda v: v.analogy("word1", "word2", "no"), "the word 'no' is not"),
        (
            lambda v: v.analogy("word1", "word2", "word3", method="add"),
            "method is 'add', but must be 3cosadd",
        ),
        (lambda v: v.doesnt_match(["word1", "word2"]), "words must be at least three"),
        (lambda v: v.rank("word1", "no"), "the word 'no' is not"),
        (lambda v: KeyedVectors(["a"], np.ones((2, 2))), r"1 words do not go with vectors of shape \(2, 2\)"),
    ],
)
def test_what_is_refused(vectors, ask, sentence):
    with pytest.raises(UserError, match=sentence):
        ask(vectors)


# --- folders ----------------------------------------------------------------------------------------------------------


def write_folder(folder, tokenizer, table, name="word_embeddings.weight"):
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    save_file({name: table}, folder / "model.safetensors")
    return folder


def words_tokenizer(words, lowercase=True):
    tokenizer = Tokenizer(models.WordLevel({"<pad>": 0, "<unk>": 1} | {w: i for i, w in enumerate(words, 2)}, "<unk>"))
    tokenizer.add_special_tokens(["<pad>", "<unk>"])
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), *([normalizers.Lowercase()] * lowercase)])
    return tokenizer


def test_a_folder_stays_on_disk(tmp_path):
    """The words are in memory, the vectors and anything of their size are not."""
    words, table = [f"w{index}" for index in range(20_000)], np.ones((20_002, 256), np.float32)
    table[:, 0] = np.arange(20_002)
    folder = write_folder(tmp_path / "model", words_tokenizer(words), table, "textcnn.word_embeddings.weight")
    tracemalloc.start()
    vectors = KeyedVectors.load(folder)
    assert "W9" in vectors and len(vectors) == 20_000
    assert len(vectors.nearest("w500", 10)) == 10
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < table.nbytes  # 20 MB: words, norms and a few blocks take less
    np.testing.assert_array_equal(vectors["Ｗ9"], table[11])
    with pytest.raises(ValueError):  # the file is not for writing
        vectors.matrix[0] = 0


@pytest.mark.parametrize("dtype", ["float16", "float64", "bfloat16"])
def test_numbers_of_other_types(tmp_path, dtype):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save

    table = torch.randn(5, 4).to(getattr(torch, dtype))
    folder = write_folder(tmp_path / "model", words_tokenizer(list("abc")), np.ones((5, 4), np.float32))
    save({"word_embeddings.weight": table, "other": torch.ones(3)}, folder / "model.safetensors")
    vectors = KeyedVectors.from_folder(folder)
    assert vectors.matrix.dtype == np.float32
    np.testing.assert_array_equal(vectors.matrix, table[2:].float().numpy())


def test_special_tokens_between_words(tmp_path):
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "<unk>": 1, "b": 2, "c": 3}, "<unk>"))
    tokenizer.add_special_tokens(["<unk>"])
    table = np.arange(8, dtype=np.float32).reshape(4, 2)
    vectors = KeyedVectors.from_folder(write_folder(tmp_path / "model", tokenizer, table))
    assert vectors.words == ["a", "b", "c"]
    np.testing.assert_array_equal(vectors.matrix, table[[0, 2, 3]])


def test_pieces_of_a_segmenter(tmp_path):
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), ("天气", -1.0), ("好", -2.0)], 0))
    tokenizer.add_special_tokens(["<unk>"])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\p{Han}+"), "isolated")
    vectors = KeyedVectors.from_folder(write_folder(tmp_path / "model", tokenizer, np.eye(3, dtype=np.float32)))
    assert vectors.words == ["天气", "好"] and vectors.similarity("天气", "好") == 0


def test_the_tokenizer_is_not_made_of_all_words(tmp_path):
    """A model that the tokenizers library would not load is none of its business here."""
    folder = write_folder(tmp_path / "model", words_tokenizer(list("abc")), np.ones((5, 2), np.float32))
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"]["type"] = "WordsOfTheFuture"
    (folder / "tokenizer.json").write_text(json.dumps(content))
    assert "A" in KeyedVectors.from_folder(folder)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda t: t["model"].update(vocab={"a": 99}), "words up to 99, but there are 5 vectors"),
        (lambda t: t["model"].update(vocab={"a": -1}), "words up to -1, but there are 5 vectors"),
        (lambda t: t["model"].update(vocab={"a": "x"}), "is no tokenizer of words"),
        (lambda t: t["model"].update(vocab=7), "is no tokenizer of words"),
        (lambda t: t.update(normalizer={"type": "Evil"}), "is no tokenizer of words"),
        (lambda t: t.pop("added_tokens"), "is no tokenizer of words"),
        (lambda t: t.clear(), "is no tokenizer of words"),
    ],
)
def test_a_tokenizer_that_does_not_fit(tmp_path, damage, sentence):
    folder = write_folder(tmp_path / "model", words_tokenizer(list("abc")), np.ones((5, 2), np.float32))
    content = json.loads((folder / "tokenizer.json").read_text())
    damage(content)
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=sentence):
        KeyedVectors.from_folder(folder)


def test_a_type_that_is_not_read(tmp_path):
    save_file({"flags": np.ones(3, bool)}, tmp_path / "x.safetensors")
    with pytest.raises(TypeError, match="flags is of type BOOL"):
        TensorFile(tmp_path / "x.safetensors")["flags"]


def test_no_torch_no_model():
    code = (
        "import sys, numpy as np; from wordemb_hf.vectors import KeyedVectors;"
        "v = KeyedVectors(['a', 'b'], np.eye(2, dtype=np.float32)); v.nearest('a');"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'datasets', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("source", ["/no/such/folder", "a b", "nobody/nothing-of-this-name"])
def test_what_is_nowhere(source, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=f"^{source} is no folder of word vectors"):
        KeyedVectors.load(source)


def test_a_repository_in_the_cache(tmp_path, monkeypatch):
    """As the Hub's client lays it out, and as it finds it again without a network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repo, commit = tmp_path / "models--you--tiny", "0" * 40
    (repo / "refs").mkdir(parents=True)
    (repo / "snapshots").mkdir()
    (repo / "refs" / "main").write_text(commit)
    write_folder(repo / "snapshots" / commit, words_tokenizer(list("abc")), np.eye(5, dtype=np.float32))
    (repo / "snapshots" / commit / "config.json").write_text("{}")
    assert KeyedVectors.load("you/tiny").words == ["a", "b", "c"]
    assert KeyedVectors.load("you/tiny", revision=commit).similarity("a", "B") == 0

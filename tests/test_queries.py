"""The verbs on word vectors: words given or in a file, tests of vectors, and what is refused."""

import random

import pytest

import wordemb_hf
from wordemb_hf.cli import main
from wordemb_hf.errors import UserError
from wordemb_hf.vectors import KeyedVectors
from wordemb_hf.vectors.word_questions import Pair, Question, read_pairs, read_questions

TOPICS = (["bread", "soup", "rice", "cheese"], ["ball", "goal", "team", "match"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Vectors in which words of a topic lie together."""
    place, rng = tmp_path_factory.mktemp("queries"), random.Random(0)
    lines = [" ".join(rng.choices(rng.choice(TOPICS), k=8)) for _ in range(600)]
    (place / "text.txt").write_text("\n".join(lines))
    how = {"min_count": 1, "hidden_size": 16, "epochs": 4, "threads": 1, "subsample_threshold": 0.0}
    wordemb_hf.pretrain(place / "text.txt", place / "vectors", **how)
    return place / "vectors"


@pytest.fixture
def run(capsys):
    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return left.value.code or 0, captured.out, captured.err

    return run


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_neighbors_of_words_in_a_file(folder, run, tmp_path):
    words = write(tmp_path / "words.txt", "soup\n\nBall\n")
    status, out, _ = run("neighbors", folder, "--file", words, "--top", 3)
    assert status == 0 and out == run("neighbors", folder, "soup", "Ball", "--top", 3)[1]
    found = wordemb_hf.neighbors(str(folder), file=words, top=3)
    assert {word for word, _ in found["soup"]} == {"bread", "rice", "cheese"}
    assert {word for word, _ in found["Ball"]} == {"goal", "team", "match"}
    assert wordemb_hf.neighbors(str(folder), ["soup"], restrict_vocab=1)["soup"] != found["soup"]


@pytest.mark.parametrize("method", ["3cosadd", "3cosmul"])
def test_analogies_given_and_in_a_file(folder, run, tmp_path, method, monkeypatch):
    found = wordemb_hf.analogy(str(folder), ["bread", "soup", "ball"], method=method, top=2)
    answers = KeyedVectors.load(folder).analogy("bread", "soup", "ball", method, 2)
    assert found == {("bread", "soup", "ball"): answers}
    lines = write(tmp_path / "three.txt", "bread soup ball\ngoal team soup\n")
    _, out, _ = run("analogy", folder, "--file", lines, "--method", method, "--top", 2)
    joined = "  ".join(f"{word} {score:.2f}" for word, score in answers)
    assert out.splitlines()[0] == f"bread → soup, ball → {joined}" and len(out.splitlines()) == 2
    monkeypatch.setenv("WORDEMB_HF_LANGUAGE", "zh")
    _, out, _ = run("analogy", folder, "bread", "soup", "ball", "--method", method, "--top", 2)
    assert out == f"bread → soup，ball → {joined}\n"


def test_a_test_of_analogies(folder, run, tmp_path):
    best = KeyedVectors.load(folder).analogy("bread", "soup", "ball")[0][0]
    lines = (
        f": first\nbread soup ball {best}\nbread soup ball cheese\n: second\nBREAD Soup ball {best}\nnot a word here"
    )
    questions = write(tmp_path / "questions.txt", lines)
    _, out, _ = run("analogy", folder, "--file", questions)
    assert out.splitlines() == [
        "first: 1 of 2 right",
        "second: 1 of 1 right",
        "66.7 % of 3 analogies are right; 1 more have a word without a vector.",
    ]
    result = wordemb_hf.analogy(str(folder), file=questions)
    assert result == KeyedVectors.load(folder).evaluate_analogies(questions)
    assert (result.right, result.asked, result.missing) == (2, 3, 1)


def test_similarities_and_a_test_of_them(folder, run, tmp_path):
    vectors = KeyedVectors.load(folder)
    _, out, _ = run("similarity", folder, "bread", "Soup")
    assert out == f"bread, Soup: {vectors.similarity('bread', 'soup'):.3f}\n"
    pairs = write(tmp_path / "pairs.txt", "bread soup\nbread\tball\n")
    assert list(wordemb_hf.similarity(str(folder), file=pairs)) == [("bread", "soup"), ("bread", "ball")]
    judged = write(tmp_path / "judged.csv", "one,other,people\nbread,soup,9\nbread,ball,1\nrice,Cheese,8\nno,word,3\n")
    _, out, _ = run("similarity", folder, "--file", judged)
    result = wordemb_hf.similarity(str(folder), file=judged)
    assert result == vectors.evaluate_word_pairs(judged) and result[2:] == (3, 1)
    assert result.pearson > 0.9
    assert out.startswith(f"Spearman {100 * result.spearman:.1f}, Pearson ") and "of 3 pairs; 1 more" in out


@pytest.mark.parametrize(
    ("verb", "arguments", "sentence"),
    [
        ("analogy", {}, "no word is given: name some, or --file"),
        ("analogy", {"words": ["a", "b"]}, "an analogy is made of three words, not of 2: a b"),
        ("analogy", {"words": ["bread", "soup", "quark"]}, "the word 'quark' is not in the vocabulary of 8 words"),
        ("analogy", {"file": "missing.txt"}, "no such file: missing.txt"),
        ("analogy", {"words": ["a"], "file": "x"}, "give words or --file, not both"),
        ("similarity", {"words": ["a"]}, "a similarity is one of two words, not of 1: a"),
        ("similarity", {"words": ["soup", "quark"]}, "the word 'quark' is not"),
        ("analogy", {"words": ["soup", "\ud800", "rice"]}, "word 2 holds half of a surrogate pair"),
        ("similarity", {"words": ["soup", "so\udfffup"]}, "word 2 holds half of a surrogate pair"),
        ("neighbors", {"words": ["\ud83d"]}, "text 1 holds half of a surrogate pair"),
        ("neighbors", {"words": ["quark"]}, "the word 'quark' is not"),
        ("neighbors", {"words": ["soup"], "restrict_vocab": 0}, "restrict_vocab is 0, but must be at least 1"),
        ("neighbors", {"words": ["soup"], "file": "x"}, "give texts or --file, not both"),
    ],
)
def test_what_is_refused(folder, verb, arguments, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as refused:
        getattr(wordemb_hf, verb)(str(folder), **arguments)
    assert str(refused.value).startswith(sentence)


def test_what_files_of_pairs_hold(tmp_path):
    text = "# comment\n\nNew York\tcity\t7.5\nsea\tshore\t1e0\n"
    assert read_pairs(write(tmp_path / "a.txt", text)) == [Pair("New York", "city", 7.5), Pair("sea", "shore", 1.0)]
    assert read_pairs(write(tmp_path / "b.txt", "\ufeff茶 雨 3\r\n")) == [Pair("茶", "雨", 3.0)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no pairs of words"),
        ("a b c\n", "has no pairs of words"),
        ("a b 1\nc d x\n", "line 2: 'x' is no number"),
        ("word\n", "line 1: 'word' is not two words"),
        ("a b 1\nc d\n", "has a number behind some pairs and none behind others"),
        ("a b 1\nc d nan\n", "line 2: 'nan' is no number"),
        ("a b 1 2\n", "line 1: 'a b 1 2' is not two words"),
    ],
)
def test_what_is_no_file_of_pairs(tmp_path, text, sentence):
    with pytest.raises(UserError, match=sentence):
        read_pairs(write(tmp_path / "pairs.txt", text))


def test_what_files_of_analogies_hold(tmp_path):
    text = "a b c d\n: capitals of\ne f g h\n"
    assert read_questions(write(tmp_path / "a.txt", text)) == [
        Question("", "a", "b", "c", "d"),
        Question("capitals of", "e", "f", "g", "h"),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (": only a name\n", "has no analogies"),
        ("a b c d\ne f g\n", "has an answer to some analogies and none to others"),
        ("a b\n", "line 1: 'a b' is not three words"),
        ("a b c d e\n", "line 1: 'a b c d e' is not three words"),
    ],
)
def test_what_is_no_file_of_analogies(tmp_path, text, sentence):
    with pytest.raises(UserError, match=sentence):
        read_questions(write(tmp_path / "questions.txt", text))


def test_tests_that_cannot_be_made(folder, tmp_path):
    vectors = KeyedVectors.load(folder)
    with pytest.raises(UserError, match="has 1 pairs, and 0 of which the vectors know both words"):
        vectors.evaluate_word_pairs(write(tmp_path / "a.txt", "x y 1\n"))
    with pytest.raises(UserError, match="no number behind the words"):
        vectors.evaluate_word_pairs(write(tmp_path / "b.txt", "x y\n"))
    with pytest.raises(UserError, match="has 1 analogies, and none of which the vectors know all words"):
        vectors.evaluate_analogies(write(tmp_path / "c.txt", "a b c d\n"))
    with pytest.raises(UserError, match="has no answers"):
        vectors.evaluate_analogies(write(tmp_path / "d.txt", "a b c\n"))
    for evaluate in (vectors.evaluate_word_pairs, vectors.evaluate_analogies):
        with pytest.raises(UserError, match="restrict_vocab is 0"):
            evaluate(write(tmp_path / "e.txt", "a b c d" if "anal" in str(evaluate) else "a b 1"), restrict_vocab=0)
        with pytest.raises(UserError, match="unseen is 'no'"):
            evaluate(tmp_path / "e.txt", unseen="no")


def test_pairs_with_words_of_ngrams(tmp_path):
    import numpy as np

    table = np.eye(3, dtype=np.float32)
    vectors = KeyedVectors(["a", "b", "c"], table, str.lower, lambda word: table[0] if word.startswith("a") else None)
    pairs = write(tmp_path / "pairs.txt", "a b 1\naaa a 9\nb zzz 3\nb c 2\n")
    assert vectors.evaluate_word_pairs(pairs)[2:] == (2, 2)
    assert vectors.evaluate_word_pairs(pairs, unseen="compose")[2:] == (3, 1)
    assert vectors.evaluate_word_pairs(pairs, unseen="zero")[2:] == (4, 2)
    assert vectors.evaluate_word_pairs(pairs, unseen="compose").pearson > 0.9

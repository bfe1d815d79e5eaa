"""The same answers as gensim gives, and vectors from there and to there."""

from pathlib import Path

import numpy as np
import pytest

from wordemb_hf.errors import UserError
from wordemb_hf.vectors import KeyedVectors

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
gensim_models = pytest.importorskip("gensim.models", reason="gensim is not installed")

# Words with capitals twice, as files of real vectors have them.
STEMS = [f"word{index}" for index in range(300)]
WORDS = [form for stem in STEMS for form in ((stem, stem.title()) if stem.endswith(("3", "7")) else (stem,))]


@pytest.fixture(scope="module")
def ours():
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((len(WORDS), 12)) * rng.uniform(0.5, 3, (len(WORDS), 1))
    # The second of every four words differs from the first as the fourth from the third: some analogies are solved.
    matrix[3::4] = (
        matrix[1::4][: len(matrix[3::4])] - matrix[0::4][: len(matrix[3::4])] + matrix[2::4][: len(matrix[3::4])]
    )
    return KeyedVectors(WORDS, matrix.astype(np.float32))


@pytest.fixture(scope="module")
def theirs(ours):
    return ours.to_gensim()


def same(found, wanted):
    assert [word for word, _ in found] == [word for word, _ in wanted]
    assert [score for _, score in found] == pytest.approx([score for _, score in wanted], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("restrict", [None, 100])
def test_nearest(ours, theirs, restrict):
    for word in WORDS[:40]:
        same(
            ours.nearest(word, 12, restrict_vocab=restrict), theirs.most_similar(word, topn=12, restrict_vocab=restrict)
        )
    for near, word in zip(ours.nearest_each(WORDS, 5, restrict), WORDS, strict=True):
        same(near, theirs.most_similar(word, topn=5, restrict_vocab=restrict))


def test_positive_and_negative(ours, theirs):
    for one, two, three in zip(WORDS[::3], WORDS[1::3], WORDS[2::3], strict=False):
        asked = {"positive": [one, (two, 0.3)], "negative": [three]}
        same(ours.nearest(top=9, **asked), theirs.most_similar(topn=9, **asked))
        same(ours.nearest(top=9, negative=one), theirs.most_similar(topn=9, negative=[one]))


def test_analogies(ours, theirs):
    for a, b, c in zip(WORDS[::3], WORDS[1::3], WORDS[2::3], strict=False):
        same(ours.analogy(a, b, c), theirs.most_similar(positive=[b, c], negative=[a]))
        same(ours.analogy(a, b, c, "3cosmul"), theirs.most_similar_cosmul(positive=[b, c], negative=[a]))


def test_the_odd_one_out_ranks_and_similarities(ours, theirs):
    rng = np.random.default_rng(1)
    for _ in range(50):
        words = rng.choice(WORDS, 5, replace=False).tolist()
        assert ours.doesnt_match(words) == theirs.doesnt_match(words)
        one, other = words[:2]
        assert ours.rank(one, other) == theirs.rank(one, other)
        assert ours.closer_than(one, other) == theirs.closer_than(one, other)
        assert ours.similarity(one, other) == pytest.approx(theirs.similarity(one, other), abs=1e-6)


@pytest.mark.parametrize("ignore_case", [True, False])
@pytest.mark.parametrize("restrict", [300_000, 120])
@pytest.mark.parametrize("unseen", ["skip", "zero"])
def test_evaluation(ours, theirs, ignore_case, restrict, unseen, tmp_path):
    rng, pairs, questions = np.random.default_rng(2), tmp_path / "pairs.txt", tmp_path / "questions.txt"
    cased = [word.upper() if index % 9 == 0 else word for index, word in enumerate(WORDS)] + ["none"] * 9
    rows = [(*rng.choice(cased, 2, replace=False), rng.uniform(0, 10)) for _ in range(300)]
    pairs.write_text("# a comment\n" + "".join(f"{one}\t{other}\t{value:.2f}\n" for one, other, value in rows))
    planted = [" ".join(WORDS[first : first + 4]) for first in range(0, 320, 4)]
    drawn = [" ".join(rng.choice(cased, 4, replace=False)) for _ in range(40)]
    questions.write_text("\n".join([": planted", *planted, ": drawn", *drawn]) + "\n")
    how = {"restrict_vocab": restrict, "case_insensitive": ignore_case, "dummy4unknown": unseen == "zero"}

    found = ours.evaluate_word_pairs(pairs, restrict_vocab=restrict, ignore_case=ignore_case, unseen=unseen)
    pearson, spearman, missing = theirs.evaluate_word_pairs(str(pairs), **how)
    assert (found.pearson, found.spearman) == pytest.approx((pearson.statistic, spearman.statistic), abs=1e-5)
    assert 100 * found.missing / 300 == pytest.approx(missing)

    answered = ours.evaluate_analogies(questions, restrict_vocab=restrict, ignore_case=ignore_case, unseen=unseen)
    accuracy, sections = theirs.evaluate_word_analogies(str(questions), **how)
    assert answered.accuracy == pytest.approx(accuracy) and 0 < answered.right < answered.asked
    for section in sections[:-1]:
        right, asked = len(section["correct"]), len(section["correct"]) + len(section["incorrect"])
        if asked:
            assert answered.sections[section["section"]][1:] == (right, asked)


def test_there_and_back(ours, theirs):
    back = KeyedVectors.from_gensim(theirs)
    assert back.words == ours.words
    np.testing.assert_array_equal(back.matrix, ours.matrix)
    assert back.matrix is theirs.vectors  # not a copy
    more = ours.to_gensim()
    more.add_vectors(["new"], np.ones((1, 12)))  # gensim goes on with what it was given
    assert more.most_similar("new")[0][0] in WORDS and more.get_index("new") == len(WORDS)
    assert len(ours) == len(WORDS)


def test_from_models_of_gensim():
    texts = [["one", "two", "three", "four"], ["one", "three", "two", "five"]] * 10
    model = gensim_models.Word2Vec(texts, vector_size=8, min_count=1, workers=1, epochs=1)
    same(KeyedVectors.from_gensim(model).nearest("one", 4), model.wv.most_similar("one", topn=4))
    model = gensim_models.FastText(texts, vector_size=8, min_count=1, workers=1, epochs=1, bucket=100)
    vectors = KeyedVectors.from_gensim(model)
    assert "threefold" not in vectors
    np.testing.assert_array_equal(vectors["threefold"], model.wv["threefold"])
    same(vectors.nearest("threefold", 3), model.wv.most_similar("threefold", topn=3))


def test_what_is_not_gensims():
    with pytest.raises(UserError, match="dict is no KeyedVectors of gensim"):
        KeyedVectors.from_gensim({})


@pytest.mark.skipif(not (DATA / "vec_gensim").is_dir(), reason="shared/data/vec_gensim is not there")
def test_real_vectors():
    theirs = gensim_models.KeyedVectors.load_word2vec_format(DATA / "vec_gensim" / "word2vec_pre_kv_c", binary=False)
    ours = KeyedVectors.from_gensim(theirs)
    for near, word in zip(ours.nearest_each(ours.words, 10), ours.words, strict=True):
        wanted = theirs.most_similar(word, topn=10)
        assert [score for _, score in near] == pytest.approx([score for _, score in wanted], abs=1e-5)
        assert len({word for word, _ in near} & {word for word, _ in wanted}) >= 9  # but for ties

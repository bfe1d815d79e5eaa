"""Whole tables of vectors: what a change keeps, what it costs, and what is refused."""

import numpy as np
import pytest

from wordemb_hf.errors import UserError
from wordemb_hf.vectors import KeyedVectors
from wordemb_hf.vectors.operations import align, compare, merge, quantize, reduce_dimensions, trim

WORDS = [f"word{row}" for row in range(900)]


@pytest.fixture(scope="module")
def vectors():
    """Of eight dimensions that tell something, in a space of 24, with a mean and one direction that all share."""
    rng = np.random.default_rng(0)
    meaning = rng.standard_normal((900, 8)) @ rng.standard_normal((8, 24))
    shared = 20 * rng.standard_normal((900, 1)) @ rng.standard_normal((1, 24)) + 5
    return KeyedVectors(WORDS, (meaning + shared).astype(np.float32)), KeyedVectors(WORDS, meaning.astype(np.float32))


def test_fewer_dimensions_and_nothing_in_common(vectors):
    given, meaning = vectors
    assert compare(given, given) == (1.0, 0.0)
    reduced = reduce_dimensions(given, 8, removed=1)
    assert reduced.matrix.shape == (900, 8)
    assert compare(meaning, reduced).neighbors > compare(meaning, given).neighbors + 0.3
    centred = KeyedVectors(WORDS, meaning.matrix - meaning.matrix.mean(0))
    assert compare(centred, reduce_dimensions(meaning, 8)).neighbors > 0.99  # eight are all there are
    same = reduce_dimensions(given, 24, removed=1)
    np.testing.assert_allclose(same.matrix.mean(0), 0, atol=1e-3)
    assert compare(same, reduced).neighbors > 0.99


@pytest.mark.parametrize(("precision", "size", "kept"), [("int8", 0.35, 0.9), ("binary", 0.08, 0.2)])
def test_fewer_bits(vectors, precision, size, kept):
    _, meaning = vectors
    codes, loss = quantize(meaning, precision)
    assert codes.nbytes < size * meaning.matrix.nbytes
    assert kept < loss.neighbors < 1 and loss == compare(meaning, codes.restored())
    restored = codes.restored().matrix
    if precision == "int8":
        np.testing.assert_allclose(restored, meaning.matrix, atol=np.abs(meaning.matrix).max() / 200)
    else:
        np.testing.assert_array_equal(restored > 0, meaning.matrix > 0)


def test_fewer_words(vectors):
    given, _ = vectors
    np.testing.assert_array_equal(trim(given, 5).matrix, given.matrix[:5])
    assert trim(given, ["word7", "word3", "no", "word7"]).words == ["word3", "word7"]
    assert len(trim(given, 10_000)) == 900


def test_a_turned_space_is_turned_back(vectors):
    _, meaning = vectors
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((24, 24)))[0]
    noise = 1e-3 * np.random.default_rng(2).standard_normal((900, 24))
    turned = KeyedVectors([f"mot{row}" for row in range(900)], ((meaning.matrix + noise) @ turn).astype(np.float32))
    dictionary = [(f"mot{row}", f"word{row}") for row in range(0, 900, 10)]
    aligned = align(turned, meaning, dictionary)
    np.testing.assert_allclose(aligned.matrix, meaning.matrix, atol=0.1)
    assert meaning.nearest(aligned["mot5"], 1)[0][0] == "word5"


def test_two_tables_made_one(vectors):
    _, meaning = vectors
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((24, 24)))[0]
    first = trim(meaning, 600)
    second = KeyedVectors(WORDS[300:], (meaning.matrix[300:] @ turn).astype(np.float32))
    merged = merge(first, second)
    assert merged.words == WORDS
    np.testing.assert_array_equal(merged.matrix[:600], meaning.matrix[:600])
    np.testing.assert_allclose(merged.matrix[600:], meaning.matrix[600:], atol=1e-2)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda v: reduce_dimensions(v, 25), "width is 25, but must be from 1 to the present one, 24"),
        (lambda v: reduce_dimensions(v, 0), "width is 0"),
        (lambda v: reduce_dimensions(v, 3, removed=24), "removed is 24"),
        (lambda v: reduce_dimensions(v, 20, removed=10), "width 20 and 10 removed are more than"),
        (lambda v: quantize(v, "int4"), "precision is 'int4', but must be int8 or binary"),
        (lambda v: trim(v, 0), "words is 0"),
        (lambda v: trim(v, ["no"]), "none of the 1 words has a vector"),
        (lambda v: align(v, KeyedVectors(["a"], np.ones((1, 3)))), "width 24 and 3, but must have the same"),
        (lambda v: align(v, trim(v, 9)), "9 pairs of words are known, and 24 are needed"),
        (lambda v: compare(v, trim(v, 3)), "3 words in common"),
    ],
)
def test_what_is_refused(vectors, change, sentence):
    with pytest.raises(UserError, match=sentence):
        change(vectors[0])

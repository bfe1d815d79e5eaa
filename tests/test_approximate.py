"""The approximate index finds what exact search finds, nearly always."""

import numpy as np
import pytest

from wordemb_hf.errors import UserError
from wordemb_hf.vectors import KeyedVectors
from wordemb_hf.vectors.approximate import ApproximateIndex


@pytest.fixture(scope="module")
def vectors():
    """Of 40 kinds, as words are."""
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((40, 16)).repeat(50, 0) + rng.standard_normal((2000, 16))
    return KeyedVectors([f"word{row}" for row in range(2000)], matrix.astype(np.float32))


def test_nearly_all_neighbors_are_found(vectors):
    pytest.importorskip("faiss", reason="faiss is not installed")
    index, asked = ApproximateIndex(vectors), vectors.words[::7]
    found, exact = index.nearest_each(asked), vectors.nearest_each(asked)
    shared = [len(dict(one).keys() & dict(other).keys()) for one, other in zip(found, exact, strict=True)]
    assert np.mean(shared) > 9.5 and {len(near) for near in found} == {10}
    assert found[0][0][1] == pytest.approx(exact[0][0][1], abs=1e-5)
    assert not any(word in dict(near) for word, near in zip(asked, found, strict=True))
    assert index.nearest_each([]) == []
    assert index.nearest_each([vectors["word3"]], 1)[0][0][0] == "word3"
    assert len(index.nearest_each(["word1"], 2500)[0]) <= 1999
    for refused, sentence in (
        (lambda: index.nearest_each(["x"]), "the word 'x' is not"),
        (lambda: index.nearest_each(["word1"], 0), "top is 0"),
        (lambda: ApproximateIndex(vectors, links=1), "links is 1, but must be at least 2"),
    ):
        with pytest.raises(UserError, match=sentence):
            refused()


def test_without_faiss(vectors):
    try:
        import faiss  # noqa: F401
    except ImportError:
        with pytest.raises(UserError, match="an approximate index needs faiss"):
            ApproximateIndex(vectors)
    else:
        pytest.skip("faiss is installed")

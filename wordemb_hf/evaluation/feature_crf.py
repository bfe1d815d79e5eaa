"""A linear-chain CRF on features of words, the classical tagger (Lafferty et al. 2001), by CRFsuite.

The features of a word: itself, its beginnings and ends, its shape, and the words and pairs of words around it. They
suit words and Chinese characters alike. CRFsuite is the extra `crf`.
"""

import importlib.util
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..errors import UserError

ITERATIONS = 100


def has_crfsuite() -> bool:
    """Whether CRFsuite is installed."""
    return importlib.util.find_spec("pycrfsuite") is not None


class FeatureCRF:
    """A fitted CRF on features of words.

    Args:
        tokens: the words of the sentences to learn from.
        tags: their tags.

    Raises:
        UserError: without CRFsuite.
    """

    def __init__(self, tokens: Sequence[Sequence[str]], tags: Sequence[Sequence[str]]):
        if not has_crfsuite():
            raise UserError("a CRF on features needs the extra `crf`: pip install python-crfsuite")
        import pycrfsuite

        settings = {"c1": 0.1, "c2": 0.01, "max_iterations": ITERATIONS}
        trainer = pycrfsuite.Trainer(algorithm="lbfgs", params=settings, verbose=False)
        for words, row in zip(tokens, tags, strict=True):
            trainer.append(features_of(words), list(row))
        with tempfile.TemporaryDirectory() as folder:  # CRFsuite writes to a file only
            trainer.train(str(Path(folder) / "crf"))
            self.model = (Path(folder) / "crf").read_bytes()
        self._tagger = pycrfsuite.Tagger()
        self._tagger.open_inmemory(self.model)

    def tag(self, tokens: Sequence[str]) -> list[str]:
        """The tags of a sentence's words."""
        return self._tagger.tag(features_of(tokens))

    @property
    def num_parameters(self) -> int:
        """Weights of features and of pairs of tags that are not zero."""
        info = self._tagger.info()
        return len(info.state_features) + len(info.transitions)


def features_of(tokens: Sequence[str]) -> list[list[str]]:
    """The features of each word of a sentence, as names."""
    words = ["<s>", "<s>", *(token.lower() for token in tokens), "</s>", "</s>"]
    rows = []
    for place, token in enumerate(tokens, 2):
        word = words[place]
        row = ["bias", f"0={word}", f"shape={_shape(token)}"]
        row += [f"{offset}={words[place + offset]}" for offset in (-2, -1, 1, 2)]
        row += [f"{offset}|={words[place + offset]}|{words[place + offset + 1]}" for offset in (-2, -1, 0, 1)]
        row += [f"begins={word[:size]}" for size in (1, 2, 3) if len(word) > size]
        row += [f"ends={word[-size:]}" for size in (1, 2, 3) if len(word) > size]
        rows.append(row)
    return rows


def _shape(token: str) -> str:
    """`Xx` for London, `d` for 1984, `d-x` for 3-year: kinds of characters, each once in a row."""
    kinds = ("X" if c.isupper() else "x" if c.isalpha() else "d" if c.isdigit() else c for c in token[:20])
    shape = ""
    for kind in kinds:
        shape += kind if not shape.endswith(kind) else ""
    return shape

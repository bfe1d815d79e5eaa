"""Words and their vectors out of a model folder, without the model and without the tokenizers library's table of words.

That library takes seconds and some 650 MB for two million words; here its share is what is done to a word before it is
looked up.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import UserError
from ..segmentation.chinese_words import is_segmenter, unmarked
from .ngram_vectors import NgramVectors
from .tensor_file import TensorFile

# Every family keeps its word vectors under this name, alone or inside a head's backbone.
_WEIGHT = "word_embeddings.weight"


class FolderVectors(NamedTuple):
    """What a folder holds: see the arguments of `KeyedVectors`."""

    words: list[str]
    matrix: np.ndarray
    normalize: Callable[[str], str]
    compose: Callable[[str], np.ndarray | None]


def read_folder(folder: Path) -> FolderVectors:
    """Read the word vectors of any model folder of this package with a tokenizer of words, characters or pieces.

    Raises:
        UserError: when a file is missing or does not fit.
    """
    from safetensors import SafetensorError

    for name in ("tokenizer.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise UserError(f"{folder} is no folder of word vectors: it has no {name}")
    try:
        content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        words, ids = _words(content)
        normalize = _normalizer(content)
    except Exception as error:  # the tokenizers library raises bare Exceptions
        raise UserError(f"{folder / 'tokenizer.json'} is no tokenizer of words or characters: {error}") from error
    try:
        weights = TensorFile(folder / "model.safetensors")
        names = [name for name in weights.names if name.split(".", 1)[-1] == _WEIGHT or name == _WEIGHT]
        if not names:
            raise UserError(f"{folder / 'model.safetensors'} holds no {_WEIGHT}")
        count = len(weights[names[0]])
        if len(ids) and (int(ids.min()) < 0 or int(ids.max()) >= count):
            raise UserError(f"{folder}: the tokenizer has words up to {ids.max()}, but there are {count} vectors")
        # Words that follow one another, as they do unless special tokens stand between them, stay on disk.
        follow = len(ids) > 0 and bool((np.diff(ids) == 1).all())
        matrix = weights.floats(names[0], slice(int(ids[0]), int(ids[-1]) + 1) if follow else ids)
        ngrams = NgramVectors.of(folder, weights)
        if ngrams is not None:
            matrix = ngrams.known_words(matrix, ids)
    except (SafetensorError, TypeError, OSError, IndexError) as error:
        raise UserError(f"{folder / 'model.safetensors'} cannot be read: {error}") from error
    except (KeyError, json.JSONDecodeError) as error:
        raise UserError(f"{folder / 'config.json'} does not say which n-grams a word has: {error}") from error
    return FolderVectors(words, matrix, normalize, (lambda word: None) if ngrams is None else ngrams.unseen_word)


def _words(content: Any) -> tuple[list[str], np.ndarray]:
    """The words of a tokenizer.json in the order of their ids, without special tokens, and the ids int64 `(words,)`."""
    vocabulary = content["model"]["vocab"]
    if isinstance(vocabulary, list):  # of a Unigram model: pieces and their scores
        vocabulary = {piece: index for index, (piece, _) in enumerate(vocabulary)}
    special = {int(token["id"]) for token in content["added_tokens"]}
    # Which word has a number, and not the number of each word: one table of words is enough.
    numbered = {int(index): word for word, index in vocabulary.items()}
    ids = sorted(numbered.keys() - special)
    spelled = unmarked if is_segmenter(content) else str
    return [spelled(numbered[index]) for index in ids], np.array(ids, np.int64)


def _normalizer(content: Any) -> Callable[[str], str]:
    """What is done to a word before it is looked up, such as lower-casing."""
    from tokenizers import Tokenizer

    if not content.get("normalizer"):
        return str
    blank = {"version": "1.0", "added_tokens": [], "normalizer": content["normalizer"]}
    blank["model"] = {"type": "WordLevel", "vocab": {}, "unk_token": ""}
    change: Callable[[str], str] = Tokenizer.from_str(json.dumps(blank)).normalizer.normalize_str
    spelled = unmarked if is_segmenter(content) else str

    def normalize(word: str) -> str:
        try:
            return spelled(change(word))
        except UnicodeEncodeError:  # half of a surrogate pair, which is in no vocabulary
            return word

    return normalize

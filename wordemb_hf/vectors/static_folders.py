"""Folders of static vectors: this package's own, model2vec's, and sentence-transformers' StaticEmbedding.

    ours                    config.json of a wordemb_ type, tokenizer.json, model.safetensors with word_embeddings
    model2vec               config.json of type model2vec, tokenizer.json, model.safetensors with embeddings
                            (perhaps weights and mapping, by which the vectors of several tokens are one)
    sentence-transformers   modules.json that begins with StaticEmbedding; tokenizer.json and model.safetensors with
                            embedding.weight in the folder of that module

Words are the tokens of the tokenizer, but for special ones.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..folders import new_folder
from ..messages import translate
from ..segmentation.chinese_words import is_segmenter, unmarked
from .matrices import MatrixBuilder
from .word_table import END_OF_LINE, Classifier, NgramRows, WordTable

_OURS = "word_embeddings.weight"
_NGRAMS = "ngram_embeddings.weight"
_ROWS = 4096
_MAX_JSON = 1 << 30
PAD, UNK = "<pad>", "<unk>"


def is_folder(path: Path) -> bool:
    """Whether it is a folder of one of these kinds."""
    return path.is_dir() and any((path / name).is_file() for name in ("config.json", "modules.json"))


def read(path: Path, limit: int | None = None, target: Path | None = None, progress: bool = False) -> WordTable:
    """Read such a folder; the arguments are those of `text_vectors.read`, and there is no bar.

    Raises:
        UserError: when a file is missing, damaged, or does not fit the others.
    """
    from safetensors import SafetensorError, safe_open

    config = _json(path / "config.json") if (path / "config.json").is_file() else {}
    inside = path
    if (path / "modules.json").is_file():
        modules = _json(path / "modules.json")
        first = modules[0] if isinstance(modules, list) and modules and isinstance(modules[0], dict) else {}
        if str(first.get("type")).endswith("StaticEmbedding"):
            inside = path / str(first.get("path", ""))
            if not inside.resolve().is_relative_to(path.resolve()):
                raise UserError(f"{path / 'modules.json'} leads out of the folder")
    for name in ("tokenizer.json", "model.safetensors"):
        if not (inside / name).is_file():
            raise UserError(f"{inside} is no folder of word vectors: it has no {name}")
    vocabulary, special, lowercase = _vocabulary(inside / "tokenizer.json")
    weights_file = inside / "model.safetensors"
    try:
        with safe_open(weights_file, framework="numpy") as weights:
            name = _table_name(weights, weights_file)
            rows = weights.get_slice(name).get_shape()[0]
            mapping, factors = (
                weights.get_tensor(beside) if name == "embeddings" and beside in weights.keys() else None  # noqa: SIM118
                for beside in ("mapping", "weights")
            )
            kept = {PAD, UNK, *special} - {END_OF_LINE}
            tokens = [(index, token) for token, index in vocabulary.items() if token not in kept]
            tokens = sorted(tokens)[:limit]
            ids = np.array([index for index, _ in tokens], np.int64)
            if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < len(rows_of(mapping, rows)):
                raise UserError(f"{path}: the tokenizer has ids up to {int(ids.max())}, but there are {rows} vectors")
            words = [token for _, token in tokens]
            places = ids if mapping is None else _checked(mapping, rows, weights_file)[ids]
            ngrams = _ngrams(weights, name, config, ids) if name.endswith(_OURS) else None
            classifier = _classifier(weights, config) if name.endswith(_OURS) else None
            builder = MatrixBuilder(weights.get_slice(name).get_shape()[1], max(len(words), 1), target)
            if ngrams is not None:
                own = np.asarray(ngrams.own)
                _compose_kept(weights, name, own, ngrams, ids, builder)
            else:
                _gather(weights.get_slice(name), places, factors, ids, builder)
            counts = _counts(weights, ids)
    except UserError:
        raise
    except (SafetensorError, OSError, TypeError, KeyError, IndexError, ValueError) as error:
        raise UserError(f"{weights_file} cannot be read: {next(iter(str(error).splitlines()), 'damaged')}") from error
    table = WordTable(words, builder.close(), counts, ngrams, classifier, lowercase)
    return table.check(path)


def rows_of(mapping: np.ndarray | None, rows: int) -> range:
    """The rows that ids may have."""
    return range(rows if mapping is None else len(mapping))


def _json(path: Path) -> Any:
    if path.stat().st_size > _MAX_JSON:
        raise UserError(f"{path} is longer than {_MAX_JSON:,} bytes")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON: {error}") from error


def _vocabulary(path: Path) -> tuple[dict[str, int], set[str], bool]:
    """Ids by token, which tokens are special, and whether text is put into lower case."""
    content = _json(path)
    try:
        found = content["model"]["vocab"]
        if isinstance(found, list):  # of type Unigram: tokens and their probabilities
            found = {token: index for index, (token, _) in enumerate(found)}
        spelled = unmarked if is_segmenter(content) else str
        vocabulary = {spelled(str(token)): int(index) for token, index in found.items()}
        special = {str(token["content"]) for token in content.get("added_tokens") or [] if token.get("special")}
        normalizer = json.dumps(content.get("normalizer"))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path} is no tokenizer with a vocabulary: {error}") from error
    return vocabulary, special, '"Lowercase"' in normalizer or '"lowercase": true' in normalizer


def _table_name(weights: Any, path: Path) -> str:
    names = list(weights.keys())
    for wanted in ("embeddings", "embedding.weight", _OURS):
        for name in names:
            if (name == wanted or (wanted == _OURS and name.split(".", 1)[-1] == wanted)) and (
                len(weights.get_slice(name).get_shape()) == 2
            ):
                return name
    raise UserError(f"{path} holds no word vectors: no tensor is named {_OURS}, embedding.weight or embeddings")


def _checked(mapping: np.ndarray, rows: int, path: Path) -> np.ndarray:
    if (
        mapping.ndim != 1
        or mapping.dtype.kind not in "iu"
        or (len(mapping) and not 0 <= mapping.min() <= mapping.max() < rows)
    ):
        raise UserError(f"{path}: the mapping of tokens does not fit {rows} vectors")
    return mapping.astype(np.int64)


def _gather(
    tensor: Any, places: np.ndarray, factors: np.ndarray | None, ids: np.ndarray, builder: MatrixBuilder
) -> None:
    """The rows of words; where they follow each other, without the whole table in memory."""
    consecutive = len(places) < 2 or bool((np.diff(places) == 1).all())
    whole = None if consecutive else tensor[:]
    for start in range(0, len(places), _ROWS):
        part = places[start : start + _ROWS]
        block = np.asarray(tensor[int(part[0]) : int(part[-1]) + 1] if whole is None else whole[part], np.float32)
        if factors is not None:
            block = block * np.asarray(factors, np.float32)[ids[start : start + _ROWS], None]
        if not np.isfinite(block).all():
            raise UserError("the vectors hold what is no finite number")
        builder.append(block)


def _ngrams(weights: Any, name: str, config: dict[str, Any], ids: np.ndarray) -> NgramRows | None:
    prefix = name.removesuffix(_OURS)
    if prefix + _NGRAMS not in weights.keys():  # noqa: SIM118
        return None
    own = np.asarray(weights.get_tensor(name), np.float32)[ids]
    buckets = np.asarray(weights.get_tensor(prefix + _NGRAMS), np.float32)[1:]
    return NgramRows(own, buckets, int(config["min_ngram"]), int(config["max_ngram"]))


def _compose_kept(
    weights: Any, name: str, own: np.ndarray, ngrams: NgramRows, ids: np.ndarray, builder: MatrixBuilder
) -> None:
    """Vectors by the n-grams that the folder says each word has, which for a very long word are not all."""
    lists = weights.get_tensor(f"{name.removesuffix(_OURS)}word_ngrams")  # (vocab_size, max_ngrams), 0 for none
    for start in range(0, len(ids), 1024):
        part = lists[ids[start : start + 1024]]
        sums = own[start : start + 1024] + np.where(part[..., None] > 0, ngrams.buckets[part - 1], 0).sum(1)
        builder.append(sums / (1 + np.count_nonzero(part, axis=1, keepdims=True)).astype(np.float32))


def _counts(weights: Any, ids: np.ndarray) -> np.ndarray | None:
    if "word_counts" not in weights.keys():  # noqa: SIM118
        return None
    return np.asarray(weights.get_tensor("word_counts"), np.int64)[ids]


def _classifier(weights: Any, config: dict[str, Any]) -> Classifier | None:
    """The classifier of a folder that was made from fastText's; others have a bias, which fastText does not know."""
    if "classifier.weight" not in weights.keys() or config.get("pooling") != "rows":  # noqa: SIM118
        return None
    weight = np.asarray(weights.get_tensor("classifier.weight"), np.float32)
    if np.asarray(weights.get_tensor("classifier.bias")).any():
        return None
    id2label = config["id2label"]
    labels = [str(id2label[str(index)]) for index in range(len(weight))]
    activation = "sigmoid" if config.get("problem_type") == "multi_label_classification" else "softmax"
    return Classifier(labels, [1] * len(labels), weight, activation, int(config.get("max_word_ngram", 1)))


def write_model2vec(table: WordTable, path: Path, tokenizer: str) -> None:
    """Write a folder that model2vec loads; `tokenizer` is the text of a tokenizer.json whose words begin at id 2."""
    config = {
        "model_type": "model2vec",
        "architectures": ["StaticModel"],
        "tokenizer_name": path.name,
        "apply_pca": None,
        "apply_zipf": None,
        "hidden_dim": table.width,
        "seq_length": 1_000_000,
        "normalize": False,
    }
    modules = [{"idx": 0, "name": "0", "path": ".", "type": "sentence_transformers.models.StaticEmbedding"}]

    def fill(folder: Path) -> None:
        (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
        (folder / "modules.json").write_text(json.dumps(modules, indent=2), encoding="utf-8")
        _save(table, folder, "embeddings", tokenizer)

    _write(table, path, fill)


def write_sentence_transformers(table: WordTable, path: Path, tokenizer: str) -> None:
    """Write a folder that `SentenceTransformer` loads; `tokenizer` as in `write_model2vec`."""
    inside = "0_StaticEmbedding"
    modules = [{"idx": 0, "name": "0", "path": inside, "type": "sentence_transformers.models.StaticEmbedding"}]
    settings = {"model_type": "SentenceTransformer", "prompts": {}, "similarity_fn_name": "cosine"}

    def fill(folder: Path) -> None:
        (folder / "modules.json").write_text(json.dumps(modules, indent=2), encoding="utf-8")
        (folder / "config_sentence_transformers.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")
        (folder / inside).mkdir()
        _save(table, folder / inside, "embedding.weight", tokenizer)

    _write(table, path, fill)


def _write(table: WordTable, path: Path, fill: Callable[[Path], None]) -> None:
    with new_folder(path) as folder:
        fill(folder)
    if table.ngrams is not None:
        table.notes.append(translate("The n-grams, which give vectors to unseen words, are left out."))


def _save(table: WordTable, folder: Path, name: str, tokenizer: str) -> None:
    from safetensors.numpy import save_file

    matrix = np.zeros((len(table.words) + 2, table.width), np.float32)
    matrix[2:] = table.matrix
    save_file({name: matrix}, folder / "model.safetensors")
    (folder / "tokenizer.json").write_text(tokenizer, encoding="utf-8")

"""New classifiers: their vocabulary, and the word vectors they start from."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UserError
from .families import embedding_width_field, make_config
from .vocabulary import build_tokenizer, extend_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from .vectors import KeyedVectors


def new_classifier(
    family: str, fields: dict[str, Any], labels: Sequence[str], texts: Sequence[str], **tokenizer_options: Any
) -> "tuple[PreTrainedModel, PreTrainedTokenizerFast]":
    """A classifier with random weights, and a tokenizer of the words of `texts`.

    Args:
        family: the name of a family.
        fields: fields of its config.
        labels: their names, in the order of their ids.
        texts: the training texts.
        tokenizer_options: what `build_tokenizer` takes.
    """
    tokenizer = build_tokenizer(texts, max_size=None, **tokenizer_options)
    return _classifier(family, fields, labels, len(tokenizer)), tokenizer


def classifier_from_vectors(
    family: str,
    fields: dict[str, Any],
    labels: Sequence[str],
    texts: Sequence[str],
    folder: Path,
    min_count: int,
    max_length: int,
) -> "tuple[PreTrainedModel, PreTrainedTokenizerFast]":
    """A classifier that starts from the word vectors in `folder`.

    Its tokenizer is the vectors' own, with the words of `texts` added: a text to come may hold a word that has a vector
    but no training text. A word without a vector keeps its random one, and all vectors are scaled by one factor to the
    size of these (Kim 2014, section 3.3, scales the random ones): what a vector says is its direction, while its length
    tells how long it was trained, and large ones hardly move.

    Raises:
        UserError: for a folder without vectors, or a width that is not theirs.
    """
    from transformers import PreTrainedTokenizerFast

    from .vectors import KeyedVectors

    vectors = KeyedVectors.from_folder(folder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, model_max_length=max_length)
    tokenizer = extend_tokenizer(tokenizer, texts, min_count=min_count)
    width = vectors.matrix.shape[1]
    field = embedding_width_field(make_config(family, **fields))
    if fields.get(field, width) != width:
        raise UserError(f"{field} is {fields[field]}, but the vectors in {folder} have width {width}: leave it out")
    classifier = _classifier(family, {**fields, field: width}, labels, len(tokenizer))
    _start_from(classifier, tokenizer, vectors)
    return classifier, tokenizer


def _classifier(family: str, fields: dict[str, Any], labels: Sequence[str], vocab_size: int) -> "PreTrainedModel":
    from transformers import AutoModelForSequenceClassification

    id2label = dict(enumerate(labels))
    label2id = {label: index for index, label in id2label.items()}
    config = make_config(family, **{**fields, "vocab_size": vocab_size, "id2label": id2label, "label2id": label2id})
    return AutoModelForSequenceClassification.from_config(config)


def _start_from(classifier: "PreTrainedModel", tokenizer: "PreTrainedTokenizerFast", vectors: "KeyedVectors") -> None:
    """Put the vectors into the rows of their words."""
    import torch

    backbone: Any = classifier.base_model
    table = backbone.get_input_embeddings().weight.detach().clone()  # (vocab_size, width)
    vocabulary = tokenizer.get_vocab()
    scale = table.std().item() / max(float(vectors.matrix.std()), 1e-12)
    table[[vocabulary[word] for word in vectors.words]] = torch.from_numpy(vectors.matrix * scale)
    table[tokenizer.pad_token_id] = 0.0
    if hasattr(backbone, "set_word_vectors"):
        backbone.set_word_vectors(table)
    else:
        with torch.no_grad():
            backbone.get_input_embeddings().weight.copy_(table)

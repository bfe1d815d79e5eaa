"""New models for a task: their vocabulary, the word vectors they start from, what they want to know of the texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UserError
from .families import characters_read, embedding_width_field, make_config, ngrams_read
from .vocabulary import build_tokenizer, extend_tokenizer, spelled_vocabulary, vocabulary_ngrams, vocabulary_spellings

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from .vectors import KeyedVectors


def new_model(
    auto_class: str,
    family: str,
    fields: dict[str, Any],
    labels: Sequence[str],
    texts: Sequence[str],
    given: "PreTrainedTokenizerFast | None" = None,
    **tokenizer_options: Any,
) -> "tuple[PreTrainedModel, PreTrainedTokenizerFast]":
    """A model with random weights, and a tokenizer of the words of `texts`.

    Args:
        auto_class: transformers' name for the task.
        family: the name of a family.
        fields: fields of its config.
        labels: their names, in the order of their ids.
        texts: the training texts.
        given: a tokenizer to take in place of a new one.
        tokenizer_options: what `build_tokenizer` takes.
    """
    config = make_config(family, **fields)
    if given is not None:
        given.model_max_length = tokenizer_options["max_length"]
        tokenizer = that_gives(given, config)
    else:
        tokenizer = build_tokenizer(
            texts,
            max_size=None,
            max_characters=characters_read(config),
            ngrams=ngrams_read(config),
            **tokenizer_options,
        )
    boundaries = boundaries_of(config, tokenizer)
    return _model(auto_class, family, {**fields, **boundaries}, labels, len(tokenizer)), tokenizer


def model_from_vectors(
    auto_class: str,
    family: str,
    fields: dict[str, Any],
    labels: Sequence[str],
    texts: Sequence[str],
    source: Path,
    min_count: int,
    max_length: int,
) -> "tuple[PreTrainedModel, PreTrainedTokenizerFast]":
    """A model that starts from the word vectors in `source`: a folder, a file of any format, or a name on the Hub.

    Its tokenizer is the vectors' own, with the words of `texts` added: a text to come may hold a word that has a vector
    but no training text. A word without a vector keeps its random one, and all vectors are scaled by one factor to the
    size of these (Kim 2014, section 3.3, scales the random ones): what a vector says is its direction, while its length
    tells how long it was trained, and large ones hardly move.

    Raises:
        UserError: for a family without word vectors, a source without any, or a width that is not theirs.
    """
    config = make_config(family, **fields)
    field = embedding_width_field(config)
    vectors, tokenizer = _vectors_and_tokenizer(source)
    tokenizer.model_max_length = max_length
    tokenizer = extend_tokenizer(tokenizer, texts, min_count=min_count)
    tokenizer = that_gives(tokenizer, config)
    width = vectors.matrix.shape[1]
    if fields.get(field, width) != width:
        raise UserError(f"{field} is {fields[field]}, but the vectors in {source} have width {width}: leave it out")
    boundaries = boundaries_of(config, tokenizer)
    model = _model(auto_class, family, {**fields, **boundaries, field: width}, labels, len(tokenizer))
    spell_vocabulary(model, tokenizer)  # before: a vector that is made of n-grams depends on which they are
    _start_from(model, tokenizer, vectors)
    return model, tokenizer


def _vectors_and_tokenizer(source: Path) -> "tuple[KeyedVectors, PreTrainedTokenizerFast]":
    """Word vectors of a model folder or any other source, and the tokenizer that finds their words in a text."""
    from transformers import PreTrainedTokenizerFast

    from .vectors import KeyedVectors

    if not source.exists() and len(source.parts) == 2 and not source.suffix:
        from .vectors.sources import downloaded

        source = downloaded(source.as_posix())
    if source.is_dir() and (source / "tokenizer.json").is_file() and (source / "config.json").is_file():
        vectors = KeyedVectors.from_folder(source)
        return vectors, PreTrainedTokenizerFast.from_pretrained(source)

    from .imported_vectors import tokenizer_of
    from .vectors.formats import read_vectors

    if not source.exists() and source.suffix == "":
        raise UserError(f"{source} is no folder of word vectors: it has no tokenizer.json")
    table = read_vectors(source)
    table.classifier = None
    tokenizer, rows = tokenizer_of(table)
    if len(rows) == len(table.words):
        return KeyedVectors(table.words, table.matrix, compose=table.compose), tokenizer
    words = [table.words[row] for row in rows]
    return KeyedVectors(words, table.matrix[rows], compose=table.compose), tokenizer


def fit_to_texts(model: "PreTrainedModel", tokenizer: Any, encoded: Any) -> None:
    """Tell a new model what it wants to know of its vocabulary and its training texts before it is trained.

    Args:
        model: a model that has just been made.
        tokenizer: its tokenizer.
        encoded: the training texts; `rows` are their ids, `labels` the classes of a classifier's, or numbers.
    """
    spell_vocabulary(model, tokenizer)
    if hasattr(model.base_model, "set_document_frequencies"):
        from .bag_of_words import fit_bag_of_words

        fit_bag_of_words(model, encoded.rows, None if model.config.problem_type == "regression" else encoded.labels)


def spell_vocabulary(model: "PreTrainedModel", tokenizer: Any) -> None:
    """Tell a model that reads characters or n-grams how the words of its vocabulary are spelled."""
    import torch

    backbone: Any = model.base_model
    if hasattr(backbone, "set_spellings") and hasattr(tokenizer, "spell_tokens"):
        backbone.set_spellings(torch.from_numpy(vocabulary_spellings(tokenizer)))
    if hasattr(backbone, "set_word_ngrams") and hasattr(tokenizer, "hash_tokens"):
        backbone.set_word_ngrams(torch.from_numpy(vocabulary_ngrams(tokenizer)))


def _model(
    auto_class: str, family: str, fields: dict[str, Any], labels: Sequence[str], vocab_size: int
) -> "PreTrainedModel":
    import transformers

    id2label = dict(enumerate(labels))
    label2id = {label: index for index, label in id2label.items()}
    config = make_config(family, **{**fields, "vocab_size": vocab_size, "id2label": id2label, "label2id": label2id})
    return getattr(transformers, auto_class).from_config(config)


def boundaries_of(config: Any, tokenizer: "PreTrainedTokenizerFast") -> dict[str, int | None]:
    """Fields for a family that puts words of its own around every text, which the tokenizer is then given."""
    if getattr(config, "bos_token_id", None) is None:
        return {}
    tokenizer.add_special_tokens({"bos_token": "<s>", "eos_token": "</s>"})
    boundaries = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    if config.is_encoder_decoder:
        end_with(tokenizer, "</s>")
        boundaries["decoder_start_token_id"] = tokenizer.bos_token_id
    return boundaries


def end_with(tokenizer: "PreTrainedTokenizerFast", token: str) -> None:
    """Put a special token behind every text: a writer must learn where to stop."""
    from tokenizers.processors import TemplateProcessing

    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"$A {token}", pair=f"$A {token} $B {token}", special_tokens=[(token, tokenizer.vocab[token])]
    )


def that_gives(tokenizer: "PreTrainedTokenizerFast", config: Any) -> "PreTrainedTokenizerFast":
    """The same tokenizer, but that it also gives the characters or n-grams that a model reads."""
    from transformers import PreTrainedTokenizerFast

    from .tokenization import CharWordTokenizer, NgramWordTokenizer

    settings: dict[str, Any] = {
        "model_max_length": tokenizer.model_max_length,
        "padding_side": tokenizer.padding_side,
        "clean_up_tokenization_spaces": False,
        **tokenizer.special_tokens_map,
    }
    backend, characters, ngrams = tokenizer.backend_tokenizer, characters_read(config), ngrams_read(config)
    if characters is not None:
        return CharWordTokenizer(tokenizer_object=backend, max_characters=characters, **settings)
    if ngrams is not None:
        return NgramWordTokenizer(tokenizer_object=backend, **ngrams._asdict(), **settings)
    if isinstance(tokenizer, NgramWordTokenizer):  # whose n-grams this model does not read
        names = ["input_ids", "attention_mask"]
        return PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=names, **settings)
    return tokenizer


def _start_from(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerFast", vectors: "KeyedVectors") -> None:
    """Put the vectors into the rows of their words."""
    import torch

    backbone: Any = model.base_model
    table = backbone.get_input_embeddings().weight.detach().clone()  # (vocab_size, width)
    vocabulary = spelled_vocabulary(tokenizer)
    scale = table.std().item() / max(float(vectors.matrix.std()), 1e-12)
    table[[vocabulary[word] for word in vectors.words]] = torch.from_numpy(vectors.matrix * scale)
    table[tokenizer.pad_token_id] = 0.0
    if hasattr(backbone, "set_word_vectors"):
        backbone.set_word_vectors(table)
    else:
        with torch.no_grad():
            backbone.get_input_embeddings().weight.copy_(table)

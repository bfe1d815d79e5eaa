"""New encoder–decoders whose encoder has been pre-trained: a `bilstm` or an `elmo` of words."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .errors import UserError
from .families import make_config
from .loading import loading, place_of
from .vocabulary import extend_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


def model_with_encoder(
    auto_class: str,
    family: str,
    fields: dict[str, Any],
    texts: Sequence[str],
    encoder: str,
    min_count: int,
    max_length: int,
) -> "tuple[PreTrainedModel, PreTrainedTokenizerFast]":
    """A model whose encoder, and word vectors, are those of the model in `encoder`; its tokenizer learns more words.

    Args:
        auto_class: transformers' name for the task.
        family: the name of a family.
        fields: fields of its config.
        texts: sources and targets: words of theirs that the encoder does not know get random vectors.
        encoder: folder or Hub name.
        min_count: words that occur less often stay unknown.
        max_length: where the tokenizer cuts.

    Raises:
        UserError: for a model that is none of these, or a field with another value than the encoder's.
    """
    import transformers

    from .new_models import boundaries_of

    if family != "attention_seq2seq":
        raise UserError(f"family is {family!r}, but only attention_seq2seq has an encoder to start from a model")
    tokenizer: Any
    with loading(encoder):
        name, options = place_of(encoder)
        trained = transformers.AutoModel.from_pretrained(name, **options)
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, **options)
    given = _fields_of(trained.config, encoder)
    for field, value in given.items():
        if fields.get(field, value) != value:
            raise UserError(f"{field} is {fields[field]}, but the encoder {encoder} has {value}: leave it out")
    fields = {**fields, **given}
    config = make_config(family, **fields)
    tokenizer.model_max_length = max_length
    tokenizer = extend_tokenizer(tokenizer, texts, min_count=min_count)
    fields |= boundaries_of(config, tokenizer)
    config = make_config(family, **{**fields, "vocab_size": len(tokenizer)})
    model = getattr(transformers, auto_class).from_config(config)
    _copy(trained, model.base_model.encoder)
    return model, tokenizer


def _fields_of(config: Any, encoder: str) -> dict[str, Any]:
    """The fields that make an encoder of the same shape."""
    if config.model_type == "wordemb_bilstm":
        if config.character_encoder != "none":
            raise UserError(f"{encoder} reads the spelling of words (character_encoder), and an encoder here does not")
        return {
            "encoder_type": "recurrent",
            "cell_type": "lstm",
            "bidirectional": True,
            "encoder_layers": config.num_hidden_layers,
            "embedding_size": config.embedding_size,
            "hidden_size": config.hidden_size,
        }
    if config.model_type == "wordemb_elmo":
        if config.token_input != "words":
            raise UserError(f"{encoder} reads characters (token_input), and an encoder here reads words")
        return {
            "encoder_type": "elmo",
            "encoder_layers": config.num_hidden_layers,
            "embedding_size": config.projection_size,
            "hidden_size": config.hidden_size,
            "encoder_cell_size": config.cell_size,
            "cell_clip": config.cell_clip,
            "projection_clip": config.projection_clip,
            "skip_connections": config.skip_connections,
        }
    kind = config.model_type.removeprefix("wordemb_")
    raise UserError(f"{encoder} is of the family {kind}, but an encoder can start from bilstm and elmo only")


def _copy(trained: Any, encoder: Any) -> None:
    """The weights of one into the other, under the same names; words that are new keep their random vectors."""
    import torch

    known = trained.word_embeddings.weight
    with torch.no_grad():
        encoder.word_embeddings.weight[: len(known)] = known
    for name in ("layers", "readings", "scalar_mix"):
        if hasattr(encoder, name):
            getattr(encoder, name).load_state_dict(getattr(trained, name).state_dict())

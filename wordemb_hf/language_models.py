"""Language models: their text as ids, their training, and their perplexity."""

from collections.abc import Iterable
from math import exp
from typing import Any, cast

import torch
import transformers
from accelerate import Accelerator
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

from .batching import BatchSource
from .checkpoints import Checkpoints
from .errors import UserError
from .families import PRETRAINING, PretrainingPreset, check_length, readable_length
from .indexing import encode_lines
from .loading import load_trained
from .model_outputs import mean_loss
from .new_models import spell_vocabulary
from .objectives.denoising import GappedTexts
from .objectives.masked import MaskedWords
from .objectives.pieces import TextPieces
from .objectives.sentences import WholeTexts
from .objectives.streams import TextStreams
from .token_ids import Ids
from .token_words import changeable
from .training import TrainingResult, TrainingSettings, train

EVALUATION_STREAMS = 8  # few: each of them begins without a past


def check_config(config: PreTrainedConfig, length: int) -> None:
    """Refuse settings of which no language model can be made for texts of `length`, before any text is read for it.

    Raises:
        UserError: with the sentence of the model.
    """
    preset = PRETRAINING[_family_of(config)]
    check_length(config, "length", length)
    try:
        with torch.device("meta"):
            getattr(transformers, preset.auto_class).from_config(config)
    except ValueError as error:
        raise UserError(str(error)) from error


def encode_text(tokenizer: PreTrainedTokenizerFast, texts: Iterable[str], preset: PretrainingPreset) -> Ids:
    """Text as a language model reads it: unknown words as such, and each line's end where the lines make a stream."""
    return encode_lines(tokenizer, texts, preset.objective == "causal_lm")


def new_language_model(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerFast, length: int) -> PreTrainedModel:
    """A language model of random weights.

    Args:
        config: of a family that `PRETRAINING` lists with an objective for language models.
        tokenizer: whose vocabulary it has.
        length: tokens of a piece that it will be trained on.
    """
    fields: Any = config
    fields.vocab_size = len(tokenizer)
    if hasattr(config, "eos_token_id"):
        # Where every line ends in the same token, a new one begins behind it.
        fields.eos_token_id = tokenizer.eos_token_id
        fields.bos_token_id = tokenizer.bos_token_id or tokenizer.eos_token_id
    if getattr(config, "position_type", "learned") != "learned":
        fields.max_position_embeddings = length  # it reads longer texts too, but has seen none
    if hasattr(config, "decoder_start_token_id"):
        fields.decoder_start_token_id = tokenizer.bos_token_id
    model = getattr(transformers, PRETRAINING[_family_of(config)].auto_class).from_config(config)
    spell_vocabulary(model, tokenizer)
    if model.can_generate():
        model.generation_config.suppress_tokens = never_written(tokenizer)
    if readable_length(config, 1 << 30) < 1 << 30:
        tokenizer.model_max_length = fields.max_position_embeddings
    return model


def load_language_model(model: str, family: str) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """A language model to go on with, and its tokenizer, whose vocabulary stays as it is.

    Raises:
        UserError: when there is none, or one of another family.
    """
    trained, tokenizer = load_trained(model, PRETRAINING[family].auto_class, "language model")
    if _family_of(trained.config) != family:
        raise UserError(f"family is {family}, but {model} is {_family_of(trained.config)}: give that as --family")
    return trained, cast(PreTrainedTokenizerFast, tokenizer)


def _family_of(config: PreTrainedConfig) -> str:
    return config.model_type.removeprefix("wordemb_")


def train_language_model(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    ids: Ids,
    dev: Ids | None,
    batch_size: int,
    length: int,
    settings: TrainingSettings,
    accelerator: Accelerator,
    whole_words: bool = False,
    checkpoints: Checkpoints | None = None,
) -> TrainingResult:
    """Train a language model in place.

    Args:
        model: new, or to go on with.
        tokenizer: whose ids they are.
        ids: the corpus.
        dev: text that tells which epoch's weights are best; `None` for the last one's.
        batch_size: texts, or streams of text, in a batch.
        length: tokens of a piece that gradients go through.
        settings: how to train.
        accelerator: where to train.
        whole_words: a masked language model hides all tokens of a word or none.
        checkpoints: where the training is kept; `None` for nowhere.
    """
    preset = PRETRAINING[_family_of(model.config)]
    processes = accelerator.num_processes
    source = _source(preset, ids, tokenizer, batch_size, length, processes, settings.seed, whole_words)
    evaluate = None
    if dev is not None:
        held_out = _source(preset, dev, tokenizer, EVALUATION_STREAMS, length, processes, None, whole_words)

        def evaluate(model: PreTrainedModel) -> dict[str, float]:
            return {f"eval_{name}": value for name, value in _figures(model, held_out, accelerator).items()}

    return train(model, source, settings, accelerator, evaluate, checkpoints=checkpoints)


def never_written(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Ids that would leave a gap in a text: `<unk>` and all special tokens but for the end."""
    return sorted(set(tokenizer.all_special_ids) - {tokenizer.eos_token_id})


def evaluate_language_model(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: Iterable[str], accelerator: Accelerator
) -> dict[str, float]:
    """`loss` and `perplexity` of a token, and how many tokens were predicted.

    Unknown words and, in a stream, line ends are tokens. A biLM's figures are means of both directions.
    """
    preset = PRETRAINING[_family_of(model.config)]
    ids = encode_text(tokenizer, texts, preset)
    streams = min(EVALUATION_STREAMS, max(len(ids.ids) // 1000, 1))
    length = getattr(model.config, "max_position_embeddings", preset.length)  # what it was trained on
    if getattr(model.config, "position_type", "") == "learned":
        length = min(length, preset.length)
    source = _source(preset, ids, tokenizer, streams, length, accelerator.num_processes, None)
    return _figures(model, source, accelerator)


def _source(
    preset: PretrainingPreset,
    ids: Ids,
    tokenizer: PreTrainedTokenizerFast,
    batch_size: int,
    length: int,
    processes: int,
    seed: int | None,
    whole_words: bool = False,
) -> BatchSource:
    if preset.objective == "causal_lm":
        if preset.carries_state:
            return TextStreams(ids.ids, batch_size, length, processes, seed)
        return TextPieces(ids.ids, batch_size, length, seed)
    pad, ends = tokenizer.pad_token_id, preset.objective == "bidirectional_lm"
    length -= preset.objective == "denoising"  # where a text ends is written as well
    texts = WholeTexts(ids.ids, ids.offsets, batch_size, max(length, 1), pad, ends, seed)
    if preset.objective == "masked_lm":
        return MaskedWords(texts, changeable(tokenizer), whole_words=whole_words, seed=seed or 0)
    if preset.objective == "denoising":
        return GappedTexts(texts, changeable(tokenizer), pad, tokenizer.eos_token_id, seed=seed or 0)
    return texts


def _figures(model: PreTrainedModel, source: BatchSource, accelerator: Accelerator) -> dict[str, float]:
    loss = mean_loss(model, source, accelerator)
    return {"loss": loss, "perplexity": exp(min(loss, 700.0))}

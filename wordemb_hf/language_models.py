"""Language models: their text as ids, their training, and their perplexity."""

from collections.abc import Iterable
from math import exp
from typing import Any

import torch
import transformers
from accelerate import Accelerator
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

from .batching import BatchSource
from .errors import UserError
from .families import PRETRAINING, PretrainingPreset
from .new_models import spell_vocabulary
from .objectives.sentences import WholeTexts
from .objectives.streams import TextStreams
from .training import TrainingResult, TrainingSettings, mean_loss, train
from .vocabulary import Ids, encode_corpus

EVALUATION_STREAMS = 8  # few: each of them begins without a past


def check_config(config: PreTrainedConfig) -> None:
    """Refuse settings of which no language model can be made, before any text is read for it.

    Raises:
        UserError: with the sentence of the model.
    """
    preset = PRETRAINING[config.model_type.removeprefix("wordemb_")]
    try:
        with torch.device("meta"):
            getattr(transformers, preset.auto_class).from_config(config)
    except ValueError as error:
        raise UserError(str(error)) from error


def encode_text(tokenizer: PreTrainedTokenizerFast, texts: Iterable[str], preset: PretrainingPreset) -> Ids:
    """Text as a language model reads it: unknown words as such, and each line's end where the lines make a stream."""
    if preset.objective == "causal_lm":
        texts = (f"{text}{tokenizer.eos_token}" for text in texts)
    return encode_corpus(tokenizer, texts, drop_unknown=False)


def train_language_model(
    config: PreTrainedConfig,
    tokenizer: PreTrainedTokenizerFast,
    ids: Ids,
    dev: Ids | None,
    batch_size: int,
    length: int,
    settings: TrainingSettings,
    accelerator: Accelerator,
) -> tuple[PreTrainedModel, TrainingResult]:
    """Train a language model.

    Args:
        config: of a family that `PRETRAINING` lists with an objective for language models.
        tokenizer: whose ids they are.
        ids: the corpus.
        dev: text that tells which epoch's weights are best; `None` for the last one's.
        batch_size: texts, or streams of text, in a batch.
        length: tokens of a piece that gradients go through.
        settings: how to train.
        accelerator: where to train.
    """
    preset = PRETRAINING[config.model_type.removeprefix("wordemb_")]
    model = getattr(transformers, preset.auto_class).from_config(config)
    spell_vocabulary(model, tokenizer)
    if model.can_generate():
        model.generation_config.suppress_tokens = never_written(tokenizer)
    processes = accelerator.num_processes
    source = _source(preset, ids, config, batch_size, length, processes, settings.seed)
    evaluate = None
    if dev is not None:
        held_out = _source(preset, dev, config, EVALUATION_STREAMS, length, processes, None)

        def evaluate(model: PreTrainedModel) -> dict[str, float]:
            return {f"eval_{name}": value for name, value in _figures(model, held_out, accelerator).items()}

    return model, train(model, source, settings, accelerator, evaluate)


def never_written(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Ids that would leave a gap in a text: `<unk>` and all special tokens but for the end."""
    return sorted(set(tokenizer.all_special_ids) - {tokenizer.eos_token_id})


def evaluate_language_model(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: Iterable[str], accelerator: Accelerator
) -> dict[str, float]:
    """`loss` and `perplexity` of a token, and how many tokens were predicted.

    Unknown words and, in a stream, line ends are tokens. A biLM's figures are means of both directions.
    """
    preset = PRETRAINING[model.config.model_type.removeprefix("wordemb_")]
    ids = encode_text(tokenizer, texts, preset)
    streams = min(EVALUATION_STREAMS, max(len(ids.ids) // 1000, 1))
    source = _source(preset, ids, model.config, streams, preset.length, accelerator.num_processes, None)
    return _figures(model, source, accelerator)


def _source(
    preset: PretrainingPreset,
    ids: Ids,
    config: Any,
    batch_size: int,
    length: int,
    processes: int,
    seed: int | None,
) -> BatchSource:
    if preset.objective == "causal_lm":
        return TextStreams(ids.ids, batch_size, length, processes, seed)
    if preset.objective in ("cloze", "bidirectional_lm"):
        ends = preset.objective == "bidirectional_lm"
        return WholeTexts(ids.ids, ids.offsets, batch_size, length, config.pad_token_id, ends, seed)
    raise UserError(f"the objective {preset.objective!r} is none of a language model")


def _figures(model: PreTrainedModel, source: BatchSource, accelerator: Accelerator) -> dict[str, float]:
    loss = mean_loss(model, source, accelerator)
    return {"loss": loss, "perplexity": exp(min(loss, 700.0))}

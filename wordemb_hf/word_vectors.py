"""Training of static word vectors, word2vec's, from a corpus of ids."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.hooks import RemovableHandle
from transformers import AutoModelForPreTraining, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

from .errors import UserError
from .new_models import spell_vocabulary
from .objectives.windows import ContextWindows, WordWindows
from .training import TrainingResult, TrainingSettings, train
from .vocabulary import Ids
from .word2vec.engine_training import engine_for, train_by_engine


def train_word_vectors(
    config: PreTrainedConfig,
    tokenizer: PreTrainedTokenizerFast,
    ids: Ids,
    batch_size: int,
    settings: TrainingSettings,
    accelerator: Accelerator,
    threads: int | None = None,
    output: Path | None = None,
) -> tuple[PreTrainedModel, TrainingResult]:
    """Train word vectors: by the engine of this device, or where there is none, by the gradients of the model's loss.

    Args:
        config: of word2vec; its `vocab_size` is that of the tokenizer.
        tokenizer: whose ids they are.
        ids: the corpus, without unknown words.
        batch_size: windows in a batch, where there is no engine.
        settings: how to train.
        accelerator: where to train.
        threads: of the engine on a CPU; all cores if missing.
        output: the folder to be written; a training of it that was killed goes on.

    Raises:
        UserError: when the Huffman codes of these words are longer than `max_code_length`, or the loss is no number
            any more.
    """
    counts = ids.counts(len(tokenizer))
    try:
        model = AutoModelForPreTraining.from_config(config)
        model.set_word_counts(torch.from_numpy(counts))
    except ValueError as error:  # a code that is longer than max_code_length
        raise UserError(str(error)) from error
    spell_vocabulary(model, tokenizer)
    engine = engine_for(model, accelerator)
    if engine:
        result = train_by_engine(engine, model, ids, settings, accelerator, threads, output)
    else:
        result = _train_by_gradients(model, ids, counts, batch_size, settings, accelerator)
    with torch.no_grad():
        # An unknown word is most like the rarest ones.
        rows, vectors = model.get_input_embeddings().weight, model.base_model.word_vectors()
        rows[tokenizer.pad_token_id] = 0
        rows[tokenizer.unk_token_id] = vectors[-max(len(rows) // 100, 1) :].mean(0)
    return model, result


def _train_by_gradients(
    model: PreTrainedModel,
    ids: Ids,
    counts: np.ndarray,
    batch_size: int,
    settings: TrainingSettings,
    accelerator: Accelerator,
) -> TrainingResult:
    config: Any = model.config
    tables = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    for table in tables:
        # A batch touches few rows: gradients for all would be most of the work. Apple's GPUs have no sparse ones, and
        # gloo's all-reduce of sparse ones has been seen to corrupt memory.
        table.sparse = accelerator.device.type != "mps" and accelerator.num_processes == 1
    hooks = _whole_steps(model, counts) if config.num_ngram_buckets else []
    objective = ContextWindows if config.algorithm == "cbow" else WordWindows
    # In one step a word's row takes the sum of its windows' steps: in a small vocabulary a large batch would overshoot.
    batch_size = min(batch_size, max(config.vocab_size // 2, 1))
    windows = objective(
        ids.ids, ids.offsets, counts, config.window_size, config.subsample_threshold, batch_size, settings.seed
    )
    result = train(model, windows, settings, accelerator)
    for table in tables:
        table.sparse = False
    for hook in hooks:
        hook.remove()
    return result


def _whole_steps(model: PreTrainedModel, counts: np.ndarray) -> list[RemovableHandle]:
    """fastText's steps: each row of a word takes the step of its vector.

    The gradient of a mean gives each row its share of the step alone, so that words with many n-grams would hardly
    move. The shares are undone by their mean over the text.
    """
    backbone: Any = model.base_model
    rows = 1 + np.count_nonzero(backbone.word_ngrams.numpy(), axis=1)  # (vocab_size,)
    scale = float(np.average(rows, weights=counts))
    tables = (backbone.word_embeddings, backbone.ngram_embeddings)
    return [table.weight.register_hook(partial(torch.mul, other=scale)) for table in tables]


def different_words(ids: Ids, vocab_size: int) -> int:
    """How many words of the vocabulary occur."""
    return int(np.count_nonzero(ids.counts(vocab_size)))

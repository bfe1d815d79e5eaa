"""Training of static word vectors, word2vec's, from a corpus of ids."""

from collections.abc import Iterator
from contextlib import contextmanager
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
from .loading import load_trained
from .new_models import spell_vocabulary
from .objectives.windows import ContextWindows, WordWindows
from .token_ids import Ids
from .training import TrainingResult, TrainingSettings, train
from .word2vec.engine_training import engine_for, train_by_engine


def new_word_vectors(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerFast, ids: Ids) -> PreTrainedModel:
    """A model that knows the words of a corpus by their counts, and nothing about them yet.

    Args:
        config: of word2vec; its `vocab_size` is that of the tokenizer.
        tokenizer: whose ids they are.
        ids: the corpus, without unknown words.

    Raises:
        UserError: when the Huffman codes of these words are longer than `max_code_length`.
    """
    with _named():
        model = AutoModelForPreTraining.from_config(config)
        model.set_word_counts(torch.from_numpy(ids.counts(len(tokenizer))))
    spell_vocabulary(model, tokenizer)
    return model


def load_word_vectors(model: str) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """A model that `pretrain` made, to go on with, and its tokenizer.

    Raises:
        UserError: when there is none.
    """
    trained, tokenizer = load_trained(model, "AutoModelForPreTraining", "a model with word vectors")
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise UserError(
            f"model {model} has a {type(tokenizer).__name__}, but must have a tokenizer with a tokenizer.json"
        )
    if trained.config.model_type != "wordemb_word2vec":
        raise UserError(f"model {model} is of the type {trained.config.model_type}, but must be word2vec's")
    return trained.float(), tokenizer  # what was saved in half precision is not trained in it


def extend_word_vectors(model: Any, tokenizer: PreTrainedTokenizerFast, ids: Ids) -> None:
    """Give a model the words of a tokenizer that was extended, and the counts of more text.

    Vectors that exist stay; new words begin as in a new model. With hierarchical softmax, other counts make another
    tree, whose nodes begin anew.

    Args:
        model: whose words the tokenizer begins with.
        tokenizer: which may know more.
        ids: the new text alone.
    """
    known = model.config.vocab_size
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    counts = ids.counts(len(tokenizer))
    counts[:known] += model.word_counts[:known].numpy()
    with _named():
        model.set_word_counts(torch.from_numpy(counts))
    spell_vocabulary(model, tokenizer)
    with torch.no_grad():
        bound = 0.5 / model.config.hidden_size
        model.get_input_embeddings().weight[known:].uniform_(-bound, bound)
        outputs = model.get_output_embeddings()
        if outputs is not None:
            outputs.weight[known:] = 0


@contextmanager
def _named() -> Iterator[None]:
    """A code that is longer than `max_code_length` is a mistake of the user."""
    try:
        yield
    except ValueError as error:
        raise UserError(str(error)) from error


def train_word_vectors(
    model: Any,
    tokenizer: PreTrainedTokenizerFast,
    ids: Ids,
    batch_size: int,
    settings: TrainingSettings,
    accelerator: Accelerator,
    threads: int | None = None,
    output: Path | None = None,
) -> TrainingResult:
    """Train word vectors: by the engine of this device, or where there is none, by the gradients of the model's loss.

    Args:
        model: whose words have been counted.
        tokenizer: whose ids they are.
        ids: the corpus, without unknown words.
        batch_size: windows in a batch, where there is no engine.
        settings: how to train.
        accelerator: where to train.
        threads: of the engine on a CPU; all cores if missing.
        output: the folder to be written; a training of it that was killed goes on.

    Raises:
        UserError: when the loss is no number any more.
    """
    engine = engine_for(model, accelerator)
    if engine:
        result = train_by_engine(engine, model, ids, settings, accelerator, threads, output)
    else:
        result = _train_by_gradients(model, ids, batch_size, settings, accelerator)
    with torch.no_grad():
        # An unknown word is most like the rarest ones.
        rows, vectors = model.get_input_embeddings().weight, model.base_model.word_vectors()
        rows[tokenizer.pad_token_id] = 0
        rows[tokenizer.unk_token_id] = vectors[-max(len(rows) // 100, 1) :].mean(0)
    return result


def _train_by_gradients(
    model: Any,
    ids: Ids,
    batch_size: int,
    settings: TrainingSettings,
    accelerator: Accelerator,
) -> TrainingResult:
    config: Any = model.config
    counts = model.word_counts.numpy()
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

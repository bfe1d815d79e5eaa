"""Training of static word vectors, word2vec's, from a corpus of ids."""

import numpy as np
import torch
from accelerate import Accelerator
from transformers import AutoModelForPreTraining, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

from .objectives.windows import ContextWindows, WordWindows
from .training import TrainingResult, TrainingSettings, train
from .vocabulary import Ids


def train_word_vectors(
    config: PreTrainedConfig,
    tokenizer: PreTrainedTokenizerFast,
    ids: Ids,
    batch_size: int,
    settings: TrainingSettings,
    accelerator: Accelerator,
) -> tuple[PreTrainedModel, TrainingResult]:
    """Train word vectors.

    Args:
        config: of word2vec; its `vocab_size` is that of the tokenizer.
        tokenizer: whose ids they are.
        ids: the corpus, without unknown words.
        batch_size: windows in a batch.
        settings: how to train.
        accelerator: where to train.
    """
    counts = ids.counts(len(tokenizer))
    model = AutoModelForPreTraining.from_config(config)
    model.word_counts.copy_(torch.from_numpy(counts))
    tables = (model.get_input_embeddings(), model.get_output_embeddings())
    for table in tables:
        # A batch touches few rows: gradients for all would be most of the work. Apple's GPUs have no sparse ones, and
        # gloo's all-reduce of sparse ones has been seen to corrupt memory.
        table.sparse = accelerator.device.type != "mps" and accelerator.num_processes == 1
    objective = ContextWindows if config.algorithm == "cbow" else WordWindows
    # In one step a word's row takes the sum of its windows' steps: in a small vocabulary a large batch would overshoot.
    batch_size = min(batch_size, max(len(tokenizer) // 2, 1))
    windows = objective(
        ids.ids, ids.offsets, counts, config.window_size, config.subsample_threshold, batch_size, settings.seed
    )
    result = train(model, windows, settings, accelerator)
    for table in tables:
        table.sparse = False
    with torch.no_grad():
        # An unknown word is most like the rarest ones.
        rows = tables[0].weight
        rows[tokenizer.pad_token_id] = 0
        rows[tokenizer.unk_token_id] = rows[-max(len(rows) // 100, 1) :].mean(0)
    return model, result


def different_words(ids: Ids, vocab_size: int) -> int:
    """How many words of the vocabulary occur."""
    return int(np.count_nonzero(ids.counts(vocab_size)))

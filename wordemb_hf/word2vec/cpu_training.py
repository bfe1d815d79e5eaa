"""A training of word vectors on a CPU from beginning to end: its bar, its history, its checkpoints, its processes."""

import time
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from tqdm.auto import tqdm

from ..messages import translate
from ..training import TrainingResult, TrainingSettings
from ..vocabulary import Ids
from .averaging import RowAverage, reads_per_word
from .checkpoint import Checkpoint
from .cpu_engine import CPUEngine, Progress
from .tables import learnt_tables

_KEEP_EVERY = 60.0  # seconds between two checkpoints
AVERAGE_EVERY = 100_000  # words that each process reads between two averages


def train_on_cpu(
    model: Any,
    ids: Ids,
    settings: TrainingSettings,
    accelerator: Accelerator,
    threads: int | None = None,
    output: Path | None = None,
) -> TrainingResult:
    """Train the vectors of a model whose words have been counted.

    Several processes share the text and are averaged; each has `threads` threads.

    Args:
        model: `Word2VecForPreTraining` on the CPU, in float32.
        ids: the corpus, without unknown words.
        settings: epochs, learning rate, floor and seed are looked at.
        accelerator: whose processes share the work.
        threads: of a process; all cores if missing. One, in one process, gives the same numbers in every run.
        output: the folder to be written; a training of it that was killed goes on.

    Raises:
        UserError: when the loss is no number any more.
    """
    result, began, main = TrainingResult(), time.perf_counter(), accelerator.is_main_process
    part = (accelerator.process_index, accelerator.num_processes)
    checkpoint = Checkpoint(output, model, ids, settings) if output is not None else None
    first = checkpoint.load() if checkpoint else 0
    kept = began
    engine = CPUEngine(
        model,
        ids,
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        floor=settings.floor,
        seed=settings.seed,
        threads=threads,
    )
    bar = tqdm(
        total=settings.epochs * len(ids.ids),
        initial=engine.words_before(first),
        unit=translate("word"),
        unit_scale=True,
        disable=None if main else True,
        leave=False,
    )
    if first and main:
        bar.write(translate("Going on after {words} words.", words=f"{engine.words_before(first):,}"))

    def report(progress: Progress) -> None:
        bar.update(progress.words - bar.n)
        bar.set_postfix_str(f"{translate('loss')} {progress.loss:.4f}")
        result.history.append(
            {
                "epoch": round(progress.words / max(len(ids.ids), 1), 4),
                "step": progress.words,
                "loss": progress.loss,
                "learning_rate": progress.learning_rate,
            }
        )

    def keep(stretch: int) -> None:
        nonlocal kept
        if checkpoint and main and time.perf_counter() - kept > _KEEP_EVERY:
            checkpoint.save(stretch)
            kept = time.perf_counter()

    def report_and_keep(progress: Progress) -> None:
        report(progress)
        keep(progress.stretch)

    with bar, engine:
        if part[1] == 1:
            engine.train(first, on_progress=report_and_keep)
        else:
            average = RowAverage([table.weight.data for table in learnt_tables(model)], accelerator)
            reads = reads_per_word(model)
            length = max(AVERAGE_EVERY // engine.length, 1) * part[1]
            while first < engine.stretches:
                last = min(first + length, engine.stretches)
                engine.train(first, last, part, report)
                average([rate * (last - first) * engine.length for rate in reads])
                first = last
                keep(first)
    if checkpoint and main:
        checkpoint.remove()
    accelerator.wait_for_everyone()
    result.seconds = time.perf_counter() - began
    return result

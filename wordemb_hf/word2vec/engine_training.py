"""A training of word vectors from beginning to end: which engine, its bar, its history, checkpoints and processes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from tqdm.auto import tqdm

from ..messages import translate
from ..token_ids import Ids
from ..training import TrainingResult, TrainingSettings
from .averaging import RowAverage, next_meeting, pulls_per_word
from .checkpoint import Checkpoint
from .tables import learnt_tables

_KEEP_EVERY = 60.0  # seconds between two checkpoints
_LEAST = 10_000  # words that each process reads between two averages, where an engine counts in words


@dataclass(frozen=True)
class Progress:
    """How far an engine has come.

    Args:
        position: where to go on, in the engine's own count.
        words: words of the text that were read, in all epochs and by all processes.
        loss: mean loss of a prediction since the last report, measured on some of the windows.
    """

    position: int
    words: int
    loss: float


Report = Callable[[Progress], None]


def engine_for(model: Any, accelerator: Accelerator) -> str | None:
    """`cpu`, `gpu` or `torch`: the fastest engine that can train a model here; `None` if there is none.

    Numba trains everything on a CPU, Triton and plain torch know negative sampling without n-grams.
    """
    device, config = accelerator.device.type, model.config
    if device == "cpu" and find_spec("numba"):
        return "cpu"
    if config.loss != "negative_sampling" or config.num_ngram_buckets:
        return None
    return "gpu" if device == "cuda" and find_spec("triton") else "torch"


def train_by_engine(
    engine: str,
    model: Any,
    ids: Ids,
    settings: TrainingSettings,
    accelerator: Accelerator,
    threads: int | None = None,
    output: Path | None = None,
) -> TrainingResult:
    """Train the vectors of a model whose words have been counted.

    Several processes share the text; they begin with the first one's tables, and make them equal whenever they meet
    (`averaging.py`).

    Args:
        engine: what `engine_for` said.
        model: `Word2VecForPreTraining`, in float32.
        ids: the corpus, without unknown words.
        settings: epochs, learning rate, floor and seed are looked at.
        accelerator: whose processes share the work.
        threads: of a process on a CPU; all cores if missing. One, in one process, gives the same numbers in every run.
        output: the folder to be written; a training of it that was killed goes on.

    Raises:
        UserError: when the loss is no number any more.
    """
    result, began, main = TrainingResult(), time.perf_counter(), accelerator.is_main_process
    model.to(accelerator.device)
    checkpoint, first, kept = None, 0, began
    if output is not None and main:  # which the others may not see
        who = f"{engine}, {accelerator.num_processes} processes"
        checkpoint = Checkpoint(output, model, ids, settings, who)
        first = checkpoint.load()
    first = _begin_equal(model, accelerator, first)
    if engine == "torch" and accelerator.device.type == "cpu" and main:
        print(translate("Numba is missing; with the extra `fast`, this takes a fraction of the time."), flush=True)
    if first and main:
        print(translate("Going on where the training was stopped."), flush=True)
    words = settings.epochs * len(ids.ids)
    bar = tqdm(total=words, unit=translate("word"), unit_scale=True, disable=None if main else True, leave=False)

    def report(progress: Progress) -> None:
        bar.update(progress.words - bar.n)
        bar.set_postfix_str(f"{translate('loss')} {progress.loss:.4f}")
        rate = settings.learning_rate * max(1 - progress.words / words, settings.floor)
        row = {"epoch": round(progress.words / len(ids.ids), 4), "step": progress.words}
        result.history.append(row | {"loss": progress.loss, "learning_rate": rate})
        if accelerator.num_processes == 1:
            keep(progress.position)

    def keep(position: int) -> None:
        """Several processes keep what they have after a meeting: in between, their tables differ."""
        nonlocal kept
        if checkpoint and time.perf_counter() - kept > _KEEP_EVERY:
            checkpoint.save(position)
            kept = time.perf_counter()

    with bar:
        train = _on_cpu if engine == "cpu" else partial(_on_device, engine)
        train(model, ids, settings, accelerator, first, report, keep, threads)
    if checkpoint:
        checkpoint.remove()
    accelerator.wait_for_everyone()
    result.seconds = time.perf_counter() - began
    return result


def _begin_equal(model: Any, accelerator: Accelerator, first: int) -> int:
    """Give all processes the first one's tables, and where to begin; the place."""
    if accelerator.num_processes == 1:
        return first
    for table in learnt_tables(model):
        broadcast(table.weight.data)
    place = broadcast(torch.tensor([first], device=accelerator.device))
    return int(place)


def _in_rounds(
    model: Any,
    accelerator: Accelerator,
    places: tuple[int, int],
    least: int,
    learn: Callable[[int, int], float],
    keep: Callable[[int], None],
) -> None:
    """Learn from one meeting of all processes to the next, and make their tables equal there.

    Args:
        places: where to begin and to end, in the unit of `learn`.
        least: of a round, in that unit.
        learn: from one place to another; gives how many words this process read, times the learning rate.
        keep: called with each place of meeting.
    """
    tables = [table.weight.data for table in learnt_tables(model)]
    average = RowAverage(tables, accelerator)
    pulls = [pull.to(accelerator.device, torch.float32) for pull in pulls_per_word(model)]
    place, end = places
    while place < end:
        until = min(next_meeting(place, least, accelerator.num_processes), end)
        read = learn(place, until)
        average([pull * read for pull in pulls])
        keep(until)
        place = until


def _on_cpu(
    model: Any,
    ids: Ids,
    settings: TrainingSettings,
    accelerator: Accelerator,
    first: int,
    report: Report,
    keep: Callable[[int], None],
    threads: int | None,
) -> None:
    from .cpu_engine import CPUEngine

    part = (accelerator.process_index, accelerator.num_processes)
    with CPUEngine(
        model,
        ids,
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        floor=settings.floor,
        seed=settings.seed,
        threads=threads,
    ) as engine:

        def tell(stretch: int, loss: float) -> None:
            report(Progress(stretch, engine.words_before(stretch), loss))

        def learn(begin: int, until: int) -> float:
            engine.train(begin, until, part, tell)
            return engine.rate(begin) * (until - begin) * engine.length / part[1]

        if part[1] == 1:
            engine.train(first, on_progress=tell)
        else:
            # So few at first that no process has more than a stretch.
            _in_rounds(model, accelerator, (first, engine.stretches), part[1], learn, keep)


def _on_device(
    engine: str,
    model: Any,
    ids: Ids,
    settings: TrainingSettings,
    accelerator: Accelerator,
    first: int,
    report: Report,
    keep: Callable[[int], None],
    threads: int | None,
) -> None:
    from .stretches import load_corpus

    train: Callable[..., float]
    if engine == "gpu":
        from .gpu_engine import train_on_gpu as train
    else:
        from .torch_step import train_with_torch as train

    number, processes = accelerator.process_index, accelerator.num_processes
    own = _part(ids, number, processes)
    learn_from = partial(
        train,
        model,
        load_corpus(model, own),
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        floor=settings.floor,
        seed=settings.seed + number,
        on_progress=lambda position, loss: report(Progress(position, position * processes, loss)),
    )
    if processes == 1:
        learn_from(first_position=first)
        return
    total = settings.epochs * len(own.ids)
    longest = settings.epochs * -(-len(ids.ids) // processes)  # all meet equally often, though their parts may differ

    def learn(begin: int, until: int) -> float:
        if begin < total:
            learn_from(first_position=begin, last_position=min(until, total))
        return settings.learning_rate * max(1 - begin / longest, settings.floor) * (until - begin)

    _in_rounds(model, accelerator, (first, longest), _LEAST, learn, keep)


def _part(ids: Ids, number: int, parts: int) -> Ids:
    """One of so many parts of a corpus, equally long but for the last; documents are cut where they must be."""
    length = -(-len(ids.ids) // parts)
    start = min(number * length, len(ids.ids))
    stop = min(start + length, len(ids.ids))
    inside = ids.offsets[(ids.offsets > start) & (ids.offsets < stop)]
    return Ids(ids.ids[start:stop], np.concatenate([[start], inside, [stop]]) - start)

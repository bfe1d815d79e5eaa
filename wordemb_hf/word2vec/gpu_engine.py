"""Training of word2vec on a GPU by a Triton kernel that works in place on the model's weights.

What is drawn follows from the seed, the epoch and the place in the corpus. What is learnt depends a little on the order
in which programs add to a row, unless there is one program only.
"""

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..errors import UserError
from ..token_ids import Ids
from .stretches import Corpus, Schedule, Stretch, load_corpus, train_stretches, trained_tables

# Windows in flight: enough to hide how long rows take to come (two windows for each of a multiprocessor's four
# schedulers), on an H200 1056. Batches of 1000 windows that see the same tables trained as well as one after the other,
# batches of 2000 did not.
_PROGRAMS_PER_MULTIPROCESSOR = 8
# Of these, so many may change one row at the same time, on average: 1000 windows of English do so to the row of their
# most frequent word. A small vocabulary has fewer in flight.
_STEPS_IN_FLIGHT = 100
_FEWEST_WINDOWS = 16  # of a program: it has to be worth a start
# Floats of a tile of targets that a lane of a warp holds, beside as many for the sum of their steps: beyond it, a
# program gets more warps, which have to wait for each other.
_FLOATS_PER_LANE = 72
_LENGTHS = (1 << 20, 1 << 25)  # words of a stretch; the longest takes 1 GB with five noise words
_LOSS_EVERY = 64  # windows: the loss is measured on some of them, which costs next to nothing
_LONG_CORPUS = 1 << 20  # words: in a shorter one, it is measured on all


def why_not_on_gpu(model: Any) -> str | None:
    """Why a model cannot be trained here, as one sentence, where it is not for its settings; None if it can."""
    try:
        import triton  # noqa: F401 - whether it is there is the question
    except ImportError:
        return "Triton is missing: install the extra gpu (pip install 'wordemb-hf[gpu]'), or train without a GPU"
    device = model.word2vec.word_embeddings.weight.device
    if device.type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        return f"the model is on the device {device}, but Triton trains on cuda"
    return None


def train_on_gpu(
    model: Any,
    ids: Ids | Corpus,
    *,
    epochs: int,
    learning_rate: float,
    floor: float = 1e-4,
    seed: int = 0,
    first_position: int = 0,
    last_position: int | None = None,
    mean_gradient: bool = False,
    programs: int | None = None,
    on_progress: Callable[[int, float], None] | None = None,
) -> float:
    """Train the weights of a `Word2VecForPreTraining` on a GPU, whose words have been counted.

    Args:
        model: with negative sampling, without n-grams.
        ids: the corpus, without unknown words; or what `load_corpus` made of it, which spares the copy of each call.
        epochs: passes over the corpus.
        learning_rate: at the beginning; it falls linearly with the words of the text.
        floor: the share of it below which it does not fall.
        seed: of all that is drawn.
        first_position: words of all epochs to leave out, because they have been trained on.
        last_position: words of all epochs after which to stop; all if missing.
        mean_gradient: CBOW: give each context its share of the error, as the gradient says, and not all of it, as
            word2vec.c does.
        programs: that work side by side; if missing, what the GPU and the vocabulary bear. With one, the result is the
            same in every run.
        on_progress: called about twice a second with the words read, of all epochs, and the mean loss since the last
            call.

    Returns:
        Mean loss of a prediction in the last epoch that was read.

    Raises:
        UserError: without Triton or a GPU, for an impossible setting, for a corpus that does not fit the model, and
            when the loss is no number any more.
    """
    schedule = Schedule(epochs, learning_rate, floor, seed, first_position, last_position)
    tables = trained_tables(model)
    obstacle = why_not_on_gpu(model)
    if obstacle:
        raise UserError(obstacle)
    from .triton_draws import draw_widths

    corpus = ids if isinstance(ids, Corpus) else load_corpus(model, ids)
    if programs is None:
        programs = _programs_in_flight(corpus)
    launch = _Launch(model.config, tables, corpus, schedule.seed, mean_gradient, programs)
    return train_stretches(
        model.config, corpus, schedule, draw_widths, launch.learn, lengths=_LENGTHS, on_progress=on_progress
    )


def _programs_in_flight(corpus: Corpus) -> int:
    device = corpus.ids.device
    multiprocessors = torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1
    most = _PROGRAMS_PER_MULTIPROCESSOR * multiprocessors
    return max(min(most, int(_STEPS_IN_FLIGHT / corpus.busiest), len(corpus.ids) // _FEWEST_WINDOWS), 1)


class _Launch:
    """The kernel that trains a model, with all but the text."""

    def __init__(
        self,
        config: Any,
        tables: tuple[Tensor, Tensor],
        corpus: Corpus,
        seed: int,
        mean_gradient: bool,
        programs: int,
    ):
        from .triton_kernels import cbow_kernel, skipgram_kernel

        for table in tables:
            if table.stride(1) != 1:
                raise UserError(f"the columns of a table are {table.stride(1)} floats apart, but must be 1 apart")
        self._tables, self._noise, self._seed, self._programs = tables, corpus.noise, seed, programs
        self._negatives = config.num_negatives
        self._loss_every = _LOSS_EVERY if len(corpus.ids) > _LONG_CORPUS else 1
        self._sizes = {
            "INPUT_STRIDE": tables[0].stride(0),
            "OUTPUT_STRIDE": tables[1].stride(0),
            "WIDTH": config.hidden_size,
            "COLUMNS": _power_of_two(config.hidden_size),
            "NEGATIVES": config.num_negatives,
            "TARGETS": _power_of_two(1 + config.num_negatives),
        }
        if config.algorithm == "cbow":
            self._kernel = cbow_kernel
            self._sizes["MEAN_GRADIENT"] = mean_gradient
        else:
            self._kernel = skipgram_kernel
            self._sizes["CONTEXTS"] = _power_of_two(2 * config.window_size)
        # Columns and rows beyond the width and the targets cost nothing, so that only real ones are counted.
        floats = (1 + config.num_negatives) * 4 * -(-config.hidden_size // 128)
        self._warps = min(_power_of_two(-(-floats // _FLOATS_PER_LANE)), 8)

    def learn(self, stretch: Stretch) -> tuple[float, float]:
        """Train on a stretch; the sum of the losses that were measured, and of how many predictions."""
        from .triton_draws import draw_noise

        places = stretch.places[stretch.first : stretch.last]
        noise = draw_noise(places, stretch.start, self._noise, self._negatives, self._seed, stretch.epoch)
        losses = torch.zeros(self._programs, 2, device=places.device)
        inputs, outputs = self._tables
        self._kernel[(self._programs,)](
            inputs,
            outputs,
            stretch.words,
            stretch.documents,
            stretch.places,
            stretch.widths,
            noise,
            stretch.first,
            stretch.last,
            stretch.rate,
            stretch.slope,
            stretch.floor,
            self._loss_every,
            losses,
            **self._sizes,
            num_warps=self._warps,
            enable_fp_fusion=True,  # the default until Triton 3.10; scores are sums of products
            num_stages=1,  # no load may move ahead of the additions of the window before
        )
        # Waits for the kernel; in float64, which sums many losses well, where the device has it or not.
        loss, predictions = losses.cpu().double().sum(0).tolist()
        return loss, predictions


def _power_of_two(number: int) -> int:
    """The least power of two that is not below `number`."""
    return 1 << (number - 1).bit_length()

"""A corpus on a device, read stretch by stretch: sub-sampling, learning rate and progress of engines that run there.

A stretch is what is trained on between two looks at the loss. Its words are thinned out (Mikolov et al. 2013b, section
2.3) with a margin on both sides, so that no window notices where stretches meet.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ..errors import UserError
from ..objectives.windows import keep_probabilities
from ..token_ids import Ids
from .philox import alias_table, keep_thresholds
from .sampling import noise_weights

_FIRST_WORD = 2  # ids below are <pad> and <unk>, which are not trained
_MARGIN = 64  # words on each side of a stretch for each one that a window may need from there
_PIECE = 1 << 24  # words copied to the device at a time
_SECONDS = 0.5  # between two looks at the loss

DrawWidths = Callable[[Tensor, int, Tensor, int, int, int], Tensor]


@dataclass(frozen=True)
class Corpus:
    """A corpus and what is drawn from, on the device of a model.

    Args:
        ids: int32 (words,).
        offsets: int64 (documents + 1,), on the CPU.
        keep: thresholds of sub-sampling, int32 (vocabulary,).
        noise: alias table of noise words, int32 (vocabulary, 2).
        busiest: how often a window changes the row that it changes most, on average; for skip-gram and CBOW alike.
    """

    ids: Tensor
    offsets: np.ndarray
    keep: Tensor
    noise: Tensor
    busiest: float


@dataclass(frozen=True)
class Stretch:
    """What is left of a part of the corpus after sub-sampling.

    Windows are laid around the words `first` to `last`. Empty places at either end, one more than a window may reach,
    spare kernels the look at the ends.

    Args:
        words: int32 (kept,).
        documents: int32 (kept,), which document a word is from; -1 for none.
        places: int32 (kept,), where it stood, counted from `start`.
        widths: int32 (kept,), of the windows.
        first: the first word with a window of its own.
        last: the one behind the last.
        epoch: counted from 0.
        start: place of the stretch in the corpus.
        rate: learning rate at `start`.
        slope: by how much it falls with each word of the text.
        floor: below which it does not fall.
    """

    words: Tensor
    documents: Tensor
    places: Tensor
    widths: Tensor
    first: int
    last: int
    epoch: int
    start: int
    rate: float
    slope: float
    floor: float

    def rates(self, places: Tensor) -> Tensor:
        """Learning rates at places, counted from `start`."""
        return (self.rate - self.slope * places).clamp(min=self.floor)


@dataclass(frozen=True)
class Schedule:
    """What is trained on, at which rate.

    Args:
        epochs: passes over the corpus.
        learning_rate: at the beginning; it falls linearly with the words of the text.
        floor: the share of it below which it does not fall.
        seed: of all that is drawn.
        first_position: words of all epochs to leave out, because they have been trained on.
        last_position: words of all epochs after which to stop; all if missing.
    """

    epochs: int
    learning_rate: float
    floor: float
    seed: int
    first_position: int = 0
    last_position: int | None = None

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise UserError(f"epochs is {self.epochs}, but must be at least 1")
        if not 0 < self.learning_rate < math.inf:
            raise UserError(f"learning_rate is {self.learning_rate}, but must be a number above 0")
        if not 0 <= self.floor <= 1:
            raise UserError(f"floor is {self.floor}, but must be a share of the learning rate, from 0 to 1")
        if not 0 <= self.seed < 1 << 63:
            raise UserError(f"seed is {self.seed}, but must be at least 0 and below 2**63")

    def end(self, tokens: int) -> int:
        """The position after which to stop in a corpus of so many words."""
        total = self.epochs * tokens
        last = total if self.last_position is None else self.last_position
        if not 0 <= self.first_position <= last <= total:
            raise UserError(
                f"first_position is {self.first_position} and last_position {last}, but they must rise from 0 to "
                f"{total}, the words of all epochs"
            )
        return last


@torch.no_grad()
def load_corpus(model: Any, ids: Ids) -> Corpus:
    """Bring a corpus to the device of a `Word2VecForPreTraining` whose words have been counted.

    Raises:
        UserError: for a corpus without words, for ids outside the vocabulary, or when no word has been counted.
    """
    device, config = model.word2vec.word_embeddings.weight.device, model.config
    if not len(ids.ids):
        raise UserError("the corpus holds 0 words, but training needs at least 1")
    words = torch.empty(len(ids.ids), dtype=torch.int32, device=device)
    for start in range(0, len(words), _PIECE):  # a memory-mapped array is never read whole
        words[start : start + _PIECE] = torch.from_numpy(np.array(ids.ids[start : start + _PIECE], np.int32))
    lowest, highest = int(words.min()), int(words.max())
    if lowest < 0 or highest >= config.vocab_size:
        raise UserError(
            f"the corpus holds the id {lowest if lowest < 0 else highest}, but ids are 0 to {config.vocab_size - 1}"
        )
    counts = model.word_counts.cpu().numpy().astype(np.float64)
    counts[:_FIRST_WORD] = 0
    if not counts.any():
        raise UserError("word_counts of the model are all 0, but noise words are drawn by them: count the corpus")
    kept = keep_probabilities(counts, config.subsample_threshold).astype(np.float64)
    kept[:_FIRST_WORD] = 0
    noise = noise_weights(counts, config.negative_exponent)
    centres, drawn = counts * kept / (counts * kept).sum(), noise / noise.sum()
    contexts = (config.window_size + 1) * centres
    return Corpus(
        ids=words,
        offsets=np.asarray(ids.offsets),
        keep=torch.from_numpy(keep_thresholds(kept)).to(device),
        noise=torch.from_numpy(alias_table(noise)).to(device),
        busiest=float(max(contexts.max(), (centres + config.num_negatives * drawn).max())),
    )


def trained_tables(model: Any) -> tuple[Tensor, Tensor]:
    """The input and the output table of a `Word2VecForPreTraining`, each `(vocabulary, width)`.

    Raises:
        UserError: for hierarchical softmax, for n-grams, and for tables that are not in float32.
    """
    config = model.config
    if config.loss != "negative_sampling":
        raise UserError(f"loss is {config.loss!r}, but this engine trains with negative_sampling only")
    if config.num_ngram_buckets:
        raise UserError(f"num_ngram_buckets is {config.num_ngram_buckets}, but this engine trains without n-grams: 0")
    tables = model.word2vec.word_embeddings.weight.detach(), model.output_embeddings.weight.detach()
    for table in tables:
        if table.dtype != torch.float32:
            raise UserError(f"the model is in {table.dtype}, but this engine trains in torch.float32")
    return tables


@torch.no_grad()
def train_stretches(
    config: Any,
    corpus: Corpus,
    schedule: Schedule,
    draw_widths: DrawWidths,
    learn: Callable[[Stretch], tuple[float, float]],
    *,
    lengths: tuple[int, int],
    on_progress: Callable[[int, float], None] | None,
) -> float:
    """Go through the corpus: what engines have in common.

    Args:
        config: of word2vec, which says what windows are.
        corpus: of `load_corpus`.
        schedule: what to train on, at which rate.
        draw_widths: `philox.draw_widths`, or what draws the same.
        learn: trains on a stretch; gives the sum of the losses that it measured, and of how many predictions.
        lengths: the shortest and the longest stretch, in words; in between, one lasts about half a second.
        on_progress: called after each stretch with the words read, of all epochs, and the mean loss in it.

    Returns:
        Mean loss of a prediction since the beginning of the last epoch that was read, or since `first_position`.

    Raises:
        UserError: for an impossible position, and when the loss is no number any more.
    """
    tokens, position, last = len(corpus.ids), schedule.first_position, schedule.end(len(corpus.ids))
    length, total, count = lengths[0], 0.0, 0.0
    while position < last:
        began = time.perf_counter()
        epoch, start = divmod(position, tokens)
        if start == 0:
            total, count = 0.0, 0.0
        stop = min(start + length, tokens, start + last - position)
        losses, predictions = learn(thin_out(config, corpus, schedule, draw_widths, epoch, start, stop))
        total, count, position = total + losses, count + predictions, position + stop - start
        if not math.isfinite(losses):
            raise UserError(
                f"learning_rate is {schedule.learning_rate}: the loss is no number any more after {position:,} words; "
                "choose a smaller one"
            )
        if on_progress is not None:
            on_progress(position, losses / max(predictions, 1))
        change = _SECONDS / max(time.perf_counter() - began, 1e-6)
        length = int(min(max(length * min(change, 4), lengths[0]), lengths[1]))
    return total / max(count, 1)


def thin_out(
    config: Any, corpus: Corpus, schedule: Schedule, draw_widths: DrawWidths, epoch: int, start: int, stop: int
) -> Stretch:
    """The words `start` to `stop` of the corpus that stay, and enough of those around for their windows."""
    size, tokens = config.window_size, len(corpus.ids)
    low, high = max(start - _MARGIN * size, 0), min(stop + _MARGIN * size, tokens)
    words = corpus.ids[low:high]
    widths = draw_widths(words, low, corpus.keep, size, schedule.seed, epoch)
    begins = corpus.offsets[np.searchsorted(corpus.offsets, low) : np.searchsorted(corpus.offsets, high)] - low
    documents = torch.zeros_like(words)
    documents[torch.from_numpy(begins).to(words.device)] = 1
    documents = documents.cumsum(0, dtype=torch.int32)
    places = widths.nonzero().squeeze(1)
    first, last = torch.searchsorted(places, torch.tensor([start - low, stop - low], device=words.device)).tolist()
    fall = schedule.learning_rate / (schedule.epochs * tokens)
    floor, edge = schedule.learning_rate * schedule.floor, size + 1
    return Stretch(
        words=pad(words[places], (edge, edge)),
        documents=pad(documents[places], (edge, edge), value=-1),
        places=pad(places.int(), (edge, edge)),
        widths=pad(widths[places], (edge, edge)),
        first=first + edge,
        last=last + edge,
        epoch=epoch,
        start=low,
        rate=max(schedule.learning_rate - fall * (epoch * tokens + low), floor),
        slope=fall,
        floor=floor,
    )

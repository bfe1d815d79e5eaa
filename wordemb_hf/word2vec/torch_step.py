"""word2vec in batches of windows, in plain torch: for devices on which no kernel of ours runs.

Skip-gram and CBOW with negative sampling (Mikolov et al. 2013b, section 2.2); one set of noise words serves a window.
All windows of a batch see the tables as they were before it. A frequent word is in many of them, and the sum of so many
steps would overshoot: quality falls from about 2000 windows on, and 4000 diverge. So the step of a row is at most
`_LONGEST_STEP` long: with it, batches of 8000 windows train nearly as well as one window after the other. A cap on how
many windows count in full does as well at the usual learning rate, but diverges at four times that.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ..errors import UserError
from ..token_ids import Ids
from . import philox
from .stretches import Corpus, Schedule, Stretch, load_corpus, train_stretches, trained_tables

BATCH_SIZE = 4096  # windows, at most
_LONGEST_STEP = 0.3  # of a row in a batch; vectors are a few units long in the end
_MOST = 512  # windows of a batch that change one and the same row, on average: a small vocabulary has smaller batches
# A batch takes its windows evenly from a stretch, since rare words come in bursts: many windows, then, but no more than
# an update of the bar should wait for. Not by the clock: a seed gives the same numbers on any machine.
_STRETCH = 1 << 17


def train_with_torch(
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
    batch_size: int | None = None,
    on_progress: Callable[[int, float], None] | None = None,
) -> float:
    """Train the weights of a `Word2VecForPreTraining`, whose words have been counted, on the device where they are.

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
        batch_size: windows that see the same tables; if missing, what the vocabulary bears.
        on_progress: called after each stretch with the words read, of all epochs, and the mean loss in it.

    Returns:
        Mean loss of a prediction in the last epoch that was read.

    Raises:
        UserError: for an impossible setting, for a corpus that does not fit the model, and when the loss is no number
            any more.
    """
    schedule = Schedule(epochs, learning_rate, floor, seed, first_position, last_position)
    corpus = ids if isinstance(ids, Corpus) else load_corpus(model, ids)
    if batch_size is None:
        batch_size = max(min(BATCH_SIZE, int(_MOST / corpus.busiest)), 1)
    if batch_size < 1:
        raise UserError(f"batch_size is {batch_size}, but must be at least 1")
    windows = _Windows(model, corpus, schedule.seed, mean_gradient, batch_size)

    def learn(stretch: Stretch) -> tuple[float, float]:
        batches = -(-(stretch.last - stretch.first) // batch_size)
        sums = torch.zeros(2, device=corpus.ids.device)
        for number in range(batches):
            sums += windows.learn(stretch, torch.arange(stretch.first + number, stretch.last, batches))
        loss, predictions = sums.tolist()
        return loss, predictions

    return train_stretches(
        model.config,
        corpus,
        schedule,
        philox.draw_widths,
        learn,
        lengths=(_STRETCH, _STRETCH),
        on_progress=on_progress,
    )


class _Windows:
    """One step on a batch of windows."""

    def __init__(self, model: Any, corpus: Corpus, seed: int, mean_gradient: bool, batch_size: int):
        self._config, self._noise, self._seed, self._mean_gradient = model.config, corpus.noise, seed, mean_gradient
        self._inputs, self._outputs = trained_tables(model)
        size = self._config.window_size
        self._around = torch.tensor([*range(-size, 0), *range(1, size + 1)], device=self._inputs.device)  # (2 * size,)
        self._labels = torch.zeros(1 + self._config.num_negatives, device=self._inputs.device)
        self._labels[0] = 1
        self._alone = batch_size == 1

    def learn(self, stretch: Stretch, middles: Tensor) -> Tensor:
        """Take a step; the sum of losses before it, and of how many predictions, `(2,)`."""
        middles = middles.to(self._around.device)
        around = middles.unsqueeze(1) + self._around  # (windows, contexts)
        near = self._around.abs() <= stretch.widths[middles].unsqueeze(1)
        near &= stretch.documents[around] == stretch.documents[middles].unsqueeze(1)
        contexts, words, places = stretch.words[around], stretch.words[middles], stretch.places[middles]
        noise = philox.draw_noise(
            places, stretch.start, self._noise, self._config.num_negatives, self._seed, stretch.epoch
        )
        targets = torch.cat([words.unsqueeze(1), noise], dim=1)  # (windows, targets)
        some = near.any(1, keepdim=True)  # (windows, 1)
        counted = torch.cat([some, (noise != words.unsqueeze(1)) & some], dim=1)  # (windows, targets)

        inputs = self._inputs[contexts] * near.unsqueeze(-1)  # (windows, contexts, width)
        outputs = self._outputs[targets]  # (windows, targets, width)
        present = near
        if self._config.algorithm == "cbow":
            shares = 1 / near.sum(1, keepdim=True).clamp(min=1)  # (windows, 1)
            inputs, present = inputs.sum(1, keepdim=True) * shares.unsqueeze(-1), some
        scores = torch.bmm(inputs, outputs.transpose(1, 2))  # (windows, contexts or 1, targets)
        present = present.unsqueeze(-1) & counted.unsqueeze(1)
        errors = (self._labels - scores.sigmoid()) * present * stretch.rates(places)[:, None, None]
        input_steps = torch.bmm(errors, outputs)  # (windows, contexts or 1, width)
        output_steps = torch.bmm(errors.transpose(1, 2), inputs)  # (windows, targets, width)
        if self._config.algorithm == "cbow":
            scale = shares if self._mean_gradient else torch.ones_like(shares)
            input_steps = (input_steps * scale.unsqueeze(-1)).expand(-1, near.shape[1], -1)
        self._add(self._inputs, contexts[near], input_steps[near])
        self._add(self._outputs, targets[counted], output_steps[counted])
        losses = softplus(torch.where(self._labels > 0, -scores, scores)) * present
        return torch.stack([losses.sum(), present[..., 0].sum().to(losses.dtype)])

    def _add(self, table: Tensor, rows: Tensor, steps: Tensor) -> None:
        """Add to each row the sum of its steps, which is cut unless it is that of one window."""
        if self._alone:
            table.index_add_(0, rows, steps)
            return
        rows, row_of_step = rows.unique(return_inverse=True)
        sums = steps.new_zeros(len(rows), steps.shape[1]).index_add_(0, row_of_step, steps)  # (rows, width)
        lengths = sums.norm(dim=1, keepdim=True).clamp(min=1e-12)
        table.index_add_(0, rows, sums * (_LONGEST_STEP / lengths).clamp(max=1))

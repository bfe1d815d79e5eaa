"""Two stacks of LSTMs that read each text between its boundaries, one from either end, and never mix.

Peters et al. 2018, section 3.1: the forward model knows a word from those before it, the backward model from those
behind it. The boundaries are put around the tokens of each row wherever these are, so that padding changes nothing.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .projected_lstm import LSTMState, ProjectedLSTMStack
from .recurrent import TokenOrder


@dataclass
class Readings:
    """What both stacks made of `<s> words </s>`.

    Args:
        words: what they read, `(batch, length, width)`.
        mask: where there is a word, `(batch, length)`.
        order: where words and boundaries were in the order of reading forwards.
        ahead: what each layer gives, `(batch, length + 2, width)`, from `<s>` to `</s>` and then anything.
        behind: the same backwards, from `</s>` to `<s>`.
        states: the states of all layers behind the last token, forward layers first.
    """

    words: Tensor
    mask: Tensor
    order: TokenOrder
    ahead: list[Tensor]
    behind: list[Tensor]
    states: list[LSTMState]

    def layers(self) -> tuple[Tensor, ...]:
        """The words twice, and both halves of each layer: `(batch, length, 2 * width)`, zero where padded."""
        words = self.words.masked_fill(~self.mask.unsqueeze(-1), 0.0)
        halves = zip(self.ahead, self.behind, strict=True)
        return torch.cat([words, words], dim=-1), *(self._on_words(ahead, behind) for ahead, behind in halves)

    def before_words(self) -> Tensor:
        """What either direction knows when it comes to a word, `(batch, length, 2 * width)`: the states before it."""
        return self._on_words(self.ahead[-1].roll(1, dims=1), self.behind[-1].roll(1, dims=1))

    def before_all(self) -> Tensor:
        """The same before each word and before the last boundary, in the order of reading.

        Returns:
            `(2 * batch, length + 1, width)`: all rows forwards, then all rows backwards.
        """
        return torch.cat([self.ahead[-1], self.behind[-1]])[:, :-1]

    def what_follows(self, labels: Tensor, begin: int, end: int) -> Tensor:
        """What the states of `before_all` come to, `(2 * batch, length + 1)`.

        Args:
            labels: of each word, `(batch, length)`; -100 for none. The boundaries of a text without any have none.
            begin: the label of `<s>`.
            end: the label of `</s>`.
        """
        labels = labels.masked_fill(~self.mask, -100)
        learnt = (labels != -100).any(1, keepdim=True)
        bounded = torch.cat([torch.where(learnt, begin, -100), labels, torch.where(learnt, end, -100)], dim=1)
        read = self.order.front(bounded)  # (batch, length + 2)
        return torch.cat([read, self.order.reverse(read)])[:, 1:]

    def _on_words(self, ahead: Tensor, behind: Tensor) -> Tensor:
        states = self.order.back(torch.cat([ahead, self.order.reverse(behind)], dim=-1))
        return states[:, 1:-1].masked_fill(~self.mask.unsqueeze(-1), 0.0)


class TwoReadings(nn.Module):
    """The two stacks.

    Args:
        options: those of `ProjectedLSTMStack`, for each.
    """

    def __init__(self, **options: Any):
        super().__init__()
        self.forward_layers = ProjectedLSTMStack(**options)
        self.backward_layers = ProjectedLSTMStack(**options)

    def forward(
        self,
        words: Tensor,
        mask: Tensor,
        boundaries: Tensor,
        initial: list[LSTMState] | None = None,
        keep_states: bool = False,
    ) -> Readings:
        """Read texts.

        Args:
            words: `(batch, length, width)`.
            mask: where there is a word, `(batch, length)`.
            boundaries: `<s>` and `</s>`, `(2, width)`.
            initial: the states to begin with, forward layers first; `None` for zeros.
            keep_states: whether the states behind each row's last token are wanted; else they are anything.
        """
        begin, end = boundaries.to(words.dtype).expand(words.shape[0], 2, -1).split(1, dim=1)
        order = TokenOrder(nn.functional.pad(mask, (1, 1), value=True))
        front = order.front(torch.cat([begin, words, end], dim=1))  # (batch, length + 2, width)
        lengths = order.lengths if keep_states else None
        half = None if initial is None else len(initial) // 2
        ahead, states = self.forward_layers(front, initial and initial[:half], lengths)
        behind, backward_states = self.backward_layers(order.reverse(front), initial and initial[half:], lengths)
        return Readings(words, mask, order, ahead, behind, states + backward_states)

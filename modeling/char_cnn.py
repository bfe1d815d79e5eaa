"""A vector for a word from its characters: convolutions, the largest answer of each filter, highway layers.

Kim et al. 2016, "Character-Aware Neural Language Models" (AAAI), section 2; with the linear projection at the end as
Jozefowicz et al. 2016, "Exploring the Limits of Language Modeling", section 3.2, and Peters et al. 2018 have it.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from .spelling import NUM_CHARACTERS


class Highway(nn.Module):
    """A layer that a gate mixes with its own input: `gate * relu(Wx) + (1 - gate) * x` (Srivastava et al. 2015, eq. 3).

    Args:
        width: of what comes in and goes out.
    """

    def __init__(self, width: int):
        super().__init__()
        self.transform = nn.Linear(width, width)
        self.gate = nn.Linear(width, width)

    def forward(self, states: Tensor) -> Tensor:
        """`(..., width)` to the same."""
        return states + self.gate(states).sigmoid() * (self.transform(states).relu() - states)


class CharacterCNN(nn.Module):
    """Words by their characters.

    Every place counts, those behind the end of a short word too: padding within a word is a character like any other,
    with a vector of its own, as the reference has it.

    Args:
        embedding_size: width of a character's vector.
        filters: pairs of a window's width in characters, and how many filters look through it.
        num_highway_layers: highway layers over the largest answers.
        activation: what follows the largest answer of a filter: `relu` or `tanh`.
        output_size: width of a linear projection at the end; `None` for none, so that there is a component for each
            filter.
        num_characters: different characters.
    """

    def __init__(
        self,
        embedding_size: int,
        filters: Sequence[Sequence[int]],
        num_highway_layers: int = 0,
        activation: Literal["relu", "tanh"] = "relu",
        output_size: int | None = None,
        num_characters: int = NUM_CHARACTERS,
    ):
        super().__init__()
        features = sum(number for _, number in filters)
        self.widest = max(width for width, _ in filters)
        self.embeddings = nn.Embedding(num_characters, embedding_size)
        self.convolutions = nn.ModuleList(nn.Conv1d(embedding_size, number, width) for width, number in filters)
        self.activation = torch.tanh if activation == "tanh" else torch.relu
        self.highways = nn.ModuleList(Highway(features) for _ in range(num_highway_layers))
        self.projection = nn.Identity() if output_size is None else nn.Linear(features, output_size)

    def forward(self, character_ids: Tensor) -> Tensor:
        """Read words.

        Args:
            character_ids: `(..., characters)`, at least as many as the widest window has.

        Returns:
            `(..., output_size)`.

        Raises:
            ValueError: for too few characters.
        """
        if character_ids.shape[-1] < self.widest:
            given = character_ids.shape[-1]
            raise ValueError(f"character_ids has {given} characters a word, but the widest filter needs {self.widest}")
        words = character_ids.flatten(0, -2)  # (words, characters)
        if words.device.type == "cpu" and not torch.compiler.is_compiling():
            # Most words of a batch occur more than once; elsewhere, counting them would cost more than it saves.
            words, which = words.unique(dim=0, return_inverse=True)
            vectors = self._read(words).index_select(0, which)
        else:
            vectors = self._read(words)
        return vectors.unflatten(0, character_ids.shape[:-1])

    def _read(self, words: Tensor) -> Tensor:
        """`(words, characters)` to `(words, output_size)`."""
        channels = self.embeddings(words).transpose(1, 2)  # (words, embedding_size, characters)
        # The maximum first: on a rising function the order makes no difference but for the work.
        answers = [self.activation(convolution(channels).amax(-1)) for convolution in self.convolutions]
        states = torch.cat(answers, dim=1)  # (words, features)
        for highway in self.highways:
            states = highway(states)
        return self.projection(states)

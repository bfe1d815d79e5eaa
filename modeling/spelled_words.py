"""Words as what their characters tell, in place of a table of word vectors (Kim et al. 2016; Peters et al. 2018)."""

from typing import Any

import torch
from torch import Tensor, nn

from .char_cnn import CharacterCNN
from .spelling import BEGIN_SENTENCE, BEGIN_WORD, END_SENTENCE, END_WORD, PADDING, SpellingTable


class SpelledWords(nn.Module):
    """How each word is spelled, and a network that reads it.

    Args:
        vocab_size: words whose spelling there is a place for.
        max_characters: numbers in a spelling.
        options: those of `CharacterCNN`.
    """

    def __init__(self, vocab_size: int, max_characters: int, **options: Any):
        super().__init__()
        self.spelling = SpellingTable(vocab_size, max_characters)
        self.characters = CharacterCNN(**options)

    @property
    def num_embeddings(self) -> int:
        """Words whose spelling there is a place for."""
        return self.spelling.spellings.shape[0]

    @property
    def weight(self) -> Tensor:
        """What there is of each word: its spelling, `(vocab_size, max_characters)`."""
        return self.spelling.spellings

    def forward(self, input_ids: Tensor, character_ids: Tensor | None = None) -> Tensor:
        """Read words.

        Args:
            input_ids: `(batch, length)`.
            character_ids: their spellings, `(batch, length, characters)`; without them, as the table has them.

        Returns:
            `(batch, length, width)`.
        """
        return self.characters(self.spelling(input_ids, character_ids))

    def boundaries(self, device: torch.device) -> Tensor:
        """`<s>` and `</s>`, `(2, width)`: each a word of one mark, whatever a vocabulary makes of its name."""
        padding = [PADDING] * (self.weight.shape[1] - 3)
        spelled = [[BEGIN_WORD, mark, END_WORD, *padding] for mark in (BEGIN_SENTENCE, END_SENTENCE)]
        return self.characters(torch.tensor(spelled, device=device))

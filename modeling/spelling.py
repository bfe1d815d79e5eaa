"""How the words of a vocabulary are spelled, for models that read characters but are given ids alone."""

import torch
from torch import Tensor, nn
from transformers import initialization as init

NUM_CHARACTERS = 262  # 0 for no word, the 256 bytes, and the five below: ids of ELMo, from 1 up one above the byte
BEGIN_SENTENCE, END_SENTENCE, BEGIN_WORD, END_WORD, PADDING = range(257, NUM_CHARACTERS)


class SpellingTable(nn.Module):
    """The spelling of every known word, saved with the weights.

    A tokenizer that gives character ids sees each word as it stands in the text. Where there is none, as in generation
    or behind a plain tokenizer, this table spells the words it knows; until it is set, they are zeros, as padding is.

    Args:
        vocab_size: number of words.
        max_characters: numbers in a spelling.
    """

    spellings: Tensor  # int16 (vocab_size, max_characters)

    def __init__(self, vocab_size: int, max_characters: int):
        super().__init__()
        self.register_buffer("spellings", torch.zeros(vocab_size, max_characters, dtype=torch.int16))

    def forward(self, input_ids: Tensor, character_ids: Tensor | None = None) -> Tensor:
        """Spell words.

        Args:
            input_ids: `(batch, length)`.
            character_ids: their spellings, `(batch, length, characters)`, if they are known already.

        Returns:
            `character_ids` if given, else the table's, int64 `(batch, length, max_characters)`.
        """
        # A tokenizer returns an empty text as a tensor of no floats, for want of an integer to tell the type by.
        return (self.spellings[input_ids.long()] if character_ids is None else character_ids).long()

    def set_spellings(self, spellings: Tensor) -> None:
        """Tell how the words are spelled.

        Args:
            spellings: character ids, `(vocab_size, max_characters)`.

        Raises:
            ValueError: for another shape.
        """
        if spellings.shape != self.spellings.shape:
            wanted, given = tuple(self.spellings.shape), tuple(spellings.shape)
            raise ValueError(f"spellings has shape {given}, but must have (vocab_size, max_characters), {wanted}")
        with torch.no_grad():
            self.spellings.copy_(spellings)

    def resize(self, vocab_size: int) -> None:
        """Make room for new words, whose spellings are zeros, or forget the last ones."""
        kept = self.spellings[:vocab_size]
        self.spellings = nn.functional.pad(kept, (0, 0, 0, vocab_size - len(kept)))

    def reset(self) -> None:
        """Forget all spellings, but for those that were just loaded: what a family's `_init_weights` calls."""
        init.zeros_(self.spellings)

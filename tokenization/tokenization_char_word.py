"""Words with their characters: a `tokenizer.json` of whole words that also tells how each is spelled.

For models that read characters beside words, or in place of them: ELMo (Peters et al. 2018), the character features of
Ma & Hovy (2016) and Lample et al. (2016). A word that the vocabulary does not know is `<unk>` and has its spelling.
"""

from collections.abc import Iterable, Sequence

from .character_ids import BEGIN_SENTENCE, END_SENTENCE, MAX_CHARACTERS, Spelling, no_word, spell, spell_mark
from .token_numbers import TokenNumbersTokenizer


class CharWordTokenizer(TokenNumbersTokenizer):
    """A fast tokenizer of words that gives `character_ids (batch, length, max_characters)` beside the usual.

    A token is spelled as it stands in the text, before normalisation: case is kept. `<s>` and `</s>` (`bos_token` and
    `eos_token`) have codes of their own and padding is zeros. What stands nowhere in the text, such as the `[CLS]` of a
    template, is spelled by its name. Take `character_ids` out of `model_input_names`, and it is a plain tokenizer.

    Args:
        max_characters: numbers for each word; longer words are cut.
    """

    model_input_names = ["input_ids", "attention_mask", "character_ids"]
    numbers_name = "character_ids"
    # For save_pretrained: it names this class in tokenizer_config.json, and copies this file and its siblings.
    _auto_class = "AutoTokenizer"

    # A property of what transformers keeps: a remote class with an __init__ of its own gets an empty vocabulary.
    @property
    def max_characters(self) -> int:
        """Numbers for each word."""
        return self.init_kwargs.get("max_characters", MAX_CHARACTERS)

    @property
    def numbers_size(self) -> int:
        """Numbers for each word."""
        return self.max_characters

    def spell_tokens(self, tokens: Iterable[str]) -> list[Spelling]:
        """How tokens of the vocabulary are spelled, by their names where they are not special: `max_characters` each.

        Raises:
            ValueError: when `max_characters` leaves no room for a character.
        """
        special = {
            self.pad_token: no_word(self.max_characters),
            self.bos_token: spell_mark(BEGIN_SENTENCE, self.max_characters),
            self.eos_token: spell_mark(END_SENTENCE, self.max_characters),
        }
        return [special.get(token) or spell(self.as_read(token), self.max_characters) for token in tokens]

    def numbers_of(self, tokens: Sequence[tuple[int, str | None]]) -> list[Spelling]:
        """How tokens are spelled in their text; by their names where they are special or stand nowhere."""
        size, special = self.max_characters, {self.pad_token_id, self.bos_token_id, self.eos_token_id}
        return [
            self.spell_tokens(self.convert_ids_to_tokens([token]))[0]
            if written is None or token in special
            else spell(written.strip() or written, size)  # a space that a token carries is none of its letters
            for token, written in tokens
        ]

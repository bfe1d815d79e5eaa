"""What a tokenizer makes of a text: how much it knows, how many tokens it takes, and which are long or rare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from .messages import translate
from .subwords import BYTES
from .text_parts import batches_of_parts, cuts_for, cuts_of
from .vocabulary import spelled_vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_SHOWN = 8


@dataclass
class TokenizerReport:
    """Figures of a tokenizer on a text.

    Args:
        vocabulary: tokens that it knows, special ones included.
        texts: how many were read.
        characters: of the texts, without white space.
        tokens: that they became.
        unknown: of those.
        unseen: tokens of the vocabulary that the texts do not have, special ones and bytes left out.
        longest: tokens of the vocabulary with the most characters.
        rarest: tokens that the texts have least often, with their counts.
        frequent_unknown: what is most often unknown, with its counts.
        lengths: how many tokens of the texts have so many characters, from 1 up.
    """

    vocabulary: int
    texts: int = 0
    characters: int = 0
    tokens: int = 0
    unknown: int = 0
    unseen: int = 0
    longest: list[str] = field(default_factory=list)
    rarest: dict[str, int] = field(default_factory=dict)
    frequent_unknown: dict[str, int] = field(default_factory=dict)
    lengths: list[int] = field(default_factory=list)

    @property
    def coverage(self) -> float:
        """Share of the tokens of the texts that are known."""
        return 1 - self.unknown / max(self.tokens, 1)

    @property
    def tokens_per_character(self) -> float:
        """Tokens for each character that is no white space."""
        return self.tokens / max(self.characters, 1)

    def lines(self) -> list[str]:
        """What is printed."""
        found = [
            translate(
                "{vocabulary} tokens in the vocabulary; {tokens} in {texts} texts of {characters} characters.",
                vocabulary=f"{self.vocabulary:,}",
                tokens=f"{self.tokens:,}",
                texts=f"{self.texts:,}",
                characters=f"{self.characters:,}",
            ),
            translate(
                "coverage {coverage} %, unknown {unknown} %, {ratio} tokens per character",
                coverage=f"{100 * self.coverage:.2f}",
                unknown=f"{100 * (1 - self.coverage):.2f}",
                ratio=f"{self.tokens_per_character:.3f}",
            ),
        ]
        if self.longest and len(self.longest[0]) > 1:
            found.append(translate("longest: {items}", items=_listed(self.longest)))
        if self.rarest:
            found.append(translate("rarest: {items}", items=_counted(self.rarest)))
        if self.frequent_unknown:
            found.append(translate("most often unknown: {items}", items=_counted(self.frequent_unknown)))
        if self.unseen:
            found.append(translate("tokens of the vocabulary that do not occur: {count}", count=f"{self.unseen:,}"))
        return found


def _listed(tokens: Iterable[str]) -> str:
    """Two spaces apart, since a comma may be a token; in quotation marks where a terminal would not show one."""
    return "  ".join(token if token.isprintable() and " " not in token else repr(token) for token in tokens)


def _counted(tokens: Mapping[str, int]) -> str:
    return "  ".join(f"{_listed([token])} {count:,}" for token, count in tokens.items())


def measure_tokenizer(
    tokenizer: PreTrainedTokenizerFast, texts: Iterable[str], kind: str | None = None
) -> TokenizerReport:
    """Read texts once and count.

    Args:
        tokenizer: to be measured.
        texts: read once.
        kind: as the verb has it; None for what the tokenizer itself tells.
    """
    cuts = cuts_for(tokenizer, True) if kind is None else cuts_of(kind, tokenizer.all_special_tokens, True)
    tally = TokenTally(tokenizer)
    total = characters = 0
    for batch, ends in batches_of_parts(texts, cuts):
        total += sum(ends)
        characters += sum(len(word) for part in batch for word in part.split())
        tally.add(batch, np.ones(len(batch), np.int64))
    return tally.report(total, characters)


class TokenTally:
    """What a tokenizer has made of texts so far.

    Args:
        tokenizer: to be measured.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        self._tokenizer, self._backend = tokenizer, tokenizer.backend_tokenizer
        self._backend.no_truncation()
        self._backend.no_padding()
        # A word that is spelled like a special token has a second id: there are more of these than tokens.
        self._counts = np.zeros(max(tokenizer.get_vocab().values()) + 1, np.int64)
        self._lengths = np.zeros(1, np.int64)  # of tokens, in characters of the text
        self._unknown: Counter[str] = Counter()

    def add(self, texts: Sequence[str], times: np.ndarray) -> None:
        """Count texts, each so often: int64 `(texts,)`."""
        encodings = self._backend.encode_batch(texts, add_special_tokens=False)
        owners = np.repeat(np.arange(len(texts)), [len(encoding) for encoding in encodings])
        ids = np.fromiter(chain.from_iterable(encoding.ids for encoding in encodings), np.int64, len(owners))
        flat = chain.from_iterable(chain.from_iterable(encoding.offsets for encoding in encodings))
        places = np.fromiter(flat, np.int64, 2 * len(owners)).reshape(-1, 2)
        weights, lengths = times[owners], places[:, 1] - places[:, 0]
        longest = int(lengths.max(initial=0)) + 1
        if longest > len(self._lengths):
            self._lengths = np.append(self._lengths, np.zeros(longest - len(self._lengths), np.int64))
        np.add.at(self._counts, ids, weights)
        np.add.at(self._lengths, lengths, weights)
        for place in np.flatnonzero(ids == self._tokenizer.unk_token_id).tolist():
            self._unknown[texts[owners[place]][slice(*places[place])]] += int(weights[place])

    def report(self, texts: int, characters: int) -> TokenizerReport:
        """The figures, of so many texts with so many characters that are no white space."""
        vocabulary, counts = spelled_vocabulary(self._tokenizer), self._counts.tolist()
        special = {*self._tokenizer.all_special_ids, *(vocabulary[token] for token in BYTES if token in vocabulary)}
        names = {index: token for token, index in vocabulary.items() if index not in special}
        seen = sorted((index for index in names if counts[index]), key=lambda index: (counts[index], names[index]))
        return TokenizerReport(
            vocabulary=len(self._tokenizer),
            texts=texts,
            characters=characters,
            tokens=sum(counts),
            unknown=counts[self._tokenizer.unk_token_id],
            unseen=len(names) - len(seen),
            longest=sorted(names.values(), key=lambda token: (-len(token), token))[:_SHOWN],
            rarest={names[index]: counts[index] for index in seen[:_SHOWN]},
            frequent_unknown=dict(self._unknown.most_common(_SHOWN)),
            lengths=self._lengths[1:].tolist(),
        )

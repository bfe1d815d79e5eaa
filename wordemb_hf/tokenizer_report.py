"""What a tokenizer makes of a text: how much it knows, how many tokens it takes, and which are long or rare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .messages import translate
from .subwords import BYTES
from .token_ids import in_batches
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


def measure_tokenizer(tokenizer: PreTrainedTokenizerFast, texts: Iterable[str]) -> TokenizerReport:
    """Read texts once and count."""
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    vocabulary = spelled_vocabulary(tokenizer)
    special = {*tokenizer.all_special_ids, *(vocabulary[token] for token in BYTES if token in vocabulary)}
    names = {index: token for token, index in vocabulary.items() if index not in special}
    report = TokenizerReport(len(tokenizer))
    counts = np.zeros(len(tokenizer), np.int64)
    lengths: Counter[int] = Counter()
    unknown: Counter[str] = Counter()
    for batch in in_batches(texts):
        report.texts += len(batch)
        for text, encoding in zip(batch, backend.encode_batch(batch, add_special_tokens=False), strict=True):
            report.characters += sum(map(len, text.split()))
            ids = np.array(encoding.ids, np.int64)
            counts += np.bincount(ids, minlength=len(counts)) if len(ids) else 0
            lengths.update(stop - start for start, stop in encoding.offsets)
            for place in np.flatnonzero(ids == tokenizer.unk_token_id):
                unknown[text[slice(*encoding.offsets[place])]] += 1
    report.tokens = int(counts.sum())
    report.unknown = int(counts[tokenizer.unk_token_id])
    seen = sorted((index for index in names if counts[index]), key=lambda index: (counts[index], names[index]))
    report.unseen = len(names) - len(seen)
    report.longest = sorted(names.values(), key=lambda token: (-len(token), token))[:_SHOWN]
    report.rarest = {names[index]: int(counts[index]) for index in seen[:_SHOWN]}
    report.frequent_unknown = dict(unknown.most_common(_SHOWN))
    report.lengths = [lengths[length] for length in range(1, max(lengths, default=0) + 1)]
    return report

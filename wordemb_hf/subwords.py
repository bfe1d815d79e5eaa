"""Pieces of words: BPE, WordPiece and Unigram, trained by the tokenizers library into a plain tokenizer.json.

- `bpe` (Sennrich et al. 2016, section 3.2) and `unigram` (Kudo 2018, section 3) read text as SentencePiece does: a
  space belongs to the word behind it (`▁`), so that decoding gives the text back.
- `wordpiece` is BERT's (Devlin et al. 2019): words first, Chinese characters apart, and `##` before what goes on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from .errors import UserError
from .segmentation.discovery import sample_of
from .text_parts import cuts_of, in_parts
from .tokenizer_kinds import SPACE, UNK, all_special_tokens, as_transformers, without_tokens

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

SUBWORD_KINDS = ("bpe", "wordpiece", "unigram")
BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))


def train_subwords(
    texts: Iterable[str],
    *,
    kind: str,
    vocab_size: int = 16_000,
    min_count: int = 2,
    lowercase: bool = False,
    byte_fallback: bool = False,
    special_tokens: Sequence[str] = (),
    max_length: int | None = None,
) -> PreTrainedTokenizerFast:
    """A tokenizer of pieces of words.

    `bpe` learns the same pieces of the same text in every run; the trainers of the others break ties as they come.

    Args:
        texts: read once.
        kind: one of `SUBWORD_KINDS`.
        vocab_size: at most so many pieces, special tokens included.
        min_count: of a pair of pieces that becomes one; `unigram` has no such pairs.
        lowercase: put text into lower case.
        byte_fallback: a character that is no piece becomes its bytes in UTF-8, and nothing is unknown; not for
            `wordpiece`.
        special_tokens: more special tokens than padding and the unknown one.
        max_length: where `truncation=True` cuts, in tokens.

    Raises:
        UserError: for an impossible setting, no text, or fewer pieces than there are special tokens and characters.
    """
    if kind not in SUBWORD_KINDS:
        raise UserError(f"kind must be one of {', '.join(SUBWORD_KINDS)}, not {kind!r}")
    if byte_fallback and kind == "wordpiece":
        raise UserError("byte_fallback is set, but wordpiece has no bytes to fall back on: take bpe or unigram")
    specials = all_special_tokens(special_tokens)
    first = [*specials, *(BYTES if byte_fallback else ())]
    for name, value in (("vocab_size", vocab_size), ("min_count", min_count), ("max_length", max_length)):
        if value is not None and value < 1:
            raise UserError(f"{name} must be at least 1, not {value}")
    size = vocab_size - len(first) + len(specials)  # of what is trained
    if size <= len(specials):
        raise UserError(
            f"vocab_size is {vocab_size}, but {len(first)} of the pieces are special tokens or bytes: give more"
        )
    tokenizer = _blank(kind, lowercase)
    sample, rest = sample_of(without_tokens(specials, texts))
    cuts = cuts_of(kind)
    trainer = _trainer(kind, size, min_count, specials, _characters(tokenizer, in_parts(sample, cuts)))
    try:
        tokenizer.train_from_iterator(in_parts(chain(sample, rest), cuts), trainer)
    except UserError:
        raise
    except BaseException as error:  # the tokenizers library raises bare Exceptions, or panics, as unigram on odd text
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise UserError(
            f"no pieces can be learned from the corpus ({error}): give more text, or a larger vocab_size"
        ) from error
    if tokenizer.get_vocab_size() <= len(specials):
        raise UserError("the corpus holds no text to learn pieces from: give text")
    if tokenizer.get_vocab_size() > size:
        needed = tokenizer.get_vocab_size() - size + vocab_size
        raise UserError(f"vocab_size is {vocab_size}, but characters and special tokens alone are {needed}: give more")
    if byte_fallback:
        tokenizer = _with_bytes(tokenizer, len(specials))
    return as_transformers(tokenizer, specials, max_length)


def _blank(kind: str, lowercase: bool) -> Tokenizer:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    steps: list[normalizers.Normalizer] = [normalizers.NFKC()]
    if lowercase:
        steps.append(normalizers.Lowercase())
    if kind == "wordpiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token=UNK))
        tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.BertNormalizer(lowercase=False)])
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece(cleanup=False)
        return tokenizer
    tokenizer = Tokenizer(models.BPE(unk_token=UNK, fuse_unk=True) if kind == "bpe" else models.Unigram())
    steps += [normalizers.Replace(SPACE, "_"), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always")
    tokenizer.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Replace(SPACE, " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def _characters(tokenizer: Tokenizer, texts: Iterable[str]) -> list[str]:
    """The characters of texts by falling frequency, ties by code point, and first what stands for a space."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(tokenizer.normalizer.normalize_str(text))
    del counts[" "]
    known = sorted(counts, key=lambda character: (-counts[character], character))
    return [SPACE, *known] if known else []


def _trainer(kind: str, size: int, min_count: int, specials: list[str], characters: list[str]) -> Any:
    from tokenizers import trainers

    common: dict[str, Any] = {"vocab_size": size, "special_tokens": specials, "show_progress": False}
    if kind == "unigram":
        return trainers.UnigramTrainer(unk_token=UNK, **common)
    # Of Chinese every character would be a piece before any pair of letters is: not the rarest ones. Which are rarest
    # is said here, since the trainer cuts ties as they come, in one run otherwise than in the next.
    most = max(size // 2, 256)
    common |= {"limit_alphabet": most, "initial_alphabet": characters[kind == "wordpiece" :][:most]}
    return (trainers.BpeTrainer if kind == "bpe" else trainers.WordPieceTrainer)(min_frequency=min_count, **common)


def _with_bytes(tokenizer: Tokenizer, specials: int) -> Tokenizer:
    """The same tokenizer with the 256 bytes behind its special tokens, for characters that are no pieces."""
    from tokenizers import Regex, Tokenizer, pre_tokenizers

    content = json.loads(tokenizer.to_str())
    model = content["model"]
    model["byte_fallback"] = True
    if model["type"] == "BPE":
        order = sorted(model["vocab"], key=model["vocab"].__getitem__)
        order[specials:specials] = BYTES
        model["vocab"] = {piece: index for index, piece in enumerate(order)}
    else:
        # A byte is as improbable as what is unknown, so that it stands for nothing but that.
        least = min(score for _, score in model["vocab"]) - 10.0
        model["vocab"][specials:specials] = [[byte, least] for byte in BYTES]
        apart = pre_tokenizers.Split(Regex("<(?=0x[0-9A-F]{2}>)"), "isolated")  # a text's own `<0x41>` is no byte
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([tokenizer.pre_tokenizer, apart])
        content["pre_tokenizer"] = json.loads(tokenizer.to_str())["pre_tokenizer"]
    return Tokenizer.from_str(json.dumps(content))

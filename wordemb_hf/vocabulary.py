"""Counts and ids: a plain `tokenizer.json` of words or characters by frequency, and a corpus as one array of ids.

What `save_pretrained` writes needs no code of ours again: `AutoTokenizer.from_pretrained(folder)` reads it. Only a
tokenizer that also gives characters or n-grams of tokens has a class of its own, whose code is written beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .errors import UserError
from .growing_array import GrowingArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    from .tokenization import CharWordTokenizer, NgramWordTokenizer
    from .tokenization.ngram_hashing import NgramScheme

Text = TypeVar("Text", str, Sequence[str])

PAD, UNK = "<pad>", "<unk>"
KINDS = ("word", "word-space", "char", "char-space", "whitespace")

# The names under which transformers looks for well-known special tokens.
ROLES = {
    "<s>": "bos_token",
    "<bos>": "bos_token",
    "[BOS]": "bos_token",
    "</s>": "eos_token",
    "<eos>": "eos_token",
    "[EOS]": "eos_token",
    "<mask>": "mask_token",
    "[MASK]": "mask_token",
    "<cls>": "cls_token",
    "[CLS]": "cls_token",
    "<sep>": "sep_token",
    "[SEP]": "sep_token",
}

_CJK = r"\p{Han}\p{Hiragana}\p{Katakana}ー"
_START = rf"[\p{{L}}\p{{N}}&&[^{_CJK}]]"
_INNER = rf"[\p{{L}}\p{{N}}\p{{M}}&&[^{_CJK}]]"
_ALONE = r"[^\s\p{Cc}\p{Cf}]"  # control and format characters (zero-width space, soft hyphen) only separate

# In this order: 3.5 10:30 1,000 | 's 'll standing apart | don't o'clock 4th | any other symbol, with its accents
WORD_PATTERN = "|".join(
    (
        r"\p{Nd}+(?:[.,:]\p{Nd}+)+",
        rf"'(?i:s|m|d|t|re|ve|ll|em)(?!{_INNER})",
        rf"{_START}{_INNER}*(?:'{_START}{_INNER}*)*",
        rf"{_ALONE}\p{{M}}*",
    )
)
SPACE = "▁"  # as in SentencePiece: a space that belongs to the word behind it
# A character alone; with its spaces where text is to be written and not only read.
CHAR_PATTERNS = {"char": _ALONE, "char-space": r"[^\p{Cc}\p{Cf}]"}


@dataclass
class Ids:
    """A corpus as ids: document `i` is `ids[offsets[i]:offsets[i + 1]]`.

    Shapes: ids int32 (tokens,); offsets int64 (documents + 1,).
    """

    ids: np.ndarray
    offsets: np.ndarray

    def counts(self, vocab_size: int) -> np.ndarray:
        """How often each id occurs: int64 (vocab_size,)."""
        total = np.zeros(vocab_size, np.int64)
        # In slices, since bincount first widens what it counts to 8 bytes an id.
        for start in range(0, len(self.ids), 1 << 20):
            total += np.bincount(self.ids[start : start + (1 << 20)], minlength=vocab_size)
        return total


def build_tokenizer(
    texts: Iterable[str],
    *,
    kind: str = "word",
    min_count: int = 5,
    max_size: int | None = 50000,
    lowercase: bool = True,
    special_tokens: Sequence[str] = (),
    max_length: int | None = None,
    max_characters: int | None = None,
    ngrams: NgramScheme | None = None,
) -> PreTrainedTokenizerFast:
    """Count `texts`, read once, and make a tokenizer of what occurs at least `min_count` times.

    Ids: `<pad>` 0, `<unk>` 1, `special_tokens`, then tokens by falling frequency, ties by code point. But for
    `whitespace`, text is normalised by NFKC (full-width forms become plain ones), curly apostrophes in words to
    straight ones.

    Args:
        kind: `word` keeps inner apostrophes, takes clitics that stand apart ('s), numbers such as 3.5 and 10:30 whole,
            splits at hyphens, and takes any other symbol and every Chinese or Japanese character alone;
            `word-space` is the same for a model that writes: a word knows whether a space stands before it (`▁`), so
            that decoding gives the text back; Chinese and Japanese characters have none before them;
            `char` takes every character alone and no white space, `char-space` every space as well, for a model that
            writes; `whitespace` takes what stands between white space as it is, for a corpus that is tokenised already.
            A `<unk>` in the text is the unknown token in any kind.
        max_size: at most this many tokens beside the special ones; None for all.
        special_tokens: more special tokens; `<s>`, `</s>`, `<mask>`, `[CLS]` ... also become `bos_token` and so on.
        max_length: where `truncation=True` cuts, in tokens (`model_max_length`).
        max_characters: also give the spelling of each token, in so many numbers (50 in ELMo; a Chinese character takes
            three and each word two more), as `character_ids`; None for a plain tokenizer.
        ngrams: also give the n-grams of each unknown word, by this scheme, as `ngram_ids`; None for a plain tokenizer.

    Raises:
        UserError: for an impossible value, or when nothing reaches `min_count`.
    """
    check_tokenizer(kind, min_count, max_size, special_tokens, max_length, max_characters)
    if max_characters is not None and ngrams is not None:
        raise UserError("max_characters and ngrams are both given, but a tokenizer gives characters or n-grams")

    from tokenizers import trainers

    specials = all_special_tokens(special_tokens)
    tokenizer = blank_tokenizer(kind, lowercase)
    size = len(specials) + (1 << 31 if max_size is None else max_size)
    trainer = trainers.WordLevelTrainer(
        vocab_size=size, min_frequency=min_count, special_tokens=specials, show_progress=False
    )
    tokenizer.train_from_iterator(without_tokens(specials, texts), trainer)
    if tokenizer.get_vocab_size() == len(specials):
        # The counts stay in the trainer, whose only window on them is its pickled state.
        counts: dict[str, int] = json.loads(trainer.__getstate__())["WordLevelTrainer"].get("words", {})
        raise UserError(_nothing_left(counts, kind, min_count))
    return _with_roles(tokenizer, specials, max_length, max_characters, ngrams)


def frequent_words(
    words: Sequence[str], counts: np.ndarray, *, kind: str = "word", min_count: int = 5, max_size: int | None = 50000
) -> list[str]:
    """The words that `build_tokenizer` gives ids to, in their order: by falling frequency, ties by code point.

    Args:
        words: different ones, as the normalizer and pre-tokenizer of the kind give them.
        counts: how often each occurs, int64 `(words,)`.

    Raises:
        UserError: when nothing reaches `min_count`.
    """
    frequent = np.flatnonzero(counts >= min_count).tolist()
    numbers = counts.tolist()
    if not frequent:
        raise UserError(_nothing_left(dict(zip(words, numbers, strict=True)), kind, min_count))
    # Twice, since sorting is stable and a key that is no tuple is much quicker.
    frequent.sort(key=words.__getitem__)
    frequent.sort(key=numbers.__getitem__, reverse=True)
    return [words[index] for index in frequent[:max_size]]


def tokenizer_from_words(
    words: Sequence[str],
    *,
    kind: str = "word",
    lowercase: bool = True,
    special_tokens: Sequence[str] = (),
    max_characters: int | None = None,
    ngrams: NgramScheme | None = None,
) -> PreTrainedTokenizerFast:
    """The tokenizer that `build_tokenizer` makes of a text whose words these are, in the order of `frequent_words`."""
    from tokenizers import models

    specials = all_special_tokens(special_tokens)
    tokenizer = blank_tokenizer(kind, lowercase)
    # A word that is spelled like a special token takes a second id from it, as in the trainer of tokenizers.
    vocabulary = {token: index for index, token in enumerate([*specials, *words])}
    tokenizer.model = models.WordLevel(vocabulary, unk_token=UNK)
    tokenizer.add_special_tokens(specials)
    return _with_roles(tokenizer, specials, max_characters=max_characters, ngrams=ngrams)


def check_tokenizer(
    kind: str,
    min_count: int,
    max_size: int | None,
    special_tokens: Sequence[str],
    max_length: int | None = None,
    max_characters: int | None = None,
) -> None:
    """Refuse impossible settings of `build_tokenizer`.

    Raises:
        UserError: naming the setting, its value and what is allowed.
    """
    if kind not in KINDS:
        raise UserError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    for name, value in (("min_count", min_count), ("max_size", max_size), ("max_length", max_length)):
        if value is not None and value < 1:
            raise UserError(f"{name} must be at least 1, not {value}")
    if max_characters is not None and max_characters < 3:
        raise UserError(f"max_characters must be at least 3, not {max_characters}: two go to begin and end of word")
    if not all(special_tokens):
        raise UserError("special_tokens must not hold an empty string")


def all_special_tokens(special_tokens: Sequence[str]) -> list[str]:
    """Padding, the unknown token and `special_tokens`, each once, in the order of their ids."""
    return list(dict.fromkeys([PAD, UNK, *special_tokens]))


def blank_tokenizer(kind: str, lowercase: bool) -> Tokenizer:
    """A tokenizer that cuts text as the kind does, and knows no word yet."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({PAD: 0, UNK: 1}, unk_token=UNK))
    # NFKC makes two words of some characters (´ becomes a space and an accent): not where words are settled.
    steps: list[normalizers.Normalizer] = [] if kind == "whitespace" else [normalizers.NFKC()]
    if kind in ("word", "word-space"):
        steps.append(normalizers.Replace("’", "'"))
    if lowercase:
        steps.append(normalizers.Lowercase())
    if kind == "word-space":
        steps += [normalizers.Replace(SPACE, "_"), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
        steps += [normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)]
        steps.append(normalizers.Replace(Regex(rf"{SPACE}(?=[{_CJK}])"), ""))
    tokenizer.normalizer = normalizers.Sequence(steps)
    if kind == "whitespace":
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    else:
        pattern = rf"{SPACE}?(?:{WORD_PATTERN})" if kind == "word-space" else CHAR_PATTERNS.get(kind, WORD_PATTERN)
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True)
    if kind == "word-space":
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace(SPACE, " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
    if kind in CHAR_PATTERNS:
        tokenizer.decoder = decoders.Fuse()  # without a decoder tokens are joined by spaces
    return tokenizer


def _with_roles(
    tokenizer: Tokenizer,
    specials: list[str],
    max_length: int | None = None,
    max_characters: int | None = None,
    ngrams: NgramScheme | None = None,
) -> PreTrainedTokenizerFast:
    """What transformers loads: the tokenizer, and which of its special tokens has which role."""
    from transformers import PreTrainedTokenizerFast

    from .tokenization import CharWordTokenizer, NgramWordTokenizer

    roles = {ROLES[token]: token for token in specials if token in ROLES}
    settings: dict[str, Any] = {"pad_token": PAD, "unk_token": UNK, "padding_side": "right", **roles}
    settings |= {"clean_up_tokenization_spaces": False}
    if max_length is not None:
        settings["model_max_length"] = max_length
    if max_characters is not None:
        return CharWordTokenizer(tokenizer_object=tokenizer, max_characters=max_characters, **settings)
    if ngrams is not None:
        return NgramWordTokenizer(tokenizer_object=tokenizer, **ngrams._asdict(), **settings)
    names = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=names, **settings)


def extend_tokenizer(
    tokenizer: PreTrainedTokenizerFast, texts: Iterable[str], *, min_count: int = 1
) -> PreTrainedTokenizerFast:
    """A copy of `tokenizer` that also knows the words of `texts` which occur at least `min_count` times.

    It is of the same class, with the same settings. Ids that exist stay as they are; new words follow by falling
    frequency, ties by code point.

    Raises:
        UserError: if the tokenizer is not one of whole words or characters.
    """
    from tokenizers import Tokenizer, models, trainers

    _check_words(tokenizer)
    counter = Tokenizer(models.WordLevel(unk_token=UNK))
    counter.normalizer = tokenizer.backend_tokenizer.normalizer
    counter.pre_tokenizer = tokenizer.backend_tokenizer.pre_tokenizer
    trainer = trainers.WordLevelTrainer(vocab_size=1 << 31, min_frequency=min_count, show_progress=False)
    counter.train_from_iterator(without_tokens(tokenizer.all_special_tokens, texts), trainer)
    counted = counter.get_vocab()
    return with_words(tokenizer, sorted(counted, key=counted.__getitem__))


def with_words(tokenizer: PreTrainedTokenizerFast, words: Iterable[str]) -> PreTrainedTokenizerFast:
    """A copy of `tokenizer` that also knows `words`, in this order behind its own; see `extend_tokenizer`.

    Raises:
        UserError: if the tokenizer is not one of whole words or characters.
    """
    from tokenizers import Tokenizer

    content = _check_words(tokenizer)
    vocabulary = content["model"]["vocab"]
    for word in words:
        vocabulary.setdefault(word, len(vocabulary))
    origin = {"name_or_path", "is_local", "local_files_only"}
    settings = {name: value for name, value in tokenizer.init_kwargs.items() if name not in origin}
    # What may have been set since.
    for name in ("model_max_length", "padding_side", "truncation_side", "model_input_names"):
        settings[name] = getattr(tokenizer, name)
    settings |= tokenizer.special_tokens_map
    return type(tokenizer)(tokenizer_object=Tokenizer.from_str(json.dumps(content)), **settings)


def _check_words(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """What a tokenizer.json holds, of one that can be given words."""
    content: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    kind = content["model"]["type"]
    if kind != "WordLevel":
        raise UserError(f"a tokenizer of type {kind} cannot be given new words, one of type WordLevel can")
    return content


def kind_of(tokenizer: PreTrainedTokenizerFast) -> tuple[str, bool] | None:
    """The kind that a tokenizer cuts text as, and whether it lower-cases; None where it is another's."""

    def cutting(tokenizer: Tokenizer) -> tuple[Any, Any]:
        content = json.loads(tokenizer.to_str())
        return content["normalizer"], content["pre_tokenizer"]

    found = cutting(tokenizer.backend_tokenizer)
    kinds = [(kind, lowercase) for kind in KINDS for lowercase in (True, False)]
    return next((given for given in kinds if cutting(blank_tokenizer(*given)) == found), None)


def vocabulary_spellings(tokenizer: CharWordTokenizer) -> np.ndarray:
    """How each token of the vocabulary is spelled, int16 `(vocab_size, max_characters)`.

    These are the tokens as the vocabulary has them: in lower case, if it was made so.
    """
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    return np.array(tokenizer.spell_tokens(tokens), np.int16)


def vocabulary_ngrams(tokenizer: NgramWordTokenizer) -> np.ndarray:
    """The n-grams of each token of the vocabulary, buckets from 1 up, 0 for none: int32 `(vocab_size, max_ngrams)`."""
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    return np.array(tokenizer.hash_tokens(tokens), np.int32)


def encode_corpus(
    tokenizer: PreTrainedTokenizerFast,
    texts: Iterable[str],
    *,
    drop_unknown: bool = True,
    files: tuple[Path, Path] | None = None,
) -> Ids:
    """Encode all `texts` whole, no special tokens around them, in the memory of a chunk of text.

    The ids and offsets are written to `files` if they are given; else they stay in memory as long as they are small
    (`GrowingArray`).

    With `drop_unknown` unknown tokens (and a literal `<pad>`) are taken out before any window is made, as word2vec.c
    does. Documents that are then empty are left out.
    """
    backend = tokenizer.backend_tokenizer
    # Left over from an earlier call; every call of the tokenizer itself sets them anew.
    backend.no_truncation()
    backend.no_padding()
    dropped = [tokenizer.pad_token_id, tokenizer.unk_token_id] if drop_unknown else []
    places = files or (None, None)
    ids, offsets = GrowingArray(np.int32, places[0]), GrowingArray(np.int64, places[1])
    offsets.append(np.zeros(1))
    total = 0
    for chunk in in_batches(texts):
        rows, counts = _encode(backend, chunk, dropped)
        ids.append(rows)
        offsets.append(total + np.cumsum(counts, dtype=np.int64))
        total += len(rows)
    return Ids(ids.finish(), offsets.finish())


def _encode(backend: Tokenizer, chunk: list[str], dropped: list[int | None]) -> tuple[np.ndarray, np.ndarray]:
    """The ids of a chunk end to end, and the length of each document that is not empty."""
    rows = [encoding.ids for encoding in backend.encode_batch_fast(chunk, add_special_tokens=False)]
    lengths = np.fromiter(map(len, rows), np.int32, len(rows))
    flat = np.fromiter((token for row in rows for token in row), np.int32, int(lengths.sum()))
    keep = np.ones(len(flat), bool)
    for token in dropped:
        if token is not None:
            keep &= flat != token
    document = np.repeat(np.arange(len(rows)), lengths)
    lengths = np.bincount(document[keep], minlength=len(rows)).astype(np.int32)
    return flat[keep], lengths[lengths > 0]


def in_batches(texts: Iterable[Text], characters: int = 1 << 18) -> Iterator[list[Text]]:
    """Lists of texts of about so many characters, or words, together."""
    chunk: list[Text] = []
    size = 0
    for text in texts:
        chunk.append(text)
        size += len(text) + 1
        if size >= characters:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def without_tokens(specials: list[str], texts: Iterable[str]) -> Iterator[str]:
    """Encoding finds special tokens in the text (Wikitext's `<unk>`) before it looks for words: so must counting."""
    for text in texts:
        for token in specials:
            if token in text:
                text = text.replace(token, " ")
        yield text


def _nothing_left(words: dict[str, int], kind: str, min_count: int) -> str:
    noun = "character" if kind in CHAR_PATTERNS else "word"
    if not words:
        return f"the corpus holds no {noun} at all: give text"
    word, count = min(words.items(), key=lambda item: (-item[1], item[0]))
    return (
        f"no {noun} of the corpus occurs at least {min_count} times (the most frequent, {word!r}, occurs "
        f"{count} {'time' if count == 1 else 'times'}): lower --min-count or give more text"
    )

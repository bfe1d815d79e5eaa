"""Kinds of tokenizers: how each cuts text, before it knows a word, and what makes of it a tokenizer of transformers.

What `save_pretrained` writes needs no code of ours again: `AutoTokenizer.from_pretrained(folder)` reads it. Only a
tokenizer that also gives characters or n-grams of tokens has a class of its own, whose code is written beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .errors import UserError
from .records import check_text

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    from .tokenization.ngram_hashing import NgramScheme

PAD, UNK = "<pad>", "<unk>"

KINDS = ("word", "word-space", "word-zh", "char", "char-space", "whitespace")
# `word` as well-known word vectors have cut their text.
NORMALISED = {"none": "word", "text8": "word-text8", "glove": "word-glove"}

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


# As the Stanford tokenizer cut the text of GloVe: 1,000 3.5 | n't 's | u.s. | well-known | ... -- `` '' | symbols
GLOVE_PATTERN = "|".join(
    (
        r"\p{Nd}+(?:[.,:/]\p{Nd}+)+",
        rf"n't(?!{_INNER})|'(?:s|m|d|re|ve|ll)(?!{_INNER})",
        r"(?:\p{L}\.){2,}",
        rf"{_START}{_INNER}*?(?=n't(?!{_INNER}))",
        rf"{_START}{_INNER}*(?:-{_START}{_INNER}*)*",
        r"\.\.\.|--|``|''",
        rf"{_ALONE}\p{{M}}*",
    )
)
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def all_special_tokens(special_tokens: Sequence[str]) -> list[str]:
    """Padding, the unknown token and `special_tokens`, each once, in the order of their ids.

    Raises:
        UserError: for one that is empty, or holds half of a surrogate pair.
    """
    if not all(special_tokens):
        raise UserError("special_tokens must not hold an empty string")
    check_text("special_tokens", "".join(special_tokens))
    return list(dict.fromkeys([PAD, UNK, *special_tokens]))


def blank_tokenizer(kind: str, lowercase: bool) -> Tokenizer:
    """A tokenizer that cuts text as the kind does, and knows no word yet."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    if kind == "word-zh":
        from .segmentation.chinese_words import blank_segmenter

        return blank_segmenter(lowercase)
    if kind in ("word-text8", "word-glove"):
        return _blank_normalised(kind)
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


def _blank_normalised(kind: str) -> Tokenizer:
    """`word-text8` keeps the letters a to z and spells digits (Mahoney 2006, "About the Test Data"); or as GloVe's."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({PAD: 0, UNK: 1}, unk_token=UNK))
    if kind == "word-text8":
        steps = [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
        steps += [normalizers.Replace(str(digit), f" {name} ") for digit, name in enumerate(_DIGITS)]
        tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.Replace(Regex("[^a-z]+"), " ")])
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        return tokenizer
    quotes = {"’": "'", "‘": "'", "“": "``", "”": "''", "…": "..."}
    steps = [normalizers.Replace(mark, plain) for mark, plain in quotes.items()]
    tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(GLOVE_PATTERN), behavior="removed", invert=True)
    return tokenizer


def kind_of(tokenizer: PreTrainedTokenizerFast) -> tuple[str, bool] | None:
    """The kind that a tokenizer cuts text as, and whether it lower-cases; None where it is another's."""

    def cutting(tokenizer: Tokenizer) -> list[Any]:
        steps: list[Any] = [tokenizer.normalizer, tokenizer.pre_tokenizer]
        return [None if step is None else json.loads(step.__getstate__()) for step in steps]

    found = cutting(tokenizer.backend_tokenizer)
    kinds = [(kind, lowercase) for kind in (*KINDS, *NORMALISED.values()) for lowercase in (True, False)]
    return next((given for given in kinds if cutting(blank_tokenizer(*given)) == found), None)


def as_transformers(
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


def without_tokens(specials: list[str], texts: Iterable[str]) -> Iterator[str]:
    """Encoding finds special tokens in the text (Wikitext's `<unk>`) before it looks for words: so must counting.

    Raises:
        UserError: for half of a surrogate pair, which no tokenizer takes.
    """
    for number, text in enumerate(texts, 1):
        check_text(f"text {number}", text)
        for token in specials:
            if token in text:
                text = text.replace(token, " ")
        yield text


def nothing_left(words: Mapping[str, int], kind: str, min_count: int) -> str:
    """What is wrong with a corpus of which no word is frequent enough."""
    noun = "character" if kind in CHAR_PATTERNS else "word"
    if not words:
        return f"the corpus holds no {noun} at all: give text"
    word, count = min(words.items(), key=lambda item: (-item[1], item[0]))
    return (
        f"no {noun} of the corpus occurs at least {min_count} times (the most frequent, {word!r}, occurs "
        f"{count} {'time' if count == 1 else 'times'}): lower --min-count or give more text"
    )

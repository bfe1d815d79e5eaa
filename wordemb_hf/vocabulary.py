"""Vocabularies of words or characters by frequency, in a plain `tokenizer.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import UserError
from .phrases import join_phrases
from .segmentation.chinese_words import unmarked
from .text_parts import cuts_of, in_parts
from .tokenizer_kinds import (
    KINDS,
    NORMALISED,
    UNK,
    all_special_tokens,
    as_transformers,
    blank_tokenizer,
    kind_of,
    nothing_left,
    without_tokens,
)

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    from .tokenization import CharWordTokenizer, NgramWordTokenizer
    from .tokenization.ngram_hashing import NgramScheme


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
    dictionary: Mapping[str, float] | None = None,
    new_words: bool = False,
    phrases: Sequence[str] = (),
) -> PreTrainedTokenizerFast:
    """Count `texts`, read once, and make a tokenizer of what occurs at least `min_count` times.

    Ids: `<pad>` 0, `<unk>` 1, `special_tokens`, then tokens by falling frequency, ties by code point. But for
    `whitespace`, text is normalised by NFKC (full-width forms become plain ones), curly apostrophes in words to
    straight ones.

    Args:
        texts: the corpus.
        min_count: what is rarer has no id. Of the kind `word-zh`, 0 keeps all words of the dictionary.
        kind: `word` keeps inner apostrophes, takes clitics that stand apart ('s), numbers such as 3.5 and 10:30 whole,
            splits at hyphens, and takes any other symbol and every Chinese or Japanese character alone;
            `word-space` is the same for a model that writes: a word knows whether a space stands before it (`▁`), so
            that decoding gives the text back; Chinese and Japanese characters have none before them;
            `word-zh` finds Chinese words by how probable they are, and everything else as `word` does, but that clitics
            stay with their words (`segmentation.chinese_words`);
            `char` takes every character alone and no white space, `char-space` every space as well, for a model that
            writes; `whitespace` takes what stands between white space as it is, for a corpus that is tokenised already.
            A `<unk>` in the text is the unknown token in any kind.
        max_size: at most this many tokens beside the special ones; None for all.
        special_tokens: more special tokens; `<s>`, `</s>`, `<mask>`, `[CLS]` ... also become `bos_token` and so on.
        max_length: where `truncation=True` cuts, in tokens (`model_max_length`).
        max_characters: also give the spelling of each token, in so many numbers (50 in ELMo; a Chinese character takes
            three and each word two more), as `character_ids`; None for a plain tokenizer.
        ngrams: also give the n-grams of each unknown word, by this scheme, as `ngram_ids`; None for a plain tokenizer.
        dictionary: of the kind `word-zh`, words and how often they are used; None for jieba's where it is installed,
            and otherwise for what the texts themselves tell.
        new_words: of the kind `word-zh`, also take words of the texts that the dictionary lacks, such as names.
        phrases: words with spaces between them that are one word, `new york` as `new_york`; of the kind `word`.

    Raises:
        UserError: for an impossible value, or when nothing reaches `min_count`.
    """
    check_tokenizer(kind, min_count, max_size, special_tokens, max_length, max_characters)
    if max_characters is not None and ngrams is not None:
        raise UserError("max_characters and ngrams are both given, but a tokenizer gives characters or n-grams")

    from tokenizers import trainers

    specials = all_special_tokens(special_tokens)
    if kind == "word-zh":
        from .segmentation.building import build_segmenter

        segmenter = build_segmenter(
            texts,
            dictionary,
            min_count=min_count,
            max_size=max_size,
            lowercase=lowercase,
            specials=specials,
            new_words=new_words,
        )
        return as_transformers(segmenter, specials, max_length, max_characters, ngrams)
    tokenizer = blank_tokenizer(kind, lowercase)
    if phrases:
        join_phrases(tokenizer, phrases)
    size = len(specials) + (1 << 31 if max_size is None else max_size)
    trainer = trainers.WordLevelTrainer(
        vocab_size=size, min_frequency=min_count, special_tokens=specials, show_progress=False
    )
    cuts = None if phrases else cuts_of(kind)
    tokenizer.train_from_iterator(in_parts(without_tokens(specials, texts), cuts), trainer)
    if tokenizer.get_vocab_size() == len(specials):
        # The counts stay in the trainer, whose only window on them is its pickled state.
        counts: dict[str, int] = json.loads(trainer.__getstate__())["WordLevelTrainer"].get("words", {})
        raise UserError(nothing_left(counts, kind, min_count))
    return as_transformers(tokenizer, specials, max_length, max_characters, ngrams)


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
        raise UserError(nothing_left(dict(zip(words, numbers, strict=True)), kind, min_count))
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
    """The tokenizer that `build_tokenizer` makes of a text whose words these are, in the order of `frequent_words`.

    Of the kind `word-zh`, whose words must have probabilities too, these follow from the order by Zipf's law.
    """
    from tokenizers import models

    specials = all_special_tokens(special_tokens)
    if kind == "word-zh":
        from .segmentation.building import segmenter_of_words

        segmenter = segmenter_of_words(words, lowercase, specials)
        return as_transformers(segmenter, specials, max_characters=max_characters, ngrams=ngrams)
    tokenizer = blank_tokenizer(kind, lowercase)
    # A word that is spelled like a special token takes a second id from it, as in the trainer of tokenizers.
    vocabulary = {token: index for index, token in enumerate([*specials, *words])}
    tokenizer.model = models.WordLevel(vocabulary, unk_token=UNK)
    tokenizer.add_special_tokens(specials)
    return as_transformers(tokenizer, specials, max_characters=max_characters, ngrams=ngrams)


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
    if kind not in (*KINDS, *NORMALISED.values()):
        raise UserError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    for name, value in (("min_count", min_count), ("max_size", max_size), ("max_length", max_length)):
        least = 0 if name == "min_count" and kind == "word-zh" else 1
        if value is not None and value < least:
            raise UserError(f"{name} must be at least {least}, not {value}")
    if max_characters is not None and max_characters < 3:
        raise UserError(f"max_characters must be at least 3, not {max_characters}: two go to begin and end of word")
    all_special_tokens(special_tokens)


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

    kind, _ = kind_of(tokenizer) or ("", False)
    counted = in_parts(without_tokens(tokenizer.all_special_tokens, texts), cuts_of(kind))
    if kind == "word-zh":
        from .segmentation.building import extended_segmenter

        return _with_backend(tokenizer, extended_segmenter(tokenizer.backend_tokenizer, counted, min_count))
    _check_words(tokenizer)
    counter = Tokenizer(models.WordLevel(unk_token=UNK))
    counter.normalizer = tokenizer.backend_tokenizer.normalizer
    counter.pre_tokenizer = tokenizer.backend_tokenizer.pre_tokenizer
    trainer = trainers.WordLevelTrainer(vocab_size=1 << 31, min_frequency=min_count, show_progress=False)
    counter.train_from_iterator(counted, trainer)
    found = counter.get_vocab()
    return with_words(tokenizer, sorted(found, key=found.__getitem__))


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
    return _with_backend(tokenizer, Tokenizer.from_str(json.dumps(content)))


def _with_backend(tokenizer: PreTrainedTokenizerFast, backend: Tokenizer) -> PreTrainedTokenizerFast:
    """A tokenizer of the same class and settings with another vocabulary."""
    origin = {"name_or_path", "is_local", "local_files_only"}
    settings = {name: value for name, value in tokenizer.init_kwargs.items() if name not in origin}
    # What may have been set since.
    for name in ("model_max_length", "padding_side", "truncation_side", "model_input_names"):
        settings[name] = getattr(tokenizer, name)
    settings |= tokenizer.special_tokens_map
    return type(tokenizer)(tokenizer_object=backend, **settings)


def _check_words(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """What a tokenizer.json holds, of one that can be given words."""
    content: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    kind = content["model"]["type"]
    if kind != "WordLevel":
        raise UserError(f"a tokenizer of type {kind} cannot be given new words, one of type WordLevel can")
    return content


def spelled_vocabulary(tokenizer: PreTrainedTokenizerFast) -> dict[str, int]:
    """The ids of words as they are read, without the marks that the kind `word-zh` puts on some."""
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    if (kind_of(tokenizer) or ("", False))[0] != "word-zh":
        return vocabulary
    return {unmarked(piece): index for piece, index in vocabulary.items()}


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

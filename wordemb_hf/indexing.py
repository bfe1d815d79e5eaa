"""The text of a language model as a tokenizer and ids, which are made once and mapped into memory."""

import shutil
import weakref
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import kept_ids
from .corpus import read_texts, text_files
from .processors import count_processors
from .segmentation.dictionaries import installed_sources
from .token_ids import Ids, encode_corpus
from .tokenizer_kinds import all_special_tokens, as_transformers
from .vocabulary import build_tokenizer, tokenizer_from_words
from .word2vec.corpus_ids import scan_corpus

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SMALL = 4 << 20  # bytes of files whose ids are made again sooner than found


def index_text(
    paths: Sequence[Path],
    *,
    kind: str,
    min_count: int,
    max_size: int | None,
    lowercase: bool,
    special_tokens: Sequence[str],
    max_characters: int | None,
    text_column: str,
    line_ends: bool,
    given: "PreTrainedTokenizerFast | None" = None,
    drop_unknown: bool = False,
) -> "tuple[PreTrainedTokenizerFast, Ids]":
    """The tokenizer of a text by `build_tokenizer`, and all of the text as ids, unknown words included.

    Those of 4 MB of text and more are a file, which is kept as those of word vectors are (`kept_ids`) under the content
    of the text and the settings: a second run and further processes find it there. The memory is that of the different
    words.

    Args:
        paths: as `read_texts` takes them, with `text_column`.
        kind: as in `build_tokenizer`; so are the others.
        line_ends: the end of each document, also of an empty one, is a token.
        given: a tokenizer to take in place of a new one, for which most of the above is decided.
        drop_unknown: leave unknown words out, as `encode_corpus` does, and documents without any other.

    Raises:
        UserError: for text that cannot be read, as `build_tokenizer`, and when the ids cannot be written.
    """
    limit = kept_ids.kept_bytes()
    files = [file for _, group in text_files(paths) for file in group]
    words: dict[str, Any] = {
        "kind": kind,
        "lowercase": lowercase,
        "special_tokens": special_tokens,
        "max_characters": max_characters,
    }
    # A novel's people, which no dictionary has, are what its word vectors are about.
    counting: dict[str, Any] = {"min_count": min_count, "max_size": max_size, "new_words": True}
    own_words = installed_sources() if given is None else given.backend_tokenizer.to_str()

    def texts() -> Iterator[str]:
        return read_texts(paths, text_column=text_column, keep_empty=line_ends)

    def encode(tokenizer: "PreTrainedTokenizerFast", folder: Path | None = None) -> Ids:
        places = None if folder is None else (folder / kept_ids.IDS, folder / kept_ids.OFFSETS)
        return encode_lines(tokenizer, texts(), line_ends, places, drop_unknown)

    if sum(file.stat().st_size for file in files) < SMALL:
        tokenizer = given or build_tokenizer(texts(), **words, **counting)
        return tokenizer, encode(tokenizer)

    scanned = scan_corpus(
        paths,
        lambda known: tokenizer_from_words(known, **words),
        given,
        kind=kind,
        lowercase=lowercase,
        special_tokens=special_tokens,
        text_column=text_column,
        line_ends=line_ends,
        drop_unknown=drop_unknown,
        min_count=min_count,
        max_size=max_size,
    )
    if scanned is not None:
        return scanned

    with ThreadPoolExecutor(count_processors()) as pool:
        key = None
        with suppress(OSError):  # a file that cannot be read is told of by who reads it
            key = (
                kept_ids.key_of(
                    files, ["language", words, counting, text_column, line_ends, own_words, drop_unknown], pool
                )
                if limit
                else None
            )
        with kept_ids.alone(key):
            found = kept_ids.load_entry(key, pool, "r") if key else None
            if found is not None:
                known, ids = found
                if given is None and kind == "word-zh":
                    from tokenizers import Tokenizer

                    given = as_transformers(
                        Tokenizer.from_str(known[0]),
                        all_special_tokens(special_tokens),
                        max_characters=max_characters,
                    )
                return given or tokenizer_from_words(known, **words), ids
            tokenizer = given or build_tokenizer(texts(), **words, **counting)
            folder = kept_ids.work_folder()
            try:
                with kept_ids.named(folder):
                    ids = encode(tokenizer, folder)
                    tokens, documents = len(ids.ids), len(ids.offsets) - 1
                    own = range(len(all_special_tokens(special_tokens)), len(tokenizer))
                    known = [str(word) for word in tokenizer.convert_ids_to_tokens(list(own))]
                    if kind == "word-zh":  # whose words have probabilities too
                        known = [tokenizer.backend_tokenizer.to_str()]
                    del ids  # a file that is in use cannot take its place on Windows
                    place = kept_ids.keep(folder, key, known, tokens, documents, pool) if key else folder
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
    ids = kept_ids.open_ids(place, tokens, documents, "r")
    if place == folder:
        weakref.finalize(ids, shutil.rmtree, folder, ignore_errors=True)
    return tokenizer, ids


def encode_lines(
    tokenizer: "PreTrainedTokenizerFast",
    texts: Iterable[str],
    line_ends: bool,
    files: tuple[Path, Path] | None = None,
    drop_unknown: bool = False,
) -> Ids:
    """Text as a language model reads it: unknown words as such, and each line's end where the lines make a stream."""
    if line_ends:
        end = tokenizer.eos_token
        texts = (f"{text}{end}" for text in texts)
    return encode_corpus(tokenizer, texts, drop_unknown=drop_unknown, files=files)

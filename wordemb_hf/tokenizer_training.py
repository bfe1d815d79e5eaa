"""The verb `tokenizer`: from a text to a tokenizer.json, and what it makes of the text."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .errors import UserError
from .messages import language as spoken
from .messages import translate
from .options import Overwrite, TextColumn

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from .tokenizer_report import TokenizerReport

PICTURE = "token_lengths.png"
_BY_MODEL = "model:"


def tokenizer(
    corpus: Annotated[
        list[Path],
        typer.Option(help="Text: txt, jsonl, csv, tsv (.gz), parquet, folder, name on the Hub.", metavar="PATH|HUB"),
    ],
    output: Annotated[Path, typer.Option(help="Folder for the tokenizer; it must be new or empty.", metavar="FOLDER")],
    kind: Annotated[
        str,
        typer.Option(help="word, word-space, word-zh, char, char-space, whitespace, bpe, wordpiece, unigram, model:…"),
    ] = "word",
    overwrite: Overwrite = False,
    text_column: TextColumn = "text",
    min_count: Annotated[
        int | None,
        typer.Option(help="Leave out what occurs less often.", show_default="5; 2 for pieces", metavar="N"),
    ] = None,
    vocab_size: Annotated[
        int | None,
        typer.Option(help="At most so many tokens.", show_default="200000; 16000 for pieces", metavar="N"),
    ] = None,
    lowercase: Annotated[
        bool | None,
        typer.Option(
            "--lowercase/--cased",
            help="Take upper and lower case for the same.",
            show_default="cased for pieces and word-space",
        ),
    ] = None,
    normalise: Annotated[
        Literal["none", "text8", "glove"],
        typer.Option(help="word: cut and change text as the makers of text8 or GloVe did."),
    ] = "none",
    phrases: Annotated[
        Literal["npmi", "mikolov"] | None,
        typer.Option(help="word: take pairs that belong together for one word, by this score.", show_default="none"),
    ] = None,
    phrase_threshold: Annotated[
        float | None,
        typer.Option(help="The least score of a phrase.", show_default="npmi 0.5, mikolov 100", metavar="X"),
    ] = None,
    dictionary: Annotated[
        list[Path] | None,
        typer.Option(
            help="word-zh: words, one a line, and how often they are used.", show_default="jieba's", metavar="FILE"
        ),
    ] = None,
    segmented: Annotated[
        list[Path] | None,
        typer.Option(help="word-zh: text that is cut already: by spaces, or .conll of B M E S.", metavar="FILE"),
    ] = None,
    learn: Annotated[
        bool,
        typer.Option("--learn", help="word-zh: learn words from the corpus, and take no dictionary but those given."),
    ] = False,
    new_words: Annotated[
        bool, typer.Option("--new-words", help="word-zh: also learn words that the dictionary lacks, such as names.")
    ] = False,
    byte_fallback: Annotated[
        bool, typer.Option("--byte-fallback", help="bpe, unigram: spell unknown characters in bytes.")
    ] = False,
    max_characters: Annotated[
        int | None,
        typer.Option(help="Also give the spelling of words, in so many numbers.", show_default="off", metavar="N"),
    ] = None,
    special_token: Annotated[
        list[str] | None, typer.Option(help="Beside `<pad>` and `<unk>`: `<s>`, `</s>`, `<mask>` …", metavar="TOKEN")
    ] = None,
) -> "TokenizerReport":
    """Train a tokenizer on raw text, and measure it there.

    The folder loads with `AutoTokenizer`; `pretrain --tokenizer` and `finetune --tokenizer` take it. `word-zh` finds
    Chinese words by a dictionary: jieba's (`pip install 'wordemb-hf[zh]'`), yours, one that is counted in segmented
    text, or what the corpus itself tells; `model:FOLDER` has a tagger of ours cut the corpus and counts its words.

    Returns:
        The figures that are printed.

    Raises:
        UserError: for text that cannot be read, an impossible setting, or an output folder with something in it.
    """
    from .corpus import read_texts
    from .folders import check_output, new_folder
    from .hub_texts import local_texts
    from .plots.histograms import length_histogram
    from .subwords import SUBWORD_KINDS
    from .tokenizer_kinds import KINDS, NORMALISED
    from .tokenizer_report import measure_tokenizer

    corpus = [Path(path) for path in ([corpus] if isinstance(corpus, str | Path) else corpus)]
    output = Path(output)
    check_output(output, overwrite)
    model = kind.removeprefix(_BY_MODEL) if kind.startswith(_BY_MODEL) else None
    if model is None and kind not in (*KINDS, *SUBWORD_KINDS):
        raise UserError(f"kind is {kind!r}, but must be one of {', '.join((*KINDS, *SUBWORD_KINDS))}, or model:FOLDER")
    chinese = kind == "word-zh" or model is not None
    for name, given, fits, only in (
        ("dictionary", dictionary, chinese, "word-zh"),
        ("segmented", segmented, chinese, "word-zh"),
        ("learn", learn, kind == "word-zh", "word-zh"),
        ("new_words", new_words, chinese and not learn, "word-zh without --learn"),
        ("normalise", normalise != "none", kind == "word", "word"),
        ("phrases", phrases, kind == "word" and normalise == "none", "word without normalise"),
        ("min_count", min_count is not None, kind != "unigram", "all kinds but this"),
        ("byte_fallback", byte_fallback, kind in ("bpe", "unigram"), "bpe and unigram"),
        (
            "max_characters",
            max_characters is not None,
            kind not in SUBWORD_KINDS,
            "kinds of whole words and characters",
        ),
    ):
        if given and not fits:
            changed = "" if normalise == "none" else f" with normalise {normalise}"
            raise UserError(f"{name} is given, but is for {only}, and kind is {kind}{changed}")
    if phrase_threshold is not None and phrases is None:
        raise UserError("phrase_threshold is given, but phrases is not: say npmi or mikolov")
    if vocab_size is not None and vocab_size < 1:
        raise UserError(f"vocab_size must be at least 1, not {vocab_size}")
    pieces = kind in SUBWORD_KINDS
    settings: dict[str, Any] = {
        "min_count": (2 if pieces else 5) if min_count is None else min_count,
        "lowercase": kind not in (*SUBWORD_KINDS, "word-space", "char-space") if lowercase is None else lowercase,
        "special_tokens": tuple(special_token or ()),
    }
    size = (16_000 if pieces else 200_000) if vocab_size is None else vocab_size
    print(translate("Counting words in {corpus} …", corpus=", ".join(map(str, corpus))))
    with local_texts(corpus, text_column) as files:

        def texts() -> Any:
            return read_texts(files, text_column=text_column)

        counted = None
        if not pieces and model is None and phrases is None:
            from .word2vec.text_counts import count_text

            counted = count_text(
                files,
                kind=NORMALISED[normalise] if kind == "word" else kind,
                max_size=size,
                max_characters=max_characters,
                text_column=text_column,
                **settings,
            )
        if counted is not None:
            made, report = counted
        elif pieces:
            from .subwords import train_subwords

            made = train_subwords(texts(), kind=kind, vocab_size=size, byte_fallback=byte_fallback, **settings)
        else:
            made = _of_words(
                texts,
                kind=kind,
                model=model,
                normalise=normalise,
                phrases=phrases,
                threshold=phrase_threshold,
                dictionary=dictionary,
                segmented=segmented,
                learn=learn,
                new_words=new_words,
                max_size=size,
                max_characters=max_characters,
                **settings,
            )
        if counted is None:
            report = measure_tokenizer(made, texts(), kind if pieces else None)
    with new_folder(output) as folder:
        made.save_pretrained(folder)
        length_histogram(report.lengths, folder / PICTURE, language=spoken())
    for line in report.lines():
        print(line)
    print(translate("The tokenizer is in {output}.", output=output))
    return report


def _of_words(
    texts: Any,
    *,
    kind: str,
    model: str | None,
    normalise: str,
    phrases: Any,
    threshold: float | None,
    dictionary: list[Path] | None,
    segmented: list[Path] | None,
    learn: bool,
    new_words: bool,
    **settings: Any,
) -> "PreTrainedTokenizerFast":
    """A tokenizer of whole words or characters."""
    from .tokenizer_kinds import NORMALISED
    from .vocabulary import build_tokenizer

    if kind == "word-zh" or model is not None:
        words = _dictionary(texts, model, dictionary, segmented, learn)
        return build_tokenizer(texts(), kind="word-zh", dictionary=words, new_words=new_words, **settings)
    if kind == "word":
        kind = NORMALISED[normalise]
    made = build_tokenizer(texts(), kind=kind, **settings)
    if phrases is None:
        return made
    from .phrases import find_phrases

    least = settings["min_count"]
    found = find_phrases(made.backend_tokenizer, texts(), score=phrases, threshold=threshold, min_count=least)
    if not found:
        return made
    print(translate("{count} phrases: {examples} …", count=f"{len(found):,}", examples=", ".join(found[:5])))
    return build_tokenizer(texts(), kind=kind, phrases=found, **settings)


def _dictionary(
    texts: Any, model: str | None, dictionary: list[Path] | None, segmented: list[Path] | None, learn: bool
) -> dict[str, float] | None:
    """The words and frequencies that are asked for; None for what `build_tokenizer` takes by itself."""
    from .segmentation.dictionaries import (
        counted_words,
        filled_up,
        has_installed_dictionary,
        installed_dictionary,
        merged,
        read_dictionary,
        read_segmented,
        with_traditional,
    )

    own = merged([read_dictionary(Path(path)) for path in dictionary or ()])
    cut = merged([counted_words(read_segmented(Path(path))) for path in segmented or ()])
    if model is not None:
        from .segmentation.by_model import ModelSegmenter
        from .training import make_accelerator

        cut = merged([cut, counted_words(ModelSegmenter(model, make_accelerator())(texts()))])
    if learn:
        from .segmentation.discovery import discover_words, sample_of

        return merged([discover_words(sample_of(texts())[0]), own, cut])
    if cut:
        return filled_up(cut, own)
    if own and any(own.values()):
        return own
    if own:
        return merged([with_traditional(installed_dictionary()), own]) if has_installed_dictionary() else own
    return None

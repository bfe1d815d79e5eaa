"""The verb `pretrain`: from raw text to a model that has read it."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .errors import UserError
from .messages import translate
from .options import (
    DATA,
    MODEL,
    TRAINING,
    AverageFrom,
    CardLanguage,
    CheckpointSteps,
    Compile,
    Ema,
    GivenTokenizer,
    Language,
    LoggingDir,
    Lowercase,
    MinCount,
    MixedPrecision,
    OutputFolder,
    Overwrite,
    Resume,
    Seed,
    TextColumn,
    TokenizerKind,
    Trackers,
    model_option,
    training_option,
)
from .processors import count_processors

if TYPE_CHECKING:
    pass


def pretrain(
    corpus: Annotated[
        list[Path],
        typer.Option(help="Text: txt, jsonl, csv, tsv (.gz), parquet, folder, name on the Hub.", metavar="PATH|HUB"),
    ],
    output: OutputFolder,
    overwrite: Overwrite = False,
    dev: Annotated[
        Path | None,
        typer.Option(
            help="Language models: text that tells which epoch is best.", rich_help_panel=DATA, metavar="FILE"
        ),
    ] = None,
    text_column: TextColumn = "text",
    tokenizer_kind: TokenizerKind = "word",
    tokenizer: GivenTokenizer = None,
    lowercase: Lowercase = True,
    min_count: MinCount = 5,
    max_vocab_size: Annotated[
        int, typer.Option(help="Keep at most so many words.", rich_help_panel=DATA, metavar="N")
    ] = 200_000,
    language: Language = None,
    card_language: CardLanguage = None,
    family: Annotated[
        str, model_option("What to train: word2vec, a language model of a family that is one.", "NAME")
    ] = "word2vec",
    model: Annotated[
        str | None, model_option("Go on from this; word vectors get the words that they lack.", "FOLDER")
    ] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any field of the family's config.", rich_help_panel=MODEL, metavar="NAME=VALUE"),
    ] = None,
    algorithm: Annotated[
        Literal["skipgram", "cbow"] | None,
        typer.Option(help="word2vec: how neighbours predict.", rich_help_panel=MODEL, show_default="skipgram"),
    ] = None,
    hidden_size: Annotated[int | None, model_option("Width of a vector.", "N", "the family's")] = None,
    window_size: Annotated[int | None, model_option("word2vec: words on each side, at most.", "N", "5")] = None,
    num_negatives: Annotated[int | None, model_option("word2vec: noise words for each window.", "N", "5")] = None,
    subsample_threshold: Annotated[
        float | None,
        model_option("word2vec: thin out words above this share of the text; 0 for never.", "SHARE", "preset"),
    ] = None,
    threads: Annotated[
        int | None, training_option("word2vec on a CPU: threads; one repeats exactly.", "N", "all cores")
    ] = None,
    epochs: Annotated[int | None, training_option("Passes over the text.", "N", "preset")] = None,
    batch_size: Annotated[
        int | None, training_option("Texts in a batch; or windows, where no engine trains word vectors.", "N", "preset")
    ] = None,
    length: Annotated[
        int | None, training_option("Language models: tokens of a piece that gradients go through.", "N", "preset")
    ] = None,
    whole_words: Annotated[
        bool, typer.Option("--whole-words", help="Masked words: hide all pieces of one.", rich_help_panel=TRAINING)
    ] = False,
    learning_rate: Annotated[float | None, training_option("At its highest.", "RATE", "preset")] = None,
    ema: Ema = 0.0,
    average_from: AverageFrom = 1.0,
    mixed_precision: MixedPrecision = None,
    checkpoint_steps: CheckpointSteps = 0,
    resume: Resume = "auto",
    seed: Seed = 0,
    compile: Compile = False,
    tracker: Trackers = None,
    logging_dir: LoggingDir = None,
) -> Path:
    """Train word vectors or a language model on raw text.

    `word2vec` gives a vector for each word; `rnn` and `transformer_decoder` predict the next word, `bilstm` each word
    from both its sides, `elmo` from each side by itself, `transformer_encoder` words that are hidden behind a mask;
    `transformer_seq2seq` writes a text with gaps again. The folder that is written loads with transformers' Auto
    classes; it holds the code, a model card, the training curve and, of word vectors, a map. Show neighbours with
    `wordemb-hf neighbors FOLDER WORD`, go on with a text with `wordemb-hf predict FOLDER TEXT`, and fine-tune with
    `wordemb-hf finetune --vectors FOLDER` or `--model FOLDER`.

    Returns:
        The folder.

    Raises:
        UserError: for text that cannot be read, no word that is frequent enough, an impossible setting, or an output
            folder with something in it.
    """
    from .families import (
        PRETRAINING,
        characters_read,
        check_family,
        make_config,
        ngrams_read,
        parse_settings,
        readable_length,
        word_vector_settings,
    )
    from .folders import check_output, new_folder
    from .model_card import check_card_language

    corpus = [Path(path) for path in ([corpus] if isinstance(corpus, str | Path) else corpus)]
    output = Path(output)
    check_output(output, overwrite)
    check_card_language(card_language)
    check_family(family)
    if family not in PRETRAINING:
        raise UserError(f"family is {family!r}, but pretrain knows {', '.join(sorted(PRETRAINING))}")
    preset = PRETRAINING[family]
    named = {
        "algorithm": algorithm,
        "hidden_size": hidden_size,
        "window_size": window_size,
        "num_negatives": num_negatives,
        "subsample_threshold": subsample_threshold,
    }
    options = {**parse_settings(fields), **{name: value for name, value in named.items() if value is not None}}
    if model is not None and tokenizer is not None:
        raise UserError(f"model {model} brings its own tokenizer: leave --tokenizer out")
    if model is not None and options:
        raise UserError(
            f"model {model} brings its own settings, but {', '.join(options)} would change them: leave it out"
        )
    config = make_config(family, **{**preset.settings, **options})  # refused before any text is read, if impossible
    batch_size = preset.batch_size if batch_size is None else batch_size
    length = preset.length if length is None else length
    for name, value in (("batch_size", batch_size), ("length", length), ("threads", threads)):
        if value is not None and value < 1:
            raise UserError(f"{name} is {value}, but must be at least 1")
    if threads is not None and threads > count_processors():
        raise UserError(f"threads is {threads}, but this process has {count_processors()} processors: give no more")
    if whole_words and preset.objective != "masked_lm":
        raise UserError(f"whole_words is set, but {family} hides no words: only transformer_encoder does")
    if (compile or tracker or ema or average_from != 1) and preset.objective == "windows":
        raise UserError(
            "compile, tracker, ema and average_from are for language models: word vectors have an engine of their own"
        )
    if dev is not None and preset.objective == "windows":
        raise UserError(f"dev is {dev}, but word vectors have no development text: measure them by what they are for")

    from .checkpoints import Checkpoints, describe_training, forget_training
    from .corpus import read_texts
    from .documents import document_language_model, document_vectors
    from .hub_datasets import dataset_name
    from .hub_texts import local_texts
    from .indexing import index_text
    from .language_models import (
        check_config,
        encode_text,
        load_language_model,
        new_language_model,
        train_language_model,
    )
    from .loading import load_tokenizer
    from .new_models import that_gives
    from .splits import DEV_NAMES, source_of
    from .trackers import tracked
    from .training import TrainingSettings, make_accelerator
    from .word2vec.corpus_ids import extend_corpus, index_corpus
    from .word_vectors import (
        different_words,
        extend_word_vectors,
        load_word_vectors,
        new_word_vectors,
        train_word_vectors,
    )

    vectors = preset.objective == "windows"
    if model is not None:
        trained, known = load_word_vectors(model) if vectors else load_language_model(model, family)
        config = trained.config
        length = readable_length(config, length)
    given = None
    if tokenizer is not None:
        given = that_gives(load_tokenizer(tokenizer, preset.special_tokens), config)
    settings = TrainingSettings(
        epochs=preset.epochs if epochs is None else epochs,
        learning_rate=preset.learning_rate if learning_rate is None else learning_rate,
        ema=ema,
        average_from=average_from,
        mixed_precision=mixed_precision,
        seed=seed,
        compile=compile,
        **({"optimizer": "sgd", "floor": 1e-4, "summed_loss": True} if vectors else {"max_grad_norm": 1.0}),
    )
    if not vectors:
        check_config(config, length)
    accelerator = make_accelerator(settings)
    accelerator.print(translate("Counting words in {corpus} …", corpus=", ".join(map(str, corpus))))

    words: dict[str, Any] = {
        "kind": tokenizer_kind,
        "min_count": min_count,
        "max_size": max_vocab_size,
        "lowercase": lowercase,
        "special_tokens": preset.special_tokens,
    }
    # An empty line ends a line as well, which a stream of text has a token for.
    stream = preset.objective == "causal_lm"
    with local_texts(corpus, text_column) as texts:
        if model is not None and vectors:
            reader, ids = extend_corpus(known, texts, min_count=min_count, text_column=text_column, threads=threads)
        elif vectors and given is None and tokenizer_kind != "word-zh":
            reader, ids = index_corpus(
                texts, text_column=text_column, threads=threads, ngrams=ngrams_read(config), **words
            )
        else:
            reader, ids = index_text(
                texts,
                text_column=text_column,
                max_characters=characters_read(config),
                line_ends=stream,
                given=given if model is None else known,
                drop_unknown=vectors,
                **words,
            )
            if vectors and given is None:
                reader = that_gives(reader, config)
    accelerator.print(
        translate(
            "{tokens} words in {documents} documents; {vocabulary} different ones occur at least {min_count} times.",
            tokens=f"{len(ids.ids):,}",
            documents=f"{len(ids.offsets) - 1:,}",
            vocabulary=f"{different_words(ids, len(reader)):,}",
            min_count=min_count,
        )
    )

    if vectors:
        rate, threshold, passes = word_vector_settings(config, len(ids.ids))
        settings = replace(settings, learning_rate=rate if learning_rate is None else learning_rate)
        if model is None:
            settings = replace(settings, epochs=passes if epochs is None else epochs)
            if "subsample_threshold" not in options:
                config.subsample_threshold = threshold
            config.vocab_size = len(reader)
            trained = new_word_vectors(config, reader, ids)
        else:
            extend_word_vectors(trained, reader, ids)
        result = train_word_vectors(trained, reader, ids, batch_size, settings, accelerator, threads, output)
    else:
        if model is None:
            trained = new_language_model(config, reader, length)
        held_out = None
        if dev is not None:
            dev_texts = read_texts(source_of(dev, *DEV_NAMES), text_column=text_column, keep_empty=stream)
            held_out = encode_text(reader, dev_texts, preset)
        arrays = [part for text in (ids, held_out) if text is not None for part in (text.ids, text.offsets)]

        described = describe_training(
            trained, settings, arrays, start=model, batch_size=batch_size, length=length, whole_words=whole_words
        )
        kept = Checkpoints.beside(output, described, checkpoint_steps, resume)
        logs = Path(logging_dir or output.parent / "logs")
        with tracked(accelerator, tracker or [], logs, output.name, settings):
            result = train_language_model(
                trained, reader, ids, held_out, batch_size, length, settings, accelerator, whole_words, kept
            )

    if accelerator.is_main_process:
        with new_folder(output) as folder:
            trained.cpu().save_pretrained(folder)
            reader.save_pretrained(folder)
            (document_vectors if vectors else document_language_model)(
                folder,
                trained,
                name=output.name,
                corpus=", ".join(dataset_name(path) or path.name for path in corpus),
                documents=len(ids.offsets) - 1,
                result=result,
                settings=settings,
                language=language,
                card_language=card_language,
            )
        forget_training(output)
        speed = len(ids.ids) * settings.epochs / max(result.seconds, 1e-9)
        accelerator.print(
            translate(
                "Trained in {seconds} s, {speed} words/s; the model is in {folder}.",
                seconds=f"{result.seconds:.0f}",
                speed=f"{speed:,.0f}",
                folder=output,
            )
        )
    accelerator.wait_for_everyone()
    return output

"""The verb `finetune`: from labelled texts to a classifier or a tagger that anyone can load."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .messages import translate
from .options import (
    DATA,
    DISTILLATION,
    MODEL,
    TRAINING,
    AverageFrom,
    BatchTokens,
    CardLanguage,
    CheckpointSteps,
    ClassWeights,
    Compile,
    Ema,
    Folds,
    GivenTokenizer,
    LabelColumn,
    Language,
    LoggingDir,
    LowercaseOfTask,
    MinCount,
    MixedPrecision,
    OutputFolderOrNone,
    Overwrite,
    Resume,
    Seed,
    Seeds,
    TargetColumn,
    TextColumn,
    TokenizerKindOfTask,
    Trackers,
    Unfreezing,
    model_option,
    training_option,
)


def finetune(
    data: Annotated[
        Path,
        typer.Option(
            help="Labelled texts: file, folder with train, dev, test, or name on the Hub.", metavar="PATH|HUB"
        ),
    ],
    output: OutputFolderOrNone = None,
    head: Annotated[
        str | None, typer.Option(help="In place of --output: heads/NAME in the folder it starts from.", metavar="NAME")
    ] = None,
    overwrite: Overwrite = False,
    task: Annotated[
        Literal["classification", "tagging", "seq2seq"] | None,
        typer.Option(help="A label for a text, or for each word of it, or a text.", show_default="by family and data"),
    ] = None,
    problem_type: Annotated[
        Literal["single_label_classification", "multi_label_classification", "regression"] | None,
        typer.Option(help="One label, several (in csv and tsv with | between), or a number.", show_default="by data"),
    ] = None,
    baseline: Annotated[
        bool, typer.Option("--baseline", help="Also measure TF-IDF with logistic regression, or most frequent tags.")
    ] = False,
    dev: Annotated[
        Path | None,
        typer.Option(
            help="Texts that decide when to stop.", show_default="a tenth", rich_help_panel=DATA, metavar="FILE"
        ),
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option(help="Texts that are looked at once, at the end.", rich_help_panel=DATA, metavar="FILE"),
    ] = None,
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    target_column: TargetColumn = "target",
    tokenizer_kind: TokenizerKindOfTask = None,
    tokenizer: GivenTokenizer = None,
    lowercase: LowercaseOfTask = None,
    min_count: MinCount = 1,
    max_length: Annotated[
        int, typer.Option(help="Cut longer texts, in tokens.", rich_help_panel=DATA, metavar="N")
    ] = 512,
    language: Language = None,
    card_language: CardLanguage = None,
    family: Annotated[str, model_option("What to train, as textcnn or transformer_seq2seq.", "NAME")] = "textcnn",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any field of the family's config.", rich_help_panel=MODEL, metavar="NAME=VALUE"),
    ] = None,
    vectors: Annotated[
        Path | None, model_option("Start from these word vectors, of any format.", "FOLDER|FILE|HUB")
    ] = None,
    model: Annotated[str | None, model_option("Start from this model, not from nothing.", "FOLDER|HUB")] = None,
    encoder: Annotated[str | None, model_option("Start the encoder from this bilstm or elmo.", "FOLDER|HUB")] = None,
    epochs: Annotated[int | None, training_option("Passes over the data, at most.", "N", "preset")] = None,
    patience: Annotated[int, training_option("Epochs without a better one before it stops; 0 for never.", "N")] = 5,
    batch_size: Annotated[int, training_option("Texts in a batch.", "N")] = 32,
    batch_tokens: BatchTokens = 0,
    learning_rate: Annotated[float | None, training_option("At its highest.", "RATE", "preset")] = None,
    schedule: Annotated[
        Literal["linear", "cosine", "constant", "slanted"], typer.Option(help="How it falls.", rich_help_panel=TRAINING)
    ] = "linear",
    warmup: Annotated[float, training_option("Share of the training in which it rises.", "SHARE")] = 0.05,
    weight_decay: Annotated[float, training_option("Of AdamW.", "RATE")] = 0.01,
    layer_decay: Annotated[float, training_option("A layer's rate as a share of the one above it.", "SHARE")] = 1.0,
    unfreezing: Unfreezing = "all",
    class_weights: ClassWeights = None,
    label_smoothing: Annotated[float, training_option("Share of the loss of all labels or words alike.", "SHARE")] = 0,
    teacher: Annotated[
        str | None,
        typer.Option(
            help="Learn what this classifier, such as a BERT, says of the texts.",
            rich_help_panel=DISTILLATION,
            metavar="FOLDER|HUB",
        ),
    ] = None,
    teacher_weight: Annotated[
        float,
        typer.Option(
            help="Its share of the loss; the labels have the rest.", rich_help_panel=DISTILLATION, metavar="SHARE"
        ),
    ] = 0.9,
    temperature: Annotated[
        float,
        typer.Option(
            help="Divides the logits: the higher, the more unlikely labels tell.",
            rich_help_panel=DISTILLATION,
            metavar="T",
        ),
    ] = 2.0,
    unlabelled: Annotated[
        Path | None,
        typer.Option(
            help="Further texts, which only the teacher labels.", rich_help_panel=DISTILLATION, metavar="FILE|FOLDER"
        ),
    ] = None,
    max_grad_norm: Annotated[float, training_option("Scale gradients down to this norm; 0 for never.", "NORM")] = 1.0,
    accumulation: Annotated[int, training_option("Batches that make one step.", "N")] = 1,
    ema: Ema = 0.0,
    average_from: AverageFrom = 1.0,
    mixed_precision: MixedPrecision = None,
    checkpoint_steps: CheckpointSteps = 0,
    resume: Resume = "auto",
    seed: Seed = 0,
    seeds: Seeds = 1,
    folds: Folds = 0,
    compile: Compile = False,
    tracker: Trackers = None,
    logging_dir: LoggingDir = None,
) -> dict[str, Any]:
    """Train a text classifier or a tagger on labelled texts, or a model that writes a text for a text.

    Tagged words, as in CoNLL files, make a tagger; pairs of texts and a family that writes (attention_seq2seq,
    transformer_seq2seq), a seq2seq model; everything else makes a classifier. The weights of the best epoch on the
    development part are kept. The folder that is written is a complete Hub repo: it loads with
    `AutoModelForSequenceClassification`, `AutoModelForTokenClassification` or `AutoModelForSeq2SeqLM` and the pipeline
    of its task, with this package or without it.

    With `teacher`, any classifier of transformers that knows the labels by their names, a model of one label for a text
    learns from its probabilities too (Hinton, Vinyals & Dean 2015), also for `unlabelled` texts. Where the teacher was
    itself trained on what a part or a fold holds out, the figures there are better than they should be.

    Returns:
        What was measured: `dev` and, with a test part, `test`. For a classifier `accuracy`, `macro_f1` and `loss`, with
        several labels `micro_f1`, `macro_f1`, `exact_match` and `loss`, for numbers `pearson`, `spearman`, `mse` and
        `loss`; for a tagger `accuracy`, `loss`, `f1`, `precision` and `recall` of spans or else `macro_f1`, and
        `types`, the same for each type of span or each tag; for a seq2seq model `loss`, `bleu`, `chrf`, `rouge_l` and
        `exact_match`. With `baseline` its figures on the last part, `baseline_accuracy` and so on. With several `seeds`
        the `mean` and `deviation` of each figure, and `each` one, by part in `seeds`; with `folds` the same in `folds`,
        of what each fold held out.

    Raises:
        UserError: for data that cannot be read, a single class, an unknown label, an impossible setting, a teacher of
            other labels, or an output folder with something in it.
    """
    from .errors import UserError, check_least
    from .families import MANY_TEXTS, check_family, check_length, make_config, parse_settings
    from .folders import check_output, place_for, share_code
    from .hub_datasets import name_of
    from .jobs import check_losses, job_for_data
    from .model_card import check_card_language
    from .teacher import check_teaching, read_unlabelled

    data = Path(data)
    vectors = None if vectors is None else Path(vectors)
    output, backbone = place_for(output, head, model or vectors)
    check_output(output, overwrite)
    check_card_language(card_language)
    check_family(family)
    check_least(1, batch_size=batch_size, max_length=max_length, seeds=seeds)
    check_least(0, batch_tokens=batch_tokens, folds=folds)
    if model and (vectors or settings):
        raise UserError("--model brings its own word vectors and settings: leave --vectors and --set out")
    if encoder and (model or vectors):
        raise UserError("--encoder brings its own word vectors: leave --model and --vectors out")
    if tokenizer and (model or vectors or encoder):
        raise UserError("--model, --vectors and --encoder bring their own tokenizer: leave --tokenizer out")
    if tokenizer and tokenizer_kind:
        raise UserError(f"tokenizer_kind is {tokenizer_kind}, but --tokenizer is made already: leave one of them out")
    job = job_for_data(data, task, family, problem_type, label_column)
    losses = check_losses(job, class_weights, label_smoothing, teacher)
    check_teaching(teacher, teacher_weight, temperature, unlabelled, losses)
    column = target_column if job.auto_class == "AutoModelForSeq2SeqLM" else label_column
    if family not in job.presets:
        raise UserError(f"family is {family!r}, but for a {job.noun} it must be one of {', '.join(job.presets)}")
    preset = job.presets[family]
    given = parse_settings(settings)
    if "problem_type" in given:
        raise UserError("--set holds problem_type, which decides how the data are read: give it as --problem-type")
    fields = preset.fields(given, bool(vectors))
    config = make_config(family, **fields)  # an impossible setting is refused before any text is read
    if not model:
        check_length(config, "max_length", max_length)

    # Before the imports that take seconds: most mistakes are in the data.
    parts = job.read(data, dev, test, text_column, column, seed)
    labels = job.labels(parts.train)
    further = [] if unlabelled is None else read_unlabelled(Path(unlabelled), text_column, parts)
    count = len(parts.train) + len(further)
    if not model:
        # Chinese is read by characters, but where the tokenizer was chosen; few texts are read with the plain preset.
        chosen = tokenizer_kind in ("word-zh", "whitespace") or tokenizer
        many = count >= MANY_TEXTS
        if many and preset.of_characters is not None and not chosen and job.reads_characters(parts.train):
            preset = preset.of_characters
            fields = preset.fields(given, bool(vectors))
            config = make_config(family, **fields)
        job.check(config, parts.train)

    from accelerate import PartialState

    from .recipe import Recipe, follow
    from .repetitions import check_alone, repeat
    from .spreads import told_measured
    from .teacher import Teaching, ask_teacher, kept_beside
    from .training import TrainingSettings, make_accelerator

    recipe = Recipe(
        job=job,
        family=family,
        fields=fields,
        model=model,
        encoder=encoder,
        vectors=vectors,
        tokenizer_kind=tokenizer_kind,
        tokenizer=tokenizer,
        lowercase=lowercase,
        min_count=min_count,
        max_length=max_length,
        batch_size=batch_size,
        batch_tokens=batch_tokens,
        losses=losses,
        training=TrainingSettings(
            epochs=preset.passes(count, batch_size) if epochs is None else epochs,
            learning_rate=preset.learning_rate if learning_rate is None else learning_rate,
            schedule=schedule,
            warmup=warmup,
            weight_decay=weight_decay,
            layer_decay=layer_decay,
            unfreezing=unfreezing,
            max_grad_norm=max_grad_norm,
            accumulation=accumulation,
            ema=ema,
            average_from=average_from,
            patience=patience,
            mixed_precision=mixed_precision,
            seed=seed,
            logging_steps=10,
            compile=compile,
        ),
        trackers=tracker or [],
        logging_dir=logging_dir or output.parent / "logs",
        baseline=baseline,
        dataset=name_of(data),
        language=language,
        card_language=card_language,
        checkpoint_steps=checkpoint_steps,
        resume=resume,
    )
    accelerator = make_accelerator(recipe.training)
    for sentence in job.tell_splits(parts, labels):
        accelerator.print(sentence)
    if teacher is not None:
        asked = parts.train.texts + (parts.dev.texts if folds and parts.dev else []) + further  # folds have both
        teaching = Teaching(
            teacher=str(teacher),
            teacher_weight=teacher_weight,
            temperature=temperature,
            unlabelled=None if unlabelled is None else Path(unlabelled).name,
            texts=further,
            labels=labels,
            said=ask_teacher(str(teacher), asked, labels, accelerator, kept_beside(output), resume == "never"),
        )
        recipe = replace(recipe, teaching=teaching)
    place = {"name": (backbone or output).name, "subfolder": f"heads/{head}" if head else None}
    started = time.monotonic()
    if folds or seeds > 1:
        measured = repeat(recipe, parts, output, seeds, folds, **place)
    else:
        check_alone(output, resume)
        measured = follow(recipe, parts, output, **place)
    if PartialState().is_main_process:
        kept_beside(output).unlink(missing_ok=True)
        if backbone is not None:
            share_code(output, backbone)
        for sentence in told_measured(measured):
            print(sentence)
        seconds = f"{time.monotonic() - started:.0f}"
        print(translate("Trained in {seconds} s; the model is in {folder}.", seconds=seconds, folder=output))
    PartialState().wait_for_everyone()
    return measured

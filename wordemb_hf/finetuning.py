"""The verb `finetune`: from labelled texts to a classifier or a tagger that anyone can load."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .messages import translate
from .options import (
    DATA,
    MODEL,
    TRAINING,
    CardLanguage,
    CheckpointSteps,
    LabelColumn,
    Language,
    LowercaseOfTask,
    MinCount,
    MixedPrecision,
    OutputFolderOrNone,
    Overwrite,
    Resume,
    Seed,
    TargetColumn,
    TextColumn,
    TokenizerKindOfTask,
    model_option,
    training_option,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel


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
    learning_rate: Annotated[float | None, training_option("At its highest.", "RATE", "preset")] = None,
    schedule: Annotated[
        Literal["linear", "cosine", "constant", "slanted"], typer.Option(help="How it falls.", rich_help_panel=TRAINING)
    ] = "linear",
    warmup: Annotated[float, training_option("Share of the training in which it rises.", "SHARE")] = 0.05,
    weight_decay: Annotated[float, training_option("Of AdamW.", "RATE")] = 0.01,
    layer_decay: Annotated[float, training_option("A layer's rate as a share of the one above it.", "SHARE")] = 1.0,
    unfreezing: Annotated[
        Literal["all", "gradual", "head"],
        typer.Option(help="What is trained: gradual is a layer more with each epoch.", rich_help_panel=TRAINING),
    ] = "all",
    max_grad_norm: Annotated[float, training_option("Scale gradients down to this norm; 0 for never.", "NORM")] = 1.0,
    accumulation: Annotated[int, training_option("Batches that make one step.", "N")] = 1,
    mixed_precision: MixedPrecision = None,
    checkpoint_steps: CheckpointSteps = 0,
    resume: Resume = "auto",
    seed: Seed = 0,
) -> dict[str, Any]:
    """Train a text classifier or a tagger on labelled texts, or a model that writes a text for a text.

    Tagged words, as in CoNLL files, make a tagger; pairs of texts and a family that writes (attention_seq2seq,
    transformer_seq2seq), a seq2seq model; everything else makes a classifier. The weights of the best epoch on the
    development part are kept. The folder that is written is a complete Hub repo: it loads with
    `AutoModelForSequenceClassification`, `AutoModelForTokenClassification` or `AutoModelForSeq2SeqLM` and the pipeline
    of its task, with this package or without it.

    Returns:
        What was measured: `dev` and, with a test part, `test`. For a classifier `accuracy`, `macro_f1` and `loss`; for
        a tagger `accuracy`, `loss`, `f1`, `precision` and `recall` of spans or else `macro_f1`, and `types`, the same
        for each type of span or each tag; for a seq2seq model `loss`, `bleu`, `chrf`, `rouge_l` and `exact_match`. With
        `baseline` its figures on the last part, `baseline_accuracy` and so on.

    Raises:
        UserError: for data that cannot be read, a single class, an unknown label, an impossible setting, or an output
            folder with something in it.
    """
    from .errors import UserError
    from .families import check_family, check_length, make_config, parse_settings, readable_length
    from .folders import check_output, new_folder, place_for, share_code
    from .hub_datasets import name_of
    from .jobs import job_for_data
    from .model_card import check_card_language

    data = Path(data)
    vectors = None if vectors is None else Path(vectors)
    output, backbone = place_for(output, head, model or vectors)
    check_output(output, overwrite)
    check_card_language(card_language)
    check_family(family)
    if batch_size < 1 or max_length < 1:
        raise UserError(f"batch_size is {batch_size} and max_length {max_length}, but both must be at least 1")
    if model and (vectors or settings):
        raise UserError("--model brings its own word vectors and settings: leave --vectors and --set out")
    if encoder and (model or vectors):
        raise UserError("--encoder brings its own word vectors: leave --model and --vectors out")
    job = job_for_data(data, task, family)
    column = target_column if job.auto_class == "AutoModelForSeq2SeqLM" else label_column
    if family not in job.presets:
        raise UserError(f"family is {family!r}, but for a {job.noun} it must be one of {', '.join(job.presets)}")
    preset = job.presets[family]
    fields = {**preset.settings, **(preset.with_vectors if vectors else {}), **parse_settings(settings)}
    config = make_config(family, **fields)  # an impossible setting is refused before any text is read
    if not model:
        check_length(config, "max_length", max_length)

    # Before the imports that take seconds: most mistakes are in the data.
    parts = job.read(data, dev, test, text_column, column, seed)
    labels = job.labels(parts.train)
    if not model:
        job.check(config, parts.train)

    from .checkpoints import Checkpoints, describe_training, forget_training
    from .documents import document_labeller
    from .loading import label_ids, load_for_labels
    from .new_models import fit_to_texts, model_from_vectors, new_model
    from .pretrained_encoders import model_with_encoder
    from .reports import told
    from .tasks.seq2seq import EncodedPairs
    from .training import TrainingSettings, make_accelerator, train
    from .writing import fit_to_targets

    training = TrainingSettings(
        epochs=preset.epochs if epochs is None else epochs,
        learning_rate=preset.learning_rate if learning_rate is None else learning_rate,
        schedule=schedule,
        warmup=warmup,
        weight_decay=weight_decay,
        layer_decay=layer_decay,
        unfreezing=unfreezing,
        max_grad_norm=max_grad_norm,
        accumulation=accumulation,
        patience=patience,
        mixed_precision=mixed_precision,
        seed=seed,
        logging_steps=10,
    )
    accelerator = make_accelerator(training)
    for sentence in job.tell_splits(parts, labels):
        accelerator.print(sentence)

    if model:
        labeller, tokenizer = load_for_labels(model, job.auto_class, labels)
        job.check(labeller.config, parts.train)
        max_length = readable_length(labeller.config, max_length)
    elif encoder:
        labeller, tokenizer = model_with_encoder(
            job.auto_class, family, fields, parts.train.texts, encoder, min_count, max_length
        )
    elif vectors:
        labeller, tokenizer = model_from_vectors(
            job.auto_class, family, fields, labels, parts.train.texts, vectors, min_count, max_length
        )
    else:
        labeller, tokenizer = new_model(
            job.auto_class,
            family,
            fields,
            labels,
            parts.train.texts,
            kind=tokenizer_kind or job.tokenizer_kind(parts.train),
            min_count=min_count,
            lowercase=job.lowercase if lowercase is None else lowercase,
            max_length=max_length,
        )
    label2id = label_ids(labeller)
    tasks = {
        name: job.source(tokenizer, part, label2id, batch_size=batch_size, max_length=max_length, seed=seed)
        for name, part in (("train", parts.train), ("dev", parts.dev), ("test", parts.test))
        if part is not None
    }
    encoded = tasks["train"].encoded
    if not model:
        fit_to_texts(labeller, tokenizer, encoded)
    if isinstance(encoded, EncodedPairs):
        fit_to_targets(labeller, tokenizer, encoded.longest_target)

    def evaluate_dev(current: "PreTrainedModel") -> dict[str, float]:
        return tasks["dev"].evaluate(current, accelerator)

    given = [asdict(part) for part in (parts.train, parts.dev) if part is not None]
    started_from = model or encoder or (str(vectors) if vectors else None)
    described = describe_training(
        labeller, training, given, start=started_from, batch_size=batch_size, max_length=max_length
    )
    checkpoints = Checkpoints.beside(output, described, checkpoint_steps, resume)
    result = train(
        labeller,
        tasks["train"],
        training,
        accelerator,
        evaluate=evaluate_dev if "dev" in tasks else None,
        metric=job.best(labels),
        checkpoints=checkpoints,
    )
    measured: dict[str, dict[str, Any]] = {
        name: tasks[name].measure(labeller, accelerator) for name in ("dev", "test") if name in tasks
    }
    # What every process must take part in comes before what the first one does alone.
    card = job.card(labeller, tokenizer, parts.test or parts.dev or parts.train, accelerator)
    language = language or guess_language(parts.train.texts)
    if accelerator.is_main_process:
        final = "test" if parts.test else "dev"
        if baseline and final in measured:
            floor = job.baseline(parts.train, parts.test or parts.dev, language)
            measured[final] |= {f"baseline_{key}": value for key, value in floor.items() if isinstance(value, float)}
        with new_folder(output) as folder:
            labeller.cpu().save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            document_labeller(
                folder,
                labeller,
                name=(backbone or output).name,
                dataset=name_of(data),
                parts=parts,
                measured=measured,
                result=result,
                settings=training,
                language=language,
                vectors=vectors,
                card_language=card_language,
                subfolder=f"heads/{head}" if head else None,
                base_model=model if model and not Path(model).is_dir() else None,
                **card,
            )
        forget_training(output)
        if backbone is not None:
            share_code(output, backbone)
        for name, figures in measured.items():
            without_loss = {key: value for key, value in figures.items() if key != "loss"}
            accelerator.print(f"{translate(name)}: {told(without_loss)}")
        seconds = f"{result.seconds:.0f}"
        text = translate("Trained in {seconds} s; the model is in {folder}.", seconds=seconds, folder=output)
        accelerator.print(text)
    accelerator.wait_for_everyone()
    return measured


def guess_language(texts: list[str]) -> str:
    """`zh` where a fifth of the letters are Han characters, else `en`."""
    letters = [letter for text in texts[:1000] for letter in text if letter.isalpha()]
    han = sum("\u4e00" <= letter <= "\u9fff" for letter in letters)
    return "zh" if han > 0.2 * len(letters) else "en"

"""The verb `finetune`: from labelled texts to a classifier that anyone can load."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .messages import translate
from .options import (
    DATA,
    MODEL,
    TRAINING,
    LabelColumn,
    Language,
    Lowercase,
    MinCount,
    MixedPrecision,
    OutputFolder,
    Overwrite,
    Seed,
    TextColumn,
    TokenizerKind,
    model_option,
    training_option,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from .corpus import Splits


def finetune(
    data: Annotated[
        Path, typer.Option(help="Labelled texts: tsv, csv, jsonl, or a folder with train, dev, test.", metavar="PATH")
    ],
    output: OutputFolder,
    overwrite: Overwrite = False,
    baseline: Annotated[bool, typer.Option("--baseline", help="Also measure TF-IDF with logistic regression.")] = False,
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
    tokenizer_kind: TokenizerKind = "word",
    lowercase: Lowercase = True,
    min_count: MinCount = 1,
    max_length: Annotated[
        int, typer.Option(help="Cut longer texts, in tokens.", rich_help_panel=DATA, metavar="N")
    ] = 512,
    language: Language = None,
    family: Annotated[str, model_option("What to train: textcnn or word2vec.", "NAME")] = "textcnn",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any field of the family's config.", rich_help_panel=MODEL, metavar="NAME=VALUE"),
    ] = None,
    vectors: Annotated[Path | None, model_option("Start from the word vectors in this folder.", "FOLDER")] = None,
    model: Annotated[str | None, model_option("Start from this model, not from nothing.", "FOLDER|HUB")] = None,
    epochs: Annotated[int | None, training_option("Passes over the data, at most.", "N", "preset")] = None,
    patience: Annotated[int, training_option("Epochs without a better one before it stops; 0 for never.", "N")] = 5,
    batch_size: Annotated[int, training_option("Texts in a batch.", "N")] = 32,
    learning_rate: Annotated[float | None, training_option("At its highest.", "RATE", "preset")] = None,
    schedule: Annotated[
        Literal["linear", "cosine", "constant"], typer.Option(help="How it falls.", rich_help_panel=TRAINING)
    ] = "linear",
    warmup: Annotated[float, training_option("Share of the training in which it rises.", "SHARE")] = 0.05,
    weight_decay: Annotated[float, training_option("Of AdamW.", "RATE")] = 0.01,
    max_grad_norm: Annotated[float, training_option("Scale gradients down to this norm; 0 for never.", "NORM")] = 1.0,
    accumulation: Annotated[int, training_option("Batches that make one step.", "N")] = 1,
    mixed_precision: MixedPrecision = None,
    seed: Seed = 0,
) -> dict[str, Any]:
    """Train a text classifier on labelled texts.

    The weights of the best epoch on the development part are kept. The folder that is written is a complete Hub repo:
    it loads with `AutoModelForSequenceClassification` and `pipeline("text-classification")`, with this package or
    without it.

    Returns:
        What was measured: `dev` and, with a test part, `test`, each with `accuracy`, `macro_f1` and `loss`; with
        `baseline` the same part's `baseline_accuracy` and `baseline_macro_f1`.

    Raises:
        UserError: for data that cannot be read, a single class, an unknown label, an impossible setting, or an output
            folder with something in it.
    """
    from .errors import UserError
    from .families import FINETUNING, check_family, make_config, parse_settings
    from .folders import check_output, new_folder

    data, output = Path(data), Path(output)
    vectors = None if vectors is None else Path(vectors)
    check_output(output, overwrite)
    check_family(family)
    if batch_size < 1 or max_length < 1:
        raise UserError(f"batch_size is {batch_size} and max_length {max_length}, but both must be at least 1")
    if model and (vectors or settings):
        raise UserError("--model brings its own word vectors and settings: leave --vectors and --set out")
    preset = FINETUNING[family]
    fields = {**preset.settings, **(preset.with_vectors if vectors else {}), **parse_settings(settings)}
    make_config(family, **fields)  # an impossible setting is refused before any text is read

    from .corpus import label_names, read_splits

    # Before the imports that take seconds: most mistakes are in the data.
    parts = read_splits(data, dev=dev, test=test, text_column=text_column, label_column=label_column, seed=seed)
    labels = label_names(parts.train)

    from .classifiers import classifier_from_vectors, new_classifier
    from .documents import document_classifier
    from .loading import load_for_labels
    from .tasks.classification import TextClassification, probabilities
    from .training import TrainingSettings, make_accelerator, train

    training = TrainingSettings(
        epochs=preset.epochs if epochs is None else epochs,
        learning_rate=preset.learning_rate if learning_rate is None else learning_rate,
        schedule=schedule,
        warmup=warmup,
        weight_decay=weight_decay,
        max_grad_norm=max_grad_norm,
        accumulation=accumulation,
        patience=patience,
        mixed_precision=mixed_precision,
        seed=seed,
        logging_steps=10,
    )
    accelerator = make_accelerator(training)
    accelerator.print(
        translate(
            "{train} texts to train on, {dev} for development, {test} for the test; {labels} labels: {names}",
            train=len(parts.train),
            dev=len(parts.dev or ()),
            test=len(parts.test or ()),
            labels=len(labels),
            names=", ".join(labels[:12]) + (" …" if len(labels) > 12 else ""),
        )
    )

    if model:
        classifier, tokenizer = load_for_labels(model, labels)
    elif vectors:
        classifier, tokenizer = classifier_from_vectors(
            family, fields, labels, parts.train.texts, vectors, min_count=min_count, max_length=max_length
        )
    else:
        classifier, tokenizer = new_classifier(
            family,
            fields,
            labels,
            parts.train.texts,
            kind=tokenizer_kind,
            min_count=min_count,
            lowercase=lowercase,
            max_length=max_length,
        )
    label2id = {label: index for index, label in enumerate(labels)}
    tasks = {
        name: TextClassification(tokenizer, part, label2id, batch_size, max_length, seed)
        for name, part in (("train", parts.train), ("dev", parts.dev), ("test", parts.test))
        if part is not None
    }

    def evaluate_dev(current: "PreTrainedModel") -> dict[str, float]:
        return tasks["dev"].evaluate(current, accelerator)

    result = train(
        classifier,
        tasks["train"],
        training,
        accelerator,
        evaluate=evaluate_dev if "dev" in tasks else None,
        metric="eval_accuracy",
    )
    measured: dict[str, dict[str, float]] = {}
    for name in ("dev", "test"):
        if name in tasks:
            figures = tasks[name].evaluate(classifier, accelerator)
            measured[name] = {key.removeprefix("eval_"): value for key, value in figures.items()}
    # What every process must take part in comes before what the first one does alone.
    samples = list(dict.fromkeys((parts.test or parts.dev or parts.train).texts))[:3]
    scores = probabilities(classifier, tokenizer, samples, accelerator)
    language = language or _guess_language(parts.train.texts)
    if accelerator.is_main_process:
        final = "test" if "test" in tasks else "dev"
        if baseline and final in measured:
            measured[final] |= _baseline(parts, final, language)
        with new_folder(output) as folder:
            classifier.cpu().save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            document_classifier(
                folder,
                classifier,
                name=output.name,
                dataset=data.stem if data.is_file() else data.name,
                parts=parts,
                measured=measured,
                examples=dict(zip(samples, scores, strict=True)),
                result=result,
                settings=training,
                language=language,
                vectors=vectors,
            )
        for name, figures in measured.items():
            line = ", ".join(f"{translate(key)} {value:.4f}" for key, value in figures.items() if key != "loss")
            accelerator.print(f"{translate(name)}: {line}")
        seconds = f"{result.seconds:.0f}"
        text = translate("Trained in {seconds} s; the model is in {folder}.", seconds=seconds, folder=output)
        accelerator.print(text)
    accelerator.wait_for_everyone()
    return measured


def _baseline(parts: "Splits", name: str, language: str) -> dict[str, float]:
    """TF-IDF with logistic regression on the same parts."""
    from .corpus import label_names
    from .evaluation import ClassificationMetrics, tfidf_baseline

    part = parts.test if name == "test" else parts.dev
    assert part is not None
    ids = {label: index for index, label in enumerate(label_names(parts.train))}
    guessed = tfidf_baseline(
        parts.train.texts, parts.train.labels, part.texts, language="zh" if language == "zh" else "en"
    )
    figures = ClassificationMetrics().compute(
        predictions=[ids[label] for label in guessed], references=[ids[label] for label in part.labels]
    )
    return {f"baseline_{key}": float(value) for key, value in figures.items()}


def _guess_language(texts: list[str]) -> str:
    """`zh` where a fifth of the letters are Han characters, else `en`."""
    letters = [letter for text in texts[:1000] for letter in text if letter.isalpha()]
    han = sum("\u4e00" <= letter <= "\u9fff" for letter in letters)
    return "zh" if han > 0.2 * len(letters) else "en"

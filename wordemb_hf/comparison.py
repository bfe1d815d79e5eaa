"""The verb `compare`: which of the models is enough for these data."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .messages import translate
from .options import (
    DATA,
    CardLanguage,
    LabelColumn,
    Language,
    LowercaseOfTask,
    MinCount,
    MixedPrecision,
    Overwrite,
    TextColumn,
    TokenizerKindOfTask,
    model_option,
    training_option,
)

if TYPE_CHECKING:
    from .jobs import Job

# Families as they climb: what costs least is trained first. One that is not named here comes last.
_LADDER = ("bow", "word2vec", "textcnn", "rnn", "bilstm", "transformer_encoder", "elmo")


def compare(
    data: Annotated[
        Path,
        typer.Option(
            help="Labelled texts: file, folder with train, dev, test, or name on the Hub.", metavar="PATH|HUB"
        ),
    ],
    output: Annotated[Path, typer.Option(help="Folder for the report and the models.", metavar="FOLDER")],
    overwrite: Overwrite = False,
    task: Annotated[
        Literal["classification", "tagging"] | None,
        typer.Option(help="A label for a text, or for each word of it.", show_default="by data"),
    ] = None,
    families: Annotated[
        list[str] | None,
        typer.Option(help="What to train, as bow,textcnn.", show_default="all that fit", metavar="NAME,NAME"),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Trainings of each, with seeds from 0 on.", metavar="N")] = 3,
    dev: Annotated[
        Path | None,
        typer.Option(help="Texts that decide.", show_default="a tenth", rich_help_panel=DATA, metavar="FILE"),
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option(help="Texts that decide nothing and are shown.", rich_help_panel=DATA, metavar="FILE"),
    ] = None,
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    tokenizer_kind: TokenizerKindOfTask = None,
    lowercase: LowercaseOfTask = None,
    min_count: MinCount = 1,
    max_length: Annotated[
        int, typer.Option(help="Cut longer texts, in tokens.", rich_help_panel=DATA, metavar="N")
    ] = 512,
    language: Language = None,
    card_language: CardLanguage = None,
    vectors: Annotated[
        Path | None, model_option("Start from these word vectors, where a family can.", "FOLDER|FILE|HUB")
    ] = None,
    epochs: Annotated[int | None, training_option("Passes over the data, at most.", "N", "preset")] = None,
    patience: Annotated[int, training_option("Epochs without a better one before it stops; 0 for never.", "N")] = 5,
    batch_size: Annotated[int, training_option("Texts in a batch.", "N")] = 32,
    mixed_precision: MixedPrecision = None,
) -> dict[str, Any]:
    """Train every family that fits the data, and tell which one is enough.

    Beside them a classical baseline: TF-IDF with logistic regression or, for tagged words, the most frequent tag and
    (with the extra `crf`) a CRF on features. The report, as `report.html`, `report.json` and a table, has accuracy or
    F1 with its spread over seeds, parameters, size, training time and latency on the CPU. Each family has a folder
    beside it, that of its best seed on the development part, ready to push. The same command goes on where it was
    stopped; further families may be named. A family without word vectors is trained without those of `vectors`.

    Returns:
        What stands in `report.json`.

    Raises:
        UserError: for data that cannot be read, a family that does not fit, an output folder with other things, with a
            comparison on other data or by other options, or with one that is being written; and, when the report is
            written, where none of the families could be trained.
    """
    from .errors import UserError, check_least
    from .families import make_config, takes_vectors
    from .folders import only_writer
    from .hub_datasets import name_of
    from .jobs import job_for_data
    from .ladder.parts import fingerprint
    from .ladder.records import REPORT_FILE, Comparison, check_place, clear_place
    from .model_card import check_card_language

    data, output = Path(data), Path(output)
    check_card_language(card_language)
    check_least(1, seeds=seeds, batch_size=batch_size, max_length=max_length)
    vectors = None if vectors is None else Path(vectors)
    if vectors is not None and not vectors.exists() and (vectors.suffix or len(vectors.parts) != 2):
        raise UserError(f"no such file or folder of word vectors: {vectors}")  # told once, not for each family
    job = job_for_data(data, task, "")
    chosen = _chosen(families, job)
    check_place(output)
    if os.environ.get("WORLD_SIZE", "1") != "1":  # as launchers set it
        raise UserError("compare measures one model at a time in one process: start it without a launcher")
    parts = job.read(data, dev, test, text_column, label_column, 0)
    if parts.dev is None:
        raise UserError(f"{data} is too small to hold texts out for development, on which models are compared")
    labels = job.labels(parts.train)

    import torch
    import transformers

    from . import __version__
    from .finetuning import finetune
    from .ladder.climbing import climb
    from .languages import guess_language
    from .training import TrainingSettings, make_accelerator
    from .vocabulary import check_tokenizer

    # What no family could do with is told now, and not once for each of them.
    check_tokenizer(tokenizer_kind or job.tokenizer_kind(parts.train), min_count, None, (), max_length, None)
    passes = 1 if epochs is None else epochs
    make_accelerator(TrainingSettings(passes, learning_rate=1.0, patience=patience, mixed_precision=mixed_precision))
    language = language or guess_language(parts.train.texts)
    options: dict[str, Any] = {
        "tokenizer_kind": tokenizer_kind,
        "lowercase": lowercase,
        "min_count": min_count,
        "max_length": max_length,
        "language": language,
        "card_language": card_language,
        "epochs": epochs,
        "patience": patience,
        "batch_size": batch_size,
        "mixed_precision": mixed_precision,
    }
    versions = {"wordemb_hf": __version__, "torch": torch.__version__, "transformers": transformers.__version__}
    sizes = {"train": len(parts.train), "dev": len(parts.dev), "test": len(parts.test or ())}
    comparison = Comparison(
        output,
        data={"name": name_of(data), "fingerprint": fingerprint(parts), "sizes": sizes, "labels": labels},
        task="tagging" if job.auto_class == "AutoModelForTokenClassification" else "classification",
        metric=job.best(labels).removeprefix("eval_"),
        settings={
            "seeds": seeds,
            **options,
            **({"vectors": str(vectors)} if vectors else {}),
            "threads": torch.get_num_threads(),
            **versions,
        },
    )
    configs = {family: make_config(family, **job.presets[family].fields({}, bool(vectors))) for family in chosen}
    bare = [family for family in chosen if vectors and not takes_vectors(configs[family])]

    def train(family: str, **place: Any) -> dict[str, dict[str, Any]]:
        return finetune(family=family, vectors=None if family in bare else vectors, **place, **options)

    with only_writer(output):
        if overwrite:
            clear_place(output)
        elif (output / REPORT_FILE).is_file():
            comparison.take_up()
        for sentence in job.tell_splits(parts, labels):
            print(sentence)
        if bare:
            print(translate("Without word vectors to start from: {families}.", families=", ".join(bare)))
        report = climb(comparison, job, parts, chosen, train)
    if all(family in comparison.failures for family in chosen):
        raise UserError(f"no family could be trained: {comparison.failures[chosen[0]]}")
    return report


def _chosen(families: "Sequence[str] | None", job: "Job") -> list[str]:
    """The families to train, each once, in the order in which they were named or else in which they climb.

    Raises:
        UserError: for one that does not exist or does not fit, or none at all.
    """
    from .errors import UserError
    from .families import check_family

    if families is None:
        return sorted(job.presets, key=lambda name: (*_LADDER, name).index(name))
    named = [families] if isinstance(families, str) else families
    chosen = list(dict.fromkeys(name.strip() for group in named for name in group.split(",") if name.strip()))
    if not chosen:
        raise UserError(f"families names none: choose from {', '.join(job.presets)}")
    for family in chosen:
        check_family(family)
        if family not in job.presets:
            raise UserError(f"families holds {family!r}, but for a {job.noun} it must be of {', '.join(job.presets)}")
    return chosen

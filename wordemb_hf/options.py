"""Options that several verbs share, and the panels under which help lists them."""

from pathlib import Path
from typing import Annotated, Literal

import typer

DATA, MODEL, TRAINING, DISTILLATION = "Data", "Model", "Training", "Distillation"

TextColumn = Annotated[
    str, typer.Option(help="Column of the text in tables and jsonl.", rich_help_panel=DATA, metavar="NAME")
]
LabelColumn = Annotated[
    str, typer.Option(help="Column of the label in tables and jsonl.", rich_help_panel=DATA, metavar="NAME")
]
TargetColumn = Annotated[str, typer.Option(help="Column of the text to write.", rich_help_panel=DATA, metavar="NAME")]
Beams = Annotated[
    int | None,
    typer.Option(help="Texts that are followed at a time, to write the best.", show_default="the model's", metavar="N"),
]
LengthPenalty = Annotated[
    float | None,
    typer.Option(
        help="With beams: above 0 prefers long texts, below short ones.", show_default="the model's", metavar="X"
    ),
]
Language = Annotated[
    str | None,
    typer.Option(help="Of the texts, for the model card: en, zh, …", rich_help_panel=DATA, metavar="CODE"),
]
CardLanguage = Annotated[
    str | None,
    typer.Option(
        help="What the model card is written in: en or zh.",
        rich_help_panel=DATA,
        metavar="CODE",
        show_default="that of messages",
    ),
]
TextsFile = Annotated[
    Path | None, typer.Option(help="File of texts: txt, jsonl, csv or tsv, also .gz.", metavar="FILE")
]
OutputFolder = Annotated[Path, typer.Option(help="Folder for the model; it must be new or empty.", metavar="FOLDER")]
OutputFolderOrNone = Annotated[
    Path | None, typer.Option(help="Folder for the model; it must be new or empty.", metavar="FOLDER")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output folder.")]
_KINDS = "word for English, char or word-zh for Chinese; word-space, char-space to write; whitespace for cut text."
Kind = Literal["word", "word-space", "word-zh", "char", "char-space", "whitespace"]
TokenizerKind = Annotated[Kind, typer.Option(help=_KINDS, rich_help_panel=DATA)]
GivenTokenizer = Annotated[
    str | None,
    typer.Option(
        "--tokenizer", help="Take this one, and make none of the data.", rich_help_panel=DATA, metavar="FOLDER|HUB"
    ),
]
TokenizerKindOfTask = Annotated[
    Kind | None, typer.Option(help=_KINDS, show_default="by task and data", rich_help_panel=DATA)
]
# One name each: a second one for "off" would take half the width of the table.
Lowercase = Annotated[
    bool, typer.Option("--lowercase/--cased", help="Take upper and lower case for the same.", rich_help_panel=DATA)
]
LowercaseOfTask = Annotated[
    bool | None,
    typer.Option(
        "--lowercase/--cased",
        help="Take upper and lower case for the same.",
        show_default="cased to write",
        rich_help_panel=DATA,
    ),
]
MinCount = Annotated[
    int, typer.Option(help="Leave out words that occur less often.", rich_help_panel=DATA, metavar="N")
]
Unfreezing = Annotated[
    Literal["all", "gradual", "head"],
    typer.Option(help="What is trained: gradual is a layer more with each epoch.", rich_help_panel=TRAINING),
]
ClassWeights = Annotated[
    Literal["balanced"] | None,
    typer.Option(help="Let rare labels count as much as frequent ones.", rich_help_panel=TRAINING),
]
Ema = Annotated[
    float,
    typer.Option(
        help="Keep an average of the weights, of which a step keeps this share; as 0.99.",
        show_default="off",
        rich_help_panel=TRAINING,
        metavar="SHARE",
    ),
]
AverageFrom = Annotated[
    float,
    typer.Option(
        help="Keep the mean of all weights from this share of the training on; as 0.75.",
        show_default="off",
        rich_help_panel=TRAINING,
        metavar="SHARE",
    ),
]
MixedPrecision = Annotated[
    Literal["no", "bf16", "fp16"] | None,
    typer.Option(help="Arithmetic of the forward pass.", show_default="the launcher's", rich_help_panel=TRAINING),
]
CheckpointSteps = Annotated[
    int,
    typer.Option(
        help="Keep the training after so many steps.",
        show_default="every minute or epoch",
        rich_help_panel=TRAINING,
        metavar="N",
    ),
]
Resume = Annotated[
    Literal["auto", "never"],
    typer.Option(help="Go on with a training that was stopped, or begin anew.", rich_help_panel=TRAINING),
]
BatchTokens = Annotated[
    int,
    typer.Option(
        help="In place of --batch-size: as many texts as have so many tokens.",
        show_default="off",
        rich_help_panel=TRAINING,
        metavar="N",
    ),
]
Compile = Annotated[
    bool, typer.Option("--compile", help="Have torch.compile make the model faster.", rich_help_panel=TRAINING)
]
Trackers = Annotated[
    list[str] | None,
    typer.Option("--tracker", help="tensorboard, trackio or wandb.", rich_help_panel=TRAINING, metavar="NAME"),
]
LoggingDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder of trackers' files.", show_default="logs beside it", rich_help_panel=TRAINING, metavar="FOLDER"
    ),
]
Seeds = Annotated[
    int,
    typer.Option(help="Trainings, by seeds from that on; the best one is kept.", rich_help_panel=TRAINING, metavar="N"),
]
Folds = Annotated[
    int,
    typer.Option(
        help="Also cross-validate, by so many folds.", show_default="off", rich_help_panel=TRAINING, metavar="K"
    ),
]
Seed = Annotated[int, typer.Option(help="Of everything that is random.", rich_help_panel=TRAINING, metavar="N")]


def model_option(help: str, metavar: str, default: str | None = None) -> typer.models.OptionInfo:
    """An option on what is trained; `default` describes a default that depends on others."""
    return typer.Option(help=help, metavar=metavar, rich_help_panel=MODEL, show_default=default or True)


def training_option(help: str, metavar: str, default: str | None = None) -> typer.models.OptionInfo:
    """An option on how it is trained; `default` describes a default that depends on others."""
    return typer.Option(help=help, metavar=metavar, rich_help_panel=TRAINING, show_default=default or True)

"""The verbs `predict` and `evaluate`: a classifier at work, and how well it does."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from .errors import UserError
from .folders import check_output_file
from .messages import translate
from .options import LabelColumn, TextColumn, TextsFile


def predict(
    model: Annotated[str, typer.Argument(help="Folder or Hub name of a classifier.")],
    texts: Annotated[list[str] | None, typer.Argument(help="One or more texts.")] = None,
    file: TextsFile = None,
    text_column: TextColumn = "text",
    top: Annotated[int, typer.Option(help="Labels to show for each text.")] = 1,
    output: Annotated[
        Path | None, typer.Option(help="File for the answers, one JSON object a line.", metavar="FILE")
    ] = None,
) -> list[dict[str, Any]]:
    """Label texts.

    Returns:
        For each text `{"text": ..., "labels": [{"label": ..., "score": ...}, ...]}`, the likeliest label first.

    Raises:
        UserError: without texts, or for a model or file that cannot be read.
    """
    check_output_file(output)
    texts = gather_texts(texts, file, text_column)
    if top < 1:
        raise UserError(f"top is {top}, but must be at least 1")

    from .reports import write_lines
    from .tasks.classification import probabilities
    from .training import make_accelerator

    classifier, tokenizer = load_classifier(model)
    accelerator = make_accelerator()
    scores = probabilities(classifier, tokenizer, texts, accelerator)
    names = classifier.config.id2label
    answers: list[dict[str, Any]] = [
        {
            "text": text,
            "labels": [{"label": names[index], "score": float(row[index])} for index in row.argsort()[::-1][:top]],
        }
        for text, row in zip(texts, scores, strict=True)
    ]
    if not accelerator.is_main_process:
        return answers
    if output is not None:
        write_lines((json.dumps(answer, ensure_ascii=False) for answer in answers), output)
        return answers
    for answer in answers:
        labels = "  ".join(f"{label['label']} {label['score']:.3f}" for label in answer["labels"])
        print(f"{labels}\t{answer['text']}")
    return answers


def evaluate(
    model: Annotated[str, typer.Argument(help="Folder or Hub name of a classifier.")],
    data: Annotated[Path, typer.Option(help="Labelled texts: tsv, csv, jsonl, or a folder with a test part.")],
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    output: Annotated[Path | None, typer.Option(help="File for the figures, as JSON.", metavar="FILE")] = None,
) -> dict[str, float]:
    """Measure how well a classifier labels texts whose labels are known.

    Returns:
        `loss`, `accuracy` and `macro_f1`.

    Raises:
        UserError: for data or a model that cannot be read, or a label that the model does not know.
    """
    from .corpus import read_examples, require_known_labels

    check_output_file(output)
    examples = read_examples(test_file(data), text_column=text_column, label_column=label_column)

    from .reports import write_json
    from .tasks.classification import TextClassification
    from .training import make_accelerator

    classifier, tokenizer = load_classifier(model)
    require_known_labels(examples, list(classifier.config.label2id))
    accelerator = make_accelerator()
    task = TextClassification(tokenizer, examples, classifier.config.label2id)
    figures = {name.removeprefix("eval_"): value for name, value in task.evaluate(classifier, accelerator).items()}
    accelerator.print(
        translate("{texts} texts", texts=len(examples))
        + ": "
        + ", ".join(f"{translate(name)} {value:.4f}" for name, value in figures.items())
    )
    if output is not None and accelerator.is_main_process:
        write_json(figures, output)
    return figures


def gather_texts(texts: list[str] | None, file: Path | None, text_column: str) -> list[str]:
    """The texts given one by one, in a file, or, when there is neither, on standard input.

    Raises:
        UserError: when there is nothing, or both.
    """
    from .corpus import read_texts

    if texts and file:
        raise UserError("give texts or --file, not both")
    if file:
        return list(read_texts(file, text_column=text_column, keep_empty=True))
    if not texts and not sys.stdin.isatty():
        texts = [line.rstrip("\r\n") for line in sys.stdin]
    if not texts:
        raise UserError("no text is given: name one or more, or --file")
    return texts


def test_file(data: Path) -> Path:
    """`data` itself, or the test part of a folder.

    Raises:
        UserError: for a folder without one.
    """
    from .corpus import EXAMPLE_SUFFIXES, part_file

    if not data.is_dir():
        return data
    found = part_file(data, "test")
    if found is None:
        raise UserError(f"the folder {data} has no test part: test{', test'.join(EXAMPLE_SUFFIXES)} or .gz")
    return found


def load_classifier(model: str):
    """A classifier and its tokenizer from a folder or the Hub.

    Raises:
        UserError: when there is none.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    with loading(model):
        classifier, report = AutoModelForSequenceClassification.from_pretrained(model, output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(model)
    if report["missing_keys"]:
        raise UserError(f"{model} is no trained classifier: it has no {sorted(report['missing_keys'])[0]}")
    return classifier, tokenizer


@contextmanager
def loading(model: str) -> Iterator[None]:
    """One sentence in place of the many ways in which loading fails.

    Raises:
        UserError: when the block raises what transformers and the Hub client raise for a wrong folder or name.
    """
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    folder = Path(model)
    if folder.is_file() or (folder.is_dir() and not (folder / "config.json").is_file()):
        raise UserError(f"{model} is no model folder: it has no config.json")
    try:
        yield
    except (OSError, ValueError, SafetensorError, StrictDataclassError) as error:
        if isinstance(error, UserError):
            raise
        first_line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        where = "" if folder.is_dir() else " is no folder and"
        raise UserError(f"{model}{where} cannot be loaded: {first_line}") from error

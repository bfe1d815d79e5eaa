"""The verbs `predict` and `evaluate`: a classifier at work, and how well it does."""

import json
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
    from .corpus import gather_texts

    output = None if output is None else Path(output)
    texts = gather_texts(texts, file, text_column)
    if top < 1:
        raise UserError(f"top is {top}, but must be at least 1")

    from .loading import load_classifier
    from .reports import write_lines
    from .tasks.classification import probabilities
    from .training import make_accelerator

    classifier, tokenizer = load_classifier(model)
    accelerator = make_accelerator()
    scores = probabilities(classifier, tokenizer, texts, accelerator)
    names: Any = classifier.config.id2label  # {id: label}
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
    from .corpus import read_examples, require_known_labels, test_part

    output = None if output is None else Path(output)
    check_output_file(output)
    examples = read_examples(test_part(Path(data)), text_column=text_column, label_column=label_column)

    from .loading import load_classifier
    from .reports import write_json
    from .tasks.classification import TextClassification
    from .training import make_accelerator

    classifier, tokenizer = load_classifier(model)
    label2id: Any = classifier.config.label2id  # {label: id}
    require_known_labels(examples, list(label2id))
    accelerator = make_accelerator()
    task = TextClassification(tokenizer, examples, label2id)
    figures = {name.removeprefix("eval_"): value for name, value in task.evaluate(classifier, accelerator).items()}
    accelerator.print(
        translate("{texts} texts", texts=len(examples))
        + ": "
        + ", ".join(f"{translate(name)} {value:.4f}" for name, value in figures.items())
    )
    if output is not None and accelerator.is_main_process:
        write_json(figures, output)
    return figures

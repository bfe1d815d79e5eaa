"""The verbs `predict` and `evaluate`: a model at work, and how well it does."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from .errors import UserError
from .folders import check_output_file
from .messages import translate
from .options import Beams, LabelColumn, LengthPenalty, TargetColumn, TextColumn, TextsFile


def predict(
    model: Annotated[str, typer.Argument(help="Folder or Hub name of a classifier, a tagger or a model that writes.")],
    texts: Annotated[list[str] | None, typer.Argument(help="One or more texts.")] = None,
    file: TextsFile = None,
    text_column: TextColumn = "text",
    top: Annotated[int, typer.Option(help="Labels, words, continuations or targets to show for each text.")] = 1,
    beams: Beams = None,
    length_penalty: LengthPenalty = None,
    segmenter: Annotated[
        str | None,
        typer.Option(
            help="Taggers: a tokenizer that finds the words of Chinese text.",
            show_default="the model's own",
            metavar="FOLDER|HUB",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="File for the answers, one JSON object a line.", metavar="FILE")
    ] = None,
    explain: Annotated[
        Path | None,
        typer.Option(help="Picture of what the answer came from: .html or .png.", metavar="FILE"),
    ] = None,
) -> list[dict[str, Any]]:
    """Label texts, find what is tagged in them, fill in a missing word, go on writing, or write a text for a text.

    `--explain` draws what one text's answer came from: what each word adds to the logarithm of the odds (bow,
    word2vec), the windows that filters fired on (textcnn), attention, the gates of an LSTM, or where an
    encoder–decoder looked when it wrote each word.

    Returns:
        For each text, from a classifier `{"text": ..., "labels": [{"label": ..., "score": ...}, ...]}`, the likeliest
        label first, and where a text may have several those above a half; from a regression `{"text": ..., "value":
        ...}`; from a tagger `{"text": ..., "spans": [{"type": ..., "start": ..., "end": ..., "text": ..., "score":
        ...}, ...]}`, the places in characters. Where tags mark no spans, every word is one. From a cloze model
        `{"text": ..., "words": [{"word": ..., "score": ...}, ...]}` for its mask, and from a model that writes
        `{"text": ..., "continuations": [...]}`. From an encoder–decoder `{"text": ..., "written": [{"text": ...,
        "score": ...}, ...]}`, the best first; the score with beams only.

    Raises:
        UserError: without texts, for beams or a segmenter of a model that has no use for them, for a model or file that
            cannot be read, or one that nothing can be drawn of.
    """
    check_output_file(output)
    check_output_file(explain)
    from .corpus import gather_texts

    output = None if output is None else Path(output)
    texts = gather_texts(texts, file, text_column)
    if top < 1:
        raise UserError(f"top is {top}, but must be at least 1")
    if explain is not None:
        from .explain import check_picture

        check_picture(Path(explain), len(texts))

    from .jobs import job_for_model
    from .loading import head_of, load_tokenizer, load_trained
    from .reports import write_lines
    from .training import make_accelerator

    job = job_for_model(*head_of(model))
    labeller, tokenizer = load_trained(model, job.auto_class, job.noun)
    accelerator = make_accelerator()
    if beams is not None or length_penalty is not None:
        from .writing import search_with

        search_with(labeller, beams, length_penalty)
    cutting: dict[str, Any] = {}
    if segmenter is not None:
        if job.auto_class != "AutoModelForTokenClassification":
            raise UserError(f"segmenter is {segmenter}, but {model} is a {job.noun}: only taggers take words")
        cutting = {"segmenter": load_tokenizer(segmenter)}
    answers = job.answers(labeller, tokenizer, texts, accelerator, top, **cutting)
    if not accelerator.is_main_process:
        return answers
    if explain is not None:
        from .explain import draw
        from .explain import explain as take_apart

        draw(*take_apart(labeller, tokenizer, texts[0]), Path(explain))
    if output is not None:
        write_lines((json.dumps(answer, ensure_ascii=False) for answer in answers), output)
        return answers
    for answer in answers:
        print(job.show(answer))
    return answers


def evaluate(
    model: Annotated[str, typer.Argument(help="Folder or Hub name of a classifier, a tagger or a model that writes.")],
    data: Annotated[
        Path,
        typer.Option(
            help="Texts, labelled or plain: file, folder with a test part, or name on the Hub.", metavar="PATH|HUB"
        ),
    ],
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    target_column: TargetColumn = "target",
    beams: Beams = None,
    length_penalty: LengthPenalty = None,
    output: Annotated[Path | None, typer.Option(help="File for the figures, as JSON.", metavar="FILE")] = None,
) -> dict[str, Any]:
    """Measure how well a model labels texts or words whose labels are known, predicts words, or writes targets.

    Returns:
        `loss`, `accuracy`, and `macro_f1`, with several labels `micro_f1`, `macro_f1` and `exact_match`, of numbers
        `pearson`, `spearman` and `mse`; of a tagger of spans `f1`, `precision` and `recall` in its place, and of any
        tagger `types`, the same for each type or tag; of a language model `loss` and `perplexity` of a token; of an
        encoder–decoder `loss`, `bleu`, `chrf`, `rouge_l` and `exact_match`.

    Raises:
        UserError: for data or a model that cannot be read, or a label that the model does not know.
    """
    output = None if output is None else Path(output)
    check_output_file(output)

    from .jobs import job_for_model
    from .loading import head_of, label_ids, load_trained
    from .reports import told, write_json
    from .training import make_accelerator

    job = job_for_model(*head_of(model))
    column = target_column if job.auto_class == "AutoModelForSeq2SeqLM" else label_column
    part = job.read_test(Path(data), text_column, column)
    labeller, tokenizer = load_trained(model, job.auto_class, job.noun)
    if beams is not None or length_penalty is not None:
        from .writing import search_with

        search_with(labeller, beams, length_penalty)
    label2id = label_ids(labeller)
    size, *others = job.tell_part(part, list(label2id))
    accelerator = make_accelerator()
    figures = job.source(tokenizer, part, label2id).measure(labeller, accelerator)
    accelerator.print(f"{size}: {told(figures)}")
    types = "  ".join(f"{name} {row['f1']:.4f}" for name, row in figures.get("types", {}).items())
    if types:
        accelerator.print(translate("F1 of each type: {types}", types=types))
    for sentence in others:
        accelerator.print(sentence)
    if output is not None and accelerator.is_main_process:
        write_json(figures, output)
    return figures

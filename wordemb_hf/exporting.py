"""The verb `export`: a model for other runtimes."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .errors import UserError
from .folders import check_output, new_folder
from .messages import translate
from .options import Overwrite

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Task = Literal["embedding", "classification", "tagging"]

# The Auto class of each task, what its model is called, and how the names of such classes end.
_TASKS: dict[str, tuple[str, str, str]] = {
    "classification": ("AutoModelForSequenceClassification", "classifier", "ForSequenceClassification"),
    "tagging": ("AutoModelForTokenClassification", "tagger", "ForTokenClassification"),
    "embedding": ("AutoModel", "model", ""),
}
# Of what `embedding` has, and a tagger with a CRF.
_OUTPUTS = ("last_hidden_state", "pooler_output", "logits", "tags")
# Words in the texts that are compared, and the side of padding; the last is the example.
_SHAPES = (((1,), "right"), ((17,), "right"), ((3, 1, 8), "left"), ((2, 2), "right"), ((9, 1, 4, 6), "right"))
_TOLERANCE = 1e-4
_LARGEST = 1_900_000_000  # bytes of weights in a file: protobuf ends at 2 GiB


def export(
    model: Annotated[str, typer.Argument(help="Folder or Hub name of any model of this package.")],
    output: Annotated[
        Path | None,
        typer.Option(help="Folder for the exported model.", metavar="FOLDER", show_default="the model's name, -onnx"),
    ] = None,
    format: Annotated[Literal["onnx"], typer.Option(help="What to write.")] = "onnx",
    task: Annotated[
        Task | None, typer.Option(help="What the model is to do.", show_default="what it was trained for")
    ] = None,
    overwrite: Overwrite = False,
) -> Path:
    """Write a model as ONNX: model.onnx, its tokenizer and its config.

    Texts can be many or one, and of any length from one token on. A language model gives its vectors, an
    encoder–decoder those of its encoder, a tagger with a CRF the best path as `tags`. What was written is run by
    onnxruntime on batches of several sizes and compared with PyTorch before it appears.

    Returns:
        The folder.

    Raises:
        UserError: for what is no model of this package, a package that is missing, or an output that must not be
            written.
    """
    if format != "onnx":
        raise UserError(f"format is {format!r}, but must be onnx")
    if task is not None and task not in _TASKS:
        raise UserError(f"task is {task!r}, but must be one of {', '.join(_TASKS)}")
    output = Path(output) if output is not None else Path(f"{str(model).rstrip('/')}-onnx")
    if not Path(model).is_dir():  # a Hub name: beside where one is, and not in a folder of its owner's name
        output = Path(output.name) if str(output) == f"{model}-onnx" else output
    check_output(output, overwrite)
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(f"{error.name} is not installed: pip install 'wordemb-hf[onnx]'") from None

    trained, tokenizer = _load(model, task)
    with new_folder(output) as folder:
        batches = list(_batches(tokenizer))
        answers = [_run(trained, batch) for batch in batches]
        difference = _write_model(model, trained, batches, answers, folder / "model.onnx")
        if hasattr(trained.config, "auto_map"):
            del trained.config.auto_map  # it names code that has no place here
        trained.config.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    size = sum(file.stat().st_size for file in output.glob("model.onnx*")) / 1e6
    print(
        translate(
            "{size} MB are in {folder}; what onnxruntime and PyTorch give differs by at most {difference}.",
            size=f"{size:.1f}",
            folder=output,
            difference=f"{difference:.0e}",
        )
    )
    return output


def _load(model: str, task: Task | None) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """The model for a task, in float32, and its tokenizer."""
    from .loading import architecture_of, load_trained

    architecture = architecture_of(model)
    if task is None:
        task = next(name for name, (_, _, end) in _TASKS.items() if architecture.endswith(end))  # type: ignore[misc]
    assert task is not None
    auto_class, noun, _ = _TASKS[task]
    trained, tokenizer = load_trained(model, auto_class, noun)
    if not str(trained.config.model_type).startswith("wordemb_"):
        raise UserError(f"{model} is of type {trained.config.model_type}, which is not of this package")
    return trained.float().eval(), tokenizer


def _write_model(model: str, trained: "PreTrainedModel", batches: list[Any], answers: list[Any], file: Path) -> float:
    """Write model.onnx, and say by how much its answers differ.

    Args:
        model: what it is called.
        trained: the model, in eval mode.
        batches: what it is compared on; the last one is the example that it is traced with.
        answers: what it gives for each.
        file: where it goes.

    Raises:
        UserError: when it cannot be written, or gives something else.
    """
    import copy

    import torch

    from .onnx_operators import TRANSLATIONS, prepare

    names, kinds = list(batches[-1]), list(answers[-1])
    exported = copy.deepcopy(trained)
    prepare(exported)

    class Named(torch.nn.Module):
        """The model with its inputs and outputs in a row."""

        def __init__(self) -> None:
            super().__init__()
            self.model = exported

        def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
            for tensor in inputs[1:]:  # they agree, so that none is cut to another
                torch._check(tensor.shape[0] == inputs[0].shape[0])
                torch._check(tensor.shape[1] == inputs[0].shape[1])
            made = self.model(**dict(zip(names, inputs, strict=True)), return_dict=True)
            return tuple(made[kind] for kind in kinds)

    axes = {0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("length", min=2)}
    weights = sum(tensor.nbytes for tensor in trained.state_dict().values())
    with _quiet():
        try:
            torch.onnx.export(
                Named().eval(),
                tuple(batches[-1].values()),
                str(file),
                dynamo=True,
                input_names=names,
                output_names=kinds,
                dynamic_shapes=(tuple(axes for _ in names),),
                external_data=weights > _LARGEST,
                custom_translation_table=TRANSLATIONS,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            reason = next(iter(str(error.__cause__ or error).strip().splitlines()), "")
            raise UserError(f"{model} cannot be written as ONNX: {reason}") from error
    return _check(model, file, batches, answers)


def _batches(tokenizer: Any) -> "Iterator[dict[str, torch.Tensor]]":
    """Texts of the vocabulary's words, one and several, short and long, padded on either side; the last is an example.

    Every other text ends in a word that is hardly known, for those who make something of its letters.
    """
    vocabulary = [token for token in tokenizer.get_vocab() if token not in tokenizer.all_special_tokens]
    words = sorted(vocabulary)[:: max(len(vocabulary) // 200, 1)] or ["a"]
    for lengths, side in (
        ((1,), "right"),
        ((17,), "right"),
        ((3, 1, 8), "left"),
        ((2, 2), "right"),
        ((9, 1, 4, 6), "right"),
    ):
        texts = [
            " ".join(words[(place * 7 + length) % len(words)] for place in range(length - number % 2))
            + " zqxunheard" * (number % 2)
            for number, length in enumerate(lengths)
        ]
        encoded = tokenizer(texts, padding=True, padding_side=side, return_tensors="pt", truncation=False)
        yield {name: encoded[name] for name in tokenizer.model_input_names if name in encoded}


def _run(trained: "PreTrainedModel", batch: "dict[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    import torch

    with torch.no_grad():
        made = trained(**batch, return_dict=True)
    return {name: made[name] for name in _OUTPUTS if made.get(name) is not None}


def _check(model: str, file: Path, batches: list[Any], answers: list[Any]) -> float:
    """The largest difference between onnxruntime's answers and these.

    Raises:
        UserError: when it is too large.
    """
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    largest = 0.0
    for batch, wanted in zip(batches, answers, strict=True):
        given = session.run(list(wanted), {node.name: batch[node.name].numpy() for node in session.get_inputs()})
        for name, made, right in zip(wanted, given, wanted.values(), strict=True):
            right = right.numpy()
            difference = float(np.abs(made - right).max(initial=0)) if made.shape == right.shape else float("inf")
            if not difference <= _TOLERANCE * max(1.0, float(np.abs(right).max(initial=0))):
                raise UserError(
                    f"{model} as ONNX does not give what PyTorch gives: {name} differs by {difference:.1e}; "
                    "nothing was written"
                )
            largest = max(largest, difference)
    return largest


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of its own progress."""
    import contextlib
    import io
    import logging

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)

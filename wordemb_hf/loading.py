"""Models that exist, from a folder or the Hub, with one sentence where loading fails."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


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


def load_classifier(model: str) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
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


def load_for_labels(model: str, labels: Sequence[str]) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """Any model with a head for these labels, a new one where its own is for others, and its tokenizer.

    Raises:
        UserError: when there is no such model.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    with loading(model):
        classifier = AutoModelForSequenceClassification.from_pretrained(
            model,
            id2label=dict(enumerate(labels)),
            label2id={label: index for index, label in enumerate(labels)},
            ignore_mismatched_sizes=True,  # a head for other labels begins anew
        )
        return classifier, AutoTokenizer.from_pretrained(model)

"""Models that exist, from a folder or the Hub, with one sentence where loading fails."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast


@contextmanager
def loading(model: str, file: str = "config.json") -> Iterator[None]:
    """One sentence in place of the many ways in which loading fails.

    Raises:
        UserError: when the block raises what transformers and the Hub client raise for a wrong folder or name.
    """
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    folder = Path(model)
    if folder.is_file() or (folder.is_dir() and not (folder / file).is_file()):
        noun = "tokenizer" if file == "tokenizer.json" else "model"
        raise UserError(f"{model} is no {noun} folder: it has no {file}")
    try:
        yield
    except (OSError, ValueError, SafetensorError, StrictDataclassError) as error:
        if isinstance(error, UserError):
            raise
        first_line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        where = "" if folder.is_dir() else " is no folder and"
        raise UserError(f"{model}{where} cannot be loaded: {first_line}") from error


def place_of(model: str) -> tuple[str, dict[str, Any]]:
    """What `from_pretrained` takes for a folder, or for a name: `you/it`, `you/it/heads/topic`, `you/it@v1`."""
    if Path(model).exists() or "\\" in model:
        return model, {}
    name, _, revision = model.partition("@")
    parts = name.split("/")
    options: dict[str, Any] = {"revision": revision} if revision else {}
    if len(parts) > 2 and all(parts):
        options["subfolder"] = "/".join(parts[2:])
    elif not revision:
        return model, {}
    return "/".join(parts[:2]), options


def architecture_of(model: str) -> str:
    """The class that a folder or a repository was saved from, empty where its config does not say.

    Raises:
        UserError: when there is no such model.
    """
    return head_of(model)[0]


def head_of(model: str) -> tuple[str, str | None]:
    """That class, and the kind of problem of a classifier, as transformers' pipeline takes it; `None` for the usual.

    Raises:
        UserError: when there is no such model.
    """
    from transformers import AutoConfig

    with loading(model):
        name, options = place_of(model)
        config = AutoConfig.from_pretrained(name, **options)
    problem = getattr(config, "problem_type", None)
    if problem is None and config.num_labels == 1:
        problem = "multi_label_classification"
    return (config.architectures or [""])[0], problem


def load_trained(
    model: str, auto_class: str, noun: str, **choices: Any
) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """A model with a trained head, and its tokenizer, from a folder or the Hub.

    Args:
        model: the folder or the name.
        auto_class: transformers' name for the task.
        noun: what such a model is called.
        choices: what else `from_pretrained` takes of a model.

    Raises:
        UserError: when there is none.
    """
    import transformers

    auto: Any = getattr(transformers, auto_class)
    with loading(model):
        name, options = place_of(model)
        trained, report = auto.from_pretrained(name, output_loading_info=True, **options, **choices)
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, **options)
    if report["missing_keys"]:
        raise UserError(f"{model} is no trained {noun}: it has no {sorted(report['missing_keys'])[0]}")
    return trained, tokenizer


def load_tokenizer(source: str, special_tokens: Sequence[str] = ()) -> "PreTrainedTokenizerFast":
    """A tokenizer for a new model.

    Args:
        source: a folder, or a name on the Hub.
        special_tokens: what the model needs beside words; those that the tokenizer lacks are added.

    Raises:
        UserError: when there is none, or one without a tokenizer.json or without a token for padding.
    """
    import transformers

    from .tokenizer_kinds import ROLES

    with loading(source, file="tokenizer.json"):
        name, options = place_of(source)
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, **options)
    if not isinstance(tokenizer, transformers.PreTrainedTokenizerFast):
        raise UserError(f"{source} has a {type(tokenizer).__name__}, but a tokenizer with a tokenizer.json is needed")
    if tokenizer.pad_token is None:
        raise UserError(f"{source} has no padding token, which batches need: give it one and save it again")
    for token in special_tokens:
        role = ROLES.get(token)
        if role is None or getattr(tokenizer, role) is None:
            tokenizer.add_special_tokens({role: token} if role else {"extra_special_tokens": [token]})
    return tokenizer


def label_ids(model: "PreTrainedModel") -> dict[str, int]:
    """The ids of a model's labels; a config from elsewhere may have only the names of the ids."""
    id2label: Any = model.config.id2label  # {id: label}
    return {label: number for number, label in id2label.items()}


def load_for_labels(
    model: str, auto_class: str, labels: Sequence[str]
) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """Any model with a head for these labels, and its tokenizer.

    Its own head is kept if it is for the same labels, whose ids then stay as they are; else the head begins anew, also
    where it has as many other labels.

    Raises:
        UserError: when there is no such model.
    """
    import transformers

    auto: Any = getattr(transformers, auto_class)
    with loading(model):
        name, options = place_of(model)
        trained, report = auto.from_pretrained(name, output_loading_info=True, **options)
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, **options)
    same_labels = set(label_ids(trained)) == set(labels) or trained.config.is_encoder_decoder
    if same_labels and not report["missing_keys"]:
        return trained, tokenizer
    trained.config.id2label = dict(enumerate(labels))
    trained.config.label2id = {label: index for index, label in enumerate(labels)}
    trained.config.problem_type = None  # that of its own head
    anew = auto.from_config(trained.config)
    anew.base_model.load_state_dict(trained.base_model.state_dict())
    return anew, tokenizer

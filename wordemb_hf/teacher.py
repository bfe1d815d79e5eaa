"""A teacher: a classifier of any kind, whose logits for the training texts a smaller one learns (Hinton et al. 2015).

It speaks once, before the training, and what it said is kept beside the output (`.NAME.teacher.safetensors`) until the
model is written: a training that was stopped goes on with the same targets, to the bit, and need not ask again.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .corpus import Examples, read_texts
from .errors import UserError
from .messages import translate

if TYPE_CHECKING:
    from accelerate import Accelerator
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from .splits import Splits

_BATCH_TOKENS, _BATCH = 16384, 256  # of a large model on a CPU, a few hundred MB
_LOGITS = "logits"


def check_teaching(
    teacher: str | None, weight: float, temperature: float, unlabelled: Path | None, losses: Mapping[str, Any]
) -> None:
    """Refuse options of distillation that cannot be, before any work is done.

    Raises:
        UserError: naming the first.
    """
    if unlabelled is not None and teacher is None:
        raise UserError(f"unlabelled is {unlabelled}, but only a teacher can say what its texts are: give --teacher")
    if not 0 < weight <= 1:
        raise UserError(f"teacher_weight is {weight}, but must be above 0 and at most 1: a share of the loss")
    if not 0 < temperature < math.inf:
        raise UserError(f"temperature is {temperature}, but must be above 0 and finite")
    if teacher is not None and "class_weights" in losses:
        raise UserError("class_weights is given, but what a teacher says is not weighted: leave it or --teacher out")


def read_unlabelled(path: Path, text_column: str, parts: "Splits[Examples]") -> list[str]:
    """The different texts of a file or a folder that are in no part of the data: what is measured on stays unseen.

    Raises:
        UserError: when they cannot be read, or there is none.
    """
    known = {text for part in (parts.train, parts.dev, parts.test) if part is not None for text in part.texts}
    texts = [text for text in dict.fromkeys(read_texts(path, text_column=text_column)) if text not in known]
    if not texts:
        raise UserError(f"{path} holds no text that is not in the data: leave --unlabelled out")
    return texts


@dataclass(frozen=True, kw_only=True)
class Teaching:
    """What a teacher said, and how a student listens.

    Args:
        teacher: its folder or its name on the Hub.
        teacher_weight: its share of the loss of a text with a label; of one without, it has all.
        temperature: divides the logits of both (Hinton et al. 2015, section 2).
        unlabelled: where texts without labels are from.
        texts: those texts.
        labels: the names of the labels, in the order of the columns.
        said: the logits of each text that it was asked about.
    """

    teacher: str
    teacher_weight: float
    temperature: float
    unlabelled: str | None
    texts: list[str]
    labels: list[str]
    said: "Answers"

    def settings(self) -> dict[str, Any]:
        """What was chosen, as JSON can hold it."""
        chosen = {name: getattr(self, name) for name in ("teacher", "teacher_weight", "temperature")}
        return chosen | ({} if self.unlabelled is None else {"unlabelled": self.unlabelled})

    def described(self) -> dict[str, Any]:
        """That, and a digest of what was said, for a training that goes on."""
        from .checkpoints import digest_of

        return self.settings() | {"teacher_logits": digest_of([self.said.logits])}

    def extended(self, train: Examples) -> Examples:
        """A training part and behind it the texts without labels, which for the time being have the likeliest ones."""
        likeliest = [self.labels[number] for number in self.said.to(self.texts).argmax(-1)]
        return Examples(train.texts + self.texts, train.labels + likeliest, train.source)

    def logits_of(self, texts: Sequence[str], label2id: Mapping[str, int]) -> np.ndarray:
        """What was said to texts, in the order of a student's ids: float32 `(texts, labels)`."""
        columns = [self.labels.index(name) for name in sorted(label2id, key=label2id.__getitem__)]
        return np.ascontiguousarray(self.said.to(texts)[:, columns])


class Answers:
    """What a teacher said to texts.

    Args:
        texts: different ones.
        logits: float32 `(texts, labels)`.
    """

    def __init__(self, texts: Sequence[str], logits: np.ndarray):
        self.logits = logits
        self._rows = {text: row for row, text in enumerate(texts)}

    def to(self, texts: Sequence[str]) -> np.ndarray:
        """The logits of some of the texts, `(texts, labels)`."""
        return self.logits[np.array([self._rows[text] for text in texts], dtype=np.int64)]


def ask_teacher(
    teacher: str, texts: Sequence[str], labels: Sequence[str], accelerator: "Accelerator", kept: Path, anew: bool
) -> Answers:
    """What a teacher says to texts.

    Every process computes its share of batches that do not depend on how many processes there are.

    Args:
        teacher: a folder or a name on the Hub, in safetensors.
        texts: what it is asked about.
        labels: those of the data; its own are found by their names, and what it has beside them is left out.
        accelerator: where to compute.
        kept: a file for the logits; those that it holds are taken if the same teacher was asked the same.
        anew: pay no heed to that file.

    Raises:
        UserError: when there is no such classifier, or it is not one for these labels.
    """
    from .batching import by_tokens
    from .checkpoints import digest_of
    from .encoding import EncodedTexts
    from .model_outputs import outputs_of

    model, tokenizer = _load(teacher)
    names: Any = model.config.id2label  # {id: label}
    columns = columns_of(teacher, names, labels)
    more = [label for number, label in sorted(names.items()) if number not in columns]
    different = list(dict.fromkeys(texts))
    encoded = EncodedTexts(tokenizer, different, _readable(model, tokenizer))
    weights = (tensor.numpy() for tensor in model.state_dict().values())
    config = json.loads(model.config.to_json_string())
    key = digest_of([config, different, columns, accelerator.mixed_precision, encoded.rows.flat, *weights])
    if more:
        named = ", ".join(more[:12]) + (" …" if len(more) > 12 else "")
        accelerator.print(translate("Labels of {teacher} alone, left out: {labels}", teacher=teacher, labels=named))
    logits = None if anew else _read(kept, key, accelerator)
    if logits is None:
        count = f"{len(different):,}"
        accelerator.print(translate("Asking {teacher} about {texts} texts …", teacher=teacher, texts=count))
        batches = encoded.batches(by_tokens(encoded.lengths, _BATCH_TOKENS, _BATCH))
        logits = np.ascontiguousarray(
            outputs_of(model, batches, accelerator, lambda output: output.logits)[0][:, columns]
        )
        if not np.isfinite(logits).all():
            raise UserError(f"{teacher} answers with what is no number: try --mixed-precision no, or another teacher")
        if accelerator.is_main_process:
            _write(kept, key, logits)
    return Answers(different, logits)


def columns_of(teacher: str, id2label: Mapping[int, str], labels: Sequence[str]) -> list[int]:
    """Where the labels of the data stand among a teacher's.

    Raises:
        UserError: when one of them is not there by its name.
    """
    ids = {name: number for number, name in id2label.items()}
    for label in labels:
        if label not in ids:
            shown = ", ".join(repr(name) for name in list(ids)[:10]) + (" …" if len(ids) > 10 else "")
            raise UserError(
                f"{teacher} has no label {label!r}, which the data have; it has {shown}: if these are other names of "
                "the same, write those of the data into id2label and label2id of its config.json"
            )
    return [ids[label] for label in labels]


def kept_beside(output: Path) -> Path:
    """The file for the logits of the training that writes `output`."""
    output = output.resolve()
    return output.with_name(f".{output.name}.teacher.safetensors")


def _load(teacher: str) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    from .loading import load_trained

    options = {"use_safetensors": True, "trust_remote_code": False}
    model, tokenizer = load_trained(teacher, "AutoModelForSequenceClassification", "classifier", **options)
    problem = model.config.problem_type or "single_label_classification"
    if model.config.num_labels == 1 or problem != "single_label_classification":
        kind = "one number" if model.config.num_labels == 1 else problem
        raise UserError(f"{teacher} is a model of {kind}, but a teacher must give each text one of several labels")
    if tokenizer.pad_token_id is None:
        raise UserError(f"{teacher} has no padding token, which batches need: give its tokenizer one and save it again")
    return model.float(), tokenizer


def _readable(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> int:
    """How many tokens of a text it reads."""
    from .encoding import max_length_of

    config = model.config
    positions = getattr(config, "max_position_embeddings", None) or 0
    limited = positions > 0 and getattr(config, "position_type", "learned") == "learned"
    return min(max_length_of(tokenizer), positions) if limited else max_length_of(tokenizer)


def _read(path: Path, key: str, accelerator: "Accelerator") -> np.ndarray | None:
    """The logits that are kept under a key, on every process."""
    from accelerate.utils import broadcast_object_list
    from safetensors import SafetensorError, safe_open

    found: list[Any] = [None]
    if accelerator.is_main_process and path.is_file():
        try:
            with safe_open(path, "numpy") as file:
                if (file.metadata() or {}).get("key") == key:
                    found = [file.get_tensor(_LOGITS)]
        except (OSError, SafetensorError):
            pass  # damaged: the teacher is asked again
    if accelerator.num_processes > 1:
        broadcast_object_list(found)
    return found[0]


def _write(path: Path, key: str, logits: np.ndarray) -> None:
    """Keep logits; a full disk does not stop the training."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    beside = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({_LOGITS: logits}, beside, {"key": key})
        beside.replace(path)
    except (OSError, SafetensorError):
        beside.unlink(missing_ok=True)

"""What the verbs do differently for each task: a label for a text, one for each of its words, or a text.

A job knows how its data are read, what its models are called, how they are measured and what they answer; what is the
same for all of them stands in the verbs. Importing a job costs nothing: what needs torch is imported where it is used.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..conll import is_tagged
from ..errors import UserError
from ..families import Preset
from ..label_kinds import PROBLEMS, problem_of_data
from ..splits import Part, Splits
from .classification import ClassificationJob
from .language import LanguageJob, predicts_words
from .regression import RegressionJob
from .seq2seq import Seq2SeqJob
from .several_labels import MultiLabelJob
from .tagging import TaggingJob

if TYPE_CHECKING:
    from accelerate import Accelerator
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from ..batching import Batch
    from ..encoding import EncodedTexts
    from ..tasks.seq2seq import EncodedPairs

__all__ = ["Job", "check_losses", "job_for_data", "job_for_labels", "job_for_model"]


class Source(Protocol):
    """Labelled texts as a `BatchSource`, and how well a model labels them."""

    def epoch(self, number: int) -> "Sequence[Batch]":
        """The batches of an epoch."""
        ...

    def items(self, batch: "Batch") -> "int | Tensor":
        """How many labels a batch has, or what they weigh."""
        ...

    @property
    def encoded(self) -> "EncodedTexts | EncodedPairs":
        """The texts as they are trained on."""
        ...

    def evaluate(self, model: "PreTrainedModel", accelerator: "Accelerator") -> dict[str, float]:
        """Figures whose names begin with `eval_`."""
        ...

    def measure(self, model: "PreTrainedModel", accelerator: "Accelerator") -> dict[str, Any]:
        """The same without the beginning, and perhaps `types`: those of each kind of label."""
        ...


class Job(Protocol[Part]):
    """A task, as the verbs see it."""

    noun: str
    """What messages call its models."""
    auto_class: str
    """Transformers' name for it."""
    presets: dict[str, Preset]
    """Settings for fine-tuning the families that know the task."""
    lowercase: bool
    """Whether a new tokenizer takes upper and lower case for the same, unless the user says otherwise."""
    problem_type: str | None
    """What the config says of its labels, in transformers' words; `None` where that is no question."""
    loss_options: tuple[str, ...]
    """What of the training loss may be chosen: options of `source`, and whether a `teacher` may take part in it."""

    def read(
        self, data: Path, dev: Path | None, test: Path | None, text_column: str, label_column: str, seed: int
    ) -> Splits[Part]:
        """The parts of a data set."""
        ...

    def read_test(self, data: Path, text_column: str, label_column: str) -> Part:
        """A file, or the test part of a folder."""
        ...

    def hold_out(self, part: Part, seed: int) -> tuple[Part, Part | None]:
        """A part without a tenth of it, and that tenth; `None` where nothing can be spared."""
        ...

    def labels(self, part: Part) -> list[str]:
        """The names of the labels in the order of their ids."""
        ...

    def reads_characters(self, part: Part) -> bool:
        """Whether the tokens will be characters, as of Chinese."""
        ...

    def tokenizer_kind(self, part: Part) -> str:
        """The kind of tokenizer that suits the data."""
        ...

    def words(self, part: Part) -> dict[str, float] | None:
        """Chinese words that the data are cut into, and how often each occurs; None where they are not cut."""
        ...

    def tell_splits(self, parts: Splits[Part], labels: Sequence[str]) -> list[str]:
        """Sentences on a data set and its labels."""
        ...

    def tell_part(self, part: Part, labels: Sequence[str]) -> list[str]:
        """Sentences on what a model with these labels is measured on; refuses what cannot be measured."""
        ...

    def check(self, config: Any, part: Part) -> None:
        """Refuse what a model with this config cannot learn."""
        ...

    def source(
        self, tokenizer: "PreTrainedTokenizerBase", part: Part, label2id: dict[str, int], **options: Any
    ) -> "Source":
        """A part as batches; `options` are batch_size, max_length and seed, and what was chosen of the loss."""
        ...

    def begin(self, model: "PreTrainedModel", part: Part) -> None:
        """Make a model one of this job, before it is trained on a part."""
        ...

    def in_training(self, model: "PreTrainedModel", tasks: dict[str, Any]) -> AbstractContextManager[None]:
        """What holds while a model is trained on the sources of the parts."""
        ...

    def best(self, labels: Sequence[str]) -> str:
        """The figure that decides which epoch was the best."""
        ...

    def baseline(self, train: Part, part: Part, language: str) -> dict[str, Any]:
        """What a classical method reaches on a part."""
        ...

    def answers(
        self,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerBase",
        texts: Sequence[str],
        accelerator: "Accelerator",
        top: int = 1,
    ) -> list[dict[str, Any]]:
        """What the model says to texts, as JSON can hold it."""
        ...

    def show(self, answer: dict[str, Any]) -> str:
        """An answer on one line."""
        ...

    def card(
        self, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", part: Part, accelerator: "Accelerator"
    ) -> dict[str, Any]:
        """Facts for the model card, among them what the model answers to texts of a part."""
        ...


JOBS: dict[str, Job] = {"classification": ClassificationJob(), "tagging": TaggingJob(), "seq2seq": Seq2SeqJob()}


_OF_PROBLEM: dict[str, Job] = {
    job.problem_type: job for job in (ClassificationJob(), MultiLabelJob(), RegressionJob()) if job.problem_type
}


def job_for_data(
    data: Path, task: str | None, family: str, problem_type: str | None = None, label_column: str = "label"
) -> Job:
    """The job that `task` names, else that of the family or the data: files of tagged words are known by their names.

    What a label of a text is says `problem_type`, else the data: an array is several labels.

    Raises:
        UserError: for a folder that could be either, or a kind of problem that does not exist or that the task lacks.
    """
    if problem_type is not None and problem_type not in PROBLEMS:
        raise UserError(f"problem_type is {problem_type!r}, but must be one of {', '.join(PROBLEMS)}")
    if task is None and family in JOBS["seq2seq"].presets:
        task = "seq2seq"
    task = task or ("tagging" if is_tagged(data) else "classification")
    if task == "classification":
        return _OF_PROBLEM[problem_type or problem_of_data(data, label_column)]
    if problem_type is not None:
        raise UserError(f"problem_type is {problem_type}, but {task} has none: leave it out")
    return JOBS[task]


def job_for_labels(part: Any) -> ClassificationJob:
    """The job of labelled texts that were read."""
    kinds: dict[type, ClassificationJob] = {list: MultiLabelJob(), float: RegressionJob()}
    return kinds.get(type(part.labels[0]), ClassificationJob())


def check_losses(
    job: Job, class_weights: str | None, label_smoothing: float, teacher: str | None = None
) -> dict[str, Any]:
    """What a user chose of the training loss, as options of the job's `source`; nothing where nothing was.

    A teacher is checked with them, but is none of them: it speaks of the training part alone.

    Raises:
        UserError: for what the job has no use for, or a value that cannot be.
    """
    if class_weights not in (None, "balanced"):
        raise UserError(f"class_weights is {class_weights!r}, but must be balanced")
    if not 0 <= label_smoothing < 1:
        raise UserError(f"label_smoothing is {label_smoothing}, but must be at least 0 and below 1")
    chosen = {"class_weights": class_weights, "label_smoothing": label_smoothing, "teacher": teacher}
    given = {name: value for name, value in chosen.items() if value}
    for name in given:
        if name not in job.loss_options:
            kind = f" by {job.problem_type}" if job.problem_type else ""
            raise UserError(f"{name} is given, but a {job.noun}{kind} has none: leave it out")
    given.pop("teacher", None)
    return given


def job_for_model(architecture: str, problem_type: str | None = None) -> "Job | LanguageJob":
    """The job of a model by its class and its kind of problem; a class without a head passes for a classifier's."""
    if predicts_words(architecture):
        return LanguageJob(architecture)
    if architecture.endswith("ForConditionalGeneration"):
        return JOBS["seq2seq"]
    if architecture.endswith("ForTokenClassification"):
        return JOBS["tagging"]
    return _OF_PROBLEM[problem_type or PROBLEMS[0]]

"""What the verbs do differently for each task: a label for a text, one for each of its words, or a text.

A job knows how its data are read, what its models are called, how they are measured and what they answer; what is the
same for all of them stands in the verbs. Importing a job costs nothing: what needs torch is imported where it is used.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..conll import is_tagged
from ..families import Preset
from ..splits import Part, Splits
from .classification import ClassificationJob
from .language import LanguageJob, predicts_words
from .seq2seq import Seq2SeqJob
from .tagging import TaggingJob

if TYPE_CHECKING:
    from accelerate import Accelerator
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from ..batching import Batch
    from ..encoding import EncodedTexts
    from ..tasks.seq2seq import EncodedPairs

__all__ = ["Job", "job_for_data", "job_for_model"]


class Source(Protocol):
    """Labelled texts as a `BatchSource`, and how well a model labels them."""

    def epoch(self, number: int) -> "Sequence[Batch]":
        """The batches of an epoch."""
        ...

    def items(self, batch: "Batch") -> int:
        """How many labels a batch has."""
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

    def read(
        self, data: Path, dev: Path | None, test: Path | None, text_column: str, label_column: str, seed: int
    ) -> Splits[Part]:
        """The parts of a data set."""
        ...

    def read_test(self, data: Path, text_column: str, label_column: str) -> Part:
        """A file, or the test part of a folder."""
        ...

    def labels(self, part: Part) -> list[str]:
        """The names of the labels in the order of their ids."""
        ...

    def tokenizer_kind(self, part: Part) -> str:
        """The kind of tokenizer that suits the data."""
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
        """A part as batches; `options` are batch_size, max_length and seed."""
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


def job_for_data(data: Path, task: str | None, family: str) -> Job:
    """The job that `task` names, else that of the family or the data: files of tagged words are known by their names.

    Raises:
        UserError: for a folder that could be either.
    """
    if task is None and family in JOBS["seq2seq"].presets:
        task = "seq2seq"
    return JOBS[task or ("tagging" if is_tagged(data) else "classification")]


def job_for_model(architecture: str) -> "Job | LanguageJob":
    """The job of a model by the name of its class; a class without a head has none, and passes for a classifier."""
    if predicts_words(architecture):
        return LanguageJob(architecture)
    if architecture.endswith("ForConditionalGeneration"):
        return JOBS["seq2seq"]
    return JOBS["tagging" if architecture.endswith("ForTokenClassification") else "classification"]

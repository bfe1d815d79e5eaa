"""The table that every model test reads: one entry for each family, and what an Auto class promises of all families."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

VOCABULARY = 29  # no other size below is as large, so that a table of words is known by its number of rows
LABELS = 3
LENGTHS = (5, 1, 9, 3)  # shorter than a window and longer

Labels = Callable[[PreTrainedConfig, Tensor], dict[str, Tensor]]


@dataclass(frozen=True)
class Task:
    """What an Auto class promises.

    Args:
        outputs: what comes out, and its shape: `batch`, `length` or the config field that says how wide it is.
        labels: from the config and a mask `(batch, length)` to what the loss needs; `None` where there is no loss.
        pipeline: the pipeline that runs it, or `None`.
    """

    outputs: dict[str, tuple[str, ...]]
    labels: Labels | None = None
    pipeline: str | None = None


def _class_labels(config: PreTrainedConfig, mask: Tensor) -> dict[str, Tensor]:
    return {"labels": torch.arange(len(mask)) % config.num_labels}


def _tag_labels(config: PreTrainedConfig, mask: Tensor) -> dict[str, Tensor]:
    # By the place within the text, so that padding on either side leaves every token its tag.
    return {"labels": ((mask.cumsum(1) - 1) % config.num_labels).where(mask.bool(), -100)}


TASKS = {
    "AutoModel": Task(
        outputs={
            "last_hidden_state": ("batch", "length", "hidden_size"),
            "pooler_output": ("batch", "hidden_size"),
        },
        pipeline="feature-extraction",
    ),
    "AutoModelForSequenceClassification": Task(
        outputs={"logits": ("batch", "num_labels")}, labels=_class_labels, pipeline="text-classification"
    ),
    "AutoModelForTokenClassification": Task(
        outputs={"logits": ("batch", "length", "num_labels")}, labels=_tag_labels, pipeline="token-classification"
    ),
}


@dataclass(frozen=True)
class Family:
    """What the contracts need to know of a family.

    Args:
        name: as in `modeling_<name>.py`.
        variants: a tiny config for each of the family's data-flows.
        refused: config fields with an impossible value; wrong types are tried for every field anyway.
        sees_context: whether a token's vector depends on its neighbours, and a text's on the order of its words.
        frozen: parameters that are never trained, by variant, as named in the backbone.
        own_tasks: Auto classes whose promise is the family's own.
        cannot_resize: Auto classes whose objective is bound to the vocabulary.
        prepare: sets what only a corpus would set.
    """

    name: str
    variants: dict[str, dict[str, Any]]
    refused: Sequence[tuple[str, Any]]
    sees_context: bool
    frozen: dict[str, set[str]] = field(default_factory=dict)
    own_tasks: dict[str, Task] = field(default_factory=dict)
    cannot_resize: frozenset[str] = frozenset()
    prepare: Callable[[PreTrainedModel], Any] = lambda model: None

    @property
    def auto_classes(self) -> dict[str, type[PreTrainedModel]]:
        return import_module(f"wordemb_hf.modeling.modeling_{self.name}").AUTO_CLASSES

    @property
    def config_class(self) -> type[PreTrainedConfig]:
        return self.auto_classes["AutoModel"].config_class


TEXTCNN = {"vocab_size": VOCABULARY, "embedding_size": 6, "num_filters": 4, "filter_sizes": [1, 2, 3, 4]}
TEXTCNN |= {"classifier_dropout": 0.0}


def _window_labels(config: PreTrainedConfig, mask: Tensor) -> dict[str, Tensor]:
    """A word in the middle of each window and its noise words, one of which is the word itself."""
    words = torch.arange(2, 2 + len(mask))
    noise = words.unsqueeze(1) + torch.arange(config.num_negatives)
    return {"labels": words, "negative_ids": noise}


def _count_words(model: PreTrainedModel) -> None:
    if hasattr(model, "word_counts"):
        model.word_counts[2:] = torch.arange(len(model.word_counts), 2, -1)


WORD2VEC = {"vocab_size": VOCABULARY, "hidden_size": 8, "window_size": 2, "num_negatives": 3}

FAMILIES = [
    Family(
        name="textcnn",
        variants={
            mode: {**TEXTCNN, "embedding_mode": mode} for mode in ("rand", "static", "non-static", "multichannel")
        },
        refused=[
            ("vocab_size", 0),
            ("embedding_size", -1),
            ("num_filters", 0),
            ("filter_sizes", []),
            ("filter_sizes", [3, 0]),
            ("embedding_mode", "frozen"),
            ("hidden_act", "swish"),
            ("embedding_dropout", -0.1),
            ("classifier_dropout", 1.0),
            ("classifier_dropout", float("nan")),
            ("initializer_range", -0.25),
            ("initializer_range", float("nan")),
            ("pad_token_id", -1),
            ("pad_token_id", 30000),
        ],
        sees_context=True,
        frozen={"static": {"word_embeddings.weight"}, "multichannel": {"static_embeddings.weight"}},
    ),
    Family(
        name="word2vec",
        variants={algorithm: {**WORD2VEC, "algorithm": algorithm} for algorithm in ("skipgram", "cbow")},
        refused=[
            ("vocab_size", 0),
            ("hidden_size", 0),
            ("algorithm", "glove"),
            ("window_size", 0),
            ("num_negatives", 0),
            ("negative_exponent", float("nan")),
            ("subsample_threshold", -1e-3),
            ("subsample_threshold", float("nan")),
            ("classifier_dropout", 1),
            ("pad_token_id", -1),
            ("pad_token_id", 30000),
        ],
        sees_context=False,
        own_tasks={"AutoModelForPreTraining": Task(outputs={"logits": ("batch", "vocab_size")}, labels=_window_labels)},
        prepare=_count_words,
    ),
]


@dataclass(frozen=True)
class Case:
    """One model class in one variant of its family."""

    family: Family
    variant: str
    auto_class: str

    def __str__(self) -> str:
        return f"{self.family.name}-{self.variant}-{self.auto_class}"

    @property
    def model_class(self) -> type[PreTrainedModel]:
        return self.family.auto_classes[self.auto_class]

    @property
    def auto(self) -> type:
        return getattr(transformers, self.auto_class)

    @property
    def task(self) -> Task:
        return (TASKS | self.family.own_tasks)[self.auto_class]

    @property
    def frozen(self) -> set[str]:
        """Parameters that are never trained, as named in this class."""
        prefix = "" if self.auto_class == "AutoModel" else f"{self.model_class.base_model_prefix}."
        return {prefix + name for name in self.family.frozen.get(self.variant, ())}

    def config(self, **fields: Any) -> PreTrainedConfig:
        return self.family.config_class(**{"num_labels": LABELS, **self.family.variants[self.variant], **fields})

    def model(self, seed: int = 0, **fields: Any) -> PreTrainedModel:
        """In eval mode, every weight random: under zeros, which some tables begin with, any two outputs are alike."""
        torch.manual_seed(seed)
        model = self.model_class(self.config(**fields)).eval()
        with torch.no_grad():
            for weight in model.parameters():
                weight.uniform_(-0.5, 0.5)
            self.family.prepare(model)
        return model

    def batch(self, lengths: Sequence[int] = LENGTHS, side: str = "right", labels: bool = False) -> dict[str, Tensor]:
        """Random texts, padded on one `side`; the same texts on either."""
        random = torch.Generator().manual_seed(0)
        texts = [torch.randint(2, VOCABULARY, (length,), generator=random) for length in lengths]
        batch = {
            "input_ids": torch.nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_side=side),
            "attention_mask": torch.nn.utils.rnn.pad_sequence(
                [torch.ones_like(text) for text in texts], batch_first=True, padding_side=side
            ),
        }
        if labels and self.task.labels:
            batch |= self.task.labels(self.config(), batch["attention_mask"])
        return batch

    def outputs(self, model: PreTrainedModel, **inputs: Any) -> dict[str, Tensor]:
        """What the Auto class promises to return."""
        with torch.no_grad():
            answer = model(**inputs)
        return {name: answer[name] for name in self.task.outputs}


CASES = [
    Case(family, variant, auto_class)
    for family in FAMILIES
    for variant in family.variants
    for auto_class in family.auto_classes
]

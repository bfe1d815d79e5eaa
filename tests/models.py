"""The table that every model test reads: one entry for each family, and what an Auto class promises of all families."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel
from wordemb_hf.modeling.spelling import SpellingTable

VOCABULARY = 29  # no other size below is as large, so that a table of words is known by its number of rows
LABELS = 3
LENGTHS = (5, 1, 9, 3)  # shorter than a window and longer

Batch = dict[str, Tensor]
Labels = Callable[[PreTrainedConfig, Batch], Batch]


@dataclass(frozen=True)
class Task:
    """What an Auto class promises.

    Args:
        outputs: what comes out, and its shape: `batch`, `length` or the config field that says how wide it is.
        labels: from the config and a batch to what the loss needs; `None` where there is no loss.
        pipeline: the pipeline that runs it, or `None`.
        generates: whether it goes on with a text.
    """

    outputs: dict[str, tuple[str, ...]]
    labels: Labels | None = None
    pipeline: str | None = None
    generates: bool = False


def _class_labels(config: PreTrainedConfig, batch: Batch) -> Batch:
    return {"labels": torch.arange(len(batch["input_ids"])) % config.num_labels}


def _tag_labels(config: PreTrainedConfig, batch: Batch) -> Batch:
    # By the place within the text, so that padding on either side leaves every token its tag.
    mask = batch["attention_mask"]
    return {"labels": ((mask.cumsum(1) - 1) % config.num_labels).where(mask.bool(), -100)}


def word_labels(config: PreTrainedConfig, batch: Batch) -> Batch:
    """The words themselves, as language models want them."""
    return {"labels": batch["input_ids"].where(batch["attention_mask"].bool(), -100)}


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
    "AutoModelForCausalLM": Task(
        outputs={"logits": ("batch", "length", "vocab_size")}, labels=word_labels, generates=True
    ),
    "AutoModelForMaskedLM": Task(
        outputs={"logits": ("batch", "length", "vocab_size")}, labels=word_labels, pipeline="fill-mask"
    ),
    "AutoModelForSeq2SeqLM": Task(outputs={"logits": ("batch", "length", "vocab_size")}, labels=word_labels),
}


@dataclass(frozen=True)
class Family:
    """What the contracts need to know of a family.

    Args:
        name: as in `modeling_<name>.py`.
        variants: a tiny config for each of the family's data-flows.
        excluded: variants and the classes that cannot have them.
        refused: config fields with an impossible value; wrong types are tried for every field anyway.
        sees_context: whether a token's vector depends on its neighbours, and a text's on the order of its words.
        frozen: parameters that are never trained, by variant or Auto class, as named in the backbone.
        own_tasks: Auto classes whose promise is the family's own.
        shared: parameters outside the backbone that several heads have on purpose.
        attends: whether there is attention, which SDPA and step by step must compute alike.
        keeps_all: whether the cache keeps something of each token, and so grows with the text.
        sees_masks: whether a masked language model sees the word that it predicts unless a mask stands in its place.
        counts_words: whether the backbone only counts words: it has neither states of tokens nor anything to learn.
        mixes_layers: whether a token's vector is made of all layers' and not the last one's.
        takes_vectors: whether `inputs_embeds` can stand in place of ids.
        inputs: what a batch holds beside ids and mask, by variant: from the ids, `(batch, length)`.
        look_up: the vectors of a batch's ids, those that `inputs_embeds` can stand in place of.
        made_anew: state that a smaller vocabulary makes anew, as named in any class.
        cannot_resize: Auto classes whose objective is bound to the vocabulary.
        prepare: sets what only a corpus would set.
    """

    name: str
    variants: dict[str, dict[str, Any]]
    refused: Sequence[tuple[str, Any]]
    sees_context: bool
    frozen: dict[str, set[str]] = field(default_factory=dict)
    own_tasks: dict[str, Task] = field(default_factory=dict)
    shared: frozenset[str] = frozenset()
    attends: bool = False
    keeps_all: bool = False
    sees_masks: bool = False
    counts_words: bool = False
    mixes_layers: bool = False
    excluded: frozenset[tuple[str, str]] = frozenset()
    takes_vectors: bool = True
    inputs: dict[str, Callable[[Tensor], Batch]] = field(default_factory=dict)
    look_up: Callable[[PreTrainedModel, Batch], Tensor] = lambda model, batch: model.get_input_embeddings()(
        batch["input_ids"]
    )
    made_anew: frozenset[str] = frozenset()
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


def _window_labels(config: PreTrainedConfig, batch: Batch) -> Batch:
    """A word in the middle of each window and its noise words, one of which is the word itself."""
    words = torch.arange(2, 2 + len(batch["input_ids"]))
    noise = words.unsqueeze(1) + torch.arange(config.num_negatives)
    return {"labels": words, "negative_ids": noise}


def _know_words(model: PreTrainedModel) -> None:
    """How often each word occurs, and which n-grams it has: not as many each, `<pad>` and `<unk>` none."""
    if hasattr(model, "word_counts"):
        model.set_word_counts(torch.arange(len(model.word_counts), 0, -1))
    if hasattr(model, "node_embeddings"):
        model.node_embeddings.weight.uniform_(-0.5, 0.5)  # those of a new tree are zeros
    model.base_model.set_word_ngrams(_ngrams(torch.arange(model.config.vocab_size)))


def _ngrams(words: Tensor) -> Tensor:
    numbers = torch.arange(5)
    buckets = (words.unsqueeze(-1) * 7 + numbers * 3) % 12 + 1
    return buckets.where((numbers < words.unsqueeze(-1) % 6) & (words.unsqueeze(-1) > 1), 0)  # (..., ngrams)


def _unseen(ids: Tensor) -> Batch:
    """Every third word is one that the vocabulary does not know, whatever its id says."""
    unseen = (ids > 1) & (ids % 3 == 0)
    return {"ngram_ids": _ngrams(ids + 1).where(unseen.unsqueeze(-1), 0)}


WORD2VEC = {"vocab_size": VOCABULARY, "hidden_size": 8, "window_size": 2, "num_negatives": 3}

RNN = {"vocab_size": VOCABULARY, "embedding_size": 6, "hidden_size": 6}

# Begin and end: two words that the texts below do not begin with.
ELMO = {"vocab_size": VOCABULARY, "projection_size": 6, "cell_size": 7, "bos_token_id": 1, "eos_token_id": 2}
ELMO |= {"max_characters": 6, "character_embedding_size": 4, "filters": [[1, 3], [2, 5]], "hidden_dropout_prob": 0.0}
ELMO |= {"classifier_dropout": 0.0}


def _spell_words(model: PreTrainedModel) -> None:
    for module in model.modules():
        if isinstance(module, SpellingTable):
            module.set_spellings(torch.randint(1, 262, module.spellings.shape))


def _lstms(*stacks: str) -> set[str]:
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_hr_l0")
    return {f"readings.{stack}.layers.{layer}.lstm.{name}" for stack in stacks for layer in (0, 1) for name in names}


SEQ2SEQ = {"vocab_size": VOCABULARY, "embedding_size": 6, "hidden_size": 8, "attention_size": 5}
SEQ2SEQ |= {"bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}


def _target(ids: Tensor) -> Batch:
    """A target as long as its source, and padded as it is."""
    return {"decoder_input_ids": (ids % 7 + 2).where(ids != 0, 0), "decoder_attention_mask": (ids != 0).long()}


BILSTM = {"vocab_size": VOCABULARY, "embedding_size": 6, "hidden_size": 8, "max_characters": 6}
BILSTM |= {"character_embedding_size": 4, "character_hidden_size": 4, "classifier_dropout": 0.0}


def _spelling(ids: Tensor) -> Batch:
    """Each token as it stands in the text, which may be another way than the vocabulary has it."""
    letters = torch.arange(6) * 7 % 5 + ids.unsqueeze(-1) + 40  # (batch, length, characters)
    return {"character_ids": letters.where(ids.unsqueeze(-1) != 0, 0)}


BOW = {"vocab_size": VOCABULARY}

TRANSFORMER = {"vocab_size": VOCABULARY, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
TRANSFORMER |= {"intermediate_size": 12, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
TRANSFORMER_VARIANTS: dict[str, dict[str, Any]] = {
    "original": {**TRANSFORMER, "norm_position": "post", "position_type": "sinusoidal", "hidden_act": "relu"},
    "learned": {**TRANSFORMER, "norm_position": "post", "position_type": "learned", "max_position_embeddings": 64},
    "rotary": {**TRANSFORMER, "hidden_act": "swiglu", "position_type": "rotary"},
}
TRANSFORMER_REFUSED: list[tuple[str, Any]] = [
    ("vocab_size", 0),
    ("hidden_size", 0),
    ("hidden_size", 255),  # which four heads cannot share
    ("num_hidden_layers", 0),
    ("num_attention_heads", 0),
    ("num_attention_heads", 3),
    ("num_attention_heads", 256),  # of one component each, which has no other to turn with
    ("intermediate_size", -1),
    ("hidden_act", "tanh"),
    ("norm_position", "both"),
    ("position_type", "relative"),
    ("max_position_embeddings", 0),
    ("rotary_base", 0),
    ("layer_norm_eps", 0.0),
    ("hidden_dropout_prob", 1.0),
    ("attention_probs_dropout_prob", float("nan")),
    ("initializer_range", -0.1),
    ("pad_token_id", 30000),
]


def _weigh_features(model: PreTrainedModel) -> None:
    for weights in model.buffers():
        weights.uniform_(0.5, 2.0)


FAMILIES = [
    Family(
        name="attention_seq2seq",
        variants={
            "dot": {**SEQ2SEQ, "attention_score": "dot", "bidirectional": False, "cell_type": "lstm"},
            "fed": {**SEQ2SEQ, "input_feeding": True, "decoder_layers": 2},
            "elmo": {**SEQ2SEQ, "encoder_type": "elmo", "embedding_size": 4, "encoder_cell_size": 7},
            "local": {
                **SEQ2SEQ,
                "attention_score": "general",
                "attention_span": "local",
                "attention_window": 2,
                "encoder_layers": 2,
                "decoder_layers": 2,
                "share_embeddings": False,
                "cell_type": "lstm",
            },
            "additive": {**SEQ2SEQ, "share_embeddings": False},
        },
        refused=[
            ("vocab_size", 0),
            ("embedding_size", 0),
            ("hidden_size", 7),
            ("hidden_size", 0),
            ("encoder_type", "cnn"),
            ("encoder_layers", 0),
            ("decoder_layers", 0),
            ("cell_type", "rnn"),
            ("attention_score", "cosine"),
            ("attention_span", "local-m"),
            ("attention_window", 0),
            ("attention_size", 0),
            ("encoder_cell_size", 0),
            ("cell_clip", 0),
            ("projection_clip", float("nan")),
            ("embedding_dropout", 1),
            ("hidden_dropout_prob", -0.1),
            ("initializer_range", float("nan")),
            ("pad_token_id", 30000),
            ("bos_token_id", -1),
            ("decoder_start_token_id", 30000),
        ],
        sees_context=True,
        own_tasks={
            "AutoModel": Task(
                outputs={
                    "last_hidden_state": ("batch", "length", "embedding_size"),
                    "pooler_output": ("batch", "hidden_size"),
                },
                pipeline="feature-extraction",
            )
        },
        inputs=dict.fromkeys(("dot", "fed", "elmo", "local", "additive"), _target),
    ),
    Family(
        name="bow",
        variants={
            "counts": {**BOW, "weighting": "count", "normalization": "none", "feature_scaling": "none"},
            "presence": {**BOW, "weighting": "binary"},
            "tfidf": {**BOW, "weighting": "tfidf", "num_bigram_buckets": 7, "normalization": "none"},
            "bigrams": {**BOW, "weighting": "sublinear-tfidf", "num_bigram_buckets": 16},
        },
        refused=[
            ("vocab_size", 0),
            ("num_bigram_buckets", -1),
            ("num_bigram_buckets", 2**31),
            ("weighting", "bm25"),
            ("normalization", "l1"),
            ("feature_scaling", "idf"),
            ("classifier_dropout", float("nan")),
            ("classifier_dropout", 1.0),
            ("pad_token_id", 30000),
        ],
        sees_context=False,
        own_tasks={"AutoModel": Task(outputs={"pooler_output": ("batch", "hidden_size")})},
        counts_words=True,
        takes_vectors=False,
        prepare=_weigh_features,
    ),
    Family(
        name="bilstm",
        variants={
            "last": {**BILSTM, "pooling": "last", "attention_hops": 2},
            "pairs": {**BILSTM, "num_bigram_buckets": 50, "bigram_embedding_size": 3},
            "max": {**BILSTM, "character_encoder": "lstm", "dropout_type": "variational"},
            "attention": {
                **BILSTM,
                "pooling": "attention",
                "attention_size": 5,
                "attention_hops": 3,
                "attention_penalty": 0.5,
                "character_encoder": "cnn",
                "tag_decoder": "crf",
            },
        },
        refused=[
            ("vocab_size", 0),
            ("embedding_size", 0),
            ("hidden_size", 7),
            ("hidden_size", 0),
            ("num_hidden_layers", 0),
            ("pooling", "min"),
            ("attention_size", 0),
            ("attention_hops", 0),
            ("attention_penalty", -1),
            ("attention_penalty", float("nan")),
            ("character_encoder", "gru"),
            ("character_embedding_size", 0),
            ("character_hidden_size", 0),
            ("max_characters", 2),
            ("num_bigram_buckets", -1),
            ("bigram_embedding_size", 0),
            ("tag_decoder", "viterbi"),
            ("embedding_dropout", 1),
            ("hidden_dropout_prob", -0.1),
            ("dropout_type", "zoneout"),
            ("classifier_dropout", float("nan")),
            ("initializer_range", -0.1),
            ("pad_token_id", -1),
        ],
        excluded=frozenset({("pairs", "AutoModelForMaskedLM")}),
        sees_context=True,
        inputs={"max": _spelling, "attention": _spelling},
        prepare=_spell_words,
    ),
    Family(
        name="elmo",
        variants={
            "words": {**ELMO, "token_input": "words", "skip_connections": False},
            "clipped": {**ELMO, "token_input": "words", "cell_clip": 0.5, "projection_clip": 0.4, "tag_decoder": "crf"},
            "frozen": {**ELMO, "token_input": "words", "freeze_encoder": True, "projection_size": 40, "cell_size": 60}
            | {"initializer_range": 1.0},
            "characters": {**ELMO, "scalar_mix_layer_norm": True},
        },
        refused=[
            ("vocab_size", 0),
            ("token_input", "bytes"),
            ("max_characters", 2),
            ("character_embedding_size", 0),
            ("filters", []),
            ("filters", [[3]]),
            ("filters", [[0, 5]]),
            ("filters", [[51, 5]]),
            ("num_highway_layers", -1),
            ("character_activation", "gelu"),
            ("projection_size", 0),
            ("cell_size", 128),
            ("num_hidden_layers", 0),
            ("cell_clip", 0),
            ("projection_clip", float("nan")),
            ("hidden_dropout_prob", 1),
            ("num_softmax_samples", -1),
            ("tag_decoder", "viterbi"),
            ("classifier_dropout", float("nan")),
            ("generation_direction", "both"),
            ("initializer_range", 0),
            ("pad_token_id", 30000),
            ("bos_token_id", None),
            ("eos_token_id", -1),
        ],
        sees_context=True,
        frozen={
            "frozen": {"word_embeddings.weight", *_lstms("forward_layers", "backward_layers")},
            "AutoModelForPreTraining": {"scalar_mix.weights", "scalar_mix.scale"},
            "AutoModelForCausalLM": {"scalar_mix.weights", "scalar_mix.scale", *_lstms("backward_layers")},
        },
        own_tasks={
            "AutoModelForPreTraining": Task(
                outputs={
                    "forward_logits": ("batch", "length", "vocab_size"),
                    "backward_logits": ("batch", "length", "vocab_size"),
                },
                labels=word_labels,
            )
        },
        shared=frozenset({"lm_head.weight", "lm_head.bias"}),
        mixes_layers=True,
        prepare=_spell_words,
    ),
    Family(
        name="rnn",
        variants={
            "rnn": {**RNN, "cell_type": "rnn", "num_hidden_layers": 1},
            "gru": {**RNN, "cell_type": "gru", "pooling": "mean"},
            "lstm": {**RNN, "cell_type": "lstm", "pooling": "max", "dropout_type": "variational"},
        },
        refused=[
            ("vocab_size", 0),
            ("embedding_size", 0),
            ("hidden_size", -1),
            ("num_hidden_layers", 0),
            ("cell_type", "sru"),
            ("hidden_act", "gelu"),
            ("pooling", "attention"),
            ("embedding_dropout", -0.1),
            ("hidden_dropout_prob", 1.0),
            ("classifier_dropout", float("nan")),
            ("dropout_type", "zoneout"),
            ("memory_span", 2),
            ("num_softmax_samples", -1),
            ("initializer_range", 0),
            ("pad_token_id", 30000),
        ],
        sees_context=True,
    ),
    Family(
        name="textcnn",
        variants={
            **{mode: {**TEXTCNN, "embedding_mode": mode} for mode in ("rand", "static", "non-static", "multichannel")},
            "pairs": {**TEXTCNN, "num_bigram_buckets": 50, "bigram_embedding_size": 3},
        },
        refused=[
            ("vocab_size", 0),
            ("embedding_size", -1),
            ("num_filters", 0),
            ("filter_sizes", []),
            ("filter_sizes", [3, 0]),
            ("embedding_mode", "frozen"),
            ("hidden_act", "swish"),
            ("num_bigram_buckets", -1),
            ("bigram_embedding_size", 0),
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
        name="transformer_decoder",
        variants=TRANSFORMER_VARIANTS,
        refused=TRANSFORMER_REFUSED,
        sees_context=True,
        attends=True,
        keeps_all=True,
    ),
    Family(
        name="transformer_encoder",
        variants={
            "original": {**TRANSFORMER_VARIANTS["original"], "pooling": "max", "classifier_dropout": 0.0},
            "learned": {**TRANSFORMER_VARIANTS["learned"], "pooling": "first", "classifier_dropout": 0.0},
            "rotary": {**TRANSFORMER_VARIANTS["rotary"], "tag_decoder": "crf", "classifier_dropout": 0.0},
        },
        refused=[
            *TRANSFORMER_REFUSED,
            ("pooling", "last"),
            ("tag_decoder", "viterbi"),
            ("classifier_dropout", 1),
        ],
        sees_context=True,
        attends=True,
        sees_masks=True,
    ),
    Family(
        name="transformer_seq2seq",
        variants=TRANSFORMER_VARIANTS,
        refused=[
            *(pair for pair in TRANSFORMER_REFUSED if pair != ("num_attention_heads", 256)),  # sines need no pairs
            ("decoder_start_token_id", -1),
            ("decoder_start_token_id", 30000),
            ("is_encoder_decoder", False),
        ],
        sees_context=True,
        own_tasks={
            "AutoModel": Task(
                outputs={
                    "last_hidden_state": ("batch", "length", "hidden_size"),
                    "encoder_last_hidden_state": ("batch", "length", "hidden_size"),
                },
                pipeline="feature-extraction",
            )
        },
        attends=True,
        keeps_all=True,
        inputs=dict.fromkeys(TRANSFORMER_VARIANTS, _target),
    ),
    Family(
        name="word2vec",
        variants={
            "skipgram": WORD2VEC,
            "cbow": {**WORD2VEC, "algorithm": "cbow"},
            "hierarchical": {**WORD2VEC, "loss": "hierarchical_softmax", "max_code_length": 9},
            "ngrams": {**WORD2VEC, "num_ngram_buckets": 12, "max_ngrams": 5},
            "rows": {**WORD2VEC, "num_ngram_buckets": 12, "max_ngrams": 5, "pooling": "rows", "max_word_ngram": 2},
        },
        refused=[
            ("vocab_size", 0),
            ("hidden_size", 0),
            ("algorithm", "glove"),
            ("window_size", 0),
            ("loss", "softmax"),
            ("num_negatives", 0),
            ("negative_exponent", float("nan")),
            ("max_code_length", 0),
            ("num_ngram_buckets", -1),
            ("num_ngram_buckets", 2**31 - 1),
            ("min_ngram", 0),
            ("max_ngram", 2),
            ("max_ngrams", 0),
            ("max_word_ngram", 2),
            ("pooling", "max"),
            ("subsample_threshold", -1e-3),
            ("subsample_threshold", float("nan")),
            ("classifier_dropout", 1),
            ("pad_token_id", -1),
            ("pad_token_id", 30000),
        ],
        sees_context=False,
        own_tasks={"AutoModelForPreTraining": Task(outputs={"logits": ("batch", "vocab_size")}, labels=_window_labels)},
        inputs={"ngrams": _unseen, "rows": _unseen},
        look_up=lambda model, batch: model.base_model.embed(batch["input_ids"], batch.get("ngram_ids")),
        made_anew=frozenset({"huffman_codes", "huffman_paths", "node_embeddings.weight"}),
        prepare=_know_words,
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
    def learns(self) -> bool:
        """Whether there is a weight to train."""
        return self.auto_class != "AutoModel" or not self.family.counts_words

    @property
    def is_fullest(self) -> bool:
        """Whether this is the family's last variant, which has the most parts; the fast tests take this one alone."""
        return self.variant == list(self.family.variants)[-1]

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
        names = (self.family.frozen.get(key, set()) for key in (self.variant, self.auto_class))
        return {prefix + name for name in set().union(*names)}

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

    def batch(self, lengths: Sequence[int] = LENGTHS, side: str = "right", labels: bool = False) -> Batch:
        """Random texts, padded on one `side`; the same texts on either."""
        random = torch.Generator().manual_seed(0)
        texts = [torch.randint(2, VOCABULARY, (length,), generator=random) for length in lengths]
        batch = {
            "input_ids": torch.nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_side=side),
            "attention_mask": torch.nn.utils.rnn.pad_sequence(
                [torch.ones_like(text) for text in texts], batch_first=True, padding_side=side
            ),
        }
        if self.variant in self.family.inputs:
            batch |= self.family.inputs[self.variant](batch["input_ids"])
        if labels and self.task.labels:
            batch |= self.task.labels(self.config(), batch)
        return batch

    def outputs(self, model: PreTrainedModel, **inputs: Any) -> dict[str, Tensor]:
        """What the Auto class promises to return."""
        with torch.no_grad():
            answer = model(**inputs)
        return {name: answer[name] for name in self.task.outputs}


def each(cases: Sequence[Case]) -> pytest.MarkDecorator:
    """A test for each case, slow for all but the fullest variant of each class."""
    marked = [pytest.param(case, id=str(case), marks=() if case.is_fullest else pytest.mark.slow) for case in cases]
    return pytest.mark.parametrize("case", marked)


CASES = [
    Case(family, variant, auto_class)
    for family in FAMILIES
    for variant in family.variants
    for auto_class in family.auto_classes
    if (variant, auto_class) not in family.excluded
]

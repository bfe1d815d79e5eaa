"""The families by name: their configs with friendly errors, and good settings for each."""

from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from .errors import UserError
from .modeling import FAMILIES

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from .tokenization.ngram_hashing import NgramScheme


# Presets were chosen on thousands of texts, of which a few epochs are a thousand steps.
_ENOUGH_STEPS, _MOST_PASSES = 600, 30
MANY_TEXTS = 2000  # to learn pairs of characters from


@dataclass(frozen=True)
class Preset:
    """Settings for fine-tuning a family that do well without tuning; chosen on development sets.

    Args:
        learning_rate: at its highest.
        epochs: passes over the data, at most; of few texts more (`passes`).
        settings: config fields.
        with_vectors: config fields on top of these when word vectors are given.
        of_characters: what does better where `MANY_TEXTS` and more are read in characters, as Chinese is.
    """

    learning_rate: float
    epochs: int
    settings: dict[str, Any] = field(default_factory=dict)
    with_vectors: dict[str, Any] = field(default_factory=dict)
    of_characters: "Preset | None" = None

    def fields(self, given: dict[str, Any], vectors: bool) -> dict[str, Any]:
        """The config fields, with those that the user gives on top."""
        return {**self.settings, **(self.with_vectors if vectors else {}), **given}

    def passes(self, texts: int, batch_size: int) -> int:
        """Epochs for so many texts: as many as `epochs`, or of few texts as many as make enough steps."""
        return max(self.epochs, min(-(-_ENOUGH_STEPS * batch_size // max(texts, 1)), _MOST_PASSES))


# Pairs of characters tell words apart. They are learnt by heart in an epoch or two, so the rate falls soon.
_PAIRS = {"num_bigram_buckets": 2**17, "bigram_embedding_size": 100}

FINETUNING: dict[str, Preset] = {
    "bilstm": Preset(
        learning_rate=1e-3,
        epochs=15,
        settings={"pooling": "attention", "embedding_dropout": 0.5, "dropout_type": "variational"},
        of_characters=Preset(
            learning_rate=2e-3,
            epochs=4,
            settings={**_PAIRS, "pooling": "max", "embedding_dropout": 0.5, "dropout_type": "variational"},
        ),
    ),
    "bow": Preset(learning_rate=2e-2, epochs=10, settings={"num_bigram_buckets": 2**18, "weighting": "binary"}),
    "rnn": Preset(
        learning_rate=2e-3,
        epochs=15,
        settings={"num_hidden_layers": 1, "embedding_dropout": 0.3, "classifier_dropout": 0.5},
    ),
    "elmo": Preset(learning_rate=2e-3, epochs=20, settings={"token_input": "words"}),
    "textcnn": Preset(
        learning_rate=2e-3,
        epochs=8,
        with_vectors={"embedding_mode": "non-static"},
        of_characters=Preset(
            learning_rate=1e-3,
            epochs=4,
            settings={**_PAIRS, "filter_sizes": [1, 2, 3], "num_filters": 150, "embedding_dropout": 0.5},
            with_vectors={"embedding_mode": "non-static"},
        ),
    ),
    "transformer_encoder": Preset(
        learning_rate=5e-4,
        epochs=20,
        settings={"num_hidden_layers": 2, "hidden_dropout_prob": 0.3, "classifier_dropout": 0.3},
        with_vectors={"position_type": "sinusoidal"},  # any width will do
    ),
    "word2vec": Preset(learning_rate=1e-2, epochs=20),
}


@dataclass(frozen=True)
class PretrainingPreset:
    """How a family is pre-trained on raw text, with settings that do well without tuning.

    Args:
        objective: `windows` of word2vec; `causal_lm` on streams of text; `cloze`, `bidirectional_lm`, `masked_lm` and
            `denoising` on whole texts.
        auto_class: which of the family's classes is trained.
        learning_rate: at its highest.
        epochs: passes over the text.
        batch_size: windows, streams or texts in a batch.
        length: tokens of a piece that gradients go through.
        special_tokens: what the vocabulary needs beside words.
        carries_state: whether a piece of a stream is read on from the one before it.
        weight_decay: of AdamW.
        settings: config fields.
    """

    objective: Literal["windows", "causal_lm", "cloze", "bidirectional_lm", "masked_lm", "denoising"]
    auto_class: str
    learning_rate: float
    epochs: int
    batch_size: int
    length: int = 128
    special_tokens: tuple[str, ...] = ()
    carries_state: bool = False
    weight_decay: float = 0.01
    settings: dict[str, Any] = field(default_factory=dict)


PRETRAINING: dict[str, PretrainingPreset] = {
    "bilstm": PretrainingPreset(
        "cloze", "AutoModelForMaskedLM", learning_rate=2e-3, epochs=5, batch_size=32, special_tokens=("<mask>",)
    ),
    "elmo": PretrainingPreset(
        "bidirectional_lm",
        "AutoModelForPreTraining",
        learning_rate=2e-3,
        epochs=5,
        batch_size=32,
        special_tokens=("<s>", "</s>"),
    ),
    "rnn": PretrainingPreset(
        "causal_lm",
        "AutoModelForCausalLM",
        learning_rate=2e-3,
        epochs=10,
        batch_size=32,
        length=64,
        special_tokens=("</s>",),
        carries_state=True,
    ),
    "transformer_decoder": PretrainingPreset(
        "causal_lm",
        "AutoModelForCausalLM",
        learning_rate=1e-3,
        epochs=10,
        batch_size=32,
        special_tokens=("</s>",),
    ),
    "transformer_encoder": PretrainingPreset(
        "masked_lm",
        "AutoModelForMaskedLM",
        learning_rate=1e-3,
        epochs=10,
        batch_size=32,
        special_tokens=("<mask>",),
    ),
    "transformer_seq2seq": PretrainingPreset(
        "denoising",
        "AutoModelForSeq2SeqLM",
        learning_rate=1e-3,
        epochs=10,
        batch_size=32,
        special_tokens=("<s>", "</s>", "<mask>"),
    ),
    "word2vec": PretrainingPreset("windows", "AutoModelForPreTraining", learning_rate=0.04, epochs=5, batch_size=512),
}

# By algorithm and loss.
_WORD_VECTORS: dict[tuple[str, str], tuple[float, float]] = {
    ("skipgram", "negative_sampling"): (0.04, 1e-4),
    ("cbow", "negative_sampling"): (0.08, 1e-4),
    ("skipgram", "hierarchical_softmax"): (0.025, 1e-3),
    ("cbow", "hierarchical_softmax"): (0.05, 1e-3),
}


# Words that are read in all, by reading a small text more often; and how often at least and at most.
_ENOUGH_WORDS, _FEWEST_READINGS, _MOST_READINGS = 20_000_000, 5, 30


def word_vector_settings(config: "PreTrainedConfig", words: int) -> tuple[float, float, int]:
    """What does well for word2vec: the learning rate at the beginning, `subsample_threshold`, and epochs.

    word2vec.c has 0.025 (CBOW: 0.05), 1e-3 and 5, fastText 0.05, 1e-4 and 5. With negative sampling these here give
    better vectors in less time, in English and Chinese: benchmarks/word2vec.md. A text of less than 4 million words is
    read more often and thinned out less, since there is little else to learn from: benchmarks/chinese_vectors.md.

    Args:
        config: of word2vec.
        words: of the text.
    """
    fields: Any = config
    epochs = min(max(_FEWEST_READINGS, -(-_ENOUGH_WORDS // max(words, 1))), _MOST_READINGS)
    rate, threshold = (0.05, 1e-3) if fields.num_ngram_buckets else _WORD_VECTORS[fields.algorithm, fields.loss]
    return rate, threshold if epochs == _FEWEST_READINGS else 1e-3, epochs


TAGGING: dict[str, Preset] = {
    "bilstm": Preset(
        learning_rate=3e-3,
        epochs=20,
        settings={
            "tag_decoder": "crf",
            "character_encoder": "cnn",
            "embedding_dropout": 0.5,
            "dropout_type": "variational",
        },
        of_characters=Preset(
            learning_rate=3e-3,
            epochs=12,
            settings={
                **_PAIRS,
                "tag_decoder": "crf",
                "embedding_dropout": 0.5,
                "dropout_type": "variational",
            },
        ),
    ),
    "elmo": Preset(
        learning_rate=2e-3,
        epochs=20,
        settings={"token_input": "words", "tag_decoder": "crf", "classifier_dropout": 0.5},
    ),
    "rnn": Preset(learning_rate=2e-3, epochs=20, settings={"num_hidden_layers": 1, "classifier_dropout": 0.5}),
    "textcnn": Preset(learning_rate=2e-3, epochs=20, with_vectors={"embedding_mode": "non-static"}),
    "transformer_encoder": Preset(
        learning_rate=5e-4,
        epochs=20,
        settings={"num_hidden_layers": 2, "hidden_dropout_prob": 0.3, "classifier_dropout": 0.3, "tag_decoder": "crf"},
        with_vectors={"position_type": "sinusoidal"},
    ),
    "word2vec": Preset(learning_rate=1e-2, epochs=20),
}

SEQ2SEQ: dict[str, Preset] = {
    "attention_seq2seq": Preset(
        learning_rate=2e-3,
        epochs=20,
        # Additive attention takes 1.3 times as long; with this one 99.8 % of SCAN's held-out commands are right.
        settings={"attention_score": "general", "embedding_dropout": 0.2, "hidden_dropout_prob": 0.2},
    ),
    "transformer_seq2seq": Preset(
        learning_rate=1e-3,
        epochs=20,
        settings={"num_hidden_layers": 2, "hidden_dropout_prob": 0.2},
    ),
}

# Fields that may hold the width of a word vector, in the order in which they are looked for.
_WIDTHS = ("projection_size", "embedding_size", "hidden_size")
_FROM_DATA = ("vocab_size", "pad_token_id", "decoder_start_token_id", "num_labels", "id2label", "label2id")


def check_family(family: str) -> None:
    """Refuse a family that does not exist.

    Raises:
        UserError: naming those that do.
    """
    if family not in FAMILIES:
        raise UserError(f"family is {family!r}, but must be one of {', '.join(sorted(FAMILIES))}")


def make_config(family: str, **fields: Any) -> "PreTrainedConfig":
    """A family's config.

    Raises:
        UserError: for an unknown family or field, or an impossible value.
    """
    from huggingface_hub.errors import StrictDataclassError

    check_family(family)
    config_class = getattr(import_module(f"wordemb_hf.modeling.configuration_{family}"), FAMILIES[family][0])
    known = set(config_class.__dataclass_fields__) | {"num_labels"}
    for name in fields:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f": {family} has {', '.join(_own_fields(config_class))}"
            raise UserError(f"{family} has no setting {name!r}{hint}")
    try:
        return config_class(**fields)
    except StrictDataclassError as error:
        # The last line holds the sentence; the first only names the validator.
        message = str(error).strip().rsplit("\n", 1)[-1].strip()
        raise UserError(message.split(": ", 1)[-1]) from error


def parse_settings(settings: list[str] | dict[str, Any] | None) -> dict[str, Any]:
    """Config fields from `name=value` strings, values read as YAML; a dictionary is taken as it is.

    Raises:
        UserError: for a string without `=` or with a value that YAML cannot read, or a field that the data decide.
    """
    fields = dict(settings) if isinstance(settings, dict) else _parse_strings(settings or [])
    for name in fields:
        if name in _FROM_DATA:
            raise UserError(f"{name} is {fields[name]!r}, but cannot be set: it follows from the data")
    return fields


def _parse_strings(settings: list[str]) -> dict[str, Any]:
    import yaml

    fields = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise UserError(f"--set {setting!r} must be name=value, as in --set num_filters=200")
        try:
            fields[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UserError(f"--set {setting!r}: {value!r} is no value") from error
    return fields


def check_length(config: "PreTrainedConfig", name: str, length: int) -> None:
    """Refuse texts that are longer than the positions that a model learns.

    Raises:
        UserError: naming both.
    """
    if length > readable_length(config, length):
        raise UserError(
            f"{name} is {length}, but max_position_embeddings is {config.max_position_embeddings}: cut texts to that, "
            "or take --set position_type=rotary"
        )


def readable_length(config: "PreTrainedConfig", length: int) -> int:
    """`length`, or as many tokens as a model has learnt positions for, if these are fewer."""
    return min(length, config.max_position_embeddings) if getattr(config, "position_type", "") == "learned" else length


def characters_read(config: "PreTrainedConfig") -> int | None:
    """In how many numbers the tokenizer must spell a word for this model; None where it reads no characters."""
    reads = getattr(config, "character_encoder", "none") != "none" or getattr(config, "token_input", "") == "characters"
    return getattr(config, "max_characters", None) if reads else None


def ngrams_read(config: "PreTrainedConfig") -> "NgramScheme | None":
    """Which n-grams of an unseen word the tokenizer must give to this model; None where it has no use for any."""
    from .tokenization.ngram_hashing import NgramScheme

    if not getattr(config, "num_ngram_buckets", 0):
        return None
    return NgramScheme(*(getattr(config, name) for name in NgramScheme._fields))


def takes_vectors(config: "PreTrainedConfig") -> bool:
    """Whether a model of this config has word vectors, which may start from others."""
    try:
        return bool(embedding_width_field(config))
    except UserError:
        return False


def embedding_width_field(config: "PreTrainedConfig") -> str:
    """The config field that holds the width of a word vector.

    Raises:
        UserError: for a model that has no word vectors.
    """
    spelled = getattr(config, "token_input", "words") == "characters"
    found = [name for name in _WIDTHS if name in config.__dataclass_fields__ and not spelled]
    if not found:
        name = config.model_type.removeprefix("wordemb_")
        reason = "reads characters (token_input)" if spelled else "only counts words"
        raise UserError(f"--vectors cannot be used: {name} {reason} and has no word vectors to start from")
    return found[0]


def _own_fields(config_class: "type[PreTrainedConfig]") -> list[str]:
    from transformers import PreTrainedConfig

    return sorted(set(config_class.__dataclass_fields__) - set(PreTrainedConfig.__dataclass_fields__))

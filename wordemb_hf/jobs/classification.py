"""The job of a classifier: one label for a text."""

from typing import TYPE_CHECKING, Any

from ..corpus import (
    ONE_LABEL,
    Examples,
    LabelKind,
    cut_dev,
    label_names,
    read_examples,
    read_splits,
    require_known_labels,
)
from ..families import FINETUNING
from ..messages import translate
from ..splits import DEV_FRACTION, Splits, test_part
from .plain import PlainJob

if TYPE_CHECKING:
    from ..tasks.classification import TextClassification


class ClassificationJob(PlainJob):
    """See `Job`."""

    noun = "classifier"
    auto_class = "AutoModelForSequenceClassification"
    lowercase = True
    presets = FINETUNING
    problem_type: str | None = "single_label_classification"
    loss_options: tuple[str, ...] = ("class_weights", "label_smoothing", "teacher")
    kind: LabelKind = ONE_LABEL

    def read(self, data, dev, test, text_column, label_column, seed) -> Splits[Examples]:
        columns = {"text_column": text_column, "label_column": label_column}
        return read_splits(data, dev=dev, test=test, seed=seed, kind=self.kind, **columns)

    def read_test(self, data, text_column, label_column) -> Examples:
        return read_examples(test_part(data), text_column=text_column, label_column=label_column, kind=self.kind)

    def hold_out(self, part, seed) -> tuple[Examples, Examples | None]:
        return cut_dev(part, self.kind.hold_out(part, seed, DEV_FRACTION))

    def labels(self, part) -> list[str]:
        return label_names(part)

    def tokenizer_kind(self, part) -> str:
        return "word"

    def tell_splits(self, parts, labels) -> list[str]:
        summary = translate(
            "{train} texts to train on, {dev} for development, {test} for the test; {labels} labels: {names}",
            train=len(parts.train),
            dev=len(parts.dev or ()),
            test=len(parts.test or ()),
            labels=len(labels),
            names=", ".join(labels[:12]) + (" …" if len(labels) > 12 else ""),
        )
        return [summary]

    def tell_part(self, part, labels) -> list[str]:
        require_known_labels(part, labels)
        return [translate("{texts} texts", texts=len(part))]

    def check(self, config, part) -> None:
        """Every label may stand beside every text."""

    def source(self, tokenizer, part, label2id, **options) -> "TextClassification":
        from ..tasks.classification import TextClassification
        from ..tasks.distillation import DistilledClassification

        source = DistilledClassification if "teaching" in options else TextClassification
        return source(tokenizer, part, label2id, **options)

    def best(self, labels) -> str:
        return "eval_accuracy"

    def baseline(self, train, part, language) -> dict[str, Any]:
        fitted = self.fit_baseline(train, "zh" if language == "zh" else "en")
        return self.measure_baseline(fitted, train, part)

    def fit_baseline(self, train, language) -> Any:
        """TF-IDF and a linear model, as a pipeline of scikit-learn."""
        from ..evaluation.baseline import fit_tfidf

        return fit_tfidf(train.texts, train.labels, language=language)

    def measure_baseline(self, fitted, train, part) -> dict[str, float]:
        """What it reaches on a part."""
        from ..evaluation import ClassificationMetrics

        ids = {label: index for index, label in enumerate(label_names(train))}
        return ClassificationMetrics().compute(
            predictions=[ids[str(label)] for label in fitted.predict(part.texts)],
            references=[ids[label] for label in part.labels],
        )

    def answers(self, model, tokenizer, texts, accelerator, top=1) -> list[dict[str, Any]]:
        """For each text `labels`, the likeliest first, each with `label` and `score`."""
        from ..tasks.classification import logits_of, softmax

        names: Any = model.config.id2label  # {id: label}
        return [
            {
                "text": text,
                "labels": [{"label": names[index], "score": float(row[index])} for index in row.argsort()[::-1][:top]],
            }
            for text, row in zip(texts, softmax(logits_of(model, tokenizer, texts, accelerator)), strict=True)
        ]

    def show(self, answer) -> str:
        labels = "  ".join(f"{label['label']} {label['score']:.3f}" for label in answer["labels"])
        return f"{labels}\t{answer['text']}"

    def card(self, model, tokenizer, part, accelerator) -> dict[str, Any]:
        texts = self.examples(part)
        return {
            "auto_class": self.auto_class,
            "pipeline_tag": "text-classification",
            "problem_type": self.problem_type,
            "examples": [
                (answer["text"], {label["label"]: label["score"] for label in answer["labels"]})
                for answer in self.answers(model, tokenizer, texts, accelerator, top=3)
            ],
        }

    def examples(self, part) -> list[str]:
        """Texts for the card."""
        return list(dict.fromkeys(part.texts))[:3]

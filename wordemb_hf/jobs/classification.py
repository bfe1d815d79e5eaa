"""The job of a classifier: one label for a text."""

from typing import TYPE_CHECKING, Any

from ..corpus import Examples, label_names, read_examples, read_splits, require_known_labels
from ..families import FINETUNING
from ..messages import translate
from ..splits import Splits, test_part

if TYPE_CHECKING:
    from ..tasks.classification import TextClassification


class ClassificationJob:
    """See `Job`."""

    noun = "classifier"
    auto_class = "AutoModelForSequenceClassification"
    lowercase = True
    presets = FINETUNING

    def read(self, data, dev, test, text_column, label_column, seed) -> Splits[Examples]:
        return read_splits(data, dev=dev, test=test, text_column=text_column, label_column=label_column, seed=seed)

    def read_test(self, data, text_column, label_column) -> Examples:
        return read_examples(test_part(data), text_column=text_column, label_column=label_column)

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

        return TextClassification(tokenizer, part, label2id, **options)

    def best(self, labels) -> str:
        return "eval_accuracy"

    def baseline(self, train, part, language) -> dict[str, Any]:
        from ..evaluation import ClassificationMetrics, tfidf_baseline

        ids = {label: index for index, label in enumerate(label_names(train))}
        guessed = tfidf_baseline(train.texts, train.labels, part.texts, language="zh" if language == "zh" else "en")
        return ClassificationMetrics().compute(
            predictions=[ids[label] for label in guessed], references=[ids[label] for label in part.labels]
        )

    def answers(self, model, tokenizer, texts, accelerator, top=1) -> list[dict[str, Any]]:
        """For each text `labels`, the likeliest first, each with `label` and `score`."""
        from ..tasks.classification import probabilities

        names: Any = model.config.id2label  # {id: label}
        return [
            {
                "text": text,
                "labels": [{"label": names[index], "score": float(row[index])} for index in row.argsort()[::-1][:top]],
            }
            for text, row in zip(texts, probabilities(model, tokenizer, texts, accelerator), strict=True)
        ]

    def show(self, answer) -> str:
        labels = "  ".join(f"{label['label']} {label['score']:.3f}" for label in answer["labels"])
        return f"{labels}\t{answer['text']}"

    def card(self, model, tokenizer, part, accelerator) -> dict[str, Any]:
        texts = list(dict.fromkeys(part.texts))[:3]
        return {
            "auto_class": self.auto_class,
            "pipeline_tag": "text-classification",
            "examples": [
                (answer["text"], {label["label"]: label["score"] for label in answer["labels"]})
                for answer in self.answers(model, tokenizer, texts, accelerator, top=3)
            ],
        }

"""The job of a regression: a number for a text."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..label_kinds import NUMBERS
from ..messages import translate
from .classification import ClassificationJob

if TYPE_CHECKING:
    from ..tasks.regression import TextRegression

NAME = "LABEL_0"  # what transformers calls the one number of a model


class RegressionJob(ClassificationJob):
    """See `Job`."""

    noun = "regression model"
    problem_type = "regression"
    loss_options = ()
    kind = NUMBERS

    def labels(self, part) -> list[str]:
        return [NAME]

    def tell_splits(self, parts, labels) -> list[str]:
        summary = translate(
            "{train} texts to train on, {dev} for development, {test} for the test; numbers from {least} to {most}",
            train=len(parts.train),
            dev=len(parts.dev or ()),
            test=len(parts.test or ()),
            least=f"{min(parts.train.labels):g}",
            most=f"{max(parts.train.labels):g}",
        )
        return [summary]

    def tell_part(self, part, labels) -> list[str]:
        return [translate("{texts} texts", texts=len(part))]

    def begin(self, model, part) -> None:
        """A new head begins with the mean and the deviation of the numbers."""
        from ..tasks.regression import Scale, rescale

        if model.config.problem_type != self.problem_type:
            scale = Scale.of(model, part.labels)
            rescale(model, scale.deviation, scale.mean)
        super().begin(model, part)

    @contextmanager
    def in_training(self, model, tasks) -> Iterator[None]:
        """What is trained answers in deviations from the mean, and in the unit of the data before and after it."""
        from ..tasks.regression import Scale, rescale

        scale = Scale.of(model, tasks["train"].encoded.labels)
        rescale(model, 1.0 / scale.deviation, -scale.mean / scale.deviation)
        for task in tasks.values():
            task.scale = scale
        yield
        for task in tasks.values():
            task.scale = Scale()
        rescale(model, scale.deviation, scale.mean)

    def source(self, tokenizer, part, label2id, **options) -> "TextRegression":
        from ..tasks.regression import TextRegression

        return TextRegression(tokenizer, part, label2id, **options)

    def best(self, labels) -> str:
        """The mean squared error: a correlation would not mind numbers that are too large throughout."""
        return "eval_loss"

    def fit_baseline(self, train, language) -> Any:
        import numpy as np

        from ..evaluation.baseline import fit_tfidf

        return fit_tfidf(train.texts, np.array(train.labels), language=language)

    def measure_baseline(self, fitted, train, part) -> dict[str, float]:
        from ..evaluation import RegressionMetrics

        return RegressionMetrics().compute(predictions=fitted.predict(part.texts), references=part.labels)

    def answers(self, model, tokenizer, texts, accelerator, top=1) -> list[dict[str, Any]]:
        """For each text its number as `value`."""
        from ..tasks.classification import logits_of

        logits = logits_of(model, tokenizer, texts, accelerator)
        return [{"text": text, "value": float(row[0])} for text, row in zip(texts, logits, strict=True)]

    def show(self, answer) -> str:
        return f"{answer['value']:.4g}\t{answer['text']}"

    def card(self, model, tokenizer, part, accelerator) -> dict[str, Any]:
        names: Any = model.config.id2label  # {id: label}
        return {
            "auto_class": self.auto_class,
            "pipeline_tag": "text-classification",
            "problem_type": self.problem_type,
            "examples": [
                (answer["text"], {names[0]: answer["value"]})
                for answer in self.answers(model, tokenizer, self.examples(part), accelerator)
            ],
            "baseline_name": "TF-IDF + ridge regression",
        }

"""The job of a classifier with several labels: any number of them for a text."""

from typing import TYPE_CHECKING, Any

from ..corpus import require_known_labels
from ..label_kinds import SEVERAL_LABELS, flat, names_of
from ..messages import translate
from .classification import ClassificationJob

if TYPE_CHECKING:
    from ..tasks.several_labels import MultiLabelClassification


class MultiLabelJob(ClassificationJob):
    """See `Job`."""

    problem_type = "multi_label_classification"
    loss_options = ("class_weights",)
    kind = SEVERAL_LABELS

    def labels(self, part) -> list[str]:
        return names_of(part)

    def tell_part(self, part, labels) -> list[str]:
        require_known_labels(flat(part), labels)
        return [translate("{texts} texts", texts=len(part))]

    def source(self, tokenizer, part, label2id, **options) -> "MultiLabelClassification":
        from ..tasks.several_labels import MultiLabelClassification

        return MultiLabelClassification(tokenizer, part, label2id, **options)

    def best(self, labels) -> str:
        return "eval_micro_f1"

    def fit_baseline(self, train, language) -> Any:
        from ..evaluation.baseline import fit_tfidf
        from ..tasks.several_labels import marks

        ids = {label: index for index, label in enumerate(names_of(train))}
        return fit_tfidf(train.texts, marks(train.labels, ids, train.source), language=language)

    def measure_baseline(self, fitted, train, part) -> dict[str, float]:
        import numpy as np

        from ..evaluation import MultiLabelMetrics
        from ..tasks.several_labels import marks

        ids = {label: index for index, label in enumerate(names_of(train))}
        given = np.asarray(fitted.predict(part.texts)).reshape(len(part), len(ids))  # (texts, labels), also of one
        return MultiLabelMetrics().compute(
            predictions=given.astype(np.int64), references=marks(part.labels, ids, part.source).astype(np.int64)
        )

    def answers(self, model, tokenizer, texts, accelerator, top=1) -> list[dict[str, Any]]:
        """For each text `labels`, those above a half and, for a `top` above 1, the likeliest so many."""
        from ..tasks.classification import logits_of
        from ..tasks.several_labels import THRESHOLD, sigmoid

        names: Any = model.config.id2label  # {id: label}
        answers = []
        for text, row in zip(texts, sigmoid(logits_of(model, tokenizer, texts, accelerator)), strict=True):
            order = row.argsort()[::-1]
            count = max(int((row > THRESHOLD).sum()), top if top > 1 else 0)
            labels = [{"label": names[index], "score": float(row[index])} for index in order[:count]]
            answers.append({"text": text, "labels": labels})
        return answers

    def show(self, answer) -> str:
        return super().show(answer) if answer["labels"] else f"–\t{answer['text']}"

    def card(self, model, tokenizer, part, accelerator) -> dict[str, Any]:
        return super().card(model, tokenizer, part, accelerator) | {
            "baseline_name": "TF-IDF + logistic regression for each label"
        }

    def examples(self, part) -> list[str]:
        """Texts with a label tell more."""
        labelled = [text for text, labels in zip(part.texts, part.labels, strict=True) if labels]
        return list(dict.fromkeys(labelled or part.texts))[:3]

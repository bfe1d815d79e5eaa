"""The job of an encoder–decoder: to write a text for a text."""

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from ..families import SEQ2SEQ
from ..messages import translate
from ..pairs import SOURCE_COLUMN, Pairs, cut_dev, read_pair_splits, test_pairs
from ..splits import DEV_FRACTION, Splits
from .plain import PlainJob

if TYPE_CHECKING:
    from ..tasks.seq2seq import TextPairs


class Seq2SeqJob(PlainJob):
    """See `Job`. The label's column is the target's."""

    noun = "seq2seq model"
    auto_class = "AutoModelForSeq2SeqLM"
    presets = SEQ2SEQ
    lowercase = False
    loss_options: tuple[str, ...] = ("label_smoothing",)

    def read(self, data, dev, test, text_column, label_column, seed) -> Splits[Pairs]:
        columns = {"text_column": _source(text_column), "target_column": label_column}
        return read_pair_splits(data, dev=dev, test=test, seed=seed, **columns)

    def read_test(self, data, text_column, label_column) -> Pairs:
        return test_pairs(data, _source(text_column), label_column)

    def hold_out(self, part, seed) -> tuple[Pairs, Pairs | None]:
        return cut_dev(part, seed, round(len(part) * DEV_FRACTION) or 1)

    def labels(self, part) -> list[str]:
        return []

    def tokenizer_kind(self, part) -> str:
        return "word-space"

    def tell_splits(self, parts, labels) -> list[str]:
        return [
            translate(
                "{train} pairs to train on, {dev} for development, {test} for the test",
                train=len(parts.train),
                dev=len(parts.dev or ()),
                test=len(parts.test or ()),
            )
        ]

    def tell_part(self, part, labels) -> list[str]:
        return [translate("{pairs} pairs", pairs=len(part))]

    def check(self, config, part) -> None:
        """Every text may be written for every other."""

    def source(self, tokenizer, part, label2id, **options) -> "TextPairs":
        from accelerate import PartialState

        from ..tasks.seq2seq import TextPairs

        pairs = TextPairs(tokenizer, part, **options)
        if pairs.encoded.cut:
            text = translate(
                "{count} texts of {file} have more tokens than --max-length and are cut.",
                count=pairs.encoded.cut,
                file=part.source,
            )
            PartialState().print(text)
        return pairs

    @contextmanager
    def in_training(self, model, tasks) -> Iterator[None]:
        if tasks["train"].label_smoothing and "smoothing" not in signature(model.forward).parameters:
            raise UserError(f"label_smoothing is given, but {type(model).__name__} cannot smooth labels: leave it out")
        yield

    def best(self, labels) -> str:
        return "eval_bleu"

    def baseline(self, train, part, language) -> dict[str, Any]:
        from ..evaluation import TranslationMetrics, nearest_targets

        return TranslationMetrics().compute(
            predictions=nearest_targets(train.sources, train.targets, part.sources), references=part.targets
        )

    def answers(self, model, tokenizer, texts, accelerator, top=1) -> list[dict[str, Any]]:
        """For each text `written`: the best texts, each with `text` and, with beams, `score`."""
        from ..encoding import EncodedTexts
        from ..writing import write_texts

        encoded = EncodedTexts(tokenizer, texts)
        rows = write_texts(model, tokenizer, encoded, accelerator, num_return_sequences=top)
        return [{"text": text, "written": written} for text, written in zip(texts, rows, strict=True)]

    def show(self, answer) -> str:
        written = answer["written"]
        if len(written) == 1:
            return written[0]["text"]
        return "\n".join(f"{row['score']:.3f}\t{row['text']}" for row in written)

    def card(self, model, tokenizer, part, accelerator) -> dict[str, Any]:
        texts = list(dict.fromkeys(part.sources))[:3]
        return {
            "auto_class": self.auto_class,
            "baseline_name": "target of the nearest source",
            "examples": [
                (answer["text"], {"text": answer["written"][0]["text"]})
                for answer in self.answers(model, tokenizer, texts, accelerator)
            ],
        }


def _source(text_column: str) -> str:
    """The column of the source: what verbs call it by default is none of a pair's."""
    return SOURCE_COLUMN if text_column == "text" else text_column

"""The job of a tagger: a label for each word of a text, which may mark spans such as names or phrases."""

import re
from typing import TYPE_CHECKING, Any

from ..conll import TAGGED_SUFFIXES, TaggedSentences, cut_dev, read_tagged, read_tagged_splits, tag_names, unknown_tags
from ..errors import UserError
from ..families import TAGGING
from ..messages import translate
from ..modeling.tag_constraints import first_forbidden
from ..segmentation.dictionaries import HAN
from ..spans import Span, mark_spans, spans_of
from ..splits import DEV_FRACTION, Splits, test_part
from .plain import PlainJob

if TYPE_CHECKING:
    from ..tasks.tagging import Tagging

_RAW_CHINESE = re.compile(rf"[{HAN}，。、]{{12}}")  # words are hardly as long as this
# What tagged .jsonl calls its columns, unless the user says otherwise.
_COLUMNS = {"text": "tokens", "label": "tags"}


class TaggingJob(PlainJob):
    """See `Job`."""

    noun = "tagger"
    auto_class = "AutoModelForTokenClassification"
    lowercase = True
    presets = TAGGING

    def read(self, data, dev, test, text_column, label_column, seed) -> Splits[TaggedSentences]:
        tokens, tags = _columns(text_column, label_column)
        return read_tagged_splits(data, dev=dev, test=test, seed=seed, token_column=tokens, tag_column=tags)

    def read_test(self, data, text_column, label_column) -> TaggedSentences:
        tokens, tags = _columns(text_column, label_column)
        return read_tagged(test_part(data, TAGGED_SUFFIXES), token_column=tokens, tag_column=tags)

    def hold_out(self, part, seed) -> tuple[TaggedSentences, TaggedSentences | None]:
        return cut_dev(part, seed, DEV_FRACTION)

    def labels(self, part) -> list[str]:
        return tag_names(part)

    def reads_characters(self, part) -> bool:
        return part.are_characters

    def tokenizer_kind(self, part) -> str:
        return "char" if part.are_characters else "whitespace"

    def words(self, part) -> dict[str, float] | None:
        from ..segmentation.dictionaries import counted_words

        return counted_words(part.tokens)

    def tell_splits(self, parts, labels) -> list[str]:
        summary = translate(
            "{train} sentences to train on, {dev} for development, {test} for the test; {labels} tags: {names}",
            train=len(parts.train),
            dev=len(parts.dev or ()),
            test=len(parts.test or ()),
            labels=len(labels),
            names=", ".join(labels[:12]) + (" …" if len(labels) > 12 else ""),
        )
        return [summary, *(line for part in (parts.dev, parts.test) if part for line in _unknown(part, labels))]

    def tell_part(self, part, labels) -> list[str]:
        return [translate("{sentences} sentences", sentences=len(part)), *_unknown(part, labels)]

    def check(self, config, part) -> None:
        """A tagger that knows which tag may follow which (a CRF) cannot learn what none of its sequences allows."""
        if getattr(config, "tag_decoder", "") != "crf":
            return
        names = tag_names(part)
        for number, tags in enumerate(part.tags):
            if (found := first_forbidden(tags, names)) is not None:
                raise UserError(
                    f"{part.where(number, found.position)}: {found.reason}, so a CRF cannot learn it; mend the tags "
                    "(in IOB2 every span begins with B-) or take --set tag_decoder=softmax"
                )

    def source(self, tokenizer, part, label2id, **options) -> "Tagging":
        from ..tasks.tagging import Tagging

        return Tagging(tokenizer, part, label2id, **options)

    def best(self, labels) -> str:
        return "eval_f1" if mark_spans(labels) else "eval_accuracy"

    def baseline(self, train, part, language) -> dict[str, Any]:
        from ..evaluation import TaggingMetrics, most_frequent_tags

        guessed = most_frequent_tags(train.tokens, train.tags, part.tokens)
        spans = mark_spans(tag_names(train))
        return TaggingMetrics().compute(predictions=guessed, references=part.tags, spans=spans)

    def answers(self, model, tokenizer, texts, accelerator, top=1, segmenter=None) -> list[dict[str, Any]]:
        """For each text `spans`: of each `type`, `start` and `end` in characters, `text`, and the words' mean `score`.

        Where tags mark no spans, every word is one, and its tag is the type. Words are those that `segmenter` finds, a
        tokenizer; by default the model's own.
        """
        from ..tasks.tagging import tags_of, words_of

        if top != 1:
            raise UserError(f"top is {top}, but a tagger gives one tag to each word: leave it out")
        join = spans_of if mark_spans(list(model.config.id2label.values())) else _each_word
        if segmenter is None:
            _require_words(tokenizer, texts)
        places = [words_of(segmenter or tokenizer, text) for text in texts]  # (start, end) of each word
        sentences = [[text[slice(*place)] for place in row] for text, row in zip(texts, places, strict=True)]
        answers = []
        for text, row, tagged in zip(texts, places, tags_of(model, tokenizer, sentences, accelerator), strict=True):
            spans = []
            for span in join(tagged.tags):
                start, end = row[span.start][0], row[span.stop - 1][1]
                score = float(tagged.scores[span.start : span.stop].mean())
                spans.append({"type": span.type, "start": start, "end": end, "text": text[start:end], "score": score})
            answers.append({"text": text, "spans": spans})
        return answers

    def show(self, answer) -> str:
        """The text with its spans in brackets, `[PER Ada Lovelace] wrote`."""
        text, shown, last = answer["text"], "", 0
        for span in answer["spans"]:
            inside = f"{span['type']} {span['text']}" if span["type"] else span["text"]
            shown += f"{text[last : span['start']]}[{inside}]"
            last = span["end"]
        return shown + text[last:]

    def card(self, model, tokenizer, part, accelerator) -> dict[str, Any]:
        # Sentences with something to find tell more.
        telling = [text for text, tags in zip(part.texts, part.tags, strict=True) if any(tag != "O" for tag in tags)]
        answers = self.answers(model, tokenizer, list(dict.fromkeys(telling or part.texts))[:3], accelerator)
        limits = []
        if _between_spaces(tokenizer):
            limits = ["It takes what stands between spaces for a word, so punctuation must stand apart as in its data."]
        labels = list(model.config.id2label.values())
        # The only scheme that transformers' pipeline joins to spans.
        joined = mark_spans(labels) and all(label == "O" or label[:2] in ("B-", "I-") for label in labels)
        found = [(span["type"], span["text"]) for span in answers[0]["spans"] if span["type"] != "O"]
        return {
            "auto_class": self.auto_class,
            "pipeline_tag": "token-classification",
            "examples": [(answer["text"], {"text": self.show(answer)}) for answer in answers],
            "found": found if joined or not mark_spans(labels) else [],
            "joins_tags": joined,
            "baseline_name": "most frequent tag of each word",
            "limits": limits,
        }


def _between_spaces(tokenizer: Any) -> bool:
    """Whether a tokenizer takes what stands between spaces for a word."""
    from ..tasks.tagging import words_of

    return len(words_of(tokenizer, "a.")) == 1


def _require_words(tokenizer: Any, texts: list[str]) -> None:
    """Refuse raw Chinese for a tagger that was trained on words with spaces between them."""
    for text in texts:
        if _RAW_CHINESE.search(text) and _between_spaces(tokenizer):
            raise UserError(
                f"the text {text[:20]!r} … has no spaces, and this tagger takes what stands between spaces for a word: "
                "give --segmenter FOLDER, which wordemb-hf tokenizer --kind word-zh has made"
            )


def _columns(*columns: str) -> list[str]:
    return [_COLUMNS.get(column, column) for column in columns]


def _unknown(part: TaggedSentences, labels: list[str]) -> list[str]:
    """A sentence on the tags of a part that a model with these labels cannot give."""
    counts = unknown_tags(part, labels)
    if not counts:
        return []
    return [
        translate(
            "Words whose tag the training part lacks count as wrong: {count} in {file} ({tags})",
            count=sum(counts.values()),
            file=part.source,
            tags=", ".join(counts),
        )
    ]


def _each_word(tags: list[str]) -> list[Span]:
    return [Span(tag, index, index + 1) for index, tag in enumerate(tags)]

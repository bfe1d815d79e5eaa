"""Sentences cut into words by a tagger that was fine-tuned on segmented text."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..errors import UserError
from .dictionaries import joined_words

if TYPE_CHECKING:
    from accelerate import Accelerator

_TAGS = frozenset("BMES")


class ModelSegmenter:
    """Cuts text by a model of the tags B M E S (Xue 2003, "Chinese Word Segmentation as Character Tagging").

    Args:
        model: a folder or a name on the Hub, of a tagger of characters.
        accelerator: where it works.

    Raises:
        UserError: for a model that does not give these tags.
    """

    def __init__(self, model: str, accelerator: "Accelerator"):
        from ..loading import load_trained

        self._model, self._tokenizer = load_trained(model, "AutoModelForTokenClassification", "a tagger")
        tags = [str(tag) for tag in (self._model.config.id2label or {}).values()]
        if not {"B", "E", "S"} <= {tag[:1] for tag in tags} <= _TAGS:
            raise UserError(
                f"{model} gives the tags {', '.join(tags)}, but a segmenter gives B, M, E and S: "
                "fine-tune one with wordemb-hf finetune on .conll files of these"
            )
        self._accelerator = accelerator

    def __call__(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """The words of each text, in order; white space ends a word and is no part of one."""
        from ..tasks.tagging import tags_of
        from ..token_ids import in_batches

        for batch in in_batches(texts):
            pieces = [text.split() for text in batch]
            sentences = [list(piece) for row in pieces for piece in row]
            tagged = iter(tags_of(self._model, self._tokenizer, sentences, self._accelerator))
            for row in pieces:
                yield [word for piece in row for word in joined_words(list(piece), next(tagged).tags)]

"""How well texts are written, as one metric of the evaluate library: BLEU and chrF by sacrebleu, ROUGE-L, exact match.

Where a fifth of the letters of the references are Chinese, BLEU and ROUGE-L count characters.
"""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

from ..errors import UserError

_DESCRIPTION = """\
BLEU: how many of the words, pairs, triples and fours of the predictions stand in the reference, over the whole \
corpus, with a penalty for texts that are too short. chrF: the same of up to six characters, precision and recall. \
ROUGE-L: the F1 of the longest sequence of words that both texts have in this order, a mean over texts. Exact match: \
the share of texts that equal their reference.
"""

_INPUTS = """
Args:
    predictions: the texts that were written, strings.
    references: for each the right one.
    tokenize: how sacrebleu cuts texts into words: `13a`, `char`, `zh`, …; by default `char` for Chinese, else `13a`.

Returns:
    A dictionary with `bleu` and `chrf`, between 0 and 100, and `rouge_l` and `exact_match`, between 0 and 1.

Examples:
    >>> from wordemb_hf.evaluation import TranslationMetrics
    >>> TranslationMetrics().compute(predictions=["a cat", "a dog"], references=["a cat", "the dog"])["exact_match"]
    0.5
"""

_CITATION = """\
@inproceedings{post-2018-call,
  title = {A Call for Clarity in Reporting {BLEU} Scores},
  author = {Post, Matt},
  booktitle = {Proceedings of the Third Conference on Machine Translation: Research Papers},
  year = {2018},
  pages = {186--191}
}
"""


class TranslationMetrics(evaluate.Metric):
    """`bleu`, `chrf`, `rouge_l` and `exact_match` of texts, each with one reference.

    Everything that `evaluate.Metric` offers works, and nothing is downloaded. Predictions are kept in memory, so
    processes side by side cannot meet in a cache file; a distributed metric (`num_process` > 1) uses evaluate's files
    as usual. The arguments are those of `evaluate.Metric`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"keep_in_memory": settings.get("num_process", 1) == 1, **settings})

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": text, "references": text}),
            reference_urls=["https://github.com/mjpost/sacrebleu"],
        )

    def _compute(
        self, predictions: Sequence[str], references: Sequence[str], tokenize: str | None = None
    ) -> dict[str, float]:
        from sacrebleu.metrics import BLEU, CHRF

        chinese = is_chinese(references)
        tokenize = tokenize or ("char" if chinese else "13a")
        if tokenize not in BLEU.TOKENIZERS:
            raise UserError(f"tokenize is {tokenize!r}, but must be one of {', '.join(sorted(BLEU.TOKENIZERS))}")
        pairs = list(zip(predictions, references, strict=True))
        cut = list if chinese else str.split
        # force: texts such as commands look tokenised to sacrebleu, which would warn of it.
        bleu = BLEU(tokenize=tokenize, force=True).corpus_score(predictions, [references])
        return {
            "bleu": float(bleu.score),
            "chrf": float(CHRF().corpus_score(predictions, [references]).score),
            "rouge_l": sum(rouge_l(cut(guess), cut(right)) for guess, right in pairs) / max(len(pairs), 1),
            "exact_match": sum(guess == right for guess, right in pairs) / max(len(pairs), 1),
        }


def rouge_l(prediction: Sequence[str], reference: Sequence[str]) -> float:
    """F1 of the longest common subsequence of two texts (Lin 2004, section 3.1, beta 1); 1 where both are empty."""
    if not prediction or not reference:
        return float(not prediction and not reference)
    common = longest_common_subsequence(prediction, reference)
    return 2 * common / (len(prediction) + len(reference))


def longest_common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Its length. A row of the table is one number, a bit for each place where it grows (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << place
    full = (1 << len(first)) - 1
    row = full
    for word in second:
        met = row & places.get(word, 0)
        row = ((row + met) | (row - met)) & full
    return len(first) - row.bit_count()


def is_chinese(texts: Sequence[str]) -> bool:
    """Whether a fifth of the letters are Han characters."""
    letters = [letter for text in texts[:1000] for letter in text if letter.isalpha()]
    return sum("\u4e00" <= letter <= "\u9fff" for letter in letters) > 0.2 * len(letters)

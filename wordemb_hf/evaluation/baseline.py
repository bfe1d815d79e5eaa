"""The floors that a small neural model has to beat.

For a classifier TF-IDF and logistic regression, one for each label where a text has several, or ridge regression of a
number: words and word pairs for English, characters up to three for Chinese,
which needs no segmentation. Notable: punctuation is kept, since a question mark or an exclamation mark tells something;
log-scaled counts; for larger sets, features seen in one text only are dropped. For a tagger the most frequent tag of
each word. For a model that writes, what was written for the most similar text.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import UserError

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

C = 10.0  # inverse strength of the penalty: near the best on questions, reviews, news and Chinese titles alike
MANY_TEXTS = 1000


def tfidf_baseline(
    train_texts: Sequence[str], train_labels: Sequence[str], texts: Sequence[str], *, language: str = "en"
) -> list[str]:
    """The labels that TF-IDF and logistic regression, fitted on the training texts, give to `texts`.

    Args:
        train_texts: the texts to learn from.
        train_labels: one label each, of at least two kinds.
        texts: the texts to label.
        language: `en` (word 1–2-grams) or `zh` (character 1–3-grams).

    Returns:
        One label for each of `texts`.

    Raises:
        UserError: an unknown language, lists of different lengths, a single kind of label, or texts without a word.
    """
    fitted = fit_tfidf(train_texts, train_labels, language=language)
    return [str(label) for label in fitted.predict(texts)] if len(texts) else []


def fit_tfidf(train_texts: Sequence[str], train_labels: Any, *, language: str = "en") -> "Pipeline":
    """TF-IDF and logistic regression, fitted: a scikit-learn pipeline of the steps `tfidf` and `classifier`.

    Args:
        train_texts: the texts to learn from.
        train_labels: a label of each; 0 and 1 for several labels, `(texts, labels)`; or a number of each, in an array
            of floats, for ridge regression.
        language: `en` (word 1–2-grams) or `zh` (character 1–3-grams).

    Raises:
        UserError: an unknown language, lists of different lengths, a single kind of label, or texts without a word.
    """
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import Pipeline

    units = {
        "en": {"ngram_range": (1, 2), "token_pattern": r"\w+|[^\w\s]"},
        "zh": {"ngram_range": (1, 3), "analyzer": "char"},
    }
    if language not in units:
        raise UserError(f"language must be one of {', '.join(units)}, got {language!r}")
    if len(train_texts) != len(train_labels):
        raise UserError(f"train_labels must have one label per text, got {len(train_labels)} for {len(train_texts)}")
    if not isinstance(train_labels, np.ndarray) and len(set(train_labels)) < 2:
        raise UserError(f"train_labels must have at least two kinds of labels, got {sorted(set(train_labels))}")
    if not any(text.strip() for text in train_texts):
        raise UserError("train_texts must not all be empty")
    vectorizer = TfidfVectorizer(
        sublinear_tf=True, min_df=2 if len(train_texts) >= MANY_TEXTS else 1, dtype=np.float32, **units[language]
    )
    # LogisticRegression itself chooses the multinomial form for three labels and more.
    classifier: Any = LogisticRegression(C=C, max_iter=1000)
    if isinstance(train_labels, np.ndarray):
        classifier = Ridge() if train_labels.ndim == 1 else OneVsRestClassifier(classifier)
    return Pipeline([("tfidf", vectorizer), ("classifier", classifier)]).fit(train_texts, train_labels)


class MostFrequentTags:
    """Every word has the tag that it had most often in training.

    A word that training lacks has the tag that is most frequent among words that occur once there, which are the most
    like it. Of two tags that are as frequent, the one that comes first wins.

    Args:
        tokens: the words of the sentences to learn from.
        tags: their tags.

    Raises:
        UserError: for sentences and tags of different lengths, or no word at all.
    """

    def __init__(self, tokens: Sequence[Sequence[str]], tags: Sequence[Sequence[str]]):
        counts: dict[str, Counter[str]] = {}
        for words, row in zip(tokens, tags, strict=True):
            if len(words) != len(row):
                raise UserError(f"train_tags must have one tag per word, got {len(row)} for {len(words)}")
            for word, tag in zip(words, row, strict=True):
                counts.setdefault(word, Counter())[tag] += 1
        if not counts:
            raise UserError("train_tokens must hold at least one word")
        once = Counter(tag for found in counts.values() if found.total() == 1 for tag in found)
        self.unknown = (once or sum(counts.values(), Counter())).most_common(1)[0][0]
        self.known = {word: found.most_common(1)[0][0] for word, found in counts.items()}

    def tag(self, tokens: Sequence[str]) -> list[str]:
        """The tags of a sentence's words."""
        return [self.known.get(word, self.unknown) for word in tokens]


def most_frequent_tags(
    train_tokens: Sequence[Sequence[str]], train_tags: Sequence[Sequence[str]], tokens: Sequence[Sequence[str]]
) -> list[list[str]]:
    """The tags that `MostFrequentTags` gives to the sentences `tokens`."""
    fitted = MostFrequentTags(train_tokens, train_tags)
    return [fitted.tag(words) for words in tokens]


def nearest_targets(train_sources: Sequence[str], train_targets: Sequence[str], sources: Sequence[str]) -> list[str]:
    """For each source the target of the training source that is most similar to it, by TF-IDF of words and characters.

    Args:
        train_sources: the sources to learn from.
        train_targets: one target each.
        sources: those to write for.

    Raises:
        UserError: lists of different lengths, or none at all.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    if len(train_sources) != len(train_targets) or not train_sources:
        raise UserError(
            f"train_targets must have one target per source, got {len(train_targets)} for {len(train_sources)}"
        )
    vectorizer = TfidfVectorizer(sublinear_tf=True, token_pattern=r"[\u3040-\u30ff\u4e00-\u9fff]|\w+|[^\w\s]")
    known = vectorizer.fit_transform(train_sources)
    found: list[str] = []
    for start in range(0, len(sources), 256):  # so that the similarities of a few only are in memory
        similar = vectorizer.transform(sources[start : start + 256]) @ known.T
        found += [train_targets[row] for row in similar.toarray().argmax(1)]
    return found

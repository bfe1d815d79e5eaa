"""The floor that a small neural classifier has to beat: TF-IDF and logistic regression.

Words and word pairs for English, characters up to three for Chinese, which needs no segmentation. Notable: punctuation
is kept, since a question mark or an exclamation mark tells something; log-scaled counts; for larger sets, features
seen in one text only are dropped.
"""

from collections.abc import Sequence

from ..errors import UserError

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
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    units = {
        "en": {"ngram_range": (1, 2), "token_pattern": r"\w+|[^\w\s]"},
        "zh": {"ngram_range": (1, 3), "analyzer": "char"},
    }
    if language not in units:
        raise UserError(f"language must be one of {', '.join(units)}, got {language!r}")
    if len(train_texts) != len(train_labels):
        raise UserError(f"train_labels must have one label per text, got {len(train_labels)} for {len(train_texts)}")
    if len(set(train_labels)) < 2:
        raise UserError(f"train_labels must have at least two kinds of labels, got {sorted(set(train_labels))}")
    if not any(text.strip() for text in train_texts):
        raise UserError("train_texts must not all be empty")
    if not len(texts):
        return []
    vectorizer = TfidfVectorizer(
        sublinear_tf=True, min_df=2 if len(train_texts) >= MANY_TEXTS else 1, dtype=np.float32, **units[language]
    )
    # LogisticRegression itself chooses the multinomial form for three labels and more.
    classifier = LogisticRegression(C=C, max_iter=1000).fit(vectorizer.fit_transform(train_texts), train_labels)
    return [str(label) for label in classifier.predict(vectorizer.transform(texts))]

"""What the accuracy campaign measures: the data sets, how each is measured, and what stands beside the figures."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class DataSet:
    """A data set and its protocol.

    Args:
        task: `classification`, `tagging`, `seq2seq` or `language-modelling`.
        metric: the figure in question, as `metrics.json` names it; the higher the better, but for a perplexity.
        train: file to train on; without `test` its folds are.
        dev: file that decides when to stop; without one, a tenth of `train`.
        test: file that is looked at once.
        language: `en` or `zh`.
        floor: the best classical figure, measured with other tools.
        published: figures of papers.
        goals: what is aimed at, by entry.
        settings: what every family is told here beside its preset, which knows neither the unit nor the time at hand.
    """

    task: str
    metric: str
    train: str
    dev: str | None = None
    test: str | None = None
    language: str = "en"
    floor: str = ""
    published: str = ""
    goals: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def scale(self) -> float:
        """What a share is multiplied with to be shown; BLEU and perplexities are shown as they are."""
        return 1.0 if self.metric in ("bleu", "perplexity") else 100.0

    def reaches(self, figure: float, goal: float) -> bool:
        """Whether a figure, as it is shown, is as good as a goal."""
        return figure <= goal if self.metric == "perplexity" else figure >= goal


_WIKITEXT = ["hidden_dropout_prob=0.4", "embedding_dropout=0.2", "num_softmax_samples=1024"]
FOLDS = 10  # of a set that has no test part

DATA_SETS = {
    "trec": DataSet(
        "classification",
        "accuracy",
        "trec/train.tsv",
        test="trec/test.tsv",
        floor="TF-IDF + LR 89.2",
        published="CNN-rand 91.2, non-static 93.6 (Kim 2014)",
        goals={"bow": 89.2, "textcnn": 91.2, "textcnn +wv": 93.0},
    ),
    "mr": DataSet(
        "classification",
        "accuracy",
        "mr/all.tsv",
        floor="LR 77.0, NB-LR 78.5",
        published="CNN-rand 76.1, non-static 81.5 (Kim 2014)",
        goals={"bow": 78.5, "textcnn": 76.1, "textcnn +wv": 79.5},
    ),
    "subj": DataSet(
        "classification",
        "accuracy",
        "subj/all.tsv",
        floor="LR 91.3, NB-LR 91.9",
        published="CNN-rand 89.6, non-static 93.4 (Kim 2014)",
        goals={"bow": 91.9, "textcnn": 89.6, "textcnn +wv": 92.0},
    ),
    "thucnews_titles": DataSet(
        "classification",
        "accuracy",
        "thucnews_titles/train33k.tsv",
        dev="thucnews_titles/dev.tsv",
        test="thucnews_titles/test.tsv",
        language="zh",
        floor="TF-IDF + LR 89.4",
        published="with 180k titles and vectors from outside: TextCNN 91.2, fastText 92.2",
        goals={"bow": 89.4, "textcnn": 90.0, "bilstm": 90.0, "textcnn +wv": 91.0, "bilstm +wv": 91.0},
    ),
    "chnsenticorp": DataSet(
        "classification",
        "accuracy",
        "chnsenticorp/train.tsv",
        dev="chnsenticorp/dev.dedup.tsv",
        test="chnsenticorp/test.dedup.tsv",
        language="zh",
        floor="TF-IDF + LR 90.9",
        published="",
        goals={"bow": 91.5, "textcnn": 91.5, "bilstm": 91.5},
    ),
    "resume_ner": DataSet(
        "tagging",
        "f1",
        "resume_ner/train.conll",
        dev="resume_ner/dev.conll",
        test="resume_ner/test.conll",
        language="zh",
        floor="CRF 93.6",
        published="characters' BiLSTM-CRF 93.5, Lattice 94.5, both with vectors from outside (Zhang & Yang 2018)",
        goals={"bilstm": 94.0, "bilstm +wv": 94.5},
    ),
    "msra_ner": DataSet(
        "tagging",
        "f1",
        "msra_ner/train.conll",
        test="msra_ner/test.conll",
        language="zh",
        floor="CRF on 10k sentences 67.5",
        published="characters' BiLSTM-CRF 88.8 (Zhang & Yang 2018)",
        goals={"bilstm": 88.8},
    ),
    "conll2000": DataSet(
        "tagging",
        "f1",
        "conll2000/train.conll",
        test="conll2000/test.conll",
        floor="CRF 91.3",
        published="BiLSTM-CRF, random vectors 94.1 (Huang et al. 2015)",
        goals={"bilstm": 94.1},
    ),
    "mit_restaurant": DataSet(
        "tagging",
        "f1",
        "mit_restaurant/train.conll",
        dev="mit_restaurant/dev.conll",
        test="mit_restaurant/test.conll",
        floor="CRF 76.3",
        goals={"bilstm": 78.0},
    ),
    "ud_en_ewt": DataSet(
        "tagging",
        "accuracy",
        "ud_en_ewt/train.conll",
        dev="ud_en_ewt/dev.conll",
        test="ud_en_ewt/test.conll",
        floor="CRF 94.4",
        goals={"bilstm": 95.0},
    ),
    "ud_zh_cws": DataSet(
        "tagging",
        "accuracy",
        "ud_zh_udc/train.cws.conll",
        dev="ud_zh_udc/dev.cws.conll",
        test="ud_zh_udc/test.cws.conll",
        language="zh",
        floor="CRF 93.0",
        goals={"bilstm": 95.0},
    ),
    "scan_simple": DataSet(
        "seq2seq",
        "exact_match",
        "scan/simple.train.tsv",
        test="scan/simple.test.tsv",
        published="LSTM 99.8 (Lake & Baroni 2018)",
        goals={"attention_seq2seq": 99.8, "transformer_seq2seq": 99.8},
        settings={"tokenizer_kind": "whitespace", "epochs": 12},
    ),
    "multi30k_deen": DataSet(
        "seq2seq",
        "bleu",
        "multi30k_deen/train.tsv",
        dev="multi30k_deen/dev.tsv",
        test="multi30k_deen/test2016.tsv",
        floor="target of the nearest source 12.0",
        published="GRU and attention 28.3, small Transformer 36.5",
        goals={"transformer_seq2seq": 36.5},
        settings={"lowercase": True, "min_count": 3, "epochs": 4, "batch_size": 64},
    ),
    "wikitext2": DataSet(
        "language-modelling",
        "perplexity",
        "wikitext2/train.txt",
        dev="wikitext2/dev.txt",
        test="wikitext2/test.txt",
        floor="Kneser-Ney 221.3",
        published="LSTM 99.3, AWD-LSTM 65.8",
        settings={
            "tokenizer_kind": "whitespace",
            "lowercase": False,
            "min_count": 1,
            "batch_size": 16,
            "epochs": 9,
            "fields": _WIKITEXT,
        },
    ),
}

# What is trained on each: a rival, or a family with its preset, or with word vectors too (`+wv`).
ENTRIES = {
    "classification": ("TF-IDF + LR", "fastText", "bow", "textcnn", "textcnn +wv", "bilstm", "bilstm +wv"),
    "tagging": ("CRF", "bilstm", "bilstm +wv"),
    "seq2seq": ("attention_seq2seq", "transformer_seq2seq"),
    "language-modelling": ("rnn",),
}

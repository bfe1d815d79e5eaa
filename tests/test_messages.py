"""Every sentence that is printed has its Chinese, and every Chinese sentence its use."""

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

from wordemb_hf import messages
from wordemb_hf.messages import CHINESE, translate

ROOT = Path(__file__).resolve().parent.parent

# What reaches translate through a variable: the figures, the parts of the data that they were measured on, baselines.
METRICS = {"accuracy", "macro_f1", "f1", "precision", "recall", "bleu", "chrf", "rouge_l", "exact_match"}
METRICS |= {"micro_f1", "pearson", "spearman", "mse"}
BASELINES = {"TF-IDF + logistic regression", "most frequent tags", "CRF on features"}
NAMES = {"loss", *METRICS, *(f"baseline_{name}" for name in METRICS), "dev", "test", *BASELINES}


def calls():
    """The calls of `translate` in the package and the scripts: where they are, first argument, keywords."""
    for path in sorted([*(ROOT / "wordemb_hf").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "translate":
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                yield where, node.args[0], {keyword.arg for keyword in node.keywords}


SENTENCES = {
    argument.value: (where, keywords) for where, argument, keywords in calls() if isinstance(argument, ast.Constant)
}


def fields(template):
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def test_there_are_sentences():
    assert {"error", "epoch {epoch} of {epochs}", "{word}: {neighbors}"} <= set(SENTENCES)


def test_a_sentence_is_written_out_where_it_is_translated():
    others = [where for where, argument, _ in calls() if not isinstance(argument, ast.Constant | ast.Name)]
    assert others == []


@pytest.mark.parametrize("sentence", sorted({*SENTENCES, *NAMES}))
def test_every_sentence_has_its_chinese(sentence):
    assert sentence in CHINESE
    assert fields(CHINESE[sentence]) == fields(sentence)
    words = re.sub(r"\{\w+\}", "", CHINESE[sentence])
    assert re.search(r"[\u4e00-\u9fff]", words) or not re.search(r"[A-Za-z]", words)
    assert not re.search(r"[,;:!?.]", words)  # in Chinese: ，；：！？。


@pytest.mark.parametrize("sentence", sorted(SENTENCES))
def test_every_sentence_is_given_what_it_names(sentence):
    where, keywords = SENTENCES[sentence]
    assert keywords == fields(sentence), where


def test_nothing_is_translated_in_vain():
    assert set(CHINESE) - set(SENTENCES) - NAMES == set()


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        ("zh", "第 1/3 轮"),
        ("zh_CN.UTF-8", "第 1/3 轮"),
        ("ZH", "第 1/3 轮"),
        ("en", "epoch 1 of 3"),
        ("", "epoch 1 of 3"),
    ],
)
def test_the_language_is_that_of_the_environment(monkeypatch, language, shown):
    monkeypatch.setenv("WORDEMB_HF_LANGUAGE", language)
    assert translate("epoch {epoch} of {epochs}", epoch=1, epochs=3) == shown


def test_english_is_the_default_and_what_has_no_chinese_stays_english(monkeypatch):
    monkeypatch.delenv("WORDEMB_HF_LANGUAGE", raising=False)
    assert (messages.language(), translate("error")) == ("en", "error")
    monkeypatch.setenv("WORDEMB_HF_LANGUAGE", "zh")
    assert (messages.language(), translate("no such {thing}", thing="sentence")) == ("zh", "no such sentence")

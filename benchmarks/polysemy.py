"""One word, two senses: how near its vectors are within a sense and between two, in a model that reads contexts.

Beside it the layer of words, in which a word has one vector wherever it stands.

    wordemb-hf pretrain --corpus bank.txt --family bilstm --output bank
    python benchmarks/polysemy.py bank en
"""

import argparse
from itertools import combinations, product

import numpy as np
from accelerate import Accelerator
from transformers import AutoModel, AutoTokenizer

from wordemb_hf.token_vectors import token_vectors

# Texts in two senses of the word in front.
SENSES = {
    "en": (
        "bank",
        ("he sat on the bank of the river", "a village on the east bank of the lake", "on the north bank of the river"),
        ("the central bank of the country", "loans from the world bank and the government", "money in a bank account"),
    ),
    "zh": (
        "花",
        ("公园里的樱花开了", "春天的鲜花很美", "院子里种了花草树木"),
        ("他花了三年时间", "每月要花费很多钱", "不要乱花钱"),
    ),
}


def nearness(model: str, language: str, layer: str) -> tuple[float, float]:
    """Mean cosine of the word's vectors within a sense, and between the two."""
    backbone, tokenizer = AutoModel.from_pretrained(model), AutoTokenizer.from_pretrained(model)
    word, *senses = SENSES[language]
    groups = []
    for texts in senses:
        found = token_vectors(backbone, tokenizer, texts, Accelerator(), layer)
        rows = np.stack([text.vectors[text.words.index(word)] for text in found])  # (texts, width)
        groups.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    within = [one @ other for rows in groups for one, other in combinations(rows, 2)]
    return float(np.mean(within)), float(np.mean([one @ other for one, other in product(*groups)]))


def main() -> None:
    """Print both, for the layer of words and the last one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="folder of a contextual model")
    parser.add_argument("language", choices=SENSES)
    options = parser.parse_args()
    for layer in ("0", "last"):
        within, between = nearness(options.model, options.language, layer)
        print(f"layer {layer}: {within:.2f} within a sense of {SENSES[options.language][0]}, {between:.2f} between two")


if __name__ == "__main__":
    main()

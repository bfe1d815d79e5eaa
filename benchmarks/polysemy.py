"""One word, two senses: how near its vectors are within a sense and between two, in a model that reads contexts.

Beside it the layer of words, in which a word has one vector wherever it stands.

    wordemb-hf finetune --data cmn_eng --family attention_seq2seq --min-count 2 --epochs 10 --output translator
    python benchmarks/polysemy.py translator en
    wordemb-hf pretrain --corpus news.txt --family transformer_encoder --tokenizer-kind char --output reader
    python benchmarks/polysemy.py reader zh
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
        "watch",
        ("my watch is broken", "he bought a new watch", "this watch is very expensive"),
        ("we watch television every day", "they like to watch baseball", "I want to watch a movie"),
    ),
    "zh": (
        "长",  # long; the head of something
        ("这条河很长", "她的头发很长", "时间太长了"),
        ("市长出席了会议", "校长发表讲话", "局长对记者说"),
    ),
}


def nearness(model: str, language: str, layer: str) -> tuple[float, float, int]:
    """Mean cosine of the word's vectors within a sense and between the two, and how many are nearest to their own."""
    backbone, tokenizer = AutoModel.from_pretrained(model), AutoTokenizer.from_pretrained(model)
    word, *senses = SENSES[language]
    groups = []
    for texts in senses:
        found = token_vectors(backbone, tokenizer, texts, Accelerator(), layer)
        rows = np.stack([text.vectors[text.words.index(word)] for text in found])  # (texts, width)
        groups.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    within = [one @ other for rows in groups for one, other in combinations(rows, 2)]
    right = 0
    for own, other in (groups, groups[::-1]):
        for number, row in enumerate(own):
            right += np.delete(own @ row, number).max() > (other @ row).max()
    return float(np.mean(within)), float(np.mean([one @ other for one, other in product(*groups)])), int(right)


def main() -> None:
    """Print both, for the layer of words and the last one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="folder of a contextual model")
    parser.add_argument("language", choices=SENSES)
    options = parser.parse_args()
    for layer in ("0", "last"):
        within, between, right = nearness(options.model, options.language, layer)
        print(
            f"layer {layer}: {within:.2f} within a sense of {SENSES[options.language][0]}, {between:.2f} between two; "
            f"{right} of 6 are nearest to one of their own"
        )


if __name__ == "__main__":
    main()

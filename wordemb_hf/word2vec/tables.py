"""Which parameters word2vec learns."""

from typing import Any

from torch import nn


def learnt_tables(model: Any) -> list[nn.Embedding]:
    """Words; words to predict, or nodes of the Huffman tree; and n-grams, if there are any."""
    hierarchical = model.config.loss == "hierarchical_softmax"
    tables = [model.word2vec.word_embeddings, model.node_embeddings if hierarchical else model.output_embeddings]
    return [*tables, model.word2vec.ngram_embeddings] if model.config.num_ngram_buckets else tables

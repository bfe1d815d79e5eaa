"""What a card says of families and figures, in English and, by the English, in Chinese."""

DESCRIPTIONS = {
    "word2vec": "One vector per word, learnt by predicting a word from its neighbours or its neighbours from the word "
    "([Mikolov et al. 2013a](https://arxiv.org/abs/1301.3781), [2013b](https://arxiv.org/abs/1310.4546)); words that "
    "were never seen are composed from their character n-grams where the model has them "
    "([Bojanowski et al. 2017](https://arxiv.org/abs/1607.04606)).",
    "bow": "A bag of words: the words of a text and their pairs are counted, weighted and summed up by one linear "
    "layer ([Wang & Manning 2012](https://aclanthology.org/P12-2018/)).",
    "textcnn": "Convolutions of several widths slide over the word vectors of a text, and the strongest response of "
    "each filter decides ([Kim 2014](https://arxiv.org/abs/1408.5882)).",
    "rnn": "A recurrent network reads a text from left to right, one state after each word "
    "([Hochreiter & Schmidhuber 1997](https://doi.org/10.1162/neco.1997.9.8.1735) for the LSTM, "
    "[Cho et al. 2014](https://arxiv.org/abs/1406.1078) for the GRU).",
    "bilstm": "Two LSTMs read a text in both directions, so that every word is seen in its whole sentence "
    "([Graves & Schmidhuber 2005](https://doi.org/10.1016/j.neunet.2005.06.042); for tagging, with a conditional "
    "random field, [Huang et al. 2015](https://arxiv.org/abs/1508.01991)).",
    "elmo": "Words are read by their characters, and two language models, one in each direction, give every word "
    "vectors that depend on its sentence ([Peters et al. 2018](https://arxiv.org/abs/1802.05365)).",
    "attention_seq2seq": "A recurrent encoder reads the source; a recurrent decoder writes the target and looks back "
    "at the source by attention ([Bahdanau et al. 2015](https://arxiv.org/abs/1409.0473), "
    "[Luong et al. 2015](https://arxiv.org/abs/1508.04025)).",
    "transformer_encoder": "A small Transformer that reads both ways: every token looks at every other one, layer by "
    "layer ([Vaswani et al. 2017](https://arxiv.org/abs/1706.03762); as a masked language model, "
    "[Devlin et al. 2019](https://aclanthology.org/N19-1423/)).",
    "transformer_decoder": "A small Transformer that reads from left to right and goes on writing: every token looks "
    "at those before it ([Vaswani et al. 2017](https://arxiv.org/abs/1706.03762)).",
    "transformer_seq2seq": "A small Transformer of two halves: one reads the source, the other writes the target and "
    "looks at the source by attention ([Vaswani et al. 2017](https://arxiv.org/abs/1706.03762)).",
}

# Ours → the Hub's name of the metric, and how it is written in a table.
METRICS = {
    "accuracy": ("accuracy", "Accuracy"),
    "macro_f1": ("f1", "Macro F1"),
    "micro_f1": ("f1", "Micro F1"),
    "f1": ("f1", "F1"),
    "precision": ("precision", "Precision"),
    "recall": ("recall", "Recall"),
    "perplexity": ("perplexity", "Perplexity"),
    "bleu": ("bleu", "BLEU"),
    "chrf": ("chrf", "chrF"),
    "rouge_l": ("rouge", "ROUGE-L"),
    "exact_match": ("exact_match", "Exact match"),
    "pearson": ("pearsonr", "Pearson"),
    "spearman": ("spearmanr", "Spearman"),
    "mse": ("mse", "Mean squared error"),
    "loss": ("loss", "Loss"),
}

# Figures that a table shows, but that are none of the Hub's metrics.
NO_HUB_METRICS = {"loss"}

CHINESE: dict[str, str] = {
    DESCRIPTIONS["word2vec"]: "每个词一个向量：由词预测邻词，或由邻词预测词（"
    "[Mikolov et al. 2013a](https://arxiv.org/abs/1301.3781)、[2013b](https://arxiv.org/abs/1310.4546)）；模型带有字符 "
    "n-gram 时，没见过的词由其 n-gram 合成（[Bojanowski et al. 2017](https://arxiv.org/abs/1607.04606)）。",
    DESCRIPTIONS["bow"]: "词袋：数出文本里的词和相邻词对，加权，再由一个线性层求和（"
    "[Wang & Manning 2012](https://aclanthology.org/P12-2018/)）。",
    DESCRIPTIONS["textcnn"]: "几种宽度的卷积滑过文本的词向量，由每个滤波器最强的响应作决定（"
    "[Kim 2014](https://arxiv.org/abs/1408.5882)）。",
    DESCRIPTIONS["rnn"]: "循环网络从左到右读文本，每个词之后有一个状态（LSTM："
    "[Hochreiter & Schmidhuber 1997](https://doi.org/10.1162/neco.1997.9.8.1735)；GRU："
    "[Cho et al. 2014](https://arxiv.org/abs/1406.1078)）。",
    DESCRIPTIONS["bilstm"]: "两个 LSTM 从两个方向读文本，每个词都在整句中被看到（"
    "[Graves & Schmidhuber 2005](https://doi.org/10.1016/j.neunet.2005.06.042)；标注时带条件随机场，"
    "[Huang et al. 2015](https://arxiv.org/abs/1508.01991)）。",
    DESCRIPTIONS["elmo"]: "按字符读词，两个方向各有一个语言模型，给每个词随句子而变的向量（"
    "[Peters et al. 2018](https://arxiv.org/abs/1802.05365)）。",
    DESCRIPTIONS["attention_seq2seq"]: "循环编码器读原文；循环解码器写译文，并以注意力回看原文（"
    "[Bahdanau et al. 2015](https://arxiv.org/abs/1409.0473)、[Luong et al. 2015](https://arxiv.org/abs/1508.04025)）。",
    DESCRIPTIONS["transformer_encoder"]: "双向阅读的小型 Transformer：每个词元逐层看到其他所有词元（"
    "[Vaswani et al. 2017](https://arxiv.org/abs/1706.03762)；作为掩码语言模型："
    "[Devlin et al. 2019](https://aclanthology.org/N19-1423/)）。",
    DESCRIPTIONS["transformer_decoder"]: "从左到右阅读并续写的小型 Transformer：每个词元看到它前面的词元（"
    "[Vaswani et al. 2017](https://arxiv.org/abs/1706.03762)）。",
    DESCRIPTIONS["transformer_seq2seq"]: "由两半组成的小型 Transformer：一半读原文，另一半写译文，并以注意力看原文（"
    "[Vaswani et al. 2017](https://arxiv.org/abs/1706.03762)）。",
    "Accuracy": "准确率",
    "Macro F1": "宏平均 F1",
    "Micro F1": "微平均 F1",
    "F1": "F1 值",
    "Precision": "精确率",
    "Recall": "召回率",
    "Perplexity": "困惑度",
    "Loss": "损失",
    "Support": "个数",
    "TF-IDF + logistic regression": "TF-IDF + 逻辑回归",
    "TF-IDF + logistic regression for each label": "TF-IDF + 每个标签各一个逻辑回归",
    "TF-IDF + ridge regression": "TF-IDF + 岭回归",
    "Pearson": "皮尔逊相关系数",
    "Spearman": "斯皮尔曼相关系数",
    "Mean squared error": "均方误差",
    "Exact match": "完全匹配",
    "target of the nearest source": "最相近原文的译文",
    "most frequent tag of each word": "每个词最常见的标注",
    "Words with similar vectors lie together": "向量相似的词在一起",
    "Loss and metric in the course of the training": "训练过程中的损失和指标",
    "The word vectors that it started from": "开始时所用的词向量",
    "It takes what stands between spaces for a word, so punctuation must stand apart as in its data.": (
        "它把空格之间的部分当作一个词，所以标点须像训练数据那样分开。"
    ),
}


def said(text: str, card_language: str) -> str:
    """An English text of a card in the language of the card; what has no Chinese stays as it is."""
    return CHINESE.get(text, text) if card_language == "zh" else text

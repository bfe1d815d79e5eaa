"""The fast engine of word2vec: text to ids, kernels, and what drives them; used by the verb `pretrain`."""

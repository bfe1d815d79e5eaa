"""Chinese words: dictionaries, the most probable words of a sentence, and words that a text alone tells."""

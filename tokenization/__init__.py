"""The tokenizers that travel to the Hub with their code.

Words and characters are plain `tokenizer.json` files and need no class of ours: see `wordemb_hf.vocabulary`.
"""

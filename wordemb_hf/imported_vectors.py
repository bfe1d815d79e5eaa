"""Model folders made of word vectors from files: the tokenizer that goes with the words, the model, the card."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import UserError
from .messages import language as spoken
from .messages import translate
from .tokenizer_kinds import PAD, UNK, blank_tokenizer
from .vectors.word_table import END_OF_LINE, WordTable
from .vocabulary import spelled_vocabulary, tokenizer_from_words

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_MAX_NGRAMS = 160  # of a word, in the table that the model has of them
_USUAL_WORD = 30  # characters of an unseen word of which all n-grams are to be kept
_SAMPLE = 20_000  # words that tell of what kind they are
_FASTTEXT_SPACE = r"[ \n\r\t\x0b\x0c\x00]+"
_HAN = re.compile(r"[\u4e00-\u9fff]")


def kind_of_words(table: WordTable) -> str:
    """Which tokenizer finds these words in a text: `whitespace` where no other does."""
    sample = table.words[:_SAMPLE]
    if table.ngrams is not None or table.classifier is not None:
        return "whitespace"  # fastText's own
    if sum(len(word) == 1 for word in sample) > 0.98 * len(sample):
        return "char"
    han = sum(bool(_HAN.search(word)) for word in sample)
    return "word-zh" if han > 0.2 * len(sample) else "word"


def tokenizer_of(
    table: WordTable, kind: str | None = None, lowercase: bool | None = None
) -> "tuple[PreTrainedTokenizerFast, list[int]]":
    """A tokenizer of the words of a table, and the rows of the table that its ids from 2 up have.

    Args:
        table: the words; `<pad>` and `<unk>` among them are not words of the tokenizer.
        kind: of the tokenizer; as the words are if missing.
        lowercase: whether it puts text into lower case; if missing, where no word has an upper-case letter.
    """
    kind = kind_of_words(table) if kind is None else kind
    if lowercase is None:
        lowercase = bool(table.lowercase) if table.lowercase is not None else all(map(_is_lower, table.words))
    rows = [row for row, word in enumerate(table.words) if word not in (PAD, UNK)]
    words = [table.words[row] for row in rows]
    if table.ngrams is None and table.classifier is None:
        return tokenizer_from_words(words, kind=kind, lowercase=lowercase), rows
    return _fasttext_tokenizer(table, words, kind, lowercase), rows


def _is_lower(word: str) -> bool:
    return word == word.lower()


def _fasttext_tokenizer(table: WordTable, words: list[str], kind: str, lowercase: bool) -> "PreTrainedTokenizerFast":
    """A tokenizer that cuts text as fastText does, unless another kind is asked for."""
    from tokenizers import Regex, models, pre_tokenizers, processors

    from .tokenization import NgramWordTokenizer

    tokenizer = blank_tokenizer(kind, lowercase)
    if kind == "whitespace":
        # fastText knows ASCII's white space alone, and changes nothing.
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_FASTTEXT_SPACE), behavior="removed")
    vocabulary = {token: index for index, token in enumerate([PAD, UNK, *words])}
    tokenizer.model = models.WordLevel(vocabulary, unk_token=UNK)
    specials = [PAD, UNK] + ([END_OF_LINE] if END_OF_LINE in vocabulary else [])
    tokenizer.add_special_tokens(specials)
    roles: dict[str, Any] = {"pad_token": PAD, "unk_token": UNK}
    if END_OF_LINE in vocabulary:
        roles["eos_token"] = END_OF_LINE
        if table.classifier is not None:  # which reads a whole line
            tokenizer.post_processor = processors.TemplateProcessing(
                single=f"$A {END_OF_LINE}",
                pair=f"$A {END_OF_LINE} $B {END_OF_LINE}",
                special_tokens=[(END_OF_LINE, vocabulary[END_OF_LINE])],
            )
    return NgramWordTokenizer(
        tokenizer_object=tokenizer,
        padding_side="right",
        clean_up_tokenization_spaces=False,
        **_ngram_fields(table),
        **roles,
    )


def _ngram_fields(table: WordTable) -> dict[str, int]:
    """The fields of config and tokenizer that say which n-grams and groups of words have rows."""
    groups = table.classifier.max_word_ngram if table.classifier else 1
    ngrams = table.ngrams
    if ngrams is None or not len(ngrams.buckets):
        return {"num_ngram_buckets": 0, "max_ngram": 0, "max_ngrams": 1}
    fields = {"num_ngram_buckets": len(ngrams.buckets), "max_word_ngram": groups}
    if not ngrams.max_ngram:
        return {**fields, "max_ngram": 0, "max_ngrams": 1}
    longest = max(_count_ngrams(max(map(len, table.words)), ngrams.min_ngram, ngrams.max_ngram), 1)
    usual = _count_ngrams(_USUAL_WORD, ngrams.min_ngram, ngrams.max_ngram)
    most = min(max(longest, usual), _MAX_NGRAMS)
    return {**fields, "min_ngram": ngrams.min_ngram, "max_ngram": ngrams.max_ngram, "max_ngrams": most}


def _count_ngrams(characters: int, shortest: int, longest: int) -> int:
    """How many n-grams a word of so many characters has, `<` and `>` around it."""
    return sum(max(characters + 2 - length + 1, 0) for length in range(shortest, longest + 1))


def model_of(table: WordTable, tokenizer: Any, rows: list[int], folder: Path) -> "PreTrainedModel":
    """A model with the vectors of a table: `Word2VecModel`, or a classifier where the table has one.

    Args:
        table: the vectors.
        tokenizer: of the same words.
        rows: which rows of the table its ids from 2 up have.
        folder: for a file that holds the vectors until they are saved, in place of memory.

    Raises:
        UserError: for a classifier that is no linear layer.
    """
    import torch
    import transformers
    from torch import nn

    from .families import make_config
    from .new_models import spell_vocabulary

    classifier, ngrams = table.classifier, table.ngrams
    if classifier is not None and classifier.activation == "tree":
        raise UserError(
            "the classifier has hierarchical softmax, which a linear layer cannot stand for: train it with -loss "
            "softmax, or convert its vectors alone, with --vectors-only"
        )
    fields: dict[str, Any] = {"vocab_size": len(tokenizer), "hidden_size": table.width}
    if ngrams is not None or classifier is not None:
        fields |= _ngram_fields(table)
    if classifier is not None:
        names = dict(enumerate(classifier.labels))
        fields |= {"pooling": "rows", "id2label": names, "label2id": {label: index for index, label in names.items()}}
        several = classifier.activation == "sigmoid"
        fields["problem_type"] = "multi_label_classification" if several else "single_label_classification"
    auto: Any = getattr(transformers, "AutoModel" if classifier is None else "AutoModelForSequenceClassification")
    config = make_config("word2vec", **fields)
    with torch.device("meta"):
        model = auto.from_config(config)
    backbone = model.base_model
    own = table.matrix if ngrams is None else ngrams.own
    vectors = np.memmap(folder / ".vectors.partial", np.float32, "w+", shape=(len(tokenizer), table.width))
    for start in range(0, len(rows), 4096):
        part = rows[start : start + 4096]
        vectors[2 + start : 2 + start + len(part)] = own[part]
    rarest = table.matrix[-max(len(rows) // 100, 1) :]
    vectors[1] = table.matrix[table.words.index(UNK)] if UNK in table.words else rarest.mean(0)
    backbone.word_embeddings.weight = nn.Parameter(torch.from_numpy(vectors))
    if fields.get("num_ngram_buckets"):
        assert ngrams is not None
        table_of_ngrams = torch.zeros(len(ngrams.buckets) + 1, table.width)
        table_of_ngrams[1:] = torch.from_numpy(np.array(ngrams.buckets))
        backbone.ngram_embeddings.weight = nn.Parameter(table_of_ngrams)
        backbone.word_ngrams = torch.zeros(len(tokenizer), fields["max_ngrams"], dtype=torch.int32)
        spell_vocabulary(model, tokenizer)
        _mend_long_words(table, backbone, rows, fields["max_ngrams"])
    if classifier is not None:
        model.classifier.weight = nn.Parameter(torch.from_numpy(np.array(classifier.weight)))
        model.classifier.bias = nn.Parameter(torch.zeros(len(classifier.labels)))
    return model.eval()


def _mend_long_words(table: WordTable, backbone: Any, rows: list[int], most: int) -> None:
    """Words with more n-grams than there is room for keep their vectors all the same, by other rows of their own."""
    import torch

    assert table.ngrams is not None
    for index, row in enumerate(rows, 2):
        if len(table.ngrams.of(table.words[row])) > most:
            with torch.no_grad():
                missing = torch.from_numpy(np.array(table.matrix[row])) - backbone.embed(torch.tensor([index]))[0]
                backbone.word_embeddings.weight[index] += missing * (1 + most)


def unreachable_words(tokenizer: Any, words: list[str]) -> list[str]:
    """Words that the tokenizer never makes of a text, since it cuts or changes them."""
    backend, vocabulary, missed = tokenizer.backend_tokenizer, spelled_vocabulary(tokenizer), []
    for start in range(0, len(words), 10_000):
        part = words[start : start + 10_000]
        for word, encoding in zip(part, backend.encode_batch_fast(part, add_special_tokens=False), strict=True):
            if encoding.ids != [vocabulary[word]]:
                missed.append(word)
    return missed


def document_imported(
    folder: Path, model: Any, table: WordTable, *, name: str, source: str, language: str | None
) -> None:
    """Write the card of a folder of imported vectors, and a map of some of its words."""
    from .model_card import ModelCardFacts, write_model_card
    from .plots import word_map
    from .vectors import KeyedVectors

    letters = [row for row, word in enumerate(table.words[:_SAMPLE]) if any(map(str.isalpha, word))]
    letters = [row for row in letters if table.words[row] not in (PAD, UNK, END_OF_LINE)]
    shown = letters[50:300] or letters or list(range(min(len(table.words), 250)))
    pictures = []
    if len(shown) > 2:
        words = [table.words[row] for row in shown]
        word_map(words, np.array(table.matrix[shown]), folder / "word_map.png", language=spoken())
        pictures.append(("word_map.png", "Words with similar vectors lie together"))
    classifier = table.classifier is not None
    facts = ModelCardFacts(
        model_name=name,
        family="word2vec",
        auto_class="AutoModelForSequenceClassification" if classifier else "AutoModel",
        pipeline_tag="text-classification" if classifier else "feature-extraction",
        num_parameters=model.num_parameters(),
        file_size_bytes=(folder / "model.safetensors").stat().st_size,
        vocab_size=model.config.vocab_size,
        language=language,
        license=None,  # whoever made the vectors decides
        labels=table.classifier.labels if table.classifier else None,
        settings={"converted from": source, "hidden_size": table.width} | _ngram_settings(model.config),
        pictures=pictures,
    )
    if not classifier and shown:
        near = KeyedVectors([table.words[row] for row in letters], np.array(table.matrix[letters]))
        words = [table.words[row] for row in shown[:3]]
        facts.examples = [(word, dict(near.nearest(word, 5))) for word in words] if len(letters) > 1 else []
    facts.limits.append(
        translate("The vectors were converted from a file; its makers know the text and the terms of use.")
    )
    write_model_card(folder, facts)


def _ngram_settings(config: Any) -> dict[str, Any]:
    names = ("num_ngram_buckets", "min_ngram", "max_ngram", "max_word_ngram", "pooling")
    return {name: getattr(config, name) for name in names} if config.num_ngram_buckets else {}

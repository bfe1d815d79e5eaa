"""Words with their characters: the numbers of ELMo, whatever is asked of the tokenizer, and wherever it is loaded."""

import json

import numpy as np
import pytest
import torch
from tokenizers.processors import TemplateProcessing
from torch import nn
from transformers import (
    AutoTokenizer,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    pipeline,
)
from transformers.modeling_outputs import (
    BaseModelOutput,
    MaskedLMOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)
from wordemb_hf.modeling import TextCNNConfig, TextCNNModel
from wordemb_hf.tokenization import CharWordTokenizer
from wordemb_hf.tokenization.character_ids import (
    BEGIN_SENTENCE,
    END_SENTENCE,
    NUM_CHARACTERS,
    no_word,
    spell,
    spell_mark,
)

from wordemb_hf.vocabulary import build_tokenizer

TEXT = "The cat sat on the mat ."
SIZE = 8
NOTHING = [0] * SIZE


def make(**options) -> CharWordTokenizer:
    options = {"min_count": 1, "max_characters": SIZE, "special_tokens": ["<s>", "</s>", "<mask>"], **options}
    return build_tokenizer([TEXT], **options)


@pytest.fixture
def tokenizer() -> CharWordTokenizer:
    return make()


@pytest.fixture
def framed(tokenizer) -> CharWordTokenizer:
    """With a sentence's begin and end, and a [SEP] that stands in no text and has no code."""
    tokenizer.add_special_tokens({"sep_token": "[SEP]"})
    ids = [(token, tokenizer.convert_tokens_to_ids(token)) for token in ("<s>", "</s>", "[SEP]")]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A [SEP] $B </s>", special_tokens=ids
    )
    return tokenizer


def row(*characters: int) -> list[int]:
    """A spelling written by hand: what stands between begin and end of the word."""
    return [259, *characters, 260] + [261] * (SIZE - 2 - len(characters))


def read(spellings) -> list[str]:
    """Spellings as words again: `<s>`, `</s>`, and nothing for zeros."""
    names = {BEGIN_SENTENCE: b"<s>", END_SENTENCE: b"</s>"}
    words = []
    for spelling in np.asarray(spellings).reshape(-1, np.asarray(spellings).shape[-1]).tolist():
        inner = [number for number in spelling if number not in (0, 259, 260, 261)]
        words.append(b"".join(names.get(number) or bytes([number - 1]) for number in inner).decode())
    return words


# Numbers


def test_spellings_are_those_of_elmo():
    assert list(spell("cat", SIZE)) == row(ord("c") + 1, ord("a") + 1, ord("t") + 1)
    assert list(spell("é", SIZE)) == row(0xC3 + 1, 0xA9 + 1)
    assert list(spell("中", SIZE)) == row(0xE4 + 1, 0xB8 + 1, 0xAD + 1)
    assert list(spell("catastrophe", SIZE)) == row(*(ord(letter) + 1 for letter in "catast"))
    assert list(spell("\0", SIZE)) == row(1) and list(spell("", SIZE)) == row()
    assert list(spell_mark(BEGIN_SENTENCE, SIZE)) == row(257) and list(spell_mark(END_SENTENCE, SIZE)) == row(258)
    assert list(no_word(SIZE)) == NOTHING
    for spelling in (spell("a"), spell("a" * 99), spell("中" * 99), spell_mark(END_SENTENCE), no_word()):
        assert len(spelling) == 50 and max(spelling) < NUM_CHARACTERS == 262
    # AllenNLP's own test, modules/elmo: "[" and a word longer than a row.
    assert spell("[") == (259, 92, 260) + (261,) * 47
    assert spell("s" * 50) == (259,) + (116,) * 48 + (260,)


def test_a_spelling_needs_room():
    for spelled in (lambda: spell("a", 2), lambda: spell_mark(BEGIN_SENTENCE, 2)):
        with pytest.raises(ValueError, match="max_characters is 2, but must be at least 3"):
            spelled()
    assert spell("ab", 3) == (259, ord("a") + 1, 260)


# What is asked


def test_a_token_is_spelled_as_it_stands_in_the_text(tokenizer):
    encoded = tokenizer("THE  Cat½ ｓat <mask> dog <unk> <s>")
    assert encoded.tokens() == ["the", "<unk>", "<unk>", "<unk>", "sat", "<mask>", "<unk>", "<unk>", "<s>"]
    assert read(encoded["character_ids"]) == ["THE", "Cat½", "½", "½", "ｓat", "<mask>", "dog", "<unk>", "<s>"]
    assert list(encoded) == ["input_ids", "attention_mask", "character_ids"]
    json.dumps(dict(encoded))


def test_words_that_are_apart_already(tokenizer):
    batch = [["The", "U.S.", "", "<mask>", "</s>"], [], ["MAT"]]
    encoded = tokenizer(batch, is_split_into_words=True)
    expected = [["The", "U", ".", "S", ".", "<mask>", "</s>"], [], ["MAT"]]
    assert [read(rows) if rows else [] for rows in encoded["character_ids"]] == expected
    for words, rows in zip(batch, encoded["character_ids"], strict=True):
        assert tokenizer(words, is_split_into_words=True)["character_ids"] == rows
    assert tokenizer(tuple(batch[2]), is_split_into_words=True)["character_ids"] == encoded["character_ids"][2]


def test_one_text_is_a_batch_of_one(tokenizer):
    one, batch = tokenizer("The Cat"), tokenizer(["The Cat", "", "mat"])
    assert one["character_ids"] == batch["character_ids"][0] == tokenizer(["The Cat"])["character_ids"][0]
    assert [len(rows) for rows in batch["character_ids"]] == [2, 0, 1]
    assert tokenizer("")["character_ids"] == tokenizer([""])["character_ids"][0] == []


@pytest.mark.parametrize("kind", ["pt", "np"])
def test_tensors(tokenizer, kind):
    array = np.asarray
    one = tokenizer("The Cat", return_tensors=kind)["character_ids"]
    assert one.shape == (1, 2, SIZE) and array(one).dtype == np.int64 and read(one) == ["The", "Cat"]
    assert isinstance(one, torch.Tensor if kind == "pt" else np.ndarray)
    batch = tokenizer(["The Cat", "", "MAT ."], padding=True, return_tensors=kind)["character_ids"]
    assert batch.shape == (3, 2, SIZE) and read(batch) == ["The", "Cat", "", "", "MAT", "."]
    assert not array(batch)[1].any() and array(batch)[2].all()
    for empty, shape in (("", (1, 0, SIZE)), (["", ""], (2, 0, SIZE)), ([], (0, 0, SIZE))):
        rows = tokenizer(empty, return_tensors=kind)["character_ids"]
        assert tuple(rows.shape) == shape and array(rows).dtype == np.int64


def test_tensors_of_several_lengths(tokenizer):
    with pytest.raises(ValueError, match="padding=True"):
        tokenizer(["The Cat", "mat"], return_tensors="pt")
    ragged = tokenizer(["The Cat", "mat"], return_tensors="np")["character_ids"]  # as the base class does with ids
    assert [rows.shape for rows in ragged] == [(2, SIZE), (1, SIZE)]


def test_an_empty_batch(tokenizer):
    nothing = {"input_ids": [], "attention_mask": [], "character_ids": []}
    assert dict(tokenizer([])) == dict(tokenizer(())) == nothing
    assert dict(tokenizer([], padding=True, truncation=True, max_length=3)) == nothing
    assert dict(tokenizer([], is_split_into_words=True)) == nothing


@pytest.mark.parametrize("side", ["right", "left"])
def test_padding_is_zeros(tokenizer, side):
    tokenizer.padding_side = side
    texts = ["The Cat sat", "mat", ""]
    plain = tokenizer(texts)["character_ids"]
    for other in (side, "left", "right"):
        padded = tokenizer(texts, padding="max_length", max_length=5, padding_side=other, return_tensors="pt")
        for words, rows in zip(plain, padded["character_ids"].tolist(), strict=True):
            words, missing = [list(word) for word in words], [NOTHING] * (5 - len(words))
            assert rows == (missing + words if other == "left" else words + missing)
        later = tokenizer.pad(
            tokenizer(texts), padding="max_length", max_length=5, padding_side=other, return_tensors="pt"
        )
        assert all(torch.equal(later[name], padded[name]) for name in padded)
    default = tokenizer(texts, padding=True, return_tensors="pt")
    for features in (tokenizer(texts), [dict(tokenizer(text)) for text in texts]):
        later = tokenizer.pad(features, return_tensors="pt")
        assert list(later) == list(default) and all(torch.equal(later[name], default[name]) for name in default)
    one = tokenizer.pad(tokenizer("mat"), padding="max_length", max_length=2)["character_ids"]
    assert read(one) == (["", "mat"] if side == "left" else ["mat", ""])


def test_the_end_of_a_sentence_may_also_be_padding(framed):
    framed.pad_token = "</s>"
    encoded = framed(["The", "on the"], padding=True)
    assert read(encoded["character_ids"][0]) == ["<s>", "The", "</s>", ""]
    assert encoded["character_ids"][0][-1] == tuple(NOTHING)


@pytest.mark.parametrize("side", ["right", "left"])
def test_truncation(tokenizer, side):
    tokenizer.truncation_side = side
    cut = tokenizer(["The Cat sat", "mat"], truncation=True, max_length=2)
    assert [read(rows) for rows in cut["character_ids"]] == [
        ["Cat", "sat"] if side == "left" else ["The", "Cat"],
        ["mat"],
    ]


def test_what_a_truncation_leaves_over(tokenizer):
    options = {"truncation": True, "max_length": 2, "stride": 1, "return_overflowing_tokens": True}
    for texts, split in (
        (["The Cat Sat", "MAT", "On IT"], False),
        ([["The", "Cat", "Sat"], ["MAT"], ["On", "IT"]], True),
    ):
        for tensors in ({}, {"padding": True, "return_tensors": "pt"}):
            parts = tokenizer(texts, is_split_into_words=split, **options, **tensors)
            read_parts = [[word for word in read(rows) if word] for rows in parts["character_ids"]]
            assert read_parts == [["The", "Cat"], ["Cat", "Sat"], ["MAT"], ["On", "IT"]]
    one = tokenizer("The Cat Sat", **options)
    assert [read(rows) for rows in one["character_ids"]] == [["The", "Cat"], ["Cat", "Sat"]]


def test_templates_and_pairs(framed):
    assert read(framed("The Cat")["character_ids"]) == ["<s>", "The", "Cat", "</s>"]
    assert read(framed("The Cat", add_special_tokens=False)["character_ids"]) == ["The", "Cat"]
    expected = ["<s>", "The", "[SEP]", "MAT", "Sat", "</s>"]
    assert read(framed("The", "MAT Sat")["character_ids"]) == expected
    pair = (["The"], ["MAT", "Sat"])
    for batch in (framed(["The"], ["MAT Sat"]), framed([("The", "MAT Sat")]), framed([pair], is_split_into_words=True)):
        assert read(batch["character_ids"][0]) == expected
    split = framed([pair[0]], [pair[1]], is_split_into_words=True, return_tensors="pt")
    assert read(split["character_ids"]) == expected


def test_offsets_and_masks_are_still_there(framed):
    options = {"return_offsets_mapping": True, "return_special_tokens_mask": True, "return_length": True}
    plain = PreTrainedTokenizerFast(tokenizer_object=framed.backend_tokenizer, **framed.special_tokens_map)
    ours, theirs = (each(["The Cat", "mat"], padding=True, **options) for each in (framed, plain))
    theirs.pop("token_type_ids", None)
    assert {name: ours[name] for name in ours if name != "character_ids"} == dict(theirs)


def test_it_can_be_turned_off(tokenizer):
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    assert list(tokenizer("The cat")) == ["input_ids", "attention_mask"]


def test_a_long_word_is_cut_and_room_can_be_given_at_loading(tokenizer, tmp_path):
    assert read(tokenizer("Catastrophe")["character_ids"]) == ["Catast"]
    tokenizer.save_pretrained(tmp_path)
    roomy = AutoTokenizer.from_pretrained(tmp_path, max_characters=20)
    assert read(roomy("Catastrophe")["character_ids"]) == ["Catastrophe"]
    with pytest.raises(ValueError, match="max_characters is 2, but must be at least 3"):
        AutoTokenizer.from_pretrained(tmp_path, max_characters=2)("cat")


def test_tokens_of_the_vocabulary(tokenizer):
    spelled = tokenizer.spell_tokens(["<pad>", "<s>", "</s>", "<unk>", "cat", "北京"])
    assert [list(spelling) for spelling in spelled[:3]] == [NOTHING, row(257), row(258)]
    assert read(spelled[3:]) == ["<unk>", "cat", "北京"]


# Collators and pipelines


@pytest.mark.parametrize("side", ["right", "left"])
def test_collators(tokenizer, side):
    tokenizer.padding_side = side
    texts = ["The Cat sat", "", "mat"]
    expected = tokenizer(texts, padding=True, return_tensors="pt")
    batch = DataCollatorWithPadding(tokenizer)([tokenizer(text) for text in texts])
    tagged = DataCollatorForTokenClassification(tokenizer)(
        [{**tokenizer(text), "labels": [1] * len(tokenizer(text)["input_ids"])} for text in texts]
    )
    for collated in (batch, tagged):
        assert all(torch.equal(collated[name], expected[name]) for name in expected)
    assert torch.equal(tagged["labels"] == 1, expected["attention_mask"].bool())


class ReaderConfig(PreTrainedConfig):
    model_type = "wordemb_test_reader"


class Reader(PreTrainedModel):
    """Sees nothing but characters, and mixes those of a whole text: whatever is missing or padded wrongly shows."""

    config_class = ReaderConfig

    def __init__(self, config, width: int):
        super().__init__(config)
        self.characters = nn.EmbeddingBag(NUM_CHARACTERS, width, mode="sum", padding_idx=0)
        self.post_init()

    def forward(self, input_ids, attention_mask, character_ids):
        words = self.characters(character_ids.flatten(0, 1)).unflatten(0, input_ids.shape)  # (batch, length, width)
        return (words + words.sum(1, keepdim=True)) * attention_mask.unsqueeze(-1)


class Classifier(Reader):
    def forward(self, **inputs):
        return SequenceClassifierOutput(logits=super().forward(**inputs).sum(1))


class Tagger(Reader):
    def forward(self, **inputs):
        return TokenClassifierOutput(logits=super().forward(**inputs))


class Cloze(Reader):
    def forward(self, **inputs):
        return MaskedLMOutput(logits=super().forward(**inputs))


class Encoder(Reader):
    def forward(self, **inputs):
        return BaseModelOutput(last_hidden_state=super().forward(**inputs))


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(
    ("task", "model_class"),
    [
        ("text-classification", Classifier),
        ("token-classification", Tagger),
        ("fill-mask", Cloze),
        ("feature-extraction", Encoder),
    ],
)
def test_pipelines_in_batches(tokenizer, task, model_class, side):
    tokenizer.padding_side = side
    torch.manual_seed(0)
    model = model_class(ReaderConfig(num_labels=3), width=len(tokenizer) if task == "fill-mask" else 3).eval()
    texts = ["The <mask> sat on the mat .", "A <mask>", "Catastrophes <mask> <mask> !"]
    run = pipeline(task, model=model, tokenizer=tokenizer)
    alone, batched = run(texts), run(texts, batch_size=3)
    for one, two in zip(alone, batched, strict=True):
        if task == "feature-extraction":
            tokens = len(one[0])
            two = two[0][-tokens:] if side == "left" else two[0][:tokens]  # transformers leaves padding in
            torch.testing.assert_close(torch.tensor(two), torch.tensor(one[0]))
        else:
            assert _rounded(one) == _rounded(two) and one
    with torch.no_grad():
        direct = model(**tokenizer(texts[0], return_tensors="pt"))
    if task == "feature-extraction":
        torch.testing.assert_close(torch.tensor(alone[0]), direct.last_hidden_state)
    elif task == "text-classification":
        assert alone[0]["score"] == pytest.approx(direct.logits.softmax(-1).max().item(), abs=1e-5)


def _rounded(answer):
    if isinstance(answer, list):
        return [_rounded(part) for part in answer]
    answer = {key: value for key, value in answer.items() if key != "index"}  # which counts padding
    return answer | {"score": round(float(answer["score"]), 4)}


# Saving and loading


@pytest.mark.parametrize("with_model", [False, True], ids=["alone", "beside a model"])
def test_it_loads_by_its_name_with_the_installed_class(tokenizer, tmp_path, with_model):
    tokenizer.padding_side, tokenizer.model_max_length = "left", 5
    if with_model:
        TextCNNModel(TextCNNConfig(vocab_size=len(tokenizer))).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert saved["auto_map"] == {"AutoTokenizer": ["tokenization_char_word.CharWordTokenizer", None]}
    assert {"tokenization_char_word.py", "character_ids.py"} <= {path.name for path in tmp_path.iterdir()}
    for options in ({}, {"trust_remote_code": True}, {"trust_remote_code": False}):
        loaded = AutoTokenizer.from_pretrained(tmp_path, **options)
        assert type(loaded) is CharWordTokenizer
        assert (loaded.max_characters, loaded.padding_side, loaded.model_max_length) == (SIZE, "left", 5)
        texts = ["The Catastrophe", "mat"]
        assert dict(loaded(texts, padding=True)) == dict(tokenizer(texts, padding=True))
    again = tmp_path / "again"
    loaded.save_pretrained(again)
    for name in ("tokenization_char_word.py", "character_ids.py"):
        assert (again / name).read_bytes() == (tmp_path / name).read_bytes()
    assert type(CharWordTokenizer.from_pretrained(again)) is CharWordTokenizer


def test_plain_tokenizers_load_as_before(tmp_path):
    plain = make(max_characters=None)
    assert type(plain) is PreTrainedTokenizerFast
    TextCNNModel(TextCNNConfig(vocab_size=len(plain))).save_pretrained(tmp_path)
    plain.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert type(loaded) is PreTrainedTokenizerFast and list(loaded("The cat")) == ["input_ids", "attention_mask"]
    assert not list(tmp_path.glob("tokenization*.py"))

"""Vectors of texts, words and tokens: from which layer, of which characters, and in which file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoModel, AutoTokenizer, BartConfig, BartModel, PreTrainedTokenizerFast
from wordemb_hf.modeling import BiLSTMConfig, BiLSTMModel, BowConfig, BowModel, ELMoConfig, ELMoModel

import wordemb_hf
from wordemb_hf.batching import by_tokens
from wordemb_hf.errors import UserError

PIECES = ["<pad>", "<unk>", "[CLS]", "un", "##lock", "##ed", "the", "bank", "river", "money", "花", "钱", "很", "美"]


def tokenizer():
    """Words of several pieces, Chinese characters, a token that stands nowhere in the text, and at most 12 of all."""
    backend = Tokenizer(models.WordPiece({piece: number for number, piece in enumerate(PIECES)}, unk_token="<unk>"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing("[CLS] $A", None, [("[CLS]", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", unk_token="<unk>", cls_token="[CLS]", model_max_length=12
    )


def save(folder, model_class, config_class, **fields):
    torch.manual_seed(0)
    model = model_class(config_class(vocab_size=len(PIECES), **fields))
    for weight in model.parameters():
        torch.nn.init.uniform_(weight, -0.5, 0.5)
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def elmo(tmp_path_factory):
    fields = {"projection_size": 4, "cell_size": 5, "token_input": "words", "bos_token_id": 2, "eos_token_id": 3}
    return save(tmp_path_factory.mktemp("elmo"), ELMoModel, ELMoConfig, **fields)


@pytest.fixture(scope="module")
def bilstm(tmp_path_factory):
    return save(tmp_path_factory.mktemp("bilstm"), BiLSTMModel, BiLSTMConfig, embedding_size=3, hidden_size=6)


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


TEXTS = ["the Unlocked  bank", "", "花很美，the river bank"]


def layers_of(folder, text):
    """What the model gives to a text alone: the mix, and all layers, `(layers, length, width)`."""
    model, encoded = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)(text)
    with torch.no_grad():
        output = model(torch.tensor([encoded["input_ids"]]), output_hidden_states=True)
    return output.last_hidden_state[0].numpy(), [layer[0].numpy() for layer in output.hidden_states]


def test_words_are_those_of_the_text_and_the_means_of_their_tokens(elmo):
    first, empty, second = wordemb_hf.embed(elmo, TEXTS, level="word")
    assert first.words == ["the", "Unlocked", "bank"]
    assert first.places.tolist() == [[0, 3], [4, 12], [14, 18]]
    assert second.words == ["花", "很", "美", "，", "the", "river", "bank"]
    assert (empty.words, empty.places.shape, empty.vectors.shape) == ([], (0, 2), (0, 8))
    states, _ = layers_of(elmo, TEXTS[0])  # [CLS] the un ##lock ##ed bank
    expected = np.stack([states[1], states[2:5].mean(0), states[5]])
    np.testing.assert_allclose(first.vectors, expected, rtol=1e-5, atol=1e-6)


def test_tokens_are_those_of_the_model(elmo):
    first, empty, _ = wordemb_hf.embed(elmo, TEXTS, level="token")
    assert first.words == ["[CLS]", "the", "Un", "lock", "ed", "bank"]
    assert empty.words == ["[CLS]"]
    np.testing.assert_allclose(first.vectors, layers_of(elmo, TEXTS[0])[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layer", ["last", "mean", "0", "2", "-3"])
def test_layers(elmo, layer):
    mix, layers = layers_of(elmo, TEXTS[2])
    expected = {"last": mix, "mean": np.mean(layers, 0)}.get(layer)
    expected = layers[int(layer)] if expected is None else expected
    vectors = wordemb_hf.embed(elmo, TEXTS, level="token", layer=layer)[2].vectors
    np.testing.assert_allclose(vectors, expected, rtol=1e-5, atol=1e-6)
    sentences = wordemb_hf.embed(elmo, TEXTS, layer=layer)
    np.testing.assert_allclose(sentences[2], expected.mean(0), rtol=1e-5, atol=1e-6)


def test_a_mix_of_layers_leaves_out_those_of_another_width(bilstm):
    _, layers = layers_of(bilstm, TEXTS[0])
    assert layers[0].shape[1] == 3
    vectors = wordemb_hf.embed(bilstm, TEXTS, level="token", layer="mean")[0].vectors
    np.testing.assert_allclose(vectors, np.mean(layers[1:], 0), rtol=1e-5, atol=1e-6)


def test_a_word_has_another_vector_in_another_text_but_not_in_the_layer_of_words(elmo):
    for pair, word in ((["the river bank", "money bank"], "bank"), (["花很美", "花钱"], "花")):
        for layer, same in (("last", False), ("0", True)):
            one, other = (
                text.vectors[text.words.index(word)] for text in wordemb_hf.embed(elmo, pair, level="word", layer=layer)
            )
            assert np.allclose(one, other) is same


def test_what_a_text_has_does_not_depend_on_its_batch(elmo):
    texts = ["the bank", "花钱", "the river bank the money bank", "", "unlocked"] * 100
    together = wordemb_hf.embed(elmo, texts, level="word")
    for number in (0, 1, 2, 3, 4):
        alone = wordemb_hf.embed(elmo, [texts[number]], level="word")[0]
        assert alone.words == together[number].words
        np.testing.assert_allclose(alone.vectors, together[number + 495].vectors, rtol=1e-4, atol=1e-5)


def test_batches_of_so_many_tokens():
    lengths = np.array([3, 50, 0, 7, 3, 9])
    assert [batch.tolist() for batch in by_tokens(lengths, 20, 256)] == [[1], [5, 3], [0, 4, 2]]
    assert [len(batch) for batch in by_tokens(lengths, 1000, 4)] == [4, 2]


def test_numpy_files(elmo, capsys):
    vectors = wordemb_hf.embed(elmo, TEXTS, level="word", output=Path("words.npy"))
    rows, offsets = np.load("words.npy"), np.load("words.offsets.npy")
    assert offsets.tolist() == [0, 3, 3, 10]
    np.testing.assert_array_equal(rows[3:], vectors[2].vectors)
    assert capsys.readouterr().out == "10 vectors of width 8 are in words.npy.\n"
    sentences = wordemb_hf.embed(elmo, TEXTS, output=Path("texts.npy"))
    np.testing.assert_array_equal(np.load("texts.npy"), sentences)
    assert {path.name for path in Path().iterdir()} == {"words.npy", "words.offsets.npy", "texts.npy"}


def test_safetensors(elmo):
    vectors = wordemb_hf.embed(elmo, TEXTS, level="word", layer="1", output=Path("words.safetensors"))
    with safe_open("words.safetensors", framework="numpy") as file:
        assert file.metadata() == {"model": elmo, "level": "word", "layer": "1"}
        assert set(file.keys()) == {"vectors", "offsets", "places"}
        start, stop = file.get_tensor("offsets")[2:]
        np.testing.assert_array_equal(file.get_tensor("vectors")[start:stop], vectors[2].vectors)
        assert [TEXTS[2][a:b] for a, b in file.get_tensor("places")[start:stop]] == vectors[2].words
    wordemb_hf.embed(elmo, TEXTS, output=Path("texts.safetensors"))
    with safe_open("texts.safetensors", framework="numpy") as file:
        assert file.get_tensor("vectors").shape == (3, 8)


def test_parquet(elmo):
    from datasets import Dataset

    vectors = wordemb_hf.embed(elmo, TEXTS, level="word", output=Path("words.parquet"))
    rows = Dataset.from_parquet("words.parquet", cache_dir="cache")
    assert rows.column_names == ["text_number", "text", "word", "start", "end", "vector"]
    assert rows["word"][3:] == vectors[2].words and rows["text"][3] == TEXTS[2]
    np.testing.assert_array_equal(np.array(rows["vector"][:3], np.float32), vectors[0].vectors)
    sentences = wordemb_hf.embed(elmo, TEXTS, output=Path("texts.parquet"))
    rows = Dataset.from_parquet("texts.parquet", cache_dir="cache")
    assert rows["text"][:] == TEXTS
    np.testing.assert_array_equal(np.array(rows["vector"][:], np.float32), sentences)


def test_texts_without_a_word_leave_files_without_rows(elmo):
    for suffix in ("npy", "safetensors", "parquet"):
        wordemb_hf.embed(elmo, ["", " "], level="word", output=Path(f"words.{suffix}"))
    assert np.load("words.npy").shape == (0, 8) and np.load("words.offsets.npy").tolist() == [0, 0, 0]


def test_vectors_are_printed_behind_their_words(elmo, capsys):
    wordemb_hf.embed(elmo, ["bank", "花"], level="word")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["bank", "", "花"] and len(lines[0].split()) == 9


def test_an_encoder_and_decoder_is_read_by_its_encoder(tmp_path):
    sizes = {"d_model": 8, "encoder_layers": 2, "decoder_layers": 1, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
    sizes |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 20}
    folder = save(tmp_path / "bart", BartModel, BartConfig, pad_token_id=0, bos_token_id=2, eos_token_id=2, **sizes)
    layers = [wordemb_hf.embed(folder, TEXTS, level="word", layer=layer)[0] for layer in ("last", "0", "2", "mean")]
    assert layers[0].vectors.shape == (3, 8)
    np.testing.assert_allclose(layers[0].vectors, layers[2].vectors, rtol=1e-5)
    assert wordemb_hf.embed(folder, TEXTS).shape == (3, 8)


def test_mistakes_get_one_sentence(elmo, tmp_path):
    def refused(*arguments, **options):
        with pytest.raises(UserError) as error:
            wordemb_hf.embed(*arguments, **options)
        return str(error.value)

    assert refused(elmo, ["x"], layer="first") == (
        "layer is 'first', but must be last, mean or a number, 0 for the word vectors"
    )
    assert refused(elmo, ["x"], layer="3") == "layer is 3, but must be at most 2: ELMoModel has 3"
    assert refused(elmo, ["x"], layer="-4", level="word").startswith("layer is -4, but must be at least -3")
    assert refused(elmo, ["x"], level="line") == "level is 'line', but must be sentence, word or token"
    assert refused(elmo, ["x"], output="x.csv") == "output x.csv must end in .npy, .safetensors or .parquet"
    bow = save(tmp_path / "bow", BowModel, BowConfig)
    told = "BowModel gives vectors to texts alone, and none to their words: leave out --level and --layer"
    assert refused(bow, ["x"], level="word") == refused(bow, ["x"], layer="0") == told

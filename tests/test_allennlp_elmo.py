"""The official format of ELMo: random weights against a loop in NumPy, the reference's own figures, and mistakes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from wordemb_hf.allennlp_elmo import convert_elmo, load_allennlp_elmo
from wordemb_hf.errors import UserError

h5py = pytest.importorskip("h5py")

SHARED = Path(__file__).parents[2] / "shared/data/vec_allennlp"
OPTIONS: dict[str, Any] = {
    "lstm": {
        "cell_clip": 0.5,
        "proj_clip": 0.4,
        "use_skip_connections": True,
        "n_layers": 2,
        "projection_dim": 3,
        "dim": 5,
    },
    "char_cnn": {
        "embedding": {"dim": 4},
        "filters": [[1, 2], [3, 4]],
        "n_highway": 2,
        "n_characters": 262,
        "max_characters_per_token": 8,
        "activation": "relu",
    },
}
TEXTS = ["the cat , unbelievable", "ate", "Élan 雪 ."]


def make_arrays(seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights under the official names."""
    random = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {"char_embed": (261, 4), "CNN_proj/W_proj": (6, 3), "CNN_proj/b_proj": (3,)}
    for number, (width, count) in enumerate(OPTIONS["char_cnn"]["filters"]):
        shapes |= {f"CNN/W_cnn_{number}": (1, width, 4, count), f"CNN/b_cnn_{number}": (count,)}
    for number in range(2):
        for name in ("carry", "transform"):
            shapes |= {f"CNN_high_{number}/W_{name}": (6, 6), f"CNN_high_{number}/b_{name}": (6,)}
        for layer in range(2):
            cell = f"RNN_{number}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"
            shapes |= {f"{cell}/W_0": (6, 20), f"{cell}/B": (20,), f"{cell}/W_P_0": (5, 3)}
    return {name: random.uniform(-1, 1, shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    options, weights, vocabulary = (tmp_path / name for name in ("options.json", "weights.hdf5", "vocab.txt"))
    options.write_text(json.dumps(OPTIONS), encoding="utf-8")
    write(weights, make_arrays())
    vocabulary.write_text("<S>\n</S>\n<UNK>\nthe\ncat\nate\n,\n", encoding="utf-8")
    return options, weights, vocabulary


def write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array


# The whole model in NumPy, from the description of the format: bilm-tf's `model.py`, AllenNLP's `elmo.py`


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def spell(word: str | int) -> list[int]:
    """Bytes of a word, or the mark of a sentence's end, in eight numbers."""
    inside = [word] if isinstance(word, int) else [byte + 1 for byte in word.encode()][:6]
    return [259, *inside, 260, *[261] * (6 - len(inside))]


def word_by_loops(arrays: dict[str, np.ndarray], word: str | int) -> np.ndarray:
    letters = arrays["char_embed"][np.array(spell(word)) - 1]  # (8, 4)
    features = []
    for number, (width, count) in enumerate(OPTIONS["char_cnn"]["filters"]):
        kernel, bias = arrays[f"CNN/W_cnn_{number}"][0], arrays[f"CNN/b_cnn_{number}"]
        for feature in range(count):
            windows = [np.sum(letters[start : start + width] * kernel[:, :, feature]) for start in range(9 - width)]
            features.append(max(max(windows) + bias[feature], 0))
    state = np.array(features)
    for number in range(2):
        layer = f"CNN_high_{number}"
        gate = sigmoid(state @ arrays[f"{layer}/W_carry"] + arrays[f"{layer}/b_carry"])
        changed = np.maximum(state @ arrays[f"{layer}/W_transform"] + arrays[f"{layer}/b_transform"], 0)
        state = gate * changed + (1 - gate) * state
    return state @ arrays["CNN_proj/W_proj"] + arrays["CNN_proj/b_proj"]


def layer_by_loops(arrays: dict[str, np.ndarray], name: str, inputs: list[np.ndarray], state: list) -> list[np.ndarray]:
    """One LSTM in one direction, in the order of reading; `state` holds h and c, and is brought up to date."""
    outputs = []
    for step in inputs:
        sums = np.concatenate([step, state[0]]) @ arrays[f"{name}/W_0"] + arrays[f"{name}/B"]
        opened, candidate, kept, shown = np.split(sums, 4)
        cell = sigmoid(kept + 1) * state[1] + sigmoid(opened) * np.tanh(candidate)
        cell = np.clip(cell, -0.5, 0.5)
        hidden = np.clip((sigmoid(shown) * np.tanh(cell)) @ arrays[f"{name}/W_P_0"], -0.4, 0.4)
        state[:] = [hidden, cell]
        outputs.append(hidden)
    return outputs


def layers_by_loops(arrays: dict[str, np.ndarray], text: str, states: dict[tuple[int, int], list]) -> list[np.ndarray]:
    """All layers on the words, `(length, 6)` each."""
    sentence: list[str | int] = [257, *text.split(), 258]
    words = [word_by_loops(arrays, word) for word in sentence]
    halves: list[list[np.ndarray]] = []
    for direction in range(2):
        reading = words[::-1] if direction else words
        layers = [reading]
        for number in range(2):
            state = states.setdefault((direction, number), [np.zeros(3), np.zeros(5)])
            cell = f"RNN_{direction}/RNN/MultiRNNCell/Cell{number}/LSTMCell"
            outputs = layer_by_loops(arrays, cell, layers[-1], state)
            if number:
                outputs = [output + entering for output, entering in zip(outputs, layers[-1], strict=True)]
            layers.append(outputs)
        halves.append([np.array(layer[::-1] if direction else layer) for layer in layers])
    return [np.concatenate(pair, axis=1)[1:-1] for pair in zip(*halves, strict=True)]


def test_every_layer_is_a_loop_over_the_file(files):
    model, tokenizer = load_allennlp_elmo(*files)
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        layers = model(**batch, output_hidden_states=True).hidden_states
    for row, text in enumerate(TEXTS):
        expected = layers_by_loops(make_arrays(), text, {})
        for actual, wanted in zip(layers, expected, strict=True):
            np.testing.assert_allclose(actual[row, : len(wanted)], wanted, atol=1e-5)
            assert not actual[row, len(wanted) :].any()


def test_states_are_carried_as_the_reference_does(files):
    model, tokenizer = load_allennlp_elmo(*files)
    past, states = None, {}
    for text in TEXTS:
        with torch.no_grad():
            output = model(
                **tokenizer(text, return_tensors="pt"), past_key_values=past, use_cache=True, output_hidden_states=True
            )
        past = output.past_key_values
        for actual, wanted in zip(output.hidden_states, layers_by_loops(make_arrays(), text, states), strict=True):
            np.testing.assert_allclose(actual[0], wanted, atol=1e-5)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the reference's own figures are not here")
def test_the_reference_gives_the_same():
    """Its vectors of the top layer; it read three sentences at a time, and carried the states from batch to batch."""
    names = ("options.json", "lm_weights.hdf5", "vocab_test.txt")
    model, tokenizer = load_allennlp_elmo(*(SHARED / name for name in names))
    streams = json.loads((SHARED / "sentences.json").read_text(encoding="utf-8"))
    past = None
    with h5py.File(SHARED / "lm_embeddings_0.hdf5", "r") as file:
        for number, sentences in enumerate(zip(*streams, strict=True)):
            batch = tokenizer(list(sentences), padding=True, return_tensors="pt")
            with torch.no_grad():
                output = model(**batch, past_key_values=past, use_cache=True, output_hidden_states=True)
            past, expected = output.past_key_values, np.concatenate(file[str(number)][()], axis=-1)  # (length, 32)
            np.testing.assert_allclose(output.hidden_states[-1][0, : len(expected)], expected, atol=1e-5)


def test_without_a_list_of_words_they_are_read_all_the_same(files):
    model, tokenizer = load_allennlp_elmo(files[0], files[1])
    listed, whole = load_allennlp_elmo(*files)
    assert len(tokenizer) == 4 and len(whole) == 8
    with torch.no_grad():
        one, other = (
            net(**words(TEXTS, padding=True, return_tensors="pt")).last_hidden_state
            for net, words in ((model, tokenizer), (listed, whole))
        )
        ids = whole("the cat", return_tensors="pt")
        spelled = listed(**ids).last_hidden_state
        del ids["character_ids"]
        torch.testing.assert_close(listed(**ids).last_hidden_state, spelled)  # the vocabulary spells them too
    torch.testing.assert_close(one, other)


def test_the_folder_loads_by_auto_classes(files, tmp_path):
    convert_elmo(files[0], files[1], tmp_path / "elmo", files[2])
    model, tokenizer = AutoModel.from_pretrained(tmp_path / "elmo"), AutoTokenizer.from_pretrained(tmp_path / "elmo")
    before, _ = load_allennlp_elmo(*files)
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    assert batch["character_ids"].shape == (3, 4, 8)
    with torch.no_grad():
        torch.testing.assert_close(model(**batch).last_hidden_state, before(**batch).last_hidden_state)
    assert all(weight.isfinite().all() for weight in model.state_dict().values())
    with pytest.raises(UserError, match="not empty"):
        convert_elmo(*files[:2], tmp_path / "elmo")


# Mistakes: one sentence each, which names the file, the place, what is there and what should be


def changed(path: str, value: Any) -> Callable[[dict], None]:
    *groups, last = path.split(".")

    def change(options: dict) -> None:
        for group in groups:
            options = options[group]
        options[last] = value

    return change


def without(path: str) -> Callable[[dict], None]:
    *groups, last = path.split(".")

    def change(options: dict) -> None:
        for group in groups:
            options = options[group]
        del options[last]

    return change


FIELDS = [f"{group}.{name}" for group, fields in OPTIONS.items() for name in fields] + ["char_cnn.embedding.dim"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *[(without(name), rf"options\.json has no {name}") for name in ("lstm", "char_cnn", *FIELDS)],
        (changed("lstm.dim", 10**12), r"options\.json: lstm\.dim is 1000000000000, but must be .* from 4 to 32768"),
        (changed("lstm.dim", 3), r"lstm\.dim is 3, but must be a whole number from 4"),
        (changed("lstm.n_layers", 10**6), r"lstm\.n_layers is 1000000, .* from 1 to 16"),
        (changed("lstm.n_layers", 2.5), r"lstm\.n_layers is 2\.5, .* whole number"),
        (changed("lstm.projection_dim", True), r"lstm\.projection_dim is true"),
        (changed("lstm.cell_clip", -1), r"lstm\.cell_clip is -1, but must be above 0"),
        (changed("lstm.proj_clip", "3"), r'lstm\.proj_clip is "3"'),
        (changed("lstm.use_skip_connections", 1), r"lstm\.use_skip_connections is 1, but must be true or false"),
        (changed("char_cnn.n_characters", 261), r"char_cnn\.n_characters is 261, but must be 262 .*add one"),
        (changed("char_cnn.activation", "gelu"), r'char_cnn\.activation is "gelu", but must be relu or tanh'),
        (changed("char_cnn.filters", []), r"char_cnn\.filters is \[\]"),
        (changed("char_cnn.filters", [[9, 2]]), r"char_cnn\.filters is .* widths from 1 to 8"),
        (changed("char_cnn.filters", [[1, 10**10]]), r"char_cnn\.filters is .* numbers from 1 to 32768"),
        (changed("char_cnn.embedding", 4), r"options\.json has no char_cnn\.embedding\.dim"),
        (changed("char_cnn.max_characters_per_token", 2), r"char_cnn\.max_characters_per_token is 2, .* from 3"),
    ],
)
def test_impossible_options(files, change, message):
    options = json.loads(json.dumps(OPTIONS))
    change(options)
    files[0].write_text(json.dumps(options), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        load_allennlp_elmo(*files)


def test_no_options(files):
    files[0].write_text("{" * 5, encoding="utf-8")
    with pytest.raises(UserError, match=r"options\.json is no JSON"):
        load_allennlp_elmo(*files)
    files[0].write_text("[" * 200_000, encoding="utf-8")
    with pytest.raises(UserError, match=r"options\.json is no JSON"):
        load_allennlp_elmo(*files)
    files[0].unlink()
    with pytest.raises(UserError, match=r"options\.json cannot be read"):
        load_allennlp_elmo(*files)


@pytest.mark.parametrize("name", make_arrays())
def test_an_array_that_is_missing_or_misshapen_is_named(files, name):
    arrays = make_arrays()
    shape = arrays[name].shape
    missing = {other: array for other, array in arrays.items() if other != name}
    write(files[1], missing)
    with pytest.raises(UserError, match=r"weights\.hdf5 has no array ") as error:
        load_allennlp_elmo(*files)
    assert name in str(error.value) and str(shape) in str(error.value)
    write(files[1], arrays | {name: np.zeros((*shape[:-1], shape[-1] + 1), np.float32)})
    with pytest.raises(UserError, match=r"weights\.hdf5: ") as error:
        load_allennlp_elmo(*files)
    for part in (name, str(shape), str((*shape[:-1], shape[-1] + 1))):
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((261, 4), np.int32), "char_embed holds values of type int32, but must hold floats"),
        (np.full((261, 4), np.nan, np.float32), "char_embed holds values that are no finite numbers"),
        (np.full((261, 4), 1e300), "char_embed holds values that are no finite numbers"),
    ],
    ids=["integers", "not a number", "too large"],
)
def test_an_array_of_something_else(files, array, message):
    write(files[1], make_arrays() | {"char_embed": array})
    with pytest.raises(UserError, match=message):
        load_allennlp_elmo(*files)


def replace_array(path: Path, make: Callable[[Any], None]) -> None:
    with h5py.File(path, "a") as file:
        del file["char_embed"]
        make(file)


def test_nothing_outside_of_the_file_is_read(files, tmp_path):
    write(tmp_path / "other.hdf5", {"char_embed": np.zeros((261, 4), np.float32)})
    layout = h5py.VirtualLayout(shape=(261, 4), dtype="f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.hdf5"), "char_embed", shape=(261, 4))
    raw = [(str(tmp_path / "raw"), 0, 261 * 4 * 4)]
    (tmp_path / "raw").write_bytes(bytes(261 * 4 * 4))
    ways = {
        "is a link": [
            lambda file: file.__setitem__("char_embed", h5py.ExternalLink(str(tmp_path / "other.hdf5"), "char_embed")),
            lambda file: file.__setitem__("char_embed", h5py.SoftLink("/CNN/b_cnn_0")),
        ],
        "not in the file": [
            lambda file: file.create_virtual_dataset("char_embed", layout),
            lambda file: file.create_dataset("char_embed", (261, 4), "f4", external=raw),
        ],
    }
    for message, makers in ways.items():
        for make in makers:
            write(files[1], make_arrays())
            replace_array(files[1], make)
            with pytest.raises(UserError, match=message):
                load_allennlp_elmo(*files)


def test_a_few_bytes_cannot_fill_the_memory(files):
    options = json.loads(json.dumps(OPTIONS))
    options["char_cnn"]["embedding"]["dim"] = 32768
    files[0].write_text(json.dumps(options), encoding="utf-8")
    write(files[1], make_arrays())
    replace_array(files[1], lambda file: file.create_dataset("char_embed", (261, 32768), "f4", fillvalue=1.0))
    with pytest.raises(UserError, match="char_embed has values of 34209792 bytes that are not in the file"):
        load_allennlp_elmo(*files)


def test_a_group_in_place_of_an_array_and_an_array_in_place_of_a_group(files):
    write(files[1], make_arrays())
    replace_array(files[1], lambda file: file.create_group("char_embed"))
    with pytest.raises(UserError, match="char_embed is a group, but must be an array"):
        load_allennlp_elmo(*files)
    write(files[1], {"char_embed": make_arrays()["char_embed"], "CNN": np.zeros(3, np.float32)})
    with pytest.raises(UserError, match="has no array CNN/W_cnn_0"):
        load_allennlp_elmo(*files)


def test_a_damaged_file(files):
    whole = files[1].read_bytes()
    for content in (b"", b"hello", whole[: len(whole) // 2], whole[:8] + bytes(len(whole) - 8)):
        files[1].write_bytes(content)
        with pytest.raises(UserError, match=r"weights\.hdf5"):
            load_allennlp_elmo(*files)
    random = np.random.default_rng(0)
    for _ in range(30):  # whatever is hit: a sentence, or a model with other numbers
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole), 20):
            damaged[place] ^= 0xFF
        files[1].write_bytes(bytes(damaged))
        try:
            load_allennlp_elmo(*files)
        except UserError as error:
            assert "weights.hdf5" in str(error)
    files[1].unlink()
    with pytest.raises(UserError, match=r"weights\.hdf5 cannot be read: there is no such file"):
        load_allennlp_elmo(*files)


def test_a_list_without_words(files):
    files[2].write_text("<S>\n</S>\n<UNK>\n\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"vocab\.txt holds no words"):
        load_allennlp_elmo(*files)
    files[2].write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"vocab\.txt cannot be read"):
        load_allennlp_elmo(*files)

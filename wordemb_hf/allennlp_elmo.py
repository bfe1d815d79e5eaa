"""The official format of ELMo (bilm-tf and AllenNLP): `options.json`, weights in HDF5, and a list of words.

Both files come from elsewhere and are taken for what they are worth: every value is checked before it is used, links
inside the HDF5 file are not followed, and nothing in it is run.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UserError

if TYPE_CHECKING:
    import h5py
    import numpy as np

    from .modeling import ELMoConfig, ELMoModel
    from .tokenization import CharWordTokenizer

_BEGIN, _END, _UNKNOWN = "<S>", "</S>", "<UNK>"  # in the official lists of words
_CHARACTERS = 262
# The largest official model has 4096 cells; beyond these sizes a file is damaged, or means harm.
_MOST_WIDTH, _MOST_LAYERS = 1 << 15, 16

Shape = tuple[int, ...]
ReadArray = Callable[[str, Shape], "np.ndarray"]


def load_allennlp_elmo(
    options: str | Path, weights: str | Path, vocabulary: str | Path | None = None
) -> "tuple[ELMoModel, CharWordTokenizer]":
    """Read an official ELMo.

    The model gives what the reference gives, to the last few bits, when each text is read on its own (the reference
    carries its states from batch to batch; `past_key_values` does the same).

    Args:
        options: the JSON file of sizes.
        weights: the HDF5 file of arrays; h5py reads it, which comes with the extra `elmo`.
        vocabulary: a text file with one word on a line; without it no word has an id of its own, but every word is
            still read by its characters.

    Returns:
        The model, and a tokenizer of words between white space that gives their characters.

    Raises:
        UserError: for a file that cannot be read, a setting that is missing or impossible, an array that is missing or
            has another shape; with the file, the name, what is there and what should be.
    """
    import torch

    from .families import make_config
    from .modeling import ELMoModel
    from .vocabulary import vocabulary_spellings

    options, weights = Path(options), Path(weights)
    fields = _read_options(options)
    tokenizer = _tokenizer(_read_words(Path(vocabulary)) if vocabulary else [], fields["max_characters"])
    config = make_config("elmo", vocab_size=len(tokenizer), **fields, bos_token_id=2, eos_token_id=3)
    arrays = _read_weights(weights, config)  # all of them, before there is a model of sizes that nothing bears out
    model = ELMoModel(config).eval()
    state = {name: torch.from_numpy(array) for name, array in arrays.items()}
    model.load_state_dict(model.state_dict() | state)
    model.set_spellings(torch.from_numpy(vocabulary_spellings(tokenizer)))
    return model, tokenizer


def convert_elmo(
    options: str | Path,
    weights: str | Path,
    output: str | Path,
    vocabulary: str | Path | None = None,
    overwrite: bool = False,
) -> None:
    """Write an official ELMo as a folder that `AutoModel` and `AutoTokenizer` load.

    Args:
        options: as in `load_allennlp_elmo`.
        weights: as in `load_allennlp_elmo`.
        output: the folder to write.
        vocabulary: as in `load_allennlp_elmo`.
        overwrite: replace a model folder that is there.

    Raises:
        UserError: as `load_allennlp_elmo`, and for an output folder with something in it.
    """
    from .folders import check_output, new_folder

    check_output(output, overwrite)
    model, tokenizer = load_allennlp_elmo(options, weights, vocabulary)
    with new_folder(output) as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


# Options


def _read_options(path: Path) -> dict[str, Any]:
    """The fields of `ELMoConfig` that an `options.json` settles."""
    content = _read_text(path)
    try:
        options = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON: {error}") from error

    def given(name: str) -> Any:
        value = options
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                raise UserError(f"{path} has no {name}: is it the options.json of an ELMo with characters?")
            value = value[part]
        return value

    def refuse(name: str, allowed: str) -> UserError:
        return UserError(f"{path}: {name} is {_short(given(name))}, but must be {allowed}")

    def count(name: str, least: int, most: int) -> int:
        value = given(name)
        if not _is_count(value, least, most):
            raise refuse(name, f"a whole number from {least} to {most}")
        return value

    def limit(name: str) -> float | None:
        value = given(name)
        if value is None or value == 0:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise refuse(name, "above 0, or null for no limit")
        return value

    if count("char_cnn.n_characters", 1, _CHARACTERS) < _CHARACTERS:
        raise refuse("char_cnn.n_characters", f"{_CHARACTERS} (the training code writes 261: add one)")
    characters = count("char_cnn.max_characters_per_token", 3, 1000)
    filters = given("char_cnn.filters")
    if not isinstance(filters, list) or not 0 < len(filters) <= 64:
        raise refuse("char_cnn.filters", "a list of 1 to 64 pairs [width, number]")
    for pair in filters:
        if not isinstance(pair, list) or len(pair) != 2 or not _is_count(pair[0], 1, characters):
            raise refuse("char_cnn.filters", f"pairs [width, number], with widths from 1 to {characters}")
        if not _is_count(pair[1], 1, _MOST_WIDTH):
            raise refuse("char_cnn.filters", f"pairs [width, number], with numbers from 1 to {_MOST_WIDTH}")
    if given("char_cnn.activation") not in ("relu", "tanh"):
        raise refuse("char_cnn.activation", "relu or tanh")
    if not isinstance(given("lstm.use_skip_connections"), bool):
        raise refuse("lstm.use_skip_connections", "true or false")
    projection = count("lstm.projection_dim", 1, _MOST_WIDTH)
    return {
        "token_input": "characters",
        "max_characters": characters,
        "character_embedding_size": count("char_cnn.embedding.dim", 1, _MOST_WIDTH),
        "filters": filters,
        "num_highway_layers": count("char_cnn.n_highway", 0, _MOST_LAYERS),
        "character_activation": given("char_cnn.activation"),
        "projection_size": projection,
        "cell_size": count("lstm.dim", projection + 1, _MOST_WIDTH),
        "num_hidden_layers": count("lstm.n_layers", 1, _MOST_LAYERS),
        "cell_clip": limit("lstm.cell_clip"),
        "projection_clip": limit("lstm.proj_clip"),
        "skip_connections": given("lstm.use_skip_connections"),
    }


def _is_count(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


# Words


def _read_words(path: Path) -> list[str]:
    """The words of a list, without its own names for what is no word."""
    words = [line.strip() for line in _read_text(path).splitlines()]
    words = [word for word in dict.fromkeys(words) if word and word not in (_BEGIN, _END, _UNKNOWN)]
    if not words:
        raise UserError(f"{path} holds no words: give a text file with one word on a line")
    return words


def _tokenizer(words: list[str], max_characters: int) -> "CharWordTokenizer":
    from tokenizers import Tokenizer, models, pre_tokenizers

    from .tokenization import CharWordTokenizer
    from .tokenizer_kinds import PAD, UNK

    special = (PAD, UNK, "<s>", "</s>")
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys((*special, *words)))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNK))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return CharWordTokenizer(
        tokenizer_object=tokenizer,
        max_characters=max_characters,
        pad_token=PAD,
        unk_token=UNK,
        bos_token="<s>",
        eos_token="</s>",
        clean_up_tokenization_spaces=False,
    )


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


# Weights


def _read_weights(path: Path, config: "ELMoConfig") -> "dict[str, np.ndarray]":
    """The arrays of the file, under the names and in the shapes of `ELMoModel`."""
    try:
        import h5py
    except ImportError as error:
        raise UserError(f"{path} needs h5py to be read: pip install 'wordemb-hf[elmo]'") from error

    if not path.is_file():
        raise UserError(f"{path} cannot be read: there is no such file")
    try:
        with h5py.File(path, "r") as file:

            def read(name: str, shape: Shape) -> "np.ndarray":
                return _read_array(file, path, name, shape)

            return _character_arrays(read, config) | _lstm_arrays(read, config)
    except UserError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError) as error:  # what h5py raises for a damaged file
        raise UserError(f"{path} is no HDF5 file of weights, or damaged: {error}") from error


def _read_array(file: "h5py.File", path: Path, name: str, shape: Shape) -> "np.ndarray":
    """An array of the file, float32, after everything that can be known of it beforehand is as it should be."""
    import h5py
    import numpy as np

    found: Any = file
    for part in name.split("/"):
        link = found.get(part, getlink=True) if isinstance(found, h5py.Group) else None
        if link is None:
            raise UserError(f"{path} has no array {name}, which should have the shape {shape}")
        if not isinstance(link, h5py.HardLink):
            raise UserError(f"{path}: {name} is a link, but must be an array of the file itself")
        found = found[part]
    if not isinstance(found, h5py.Dataset):
        raise UserError(f"{path}: {name} is a group, but must be an array of shape {shape}")
    if found.shape != shape:
        raise UserError(f"{path}: {name} has the shape {found.shape}, but must have {shape} by options.json")
    if found.dtype.kind != "f":
        raise UserError(f"{path}: {name} holds values of type {found.dtype}, but must hold floats")
    # A few bytes can declare a terabyte of one value, or of another file's content.
    if found.external or found.is_virtual or found.nbytes > 8 * path.stat().st_size:
        raise UserError(f"{path}: {name} has values of {found.nbytes} bytes that are not in the file")
    with np.errstate(over="ignore"):
        values = found[()].astype(np.float32)
    if not np.isfinite(values).all():
        raise UserError(f"{path}: {name} holds values that are no finite numbers")
    return values


def _character_arrays(read: ReadArray, config: "ELMoConfig") -> "dict[str, np.ndarray]":
    """The character CNN; TensorFlow multiplies from the left, so that every matrix is turned."""
    import numpy as np

    prefix, width = "word_embeddings.characters", config.character_embedding_size
    # Id 0, no character at all, has no vector in the file.
    embeddings = read("char_embed", (_CHARACTERS - 1, width))
    arrays = {f"{prefix}.embeddings.weight": np.concatenate([np.zeros((1, width), np.float32), embeddings])}
    for number, (characters, filters) in enumerate(config.filters):
        kernel = read(f"CNN/W_cnn_{number}", (1, characters, width, filters))[0]  # (characters, width, filters)
        arrays[f"{prefix}.convolutions.{number}.weight"] = kernel.transpose(2, 1, 0)
        arrays[f"{prefix}.convolutions.{number}.bias"] = read(f"CNN/b_cnn_{number}", (filters,))
    features = sum(number for _, number in config.filters)
    for number in range(config.num_highway_layers):
        for ours, theirs in (("transform", "transform"), ("gate", "carry")):
            layer = f"{prefix}.highways.{number}.{ours}"
            arrays[f"{layer}.weight"] = read(f"CNN_high_{number}/W_{theirs}", (features, features)).T
            arrays[f"{layer}.bias"] = read(f"CNN_high_{number}/b_{theirs}", (features,))
    arrays[f"{prefix}.projection.weight"] = read("CNN_proj/W_proj", (features, config.projection_size)).T
    arrays[f"{prefix}.projection.bias"] = read("CNN_proj/b_proj", (config.projection_size,))
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _lstm_arrays(read: ReadArray, config: "ELMoConfig") -> "dict[str, np.ndarray]":
    """Both stacks. A cell of TensorFlow has its gates in the order input, candidate, forget, output; PyTorch forget
    before candidate. It adds 1 to the forget gate each time, and has input and state under one matrix."""
    import numpy as np

    width, cells = config.projection_size, config.cell_size
    arrays = {}
    for direction, stack in enumerate(("readings.forward_layers", "readings.backward_layers")):
        for number in range(config.num_hidden_layers):
            theirs = f"RNN_{direction}/RNN/MultiRNNCell/Cell{number}/LSTMCell"
            ours = f"{stack}.layers.{number}.lstm"
            matrix = _order_gates(read(f"{theirs}/W_0", (2 * width, 4 * cells)).T)  # (4 * cells, 2 * width)
            bias = _order_gates(read(f"{theirs}/B", (4 * cells,)))
            bias[cells : 2 * cells] += 1.0
            arrays[f"{ours}.weight_ih_l0"] = matrix[:, :width]
            arrays[f"{ours}.weight_hh_l0"] = matrix[:, width:]
            arrays[f"{ours}.bias_ih_l0"] = bias
            arrays[f"{ours}.bias_hh_l0"] = np.zeros_like(bias)
            arrays[f"{ours}.weight_hr_l0"] = read(f"{theirs}/W_P_0", (cells, width)).T
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _order_gates(array: "np.ndarray") -> "np.ndarray":
    """`(4 * cells, ...)` from input, candidate, forget, output to input, forget, candidate, output."""
    import numpy as np

    opened, candidate, kept, shown = np.split(array, 4)
    return np.concatenate([opened, kept, candidate, shown])

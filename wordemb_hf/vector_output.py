"""Vectors of texts, words or tokens as files: NumPy's, safetensors or parquet.

- `.npy`: all vectors below each other. Of words and tokens a second file, `NAME.offsets.npy`, int64 `(texts + 1,)`,
  tells that those of text `i` are the rows from `offsets[i]` to `offsets[i + 1]`.
- `.safetensors`: `vectors`, of words and tokens also `offsets` and `places`, the characters that each row is from,
  `(rows, 2)`; and how they were made as metadata.
- `.parquet`: a row for each vector, with its text and its word.

Each file is written beside and renamed.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .token_vectors import TextVectors

SUFFIXES = (".npy", ".safetensors", ".parquet")


def write_vectors(
    vectors: np.ndarray | list[TextVectors], texts: Sequence[str], output: Path, facts: dict[str, str]
) -> tuple[int, int]:
    """Write vectors of texts `(texts, width)`, or those of their words, by the file's suffix.

    Args:
        vectors: for each text one, or its words.
        texts: the texts.
        output: the file.
        facts: how the vectors were made, for formats with a place for it.

    Returns:
        How many vectors there are, and how wide they are.
    """
    if isinstance(vectors, np.ndarray):
        arrays = {"vectors": vectors}
    else:
        arrays = {
            "vectors": np.concatenate([text.vectors for text in vectors]),
            "offsets": np.cumsum([0, *(len(text.words) for text in vectors)], dtype=np.int64),
            "places": np.concatenate([text.places for text in vectors]),
        }
    if output.suffix == ".npy":
        # Without the vectors, offsets mean nothing: the file that is looked for comes last.
        files = {output.with_suffix(".offsets.npy"): "offsets"} if "offsets" in arrays else {}
        for file, name in (*files.items(), (output, "vectors")):
            beside = file.with_name(f".{file.name}.partial.npy")
            np.save(beside, arrays[name])
            beside.replace(file)
        return arrays["vectors"].shape
    beside = output.with_name(f".{output.name}.partial")
    if output.suffix == ".safetensors":
        from safetensors.numpy import save_file

        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, beside, metadata=facts)
    else:
        _write_parquet(vectors, texts, arrays, beside)
    beside.replace(output)
    return arrays["vectors"].shape


def _write_parquet(
    vectors: np.ndarray | list[TextVectors], texts: Sequence[str], arrays: dict[str, np.ndarray], path: Path
) -> None:
    import pyarrow
    from pyarrow import parquet

    rows = arrays["vectors"]
    values = pyarrow.array(np.ascontiguousarray(rows).reshape(-1))
    column = pyarrow.FixedSizeListArray.from_arrays(values, rows.shape[1])
    if isinstance(vectors, np.ndarray):
        columns = {"text": pyarrow.array(list(texts), pyarrow.string()), "vector": column}
    else:
        of_text = np.repeat(np.arange(len(texts), dtype=np.int32), np.diff(arrays["offsets"]))
        columns = {
            "text_number": pyarrow.array(of_text),
            "text": pyarrow.DictionaryArray.from_arrays(of_text, pyarrow.array(list(texts), pyarrow.string())),
            "word": pyarrow.array([word for text in vectors for word in text.words], pyarrow.string()),
            "start": pyarrow.array(arrays["places"][:, 0]),
            "end": pyarrow.array(arrays["places"][:, 1]),
            "vector": column,
        }
    parquet.write_table(pyarrow.table(columns), path)

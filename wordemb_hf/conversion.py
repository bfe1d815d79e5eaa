"""The verb `convert`: word vectors from any format to any other, or to a model folder."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .errors import UserError
from .messages import translate
from .options import Kind, Language, Overwrite

if TYPE_CHECKING:
    from .vectors.word_table import WordTable

Target = Literal[
    "folder",
    "word2vec",
    "word2vec-binary",
    "glove",
    "fasttext",
    "npy",
    "npz",
    "safetensors",
    "model2vec",
    "sentence-transformers",
]
_FOLDERS = ("folder", "model2vec", "sentence-transformers")


def convert(
    source: Annotated[Path, typer.Argument(help="Word vectors: a file of any format, also packed, or a folder.")],
    output: Annotated[Path, typer.Argument(help="File or folder to write; files may end in .gz, .bz2, .zst or .zip.")],
    to: Annotated[
        Target | None, typer.Option(help="Format of the output.", show_default="by its name; without a suffix, folder")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Take the first so many words alone.", metavar="N")] = None,
    overwrite: Overwrite = False,
    name: Annotated[
        str | None, typer.Option(help="What the card calls the model.", show_default="the folder's", metavar="NAME")
    ] = None,
    language: Language = None,
    tokenizer_kind: Annotated[
        Kind | None,
        typer.Option(help="How the folder's tokenizer cuts text; see pretrain.", show_default="as the words are"),
    ] = None,
    lowercase: Annotated[
        bool | None,
        typer.Option(
            "--lowercase/--cased", help="Take upper and lower case for the same.", show_default="as the words"
        ),
    ] = None,
    vectors_only: Annotated[
        bool, typer.Option("--vectors-only", help="Leave out the classifier of a supervised fastText model.")
    ] = False,
) -> Path:
    """Convert word vectors: word2vec, GloVe, fastText, gensim, NumPy, safetensors, model2vec, sentence-transformers.

    A folder that is written loads with `AutoModel` and `AutoTokenizer`; of a supervised fastText model, with
    `AutoModelForSequenceClassification`. What a format cannot hold is said.

    Returns:
        The output.

    Raises:
        UserError: for a file that cannot be read, or an output that is not to be written.
    """
    from .folders import check_output, check_output_file
    from .vectors.formats import FORMATS, format_of, read_vectors

    source, output = Path(source), Path(output)
    to = to or _target(output)
    if to in _FOLDERS:
        check_output(output, overwrite)
        output.parent.mkdir(parents=True, exist_ok=True)
    else:
        check_output_file(output)
        if output.exists() and not overwrite:
            raise UserError(f"output {output} is there already: give another one, or --overwrite to replace it")
    if not source.exists() and ".zip" not in str(source).lower():
        raise UserError(f"there is no file or folder {source}")
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.vectors-", dir=output.resolve().parent) as beside:
        table = read_vectors(source, limit, Path(beside) / "matrix", progress=True)
        if vectors_only:
            table.classifier = None
        if to == "word2vec-binary" and format_of(output) == to and (table.ngrams or table.classifier):
            to = "fasttext"  # which is called .bin as well
        if to == "folder":
            _write_folder(table, output, Path(beside), name, source.name, language, tokenizer_kind, lowercase)
        elif to in _FOLDERS:
            _write_static(table, output, to, tokenizer_kind, lowercase)
        else:
            write = FORMATS[to].write
            assert write is not None  # `Target` names none that is only read
            write(table, output)
        notes = [*table.notes, *_lost(table, to)]
        words, width = len(table.words), table.width
        table.matrix, table.ngrams, table.classifier = table.matrix[:0], None, None  # before the file goes
    for note in dict.fromkeys(notes):
        print(note)
    print(
        translate("{words} vectors of width {width} are in {output}.", words=f"{words:,}", width=width, output=output)
    )
    return output


def _target(output: Path) -> Target:
    """The format that a name asks for."""
    from .vectors.formats import FORMATS, format_of

    found = format_of(output)
    if found is None and output.suffix in ("", *(f".{digit}" for digit in "0123456789")):
        return "folder"
    if found == "gensim":
        raise UserError(
            f"output {output}: gensim's own format is a pickle, which is not written; give a .bin, which gensim "
            "loads by KeyedVectors.load_word2vec_format(..., binary=True)"
        )
    if found is None:
        raise UserError(f"output {output}: its name tells no format; give --to, one of folder, {', '.join(FORMATS)}")
    return found  # type: ignore[return-value]


def _lost(table: "WordTable", to: str) -> list[str]:
    """What the table has and the format has not."""
    lost = []
    if table.ngrams is not None and to not in ("folder", "fasttext", *_FOLDERS):
        lost.append(translate("The n-grams, which give vectors to unseen words, are left out."))
    if table.classifier is not None and to not in ("folder", "fasttext"):
        lost.append(translate("The classifier is left out."))
    if table.counts is not None and to != "fasttext":
        lost.append(translate("The counts of words are left out; their order stays."))
    return lost


def _write_folder(
    table: "WordTable",
    output: Path,
    beside: Path,
    name: str | None,
    source: str,
    language: str | None,
    kind: str | None,
    lowercase: bool | None,
) -> None:
    from .folders import new_folder
    from .imported_vectors import document_imported, model_of, tokenizer_of

    tokenizer, rows = tokenizer_of(table, kind, lowercase)
    _note_missed(table, tokenizer, rows)
    model = model_of(table, tokenizer, rows, beside)
    with new_folder(output) as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        document_imported(folder, model, table, name=name or output.name, source=source, language=language)


def _write_static(table: "WordTable", output: Path, to: str, kind: str | None, lowercase: bool | None) -> None:
    from .imported_vectors import tokenizer_of
    from .vectors.static_folders import write_model2vec, write_sentence_transformers

    table.classifier = None
    tokenizer, rows = tokenizer_of(table, kind, lowercase)
    _note_missed(table, tokenizer, rows)
    if len(rows) < len(table.words):
        table.words, table.matrix = [table.words[row] for row in rows], table.matrix[rows]
    write = write_model2vec if to == "model2vec" else write_sentence_transformers
    write(table, output, tokenizer.backend_tokenizer.to_str())


def _note_missed(table: "WordTable", tokenizer: object, rows: list[int]) -> None:
    from .imported_vectors import unreachable_words

    words = [table.words[row] for row in rows]
    missed = unreachable_words(tokenizer, words)
    if missed:
        table.notes.append(
            translate(
                "{count} of {words} words the tokenizer never makes of a text, such as {examples}; "
                "--tokenizer-kind whitespace --cased takes words as they are.",
                count=f"{len(missed):,}",
                words=f"{len(words):,}",
                examples=" ".join(map(repr, missed[:3])),
            )
        )
    if len(rows) < len(table.words):
        table.notes.append(translate("<pad> and <unk> of the file are no words of the tokenizer."))

"""Sentences whose words have tags, for training and evaluating taggers (`read_tagged`, `read_tagged_splits`).

Every file is UTF-8, with or without a byte order mark, plain or as `.gz`:

    .conll .bio .bmes .iob (also .txt .tsv)   a word a line: columns apart by tabs, or else by spaces, of which the
                                              first is the word and the last its tag; an empty line ends a sentence,
                                              and -DOCSTART- lines are skipped
    .jsonl                                    a sentence a line: {"tokens": ["He", "left"], "tags": ["PRON", "VERB"]}
    .parquet                                  a sentence a row, both columns as lists

In place of a path, `namespace/name` is a data set of the Hub (`hub_datasets`).
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import UserError
from .hub_datasets import HubSplit, split_columns
from .records import Source, check_file, check_text, json_type, read_lines, records, suffix_of
from .spans import parse_tag
from .splits import DEV_FRACTION, DEV_NAMES, EXAMPLE_SUFFIXES, Splits, find_parts, part_file, source_of
from .tables import parquet_columns

CONLL_SUFFIXES = (".conll", ".bio", ".bmes", ".iob")
TAGGED_SUFFIXES = (*CONLL_SUFFIXES, ".jsonl", ".parquet", ".txt", ".tsv")
_DOCUMENT = "-DOCSTART-"

# A sentence of a file: the line it begins on, its words, their tags.
Sentence = tuple[int, list[str], list[str]]


@dataclass
class TaggedSentences:
    """Sentences and tags: `tokens[i][j]` has the tag `tags[i][j]`.

    For messages: `source` says where all of them come from, `lines[i]` is the line that sentence `i` begins on, and
    `line_per_word` whether its further words follow on further lines.
    """

    tokens: list[list[str]]
    tags: list[list[str]]
    lines: list[int]
    source: str
    line_per_word: bool = True

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def texts(self) -> list[str]:
        """The sentences as text: words apart by spaces, or together where every word is a single character."""
        space = "" if self.are_characters else " "
        return [space.join(tokens) for tokens in self.tokens]

    @property
    def are_characters(self) -> bool:
        """Whether every word is a single character, as in Chinese data."""
        return all(len(token) == 1 for tokens in self.tokens for token in tokens)

    def where(self, sentence: int, token: int) -> str:
        """The place of a word, for messages."""
        line = self.lines[sentence] + (token if self.line_per_word else 0)
        return f"{self.source}, line {line}, word {token + 1} of its sentence"

    def take(self, rows: Sequence[int], source: str) -> "TaggedSentences":
        """Some of the sentences."""
        tokens, tags = ([column[row] for row in rows] for column in (self.tokens, self.tags))
        return TaggedSentences(tokens, tags, [self.lines[row] for row in rows], source, self.line_per_word)


def read_tagged(path: str | Source, *, token_column: str = "tokens", tag_column: str = "tags") -> TaggedSentences:
    """Read tagged sentences from a file, or a part of a data set of the Hub.

    Tags in .jsonl and tables may be strings or integers, or classes with names; `token_column` and `tag_column` are
    what the two lists are called there.

    Raises:
        UserError: for a file that cannot be read, a line without a tag or with another number of columns than the
            first, lists of different lengths, a sentence of no words, or no sentence at all.
    """
    path = Path(path) if isinstance(path, str) else path
    check_file(path, TAGGED_SUFFIXES)
    if isinstance(path, HubSplit) or suffix_of(path) in (".jsonl", ".parquet"):
        rows, line_per_word = _listed_sentences(path, token_column, tag_column), False
    else:
        rows, line_per_word = _conll_sentences(path), True
    sentences = TaggedSentences([], [], [], str(path), line_per_word)
    for line, tokens, tags in rows:
        sentences.lines.append(line)
        sentences.tokens.append(tokens)
        sentences.tags.append(tags)
    if not len(sentences):
        raise UserError(f"{path} is empty: it holds no sentence")
    return sentences


def read_tagged_splits(
    data: str | Path,
    *,
    dev: str | Path | None = None,
    test: str | Path | None = None,
    token_column: str = "tokens",
    tag_column: str = "tags",
    seed: int = 0,
    dev_fraction: float = DEV_FRACTION,
) -> Splits[TaggedSentences]:
    """Read a tagged data set: a file to train on, or a folder with `train.*` and perhaps `dev.*` and `test.*`.

    Names of parts are those of `corpus.read_splits`. Where there is no dev part, `dev_fraction` of the training
    sentences is cut off by `seed`; 0 cuts nothing. A tag that only another part has is kept: published sets have such
    tags, and a model gets them wrong.

    Raises:
        UserError: as `read_tagged`, and for two files that claim the same part, fewer than two tags in the training
            part, or another part that shares no tag with it.
    """
    files = find_parts(data, dev, test, TAGGED_SUFFIXES, dev_fraction)
    train, dev_part, test_part = (
        None if path is None else read_tagged(path, token_column=token_column, tag_column=tag_column) for path in files
    )
    assert train is not None
    known = tag_names(train)
    if len(known) < 2:
        raise UserError(f"only one tag ({known[0]!r}) in {train.source}: a tagger needs at least two")
    for part in (dev_part, test_part):
        if part is not None:
            unknown_tags(part, known)
    if dev_part is None:
        train, dev_part = cut_dev(train, seed, dev_fraction)
    return Splits(train, dev_part, test_part)


def tag_names(sentences: TaggedSentences) -> list[str]:
    """The distinct tags in order: `O` first, then by what is tagged (`B-LOC`, `I-LOC`, `B-PER`), then by code point."""
    tags = {tag for row in sentences.tags for tag in row}
    return sorted(tags, key=lambda tag: (tag != "O", parse_tag(tag)[1], tag))


def unknown_tags(sentences: TaggedSentences, known: Sequence[str]) -> dict[str, int]:
    """How often each tag occurs that is not among `known`.

    Raises:
        UserError: when no tag but `O` is: then these are the tags of another task.
    """
    counts: dict[str, int] = {}
    for row in sentences.tags:
        for tag in row:
            counts[tag] = counts.get(tag, 0) + 1
    if not counts.keys() & (set(known) - {"O"}) and counts.keys() - {"O"}:
        listed = ", ".join(map(repr, sorted(counts.keys() - {"O"})[:5]))
        raise UserError(f"the tags in {sentences.source} ({listed}) are none of those to be found: {_listed(known)}")
    return {tag: count for tag, count in sorted(counts.items()) if tag not in set(known)}


def is_tagged(data: str | Path) -> bool:
    """Whether data, or the training part of a folder, are tagged sentences.

    A file is judged by its name; a parquet file and a data set of the Hub by their columns: `tokens`, and no `text`.

    Raises:
        UserError: for a folder with a training part of either kind.
    """
    data = Path(data)
    if not data.is_dir():
        return _is_tagged(source_of(data, "train", "test", *DEV_NAMES))
    tagged, labelled = (part_file(data, "train", suffixes=suffixes) for suffixes in (CONLL_SUFFIXES, EXAMPLE_SUFFIXES))
    if tagged and labelled:
        raise UserError(
            f"the folder {data} has {labelled.name} and {tagged.name}: say --task classification or tagging"
        )
    return tagged is not None or (labelled is not None and _is_tagged(labelled))


def _is_tagged(source: Source) -> bool:
    if isinstance(source, HubSplit):
        columns = split_columns(source)
    elif suffix_of(source) == ".parquet" and source.is_file():
        columns = parquet_columns(source)
    else:
        return suffix_of(source) in CONLL_SUFFIXES
    return "tokens" in columns and "text" not in columns


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:10])) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def cut_dev(train: TaggedSentences, seed: int, fraction: float) -> tuple[TaggedSentences, TaggedSentences | None]:
    """Move a share of the sentences to a dev part, at least one, but the last one stays."""
    share = min(len(train) - 1, max(int(len(train) * fraction + 0.5), int(fraction > 0)))
    if share < 1:
        return train, None
    chosen = set(random.Random(seed).sample(range(len(train)), share))
    kept = [row for row in range(len(train)) if row not in chosen]
    return train.take(kept, train.source), train.take(sorted(chosen), f"{train.source} (the share held out as dev)")


def _conll_sentences(path: Path) -> Iterator[Sentence]:
    number, begin, width = 1, 0, 0
    tokens: list[str] = []
    tags: list[str] = []
    for line, text in read_lines(path):
        cells = _cells(text)
        if cells and cells[0] != _DOCUMENT:
            where = f"{path}, line {line}, sentence {number}"
            width = width or len(cells)
            if len(cells) < 2:
                raise UserError(f"{where}: no tag for {cells[0][:40]!r}; a line is word<TAB>tag")
            if len(cells) != width:
                raise UserError(f"{where}: {len(cells)} columns, where the first line has {width}")
            if not cells[0] or not cells[-1]:
                raise UserError(f"{where}: the {'tag' if cells[0] else 'word'} is empty; a line is word<TAB>tag")
            begin = begin or line
            tokens.append(cells[0])
            tags.append(cells[-1])
        elif tokens:
            yield begin, tokens, tags
            number, begin, tokens, tags = number + 1, 0, [], []
    if tokens:
        yield begin, tokens, tags


def _cells(text: str) -> list[str]:
    """The columns of a line, none for an empty one."""
    if not text.strip():
        return []
    if "\t" in text:
        # White space around a tag is a slip; a word may be a space of some kind.
        first, *others = text.split("\t")
        return [first, *(cell.strip() for cell in others)]
    return re.split(" +", text.strip(" "))


def _listed_sentences(path: Source, token_column: str, tag_column: str) -> Iterator[Sentence]:
    for line, record in records(path, (token_column, tag_column)):
        where = f"{path}, line {line}"
        tokens = _strings(where, token_column, record[token_column], integers=False)
        tags = _strings(where, tag_column, record[tag_column], integers=True)
        if len(tokens) != len(tags):
            raise UserError(f"{where}: {len(tokens)} {token_column}, but {len(tags)} {tag_column}")
        if tokens:
            yield line, tokens, tags
        elif not isinstance(path, HubSplit):  # which nobody can mend
            raise UserError(f"{where}: a sentence of no {token_column}; leave the line out")


def _strings(where: str, column: str, values: object, *, integers: bool) -> list[str]:
    allowed = "strings or integers" if integers else "strings"
    if not isinstance(values, list):
        raise UserError(f"{where}: {column} must be an array of {allowed}, not {json_type(values)}")
    strings = []
    for value in values:
        if integers and type(value) is int:  # not a boolean, which is an int too
            value = str(value)
        if not isinstance(value, str):
            raise UserError(f"{where}: {column} must hold {allowed}, not {json_type(value)}")
        if not value:
            raise UserError(f"{where}: {column} hold an empty string")
        check_text(f"{where}: {column}", value)
        strings.append(value)
    return strings

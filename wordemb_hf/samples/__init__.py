"""Text that is already there: labelled sentences in English and Chinese, and enough running text to train vectors on.

The English running text is what every installation holds: the language reference of Python and the prose in the
docstrings of the standard library and of the packages this one depends on. The Chinese is made from patterns.
"""

import inspect
import json
import math
import os
import random
import re
import sysconfig
from collections.abc import Iterable, Iterator
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from ..corpus import read_texts
from ..errors import UserError

LANGUAGES = ("en", "zh")

# Read in this order, so that the same installation always gives the same text.
PACKAGES = (
    "torch transformers numpy scipy sklearn pandas matplotlib huggingface_hub datasets accelerate networkx sympy "
    "pyarrow jinja2 joblib fsspec evaluate click rich pydantic aiohttp PIL mpmath requests"
)
SKIPPED_FOLDERS = (
    "test tests testing _testing testdata benchmarks site-packages dist-packages __pycache__ _vendor vendor externals "
    "third_party idlelib lib2to3 turtledemo ensurepip pydoc_data"
)


def folder(language: str) -> Path:
    """The folder of a language's samples: train.jsonl, dev.jsonl, test.jsonl and, for `zh`, patterns and slots.

    Raises:
        UserError: for a language that there are no samples of.
    """
    if language not in LANGUAGES:
        raise UserError(f"language must be one of {', '.join(LANGUAGES)}, not {language!r}")
    return Path(str(resources.files(__name__) / language))


def documentation_texts() -> Iterator[str]:
    """English prose, one paragraph a document, from the documentation that comes with Python and installed packages.

    Code, tables, type lines, headings, markup and addresses are left out, and a paragraph comes once however often
    it was copied. The order is fixed; what there is depends on the versions installed. Nothing is imported but
    `pydoc_data`, and files that cannot be read are passed over.
    """
    seen: set[str] = set()
    for docstring in _docstrings():
        if docstring in seen:
            continue
        seen.add(docstring)
        for paragraph in prose(docstring):
            if paragraph not in seen:
                seen.add(paragraph)
                yield paragraph


def expanded_sentences(count: int, seed: int = 0) -> Iterator[str]:
    """`count` Chinese sentences from patterns and slot values, all patterns in turn, in an order given by `seed`.

    Sentences repeat only when all that the patterns can say has been said; none is a dev or test sentence.

    Raises:
        UserError: if `count` is negative.
    """
    if count < 0:
        raise UserError(f"count must not be negative, not {count}")
    lines = (folder("zh") / "patterns.txt").read_text(encoding="utf-8").splitlines()
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    slots = json.loads((folder("zh") / "slots.json").read_text(encoding="utf-8"))
    yield from expand(patterns, slots, count, seed, _held_out("zh"))


def write_corpus(language: str, path: str | Path) -> int:
    """Write a language's training text to `path`, one document a line, never a dev or test sentence.

    The file appears under its name only when it is whole.

    Returns:
        The number of documents.

    Raises:
        UserError: for an unknown language, or if the file cannot be written.
    """
    train = read_texts(folder(language) / "train.jsonl")
    sources: tuple[Iterable[str], ...]
    sources = (documentation_texts(), train) if language == "en" else (train, expanded_sentences(40000))
    held_out = _held_out(language)
    path = Path(path)
    part = path.with_name(path.name + ".part")
    documents = 0
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            for source in sources:
                for text in source:
                    if text not in held_out:
                        file.write(" ".join(text.split()) + "\n")
                        documents += 1
        os.replace(part, path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
    return documents


def expand(
    patterns: list[str], slots: dict[str, list[str]], count: int, seed: int, held_out: set[str]
) -> Iterator[str]:
    """Fill `{slot}`s of the patterns in turn; see `expanded_sentences`."""
    generator = random.Random(seed)
    said = set(held_out)
    while count > 0:
        before = count
        turns = [_fillings(pattern, slots, generator) for pattern in patterns]
        while turns and count > 0:
            generator.shuffle(turns)
            going_on = []
            for turn in turns:
                sentence = next((sentence for sentence in turn if sentence not in said), None)
                if sentence is None:
                    continue
                going_on.append(turn)
                said.add(sentence)
                yield sentence
                count -= 1
                if count == 0:
                    return
            turns = going_on
        if count == before:
            return  # the patterns say nothing but held-out sentences
        said = set(held_out)


def _fillings(pattern: str, slots: dict[str, list[str]], generator: random.Random) -> Iterator[str]:
    """Every filling of a pattern once, in a scattered order, without a list of them: there may be millions."""
    pieces = re.split(r"\{(.+?)\}", pattern)
    names = pieces[1::2]
    total = math.prod(len(slots[name]) for name in names)
    step = generator.randrange(total) or 1
    while math.gcd(step, total) != 1:
        step += 1
    index = generator.randrange(total)
    for _ in range(total):
        index = (index + step) % total  # a step without a common divisor visits every number once
        rest = index
        filled: dict[str, list[str]] = {}
        for position, name in enumerate(names):
            rest, choice = divmod(rest, len(slots[name]))
            pieces[2 * position + 1] = slots[name][choice]
            filled.setdefault(name, []).append(slots[name][choice])
        if all(len(set(values)) == len(values) for values in filled.values()):  # not from Peking to Peking
            yield "".join(pieces)


def _held_out(language: str) -> set[str]:
    return set(read_texts([folder(language) / "dev.jsonl", folder(language) / "test.jsonl"]))


# What follows reads documentation: first where the docstrings are, then what in them is prose.


def _docstrings() -> Iterator[str]:
    from pydoc_data.topics import topics

    for name in sorted(topics):
        yield inspect.cleandoc(topics[name])
    for root in [Path(sysconfig.get_paths()["stdlib"]), *map(_package_folder, PACKAGES.split())]:
        if root is not None:
            for path in _sources(root):
                try:
                    yield from _literals(path.read_text(encoding="utf-8"))
                except (OSError, UnicodeDecodeError):
                    continue


def _package_folder(name: str) -> Path | None:
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return None
    locations = spec.submodule_search_locations if spec else None
    return Path(next(iter(locations))) if locations else None


def _sources(root: Path) -> Iterator[Path]:
    skipped = set(SKIPPED_FOLDERS.split())
    for place, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in skipped)
        for name in sorted(files):
            if name.endswith(".py"):
                yield Path(place, name)


# One comment or string literal. Going from one to the next keeps count of what is inside a literal, as a parser would,
# in a fifth of the time that `ast` takes for a hundred megabytes of source.
_LITERAL = re.compile(
    r"""
      \#[^\n]*
    | \"\"\" (?P<double>[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*) \"\"\"
    | \'\'\' (?P<single>[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*) \'\'\'
    | "[^"\\\n]*(?:\\.[^"\\\n]*)*"
    | '[^'\\\n]*(?:\\.[^'\\\n]*)*'
    """,
    re.VERBOSE | re.DOTALL,
)


def _literals(source: str) -> Iterator[str]:
    """The docstrings of a source file: literals in triple quotation marks that open a block, a file or an argument."""
    end = 0
    code = ":"  # the code before, without comments; a file opens as a block does
    for match in _LITERAL.finditer(source):
        between = source[end : match.start()].strip()
        end = match.end()
        code += between[-99:]
        if source[match.start()] == "#":
            continue
        text = match["double"] or match["single"]
        if text:
            if code[-1] in "rRuU":  # the prefix of the literal; those of bytes and of templates stay
                code = code[:-1].rstrip()
            if code[-1:] in (":", ","):
                yield inspect.cleandoc(text)
        code = "literal"


_FENCE = re.compile(r"\s*(```|~~~)")
_TABLE = re.compile(r"\s*=+(?: +=+)+\s*$")
_UNDERLINE = re.compile(r"\s*([-=~^*#\"'`.+_])\1{2,}\s*$")
_DOCTEST = re.compile(r"\s*(>>>|\.\.\. |\.\.\.$|In \[\d+\]|\$ )")
_DIRECTIVE = re.compile(r"\s*\.\. ")
_KEPT_DIRECTIVE = re.compile(
    r"\s*\.\. (?:note|warning|caution|tip|hint|important|attention|seealso|admonition|versionadded|versionchanged|"
    r"deprecated|rubric)::",
    re.IGNORECASE,
)
_HEADER = re.compile(r"\s*[A-Z][\w /]{0,40}:{1,2}$")
_BULLET = re.compile(r"\s*(?:[-*+•]|\(?\d{1,2}[.)]|#\.)\s+")
# `name : type`, of numpydoc; `name (type): ...`, `name: ...`, of Google's style; `:param type name: ...`, of Sphinx's.
_TYPE_LINE = re.compile(r"\s*[\w*.`', \\]{1,60} : ")
_ENTRY = re.compile(r"\s*(?:[-*+] )?[`*]*\w[\w.]*[`*]*(?: ?\(.*?\)(?=\s*(?::|--|$))|)\s*(?::|--)(?:\s+|$)")
# What stands above a definition: a few words without a stop.
_TERM = re.compile(r"\s*(?:\S+ ){0,5}\S*[^\s.:;,!?]$")
_FIELD = re.compile(r"\s*:(?:param|arg|kwarg|raises?|returns?|var|ivar|cvar|keyword)\b[^:]*:\s*")
_OTHER_FIELD = re.compile(r"\s*:[\w-]+(?: [\w.]+)?:(?!`)|\s*@\w+")

_ADDRESS = re.compile(r"<?\b(?:https?|ftp)://[^\s>)\]]+>?|\bwww\.[^\s>)]+|\bdoi:\S+")
_LINK = re.compile(r"\[([^\]\[]+)\]\([^)]*\)|\[[`~]*([\w.]+)`?\](?!_)")
_ROLE = re.compile(r":(?:\w+:)?(\w+):`[~!]?\.?([^`<]*?)(?:\s*<[^`]*>)?`")
_QUOTED = re.compile(r"``(.*?)``_{0,2}|`~?\.?([^`<]*?)(?:\s*<[^`]*>)?`_{0,2}")
_STRESS = re.compile(r"(?<![\w*])(\*{1,2})(?!\s)([^*]+?)(?<!\s)\1(?![\w*])")
_FOOTNOTE = re.compile(r"\s*\[[#\w*]{1,12}\]_")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_WORD = re.compile(r"[\"'(\[]*[A-Za-z]+(?:['’-][A-Za-z]+)*[\"')\],.;:!?]*")
_STOP_WORDS = "the a an of to is are be for in and or if that this with from by as on it not can will when which you at"
_STOP = frozenset(_STOP_WORDS.split())


def prose(docstring: str) -> Iterator[str]:
    """The paragraphs of running English text in a docstring that `inspect.cleandoc` has dedented."""
    for lines in _paragraphs(docstring.splitlines()):
        text = _plain(" ".join(lines))
        if _is_prose(text):
            yield text


def _paragraphs(lines: list[str]) -> Iterator[list[str]]:
    """Lines that belong together, without code, headings and what describes types."""
    paragraph: list[str] = []
    block = -1  # the indentation above a literal block; -1 outside of one
    fence = ""
    skip = False  # to the next blank line
    above = 0  # the indentation of the line before
    for number, line in enumerate(lines):
        stripped = line.strip()
        if fence:
            fence = "" if stripped.startswith(fence) else fence
            continue
        if not stripped:
            skip = False
            if paragraph:
                yield paragraph
                paragraph = []
            continue
        indent = len(line) - len(line.lstrip())
        if block >= 0:
            if indent > block:
                continue
            block = -1
        if skip:
            continue
        below = lines[number + 1] if number + 1 < len(lines) else ""
        starts = True
        if opened := _FENCE.match(line):
            fence, stripped = opened[1], ""
        elif _DOCTEST.match(line) or _TABLE.match(line):
            skip, stripped = True, ""
        elif _DIRECTIVE.match(line):
            if kept := _KEPT_DIRECTIVE.match(line):
                stripped = re.sub(r"^v?[\d.]+$|^v?[\d.]+\s", "", line[kept.end() :].strip())
            else:
                block, stripped = indent, ""
        elif _UNDERLINE.match(line) or _UNDERLINE.match(below):
            stripped = ""
        elif field := _FIELD.match(line):
            stripped = line[field.end() :]
        elif _HEADER.match(line) or _TYPE_LINE.match(line) or _OTHER_FIELD.match(line) or stripped[0] in "|+":
            block = indent if stripped.endswith("::") else block
            stripped = ""
        elif entry := _ENTRY.match(line):
            stripped = line[entry.end() :]
        elif bullet := _BULLET.match(line):
            stripped = line[bullet.end() :]
        elif (not paragraph or indent < above) and _TERM.match(line) and below[: indent + 1].isspace():
            stripped = ""
        else:
            starts = indent < above
        above = indent
        if starts and paragraph:
            yield paragraph
            paragraph = []
        if stripped.endswith("::"):
            block, stripped = indent, stripped[:-1]
        if stripped:
            paragraph.append(stripped)
    if paragraph:
        yield paragraph


def _plain(text: str) -> str:
    """The words of a paragraph without its markup."""
    if "//" in text or "www." in text or "doi:" in text:
        text = _ADDRESS.sub("", text)
    if "[" in text:
        text = _FOOTNOTE.sub("", _LINK.sub(lambda match: match[1] or match[2], text))
    if "`" in text:
        text = _ROLE.sub(lambda match: "" if match[1] in ("math", "ref", "doc") else match[2], text)
        text = _QUOTED.sub(lambda match: match[1] or match[2] or "", text)
    if "*" in text:
        text = _STRESS.sub(r"\2", text)
    if "<" in text:
        text = _TAG.sub("", text)
    return " ".join(text.split())


def _is_prose(text: str) -> bool:
    """At least five words, four fifths of what stands between spaces, some of them words that only sentences have."""
    pieces = text.split()
    if len(pieces) < 5 or "\\" in text:
        return False
    words = sum(1 for piece in pieces if _WORD.fullmatch(piece))
    return words >= 5 and words >= 0.8 * len(pieces) and not _STOP.isdisjoint(text.lower().split())

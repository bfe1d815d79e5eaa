"""What the READMEs tell a newcomer to type does what they say."""

import gzip
import json
import random
import re
import shlex
import zipfile
from pathlib import Path

import pytest

from wordemb_hf.cli import main

from .test_allennlp_elmo import OPTIONS, make_arrays, write
from .test_chinese_line import NOVEL

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
READMES = {
    "README.md": {
        "corpus": "my-text.txt",
        "data": "my-data",
        "texts": "texts.txt",
        "names": "my-names",
        "unseen": "other-text.txt",
        "pairs": "my-pairs.tsv",
        "words": ["tea", "coffee", "and", "water", "with", "milk", "is", "it", "going", "to", "rain", "tomorrow"],
        "joined": " ",
        "further": 5,
        "novel": "my-novel.txt",
        "chinese": ["pretrain", "neighbors"],
        "pieces": ["tokenizer", "finetune"],
    },
    "README.zh-CN.md": {
        "corpus": "语料.txt",
        "data": "我的数据",
        "texts": "文本.txt",
        "names": "我的实体",
        "unseen": "另一份语料.txt",
        "pairs": "我的句对.tsv",
        "words": list("喝一杯茶明天会下雨吗吃饭看书"),
        "joined": "",
        "further": 3,
        "novel": "红楼梦.txt",
        "chinese": ["pretrain", "neighbors", *["tokenizer"] * 3, "finetune", "finetune", "predict"],
        "pieces": [],
    },
}


def blocks(readme: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / readme).read_text(encoding="utf-8"), re.S)


@pytest.fixture
def there(request, tmp_path, monkeypatch):
    """A folder with the files that the README speaks of."""
    names = READMES[request.param]
    rng = random.Random(0)

    def sentence() -> str:
        return names["joined"].join(rng.choices(names["words"], k=8))

    for name, count in (("corpus", 200), ("texts", 5), ("unseen", 20)):
        (tmp_path / names[name]).write_text("\n".join(sentence() for _ in range(count)), encoding="utf-8")
    people = str.maketrans({"司": "宝", "棋": "玉", "雪": "贾", "雁": "母"})
    (tmp_path / names["novel"]).write_text("\n".join(NOVEL).translate(people), encoding="utf-8")
    (tmp_path / "我的词典.txt").write_text("喝茶 20\n明天 30\n", encoding="utf-8")
    (tmp_path / "我的词性.conll").write_text("我们\tPRON\n学习\tVERB\n语言\tNOUN\n\n" * 20, encoding="utf-8")
    rows = "".join(f"{sentence()}\t{sentence()}\n" for _ in range(20))
    (tmp_path / names["pairs"]).write_text(rows, encoding="utf-8")
    (tmp_path / names["data"]).mkdir()
    (tmp_path / names["names"]).mkdir()
    for part, count in (("train", 40), ("dev", 10), ("test", 10)):
        rows = "".join(f"{label}\t{sentence()}\n" for label in ("a", "b") for _ in range(count))
        (tmp_path / names["data"] / f"{part}.tsv").write_text(rows, encoding="utf-8")
        tagged = "\n".join("".join(f"{word}\tO\n" for word in names["words"]) + "Ada\tB-PER\n" for _ in range(count))
        (tmp_path / names["names"] / f"{part}.conll").write_text(tagged, encoding="utf-8")
    (tmp_path / "options.json").write_text(json.dumps(OPTIONS), encoding="utf-8")
    write(tmp_path / "weights.hdf5", make_arrays())
    lines = "".join(f"{word} {rng.random()} {rng.random()} {rng.random()}\n" for word in names["words"])
    with zipfile.ZipFile(tmp_path / "glove.6B.zip", "w") as archive:
        archive.writestr("glove.6B.50d.txt", lines)
        archive.writestr("glove.6B.100d.txt", lines)
    (tmp_path / "向量.txt.gz").write_bytes(gzip.compress(lines.encode()))
    monkeypatch.chdir(tmp_path)
    return request.param


@pytest.mark.parametrize("there", READMES, indirect=True)
def test_what_a_readme_tells_to_type_works(there, capsys):
    commands = [line for block in blocks(there, "bash") for line in block.splitlines() if line.startswith("wordemb-hf")]
    assert [command.split()[1] for command in commands] == [
        "pretrain",
        "neighbors",
        "similarity",
        "analogy",
        "convert",
        "convert",
        "finetune",
        "predict",
        "evaluate",
        "embed",
        "predict",
        *["finetune"] * READMES[there]["further"],
        "compare",
        "finetune",
        "predict",
        "pretrain",
        "predict",
        "evaluate",
        "embed",
        "pretrain",
        "finetune",
        "pretrain",
        "finetune",
        "finetune",
        "predict",
        "evaluate",
        *READMES[there]["pieces"],
        "export",
        *READMES[there]["chinese"],
    ]
    for command in commands:
        with pytest.raises(SystemExit) as end:
            main(shlex.split(command, comments=True)[1:])
        assert not end.value.code, f"{command}: {capsys.readouterr().err}"

    verb, anywhere, *further, official = blocks(there, "python")
    exec(compile(anywhere, there, "exec"), scope := {})
    shape = re.search(r"# \((.+)\)", anywhere)
    assert shape and scope["vectors"].shape == tuple(map(int, shape[1].split(",")))
    # The folder of the command above is there already.
    exec(compile(verb.replace("output=", "epochs=1, overwrite=True, output="), there, "exec"), {})
    for block in (*further, official):
        exec(compile(block, there, "exec"), {})
    assert Path(re.search(r'"([^"]+)"\)', official)[1]).is_dir()


@pytest.mark.parametrize("readme", READMES)
def test_every_file_that_a_readme_names_is_there(readme):
    text = (ROOT / readme).read_text(encoding="utf-8")
    named = re.findall(r"(?:python3|launch) (scripts/\w+\.py)", text) + re.findall(r"\]\(([\w./-]+?)(?:#.*?)?\)", text)
    assert len(named) > 4
    for name in named:
        assert (ROOT / name).is_file(), name

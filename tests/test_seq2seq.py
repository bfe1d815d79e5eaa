"""Pairs of texts in, what is made of them, and how what is written is measured."""

import gzip
import json
from itertools import combinations

import numpy as np
import pytest

from wordemb_hf.errors import UserError
from wordemb_hf.evaluation import TranslationMetrics, nearest_targets
from wordemb_hf.evaluation.translation import longest_common_subsequence, rouge_l
from wordemb_hf.new_models import end_with
from wordemb_hf.pairs import Pairs, read_pair_splits, read_pairs
from wordemb_hf.splits import Splits
from wordemb_hf.tasks.seq2seq import EncodedPairs, TextPairs
from wordemb_hf.vocabulary import build_tokenizer
from wordemb_hf.writing import plain_form

PAIRS = Pairs(["walk twice", "I like tea ."], ["WALK WALK", "我喜欢茶。"], "here")


def write_pairs(folder, suffix: str, columns=("source", "target")):
    path = folder / f"pairs{suffix}"
    rows = [dict(zip(columns, pair, strict=True)) for pair in zip(PAIRS.sources, PAIRS.targets, strict=True)]
    if suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif suffix == ".csv":
        lines = [",".join(columns), *(",".join(f'"{cell}"' for cell in row.values()) for row in rows)]
        path.write_text("\n".join(lines), encoding="utf-8")
    else:
        lines = ["\t".join(row.values()) for row in rows]
        if columns != ("source", "target"):
            lines.insert(0, "\t".join(columns))
        text = "\n".join(lines).encode()
        path.write_bytes(gzip.compress(text) if suffix.endswith(".gz") else text)
    return path


@pytest.mark.parametrize("suffix", [".tsv", ".tsv.gz", ".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("columns", [("source", "target"), ("target", "source"), ("en", "zh")])
def test_pairs_are_read(tmp_path, suffix, columns):
    if suffix.startswith(".tsv") and columns == ("target", "source"):
        pytest.skip("a line without a header begins with its source")
    path = write_pairs(tmp_path, suffix, columns)
    text, target = columns
    pairs = read_pairs(path, text_column=text, target_column=target)
    assert (pairs.sources, pairs.targets) == (PAIRS.sources, PAIRS.targets)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "one\ttwo\nthree\n", "line 2: no tab"),
        ("a.tsv", "one\ttwo\n \tfour\n", "line 2: the source is empty"),
        ("a.tsv", "one\t \n", "line 1: the target is empty"),
        ("a.tsv", "", "holds no pair"),
        ("a.csv", "text,target\na,b\n", "no column 'source'; it has 'text', 'target'"),
        ("a.jsonl", '{"source": "a", "target": 3}\n', "target must be a string"),
        ("a.jsonl", '{"source": "a"}\n', "no column 'target'"),
        ("a.parquet", "PAR1 is not enough", "cannot be read as parquet"),
        ("a.txt", "a\tb\n", "unknown extension"),
    ],
)
def test_what_is_no_pair_is_told(tmp_path, name, content, message):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_pairs(tmp_path / name)


def test_columns_of_parquet_that_hold_no_text(tmp_path):
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"source": [1], "target": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="source must be a string, not a number"):
        read_pairs(tmp_path / "a.parquet")
    with pytest.raises(UserError, match="no column 'zh'"):
        read_pairs(tmp_path / "a.parquet", target_column="zh")


def test_a_dev_part_shares_no_source_with_the_training_part(tmp_path):
    lines = [f"source {number // 3}\ttarget {number}" for number in range(60)]
    (tmp_path / "a.tsv").write_text("\n".join(lines), encoding="utf-8")
    splits: Splits[Pairs] = read_pair_splits(tmp_path / "a.tsv", seed=1)
    assert len(splits.train) + len(splits.dev) == 60 and 6 <= len(splits.dev) <= 8
    assert not set(splits.train.sources) & set(splits.dev.sources)
    again = read_pair_splits(tmp_path / "a.tsv", seed=1)
    assert again == splits and read_pair_splits(tmp_path / "a.tsv", seed=2) != splits


# Batches


@pytest.fixture(scope="module")
def tokenizer():
    tokenizer = build_tokenizer(
        PAIRS.texts, kind="word-space", min_count=1, lowercase=False, special_tokens=["<s>", "</s>"]
    )
    end_with(tokenizer, "</s>")
    return tokenizer


def test_batches_have_the_targets_as_labels(tokenizer):
    task = TextPairs(tokenizer, PAIRS, batch_size=2)
    (batch,) = task.epoch(0)
    order = np.argsort(batch["attention_mask"].sum(1).numpy())
    texts = [
        tokenizer.decode(batch["labels"][row][batch["labels"][row] != -100], skip_special_tokens=True) for row in order
    ]
    assert texts == PAIRS.targets
    assert all((row[row != -100][-1] == tokenizer.eos_token_id) for row in batch["labels"])
    assert task.items(batch) == 3 + 6 and task.encoded.longest_target == 6
    with_end = [tokenizer.convert_ids_to_tokens(row.tolist()) for row in task.encoded.rows]
    assert with_end == [["▁walk", "▁twice", "</s>"], ["▁I", "▁like", "▁tea", "▁.", "</s>"]]


def test_what_is_too_long_is_cut_and_counted(tokenizer):
    encoded = EncodedPairs(tokenizer, PAIRS, max_length=4)
    assert encoded.cut == 2 and encoded.longest_target == 4
    assert all(row[-1] == tokenizer.eos_token_id for row in [*encoded.rows, *encoded.targets])
    assert EncodedPairs(tokenizer, PAIRS, max_length=6).cut == 0


def test_a_tokenizer_without_an_end_gets_one_for_targets():
    plain = build_tokenizer(PAIRS.texts, min_count=1, special_tokens=["<s>", "</s>"])
    encoded = EncodedPairs(plain, PAIRS)
    assert all(row[-1] == plain.eos_token_id for row in encoded.targets)
    assert not any(plain.eos_token_id in row for row in encoded.rows)


# The form in which texts are compared


@pytest.mark.parametrize("text", ["Hello, \"world\"! (It's 3.5 o'clock.)", "我爱Python3,很好!", "a_b e-mail x", ""])
def test_word_space_gives_the_text_back(text):
    tokenizer = build_tokenizer([text, "more"], kind="word-space", min_count=1, lowercase=False)
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert plain_form(tokenizer, f"  {text}  ") == text
    assert not any("▁" in token and token != "▁" for token in tokenizer.tokenize("我爱茶"))


def test_targets_are_compared_as_the_model_could_write_them():
    def form(kind: str, lowercase: bool) -> str:
        tokenizer = build_tokenizer(["a b ."], kind=kind, min_count=1, lowercase=lowercase)
        return plain_form(tokenizer, "Ａ  B’s")

    assert form("word-space", True) == "a b's"
    assert form("word-space", False) == "A B's"
    assert form("char-space", False) == "A B's"
    assert form("whitespace", False) == "Ａ B’s"
    assert form("word", True) == "a b's"
    tokenizer = build_tokenizer(["a b ."], kind="word", min_count=1)
    assert plain_form(tokenizer, "Well, then.") == plain_form(tokenizer, "well , then .") == "well , then ."


# Metrics


def test_bleu_and_chrf_are_those_of_sacrebleu():
    import sacrebleu

    guessed = ["the cat sat on a mat", "it is raining today ."]
    right = ["the cat sat on the mat", "it rains today ."]
    figures = TranslationMetrics().compute(predictions=guessed, references=right)
    assert figures["bleu"] == pytest.approx(sacrebleu.corpus_bleu(guessed, [right]).score)
    assert figures["chrf"] == pytest.approx(sacrebleu.corpus_chrf(guessed, [right]).score)
    assert figures["rouge_l"] == pytest.approx((5 / 6 + 2 * 3 / 9) / 2) and figures["exact_match"] == 0
    assert all(type(value) is float for value in figures.values())


def test_chinese_is_measured_by_characters():
    import sacrebleu

    guessed, right = ["我喜欢喝茶。", "今天下雨"], ["我很喜欢喝茶。", "今天下雨"]
    figures = TranslationMetrics().compute(predictions=guessed, references=right)
    assert figures["bleu"] == pytest.approx(sacrebleu.corpus_bleu(guessed, [right], tokenize="char").score)
    assert figures["rouge_l"] == pytest.approx((12 / 13 + 1) / 2) and figures["exact_match"] == 0.5
    words = TranslationMetrics().compute(predictions=guessed, references=right, tokenize="13a")
    assert words["bleu"] != figures["bleu"]
    with pytest.raises(UserError, match="tokenize is 'words', but must be one of"):
        TranslationMetrics().compute(predictions=guessed, references=right, tokenize="words")


def test_the_longest_common_subsequence_is_found():
    """Against every subsequence."""

    def slow(first, second) -> int:
        shared = {
            tuple(first[place] for place in places)
            for size in range(len(first) + 1)
            for places in combinations(range(len(first)), size)
        }
        return max(
            size
            for size in range(len(second) + 1)
            for places in combinations(range(len(second)), size)
            if tuple(second[place] for place in places) in shared
        )

    rng = np.random.default_rng(0)
    for _ in range(60):
        first, second = (list(map(str, rng.integers(0, 3, rng.integers(0, 8)))) for _ in range(2))
        assert longest_common_subsequence(first, second) == slow(first, second)
    assert rouge_l([], []) == 1 and rouge_l([], ["a"]) == 0 and rouge_l(["a"], ["b"]) == 0


def test_the_baseline_is_what_was_written_for_the_nearest_source():
    sources, targets = ["walk left", "run right twice", "我喜欢茶"], ["A", "B", "C"]
    assert nearest_targets(sources, targets, ["left walk", "twice run", "茶"]) == ["A", "B", "C"]
    with pytest.raises(UserError, match="one target per source"):
        nearest_targets(sources, targets[:2], ["a"])

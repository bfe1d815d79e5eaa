"""The verb `compare`: figures are those of folders, a stopped comparison goes on, the page needs nothing else."""

import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest
from transformers import pipeline

import wordemb_hf
from wordemb_hf import finetuning
from wordemb_hf.cli import main
from wordemb_hf.errors import UserError
from wordemb_hf.evaluation.feature_crf import FeatureCRF, features_of, has_crfsuite
from wordemb_hf.hub_files import gather_files
from wordemb_hf.jobs import JOBS
from wordemb_hf.ladder import speed
from wordemb_hf.ladder.baselines import CRF, FREQUENT, TFIDF, fit_baseline
from wordemb_hf.ladder.choice import choose, front
from wordemb_hf.ladder.page import write_report
from wordemb_hf.ladder.plot import HEIGHT, WIDTH, Point, scatter
from wordemb_hf.ladder.records import Comparison, Run, Rung, Speed
from wordemb_hf.ladder.speed import measure_speed, sample
from wordemb_hf.ladder.table import table
from wordemb_hf.model_card import read_card_facts

TOPICS = {
    "food": ["bread", "soup", "apple", "cheese", "rice", "noodles"],
    "sport": ["ball", "goal", "team", "race", "match", "runner"],
    "music": ["song", "piano", "drum", "concert", "band", "melody"],
}
NAMES = ["Ada", "Tove", "Emil", "Nora", "Olga"]
QUICK = {"families": "bow,word2vec", "seeds": 1, "epochs": 1}


def write_texts(folder, seed=0, **parts):
    folder.mkdir(exist_ok=True)
    rng = random.Random(seed)
    for part, count in (parts or {"train": 60, "dev": 20, "test": 20}).items():
        labels = rng.choices(list(TOPICS), k=count)
        rows = (f"{label}\tI like {' and '.join(rng.sample(TOPICS[label], 2))}\n" for label in labels)
        (folder / f"{part}.tsv").write_text("".join(rows), encoding="utf-8")
    return folder


def write_tagged(folder, **parts):
    folder.mkdir(exist_ok=True)
    rng = random.Random(0)
    for part, count in (parts or {"train": 40, "dev": 10, "test": 10}).items():
        rows = (
            f"{rng.choice(TOPICS['food'])}\tO\nfor\tO\n{rng.choice(NAMES)}\tB-PER\n{rng.choice(NAMES)}\tI-PER\n\n"
            for _ in range(count)
        )
        (folder / f"{part}.conll").write_text("".join(rows), encoding="utf-8")
    return folder


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Few texts are timed, and not for long: how fast they are does not matter here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed, "TEXTS", 20)
        patch.setattr(speed, "WARM_UP", 2)
        patch.setattr(speed, "LEAST_SECONDS", 0.01)
        yield


@pytest.fixture
def data(tmp_path):
    return write_texts(tmp_path / "topics")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A comparison of two families with two seeds, its folder and what was returned."""
    place = tmp_path_factory.mktemp("done")
    data = write_texts(place / "topics")
    report = wordemb_hf.compare(data, place / "out", families="bow,word2vec", seeds=2, epochs=2)
    return data, place / "out", report


def rows_of(report):
    return {row["name"]: row for row in report["models"]}


# --- what is written --------------------------------------------------------------------------------------------------


def test_the_report_is_what_is_returned_and_nothing_else_is_left(done):
    _, output, report = done
    assert json.loads((output / "report.json").read_text(encoding="utf-8")) == report
    assert {path.name for path in output.iterdir()} == {"report.json", "report.html", "bow", "word2vec"}
    assert list(rows_of(report)) == [TFIDF, "bow", "word2vec"] and report["failures"] == {}
    assert report["data"]["sizes"] == {"train": 60, "dev": 20, "test": 20}
    assert report["choice"]["name"] in ("bow", "word2vec")


@pytest.mark.parametrize("family", ["bow", "word2vec"])
def test_the_figures_are_those_of_the_folders_card(done, family):
    _, output, report = done
    row, facts = rows_of(report)[family], read_card_facts(output / family)
    assert facts is not None and facts.model_name == family and facts.dataset_name == "topics"
    assert facts.settings["seed"] == row["best_seed"]
    (run,) = [run for run in row["runs"] if run["seed"] == row["best_seed"]]
    assert facts.metrics == {"dev": run["dev"], "test": run["test"]}
    assert facts.num_parameters == row["parameters"]
    assert row["bytes"] == facts.file_size_bytes + (output / family / "tokenizer.json").stat().st_size
    # The best seed is the best on dev, the first of equals; means and spreads are those of the runs.
    values = [run["dev"]["accuracy"] for run in row["runs"]]
    assert [run["seed"] for run in row["runs"]] == [0, 1] and row["best_seed"] == values.index(max(values))
    assert row["dev"]["mean"] == pytest.approx(sum(values) / 2)
    assert row["dev"]["spread"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    assert 0 < row["speed"]["p50"] <= row["speed"]["p95"] and row["speed"]["texts"] == 20


def test_a_folder_is_ready_to_push_and_loads(done):
    data, output, report = done
    files, _ = gather_files(output / "bow", "you/topics", None, None, None)
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md", "modeling_bow.py"} <= set(files)
    assert pipeline("text-classification", model=str(output / "bow"))("bread and soup")[0]["label"] in TOPICS
    row = rows_of(report)["bow"]
    (best,) = [run for run in row["runs"] if run["seed"] == row["best_seed"]]
    assert wordemb_hf.evaluate(str(output / "bow"), data) == pytest.approx(best["test"], abs=1e-6)


def test_the_same_again_trains_nothing_and_more_families_are_added(done, monkeypatch, capsys):
    data, output, report = done
    trained = []
    finetune = finetuning.finetune
    monkeypatch.setattr(finetuning, "finetune", lambda **options: trained.append(options) or finetune(**options))
    assert wordemb_hf.compare(data, output, families=["word2vec", "bow"], seeds=2, epochs=2) == report
    assert trained == []
    assert "TF-IDF + logistic regression" in capsys.readouterr().out


# --- stopped and failed -----------------------------------------------------------------------------------------------


def test_a_stopped_comparison_goes_on(data, tmp_path, monkeypatch):
    output, finetune, trained = tmp_path / "out", finetuning.finetune, []

    def stopped(**options):
        if options["family"] == "word2vec":
            raise KeyboardInterrupt
        return finetune(**options)

    monkeypatch.setattr(finetuning, "finetune", stopped)
    with pytest.raises(KeyboardInterrupt):
        wordemb_hf.compare(data, output, **QUICK)
    assert {path.name for path in output.iterdir()} == {"report.json", "report.html", "bow"}
    before = json.loads((output / "report.json").read_text(encoding="utf-8"))
    assert list(rows_of(before)) == [TFIDF, "bow"] and rows_of(before)["bow"]["speed"]["p50"] > 0

    monkeypatch.setattr(finetuning, "finetune", lambda **options: trained.append(options) or finetune(**options))
    after = wordemb_hf.compare(data, output, **QUICK)
    assert [options["family"] for options in trained] == ["word2vec"]
    assert [rows_of(after)[name] for name in (TFIDF, "bow")] == list(rows_of(before).values())
    assert (output / "word2vec" / "model.safetensors").is_file()


def test_a_folder_that_was_removed_is_made_again(data, tmp_path):
    wordemb_hf.compare(data, tmp_path / "out", families="bow", seeds=1, epochs=1)
    os.remove(tmp_path / "out" / "bow" / "config.json")
    wordemb_hf.compare(data, tmp_path / "out", families="bow", seeds=1, epochs=1)
    assert (tmp_path / "out" / "bow" / "config.json").is_file()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_a_killed_comparison_goes_on(data, tmp_path):
    output = tmp_path / "out"
    options = ["compare", "--data", data, "--output", output, "--families", "bow,bilstm", "--seeds", "1"]
    command = [sys.executable, "-m", "wordemb_hf", *map(str, options)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            time.sleep(0.2)
            if (output / "report.json").is_file() and '"name": "bow"' in (output / "report.json").read_text():
                break
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = rows_of(json.loads((output / "report.json").read_text(encoding="utf-8")))
    assert "bow" in before and "bilstm" not in before
    kept = (output / "bow" / "model.safetensors").stat().st_mtime_ns
    subprocess.run(command, check=True, timeout=300)
    after = rows_of(json.loads((output / "report.json").read_text(encoding="utf-8")))
    assert after["bow"]["runs"] == before["bow"]["runs"] and after["bilstm"]["speed"]
    assert (output / "bow" / "model.safetensors").stat().st_mtime_ns == kept
    assert not [path for path in output.iterdir() if path.name.startswith(".")]


def test_what_fails_is_told_and_the_rest_goes_on(tmp_path, capsys):
    data = write_tagged(tmp_path / "names")
    text = (data / "train.conll").read_text(encoding="utf-8")
    (data / "train.conll").write_text(text.replace("B-PER", "O", 1), encoding="utf-8")
    report = wordemb_hf.compare(data, tmp_path / "out", families="bilstm,textcnn", seeds=1, epochs=1)
    assert list(report["failures"]) == ["bilstm"] and "textcnn" in rows_of(report)
    assert f"{data / 'train.conll'}, line 4, word 4 of its sentence" in report["failures"]["bilstm"]
    assert "a CRF cannot learn it" in capsys.readouterr().out
    assert "a CRF cannot learn it" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert not (tmp_path / "out" / "bilstm").exists()


def test_a_mistake_of_ours_keeps_its_traceback(data, tmp_path, monkeypatch, capsys):
    def broken(**options):
        raise ZeroDivisionError("first line\nsecond")

    monkeypatch.setattr(finetuning, "finetune", broken)
    with pytest.raises(UserError, match=r"^no family could be trained: ZeroDivisionError: first line$"):
        wordemb_hf.compare(data, tmp_path / "out", families="bow", seeds=1)
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert report["failures"] == {"bow": "ZeroDivisionError: first line"} and report["choice"] is None
    assert "Traceback" in capsys.readouterr().err


def test_nothing_trained_is_a_failure(tmp_path, capsys):
    data = write_tagged(tmp_path / "names")
    text = (data / "train.conll").read_text(encoding="utf-8")
    (data / "train.conll").write_text(text.replace("B-PER", "O", 1), encoding="utf-8")
    options = ["compare", "--data", data, "--output", tmp_path / "out", "--families", "bilstm", "--seeds", "1"]
    with pytest.raises(SystemExit) as end:
        main(list(map(str, options)))
    assert end.value.code == 1
    assert "no family could be trained" in capsys.readouterr().err
    assert list(json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["failures"]) == ["bilstm"]


def test_two_at_once_do_not_write_one_folder(data, tmp_path):
    program = "import sys\nfrom pathlib import Path\nfrom wordemb_hf.folders import only_writer\n"
    program += "with only_writer(Path(sys.argv[1])):\n    print('here', flush=True)\n    sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path / "out"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == "here\n"
        with pytest.raises(UserError, match=f"is being written by another process, number {other.pid}: wait until"):
            wordemb_hf.compare(data, tmp_path / "out", **QUICK)
        assert not (tmp_path / "out").exists()
    finally:
        other.kill()  # and its lock ends with it
        other.communicate()
    assert (tmp_path / ".out.lock").is_file()
    wordemb_hf.compare(data, tmp_path / "out", families="bow", seeds=1, epochs=1)
    assert not (tmp_path / ".out.lock").exists()


# --- from word vectors ------------------------------------------------------------------------------------------------


def test_word_vectors_are_taken_by_those_that_have_some(data, tmp_path, capsys):
    words = [word for group in TOPICS.values() for word in group]
    rows = [f"{word} {number} {number % 3} 1 0.5 -1 {-number}" for number, word in enumerate(words)]
    (tmp_path / "words.vec").write_text("\n".join([f"{len(rows)} 6", *rows]), encoding="utf-8")
    options = {"families": "bow,word2vec", "seeds": 1, "epochs": 1, "vectors": tmp_path / "words.vec"}
    report = wordemb_hf.compare(data, tmp_path / "out", **options)
    assert report["failures"] == {} and set(rows_of(report)) == {TFIDF, "bow", "word2vec"}
    assert "Without word vectors to start from: bow." in capsys.readouterr().out
    config = json.loads((tmp_path / "out" / "word2vec" / "config.json").read_text(encoding="utf-8"))
    assert config["hidden_size"] == 6
    facts = read_card_facts(tmp_path / "out" / "word2vec")
    assert facts is not None and facts.settings["vectors"] == "words.vec"
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "start from those of" in page and "words.vec" in page
    with pytest.raises(UserError, match=r"with vectors .*words\.vec, and now it is None"):
        wordemb_hf.compare(data, tmp_path / "out", **{**options, "vectors": None})


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"families": "bow,nonsense"}, "family is 'nonsense', but must be one of "),
        ({"families": "bow,transformer_decoder"}, "families holds 'transformer_decoder', but for a classifier it must"),
        ({"families": ","}, "families names none: choose from "),
        ({"families": []}, "families names none: choose from "),
        ({"seeds": 0}, "seeds is 0, but must be at least 1"),
        ({"batch_size": 0}, "batch_size is 0, but must be at least 1"),
        ({"max_length": 0}, "max_length is 0, but must be at least 1"),
        ({"epochs": -1}, "epochs is -1, but must be at least 0"),
        ({"min_count": 0}, "min_count"),
        ({"tokenizer_kind": "bytes"}, "bytes"),
        ({"mixed_precision": "fp16"}, "mixed_precision is 'fp16'"),
        ({"card_language": "fr"}, "card_language is 'fr'"),
        ({"output": "full"}, "output folder full is not empty"),
        ({"output": "foreign"}, "report.json is no report of a comparison: give another --output"),
        ({"output": "foreign", "overwrite": True}, "report.json is no report of a comparison: give another --output"),
        ({"vectors": "gone.vec"}, "no such file or folder of word vectors: gone.vec"),
        ({"data": "gone.tsv"}, "no such file: gone.tsv"),
        ({"data": "one.tsv"}, "only one class"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(data, tmp_path, monkeypatch, options, sentence):
    monkeypatch.chdir(tmp_path)
    for folder, name in (("full", "thesis.txt"), ("foreign", "report.json")):
        Path(folder).mkdir()
        Path(folder, name).write_text("{}", encoding="utf-8")
    Path("one.tsv").write_text("a\tb\na\tc\n", encoding="utf-8")
    with pytest.raises(UserError) as error:
        wordemb_hf.compare(**{"data": data, "output": "new", **options})
    assert sentence in str(error.value) and "\n" not in str(error.value)
    assert (
        not Path("new").exists() and Path("full", "thesis.txt").is_file() and Path("foreign", "report.json").is_file()
    )


def test_a_family_that_cannot_tag_is_refused_by_name(tmp_path):
    data = write_tagged(tmp_path / "names")
    with pytest.raises(UserError, match="families holds 'bow', but for a tagger it must be of bilstm, "):
        wordemb_hf.compare(data, tmp_path / "out", families="bilstm,bow")


@pytest.mark.parametrize("families", ["bow,nonsense", "[bow, nonsense]"])
def test_families_in_a_file_of_options(data, tmp_path, capsys, families):
    (tmp_path / "run.yaml").write_text(f"families: {families}\nseeds: 1\n", encoding="utf-8")
    options = ["--config", tmp_path / "run.yaml", "--data", data, "--output", tmp_path / "out"]
    with pytest.raises(SystemExit) as end:
        main(["compare", *map(str, options)])
    assert end.value.code == 1 and "family is 'nonsense', but must be one of" in capsys.readouterr().err


def test_several_processes_are_refused(data, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="start it without a launcher"):
        wordemb_hf.compare(data, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_data_and_options_are_refused_unless_it_begins_anew(data, tmp_path):
    def compare(**options):
        return wordemb_hf.compare(**{"data": data, "output": tmp_path / "out", "families": "bow", **QUICK, **options})

    first = compare(families="bow")
    for options, sentence in (
        ({"epochs": 2}, "holds a comparison with epochs 1, and now it is 2: give the same again"),
        ({"seeds": 2}, "holds a comparison with seeds 1, and now it is 2"),
        ({"lowercase": False}, "holds a comparison with lowercase None, and now it is False"),
        ({"data": write_texts(tmp_path / "others", seed=1)}, "holds a comparison on other data (topics, "),
    ):
        with pytest.raises(UserError) as error:
            compare(families="bow", **options)
        assert sentence in str(error.value)
    assert json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8")) == first
    (tmp_path / "out" / "notes.txt").write_text("mine", encoding="utf-8")
    second = compare(families="word2vec", epochs=2, overwrite=True)
    assert list(rows_of(second)) == [TFIDF, "word2vec"] and second["settings"]["epochs"] == 2
    assert not (tmp_path / "out" / "bow").exists() and (tmp_path / "out" / "notes.txt").is_file()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("comparison 1", "comparison 0"),
        lambda text: text.replace('"p50": ', '"p50": "x", "p5": '),
        lambda text: text.replace('"name": "bow"', '"name": "../bow"'),
        lambda text: text.replace('"runs": [', '"runs": [7, '),
    ],
)
def test_a_damaged_report_is_refused(done, tmp_path, damage):
    data, output, _ = done
    (tmp_path / "out").mkdir()
    text = damage((output / "report.json").read_text(encoding="utf-8"))
    (tmp_path / "out" / "report.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"report\.json is damaged \(.*\): give another --output, or --overwrite"):
        wordemb_hf.compare(data, tmp_path / "out", families="bow,word2vec", seeds=2, epochs=2)


# --- tagging, and data without a dev part -----------------------------------------------------------------------------


def test_taggers_are_compared(tmp_path, capsys):
    data = write_tagged(tmp_path / "names", train=60, test=10)
    main_with = ["compare", "--data", data, "--output", tmp_path / "out", "--families", "textcnn,word2vec"]
    with pytest.raises(SystemExit) as end:
        main([*map(str, main_with), "--seeds", "1", "--epochs", "1"])
    assert not end.value.code
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert report["task"] == "tagging" and report["metric"] == "f1"
    assert report["data"]["sizes"] == {"train": 54, "dev": 6, "test": 10}
    assert list(rows_of(report)) == [FREQUENT, *([CRF] if has_crfsuite() else []), "textcnn", "word2vec"]
    if has_crfsuite():
        assert rows_of(report)[CRF]["test"]["mean"] == 1.0
    assert "54 sentences to train on, 6 for development" in capsys.readouterr().out
    tag = pipeline("token-classification", model=str(tmp_path / "out" / "textcnn"))
    assert len(tag("soup for Ada Olga")) <= 4


def test_every_seed_has_the_same_development_part(tmp_path, monkeypatch):
    data = write_texts(tmp_path / "topics", train=60)
    seen = []
    finetune = finetuning.finetune

    def looked_at(**options):
        seen.append({path.name: path.read_bytes() for path in Path(options["data"]).iterdir()})
        return finetune(**options)

    monkeypatch.setattr(finetuning, "finetune", looked_at)
    report = wordemb_hf.compare(data / "train.tsv", tmp_path / "out", families="bow", seeds=2, epochs=1)
    assert seen[0] == seen[1] and set(seen[0]) == {"train.jsonl", "dev.jsonl"}
    assert report["data"]["name"] == "train" and report["data"]["sizes"]["test"] == 0
    assert rows_of(report)["bow"]["test"] is None
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "dev %" in page and "test %" not in page


# --- baselines --------------------------------------------------------------------------------------------------------


def test_a_baseline_has_the_figures_of_finetune(tmp_path):
    labelled = JOBS["classification"].read(write_texts(tmp_path / "topics"), None, None, "text", "label", 0)
    tagged = JOBS["tagging"].read(write_tagged(tmp_path / "names"), None, None, "text", "label", 0)
    for job, name, parts in ((JOBS["classification"], TFIDF, labelled), (JOBS["tagging"], FREQUENT, tagged)):
        rung = fit_baseline(name, parts, "en", sample(parts.dev.texts))
        expected = job.baseline(parts.train, parts.test, "en")
        assert rung.runs[0].test == {key: value for key, value in expected.items() if isinstance(value, float)}
        assert rung.is_baseline and rung.parameters > 5 and rung.bytes > rung.parameters
        assert 0 < rung.speed.p50 <= rung.speed.p95


def test_a_crf_learns_what_words_alone_do_not_tell():
    pytest.importorskip("pycrfsuite", reason="the extra crf is not installed")
    sentences = [["see", "Ada"], ["Ada", "sees"], ["see", "Olga"], ["Olga", "sees"]] * 5
    tags = [["O", "B"], ["A", "O"]] * 10  # by what stands before it
    crf = FeatureCRF(sentences, tags)
    assert [crf.tag(sentence) for sentence in sentences[:4]] == tags[:4]
    assert crf.tag(["see", "Nora"]) == ["O", "B"] and crf.tag([]) == []
    assert crf.num_parameters > 5


def test_features_of_a_word():
    first, last = features_of(["In", "1984-x"])
    assert {"0=in", "shape=Xx", "-1=<s>", "1=1984-x", "0|=in|1984-x", "begins=i", "ends=n"} <= set(first)
    assert {"0=1984-x", "shape=d-x", "1=</s>", "ends=4-x"} <= set(last)


# --- which is enough --------------------------------------------------------------------------------------------------


def rung(name, *accuracies, p50=1.0, size=1000, is_baseline=False):
    runs = [Run(seed, 2.0, {"accuracy": value}, {"accuracy": value}) for seed, value in enumerate(accuracies)]
    return Rung(name, is_baseline, runs, 0, 10, size, Speed(p50, 2 * p50, 300, 100.0))


def comparison_of(folder, *rungs, name="topics", labels=("a", "b"), failures=None):
    return Comparison(
        folder,
        {"name": name, "fingerprint": "f" * 64, "labels": list(labels), "sizes": {"train": 9, "dev": 100, "test": 5}},
        "classification",
        "accuracy",
        {"seeds": 3, "threads": 1},
        {rung.name: rung for rung in rungs},
        failures or {},
    )


def test_the_front_is_that_of_all_pairs():
    rng = random.Random(0)
    for _ in range(200):
        rungs = [rung(str(number), rng.randint(0, 4) / 4, p50=rng.randint(1, 4)) for number in range(6)]
        points = {(r.runs[0].dev["accuracy"], r.speed.p50) for r in rungs}
        expected = {
            (quality, cost)
            for quality, cost in points
            if not any(q >= quality and c <= cost and (q, c) != (quality, cost) for q, c in points)
        }
        found = front(rungs, lambda r: r.runs[0].dev["accuracy"], lambda r: r.speed.p50)
        assert {(r.runs[0].dev["accuracy"], r.speed.p50) for r in found} == expected and len(found) == len(expected)


@pytest.mark.parametrize(
    ("rungs", "name", "best"),
    [
        # 90 ± 1: 89.5 is as good, and of those that are nearly as fast the smallest is taken.
        ([rung("a", 0.89, 0.90, 0.91, p50=9.0), rung("b", 0.895, p50=2.0), rung("c", 0.88, p50=0.1)], "b", "a"),
        ([rung("a", 0.90, 0.90, p50=9.0), rung("b", 0.89, p50=0.1)], "a", "a"),
        ([rung("a", 0.9, 0.88, p50=2.0, size=9), rung("b", 0.89, p50=1.9), rung("c", 0.89, p50=9.0, size=1)], "a", "a"),
        # One training: the standard error of 90 % of 100 texts is 3 points.
        ([rung("a", 0.90, p50=9.0), rung("b", 0.875, p50=1.0), rung("c", 0.86, p50=0.1)], "b", "a"),
        # A baseline is no model to take.
        ([rung("a", 0.90), rung(TFIDF, 0.99, p50=0.1, is_baseline=True)], "a", "a"),
    ],
)
def test_the_smallest_of_the_fast_ones_within_a_spread_is_taken(tmp_path, rungs, name, best):
    choice = choose(comparison_of(tmp_path, *rungs))
    assert (choice.name, choice.best) == (name, best)
    assert choice.sentence.startswith(f"Take {name}: ") and (best in choice.sentence or name == best)
    assert ("is at least as good" in choice.sentence) is any(r.is_baseline for r in rungs)


def test_nothing_is_taken_of_nothing(tmp_path):
    assert choose(comparison_of(tmp_path, rung(TFIDF, 0.9, is_baseline=True))) is None


# --- how it is shown --------------------------------------------------------------------------------------------------

HOSTILE = ['<script>alert("x")</script>', "&amp;", "'\"><img src=x>", "\u202e\x00\n", "好看", "a" * 300]


class Tags(HTMLParser):
    """The tags of a page, and those that are open."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.attributes = [], set(), set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_page_is_well_formed_and_needs_nothing_else(tmp_path, monkeypatch, language):
    monkeypatch.setenv("WORDEMB_HF_LANGUAGE", language)
    rungs = [rung("bow", 0.8, 0.9, p50=0.5), rung("rnn", 0.9, 0.91, p50=5.0, size=10**7), rung("elmo", 0.7)]
    rungs += [rung(TFIDF, 0.85, is_baseline=True), Rung("bilstm", runs=[Run(0, 1.0, {"accuracy": 0.5})])]
    failures = {"textcnn": HOSTILE[0]}
    comparison = comparison_of(tmp_path, *rungs, name=HOSTILE[2], labels=HOSTILE, failures=failures)
    write_report(comparison, choose(comparison))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    tags.close()
    assert tags.open == [] and tags.seen <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "ul", "li", "div", "table", "thead"),
        *("tbody", "tr", "th", "td", "figure", "figcaption", "svg", "path", "text", "circle", "rect"),
    }
    assert not tags.attributes & {"src", "href", "onload", "xmlns"}
    assert "http" not in page and "url(" not in page and "@import" not in page and "\x00" not in page
    assert f'lang="{language}"' in page and ("建议用" in page) is (language == "zh")
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;" in page and "好看" in page and "&amp;amp;" in page
    for svg in re.findall(r"<svg.*?</svg>", page):
        ElementTree.fromstring(svg)
    assert page.count("<svg") == 2 and page.count('<tr class="taken"') == 1
    assert page.count("<circle") == 2 * 3 and page.count("<rect") == 2  # what is not finished is in the table alone
    assert {path.name for path in tmp_path.iterdir()} == {"report.html"}


def test_a_plot_keeps_names_apart_and_inside():
    rng = random.Random(1)
    costs = [0.1, 0.11, 0.5, 0.52, 2.0, 9.0, 9.5]
    points = [Point(f"family_{n}", c, str(c), 80 + rng.random(), 0.2, "model", n % 2 == 0) for n, c in enumerate(costs)]
    names = {point.name for point in points}
    svg = ElementTree.fromstring(scatter(points, "cost", "quality", str))
    boxes = []
    for text in svg.iter("text"):
        if text.text in names:
            wide, x, y = 7.0 * len(text.text), float(text.get("x")), float(text.get("y"))
            left = x - {"start": 0, "middle": wide / 2, "end": wide}[text.get("text-anchor")]
            boxes.append((left, y - 11, left + wide, y + 3))
    assert len(boxes) == len(points)
    for left, top, right, bottom in boxes:
        assert left >= 0 and right <= WIDTH and top >= 0 and bottom <= HEIGHT
    for one, other in itertools.combinations(boxes, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


@pytest.mark.parametrize("points", [[("a", 1.0, 50.0)], [("a", 1.0, 50.0), ("b", 1.0, 50.0)], [("a", 0.0, 0.0)]])
def test_a_plot_of_few_points(points):
    ElementTree.fromstring(scatter([Point(n, c, "", q, 0.0, "model", True) for n, c, q in points], "x", "y", str))


@pytest.mark.parametrize(("language", "head"), [("en", "model"), ("zh", "模型")])
def test_columns_of_a_table_stand_below_each_other(tmp_path, monkeypatch, language, head):
    monkeypatch.setenv("WORDEMB_HF_LANGUAGE", language)
    rungs = [rung("bow", 0.8, 0.9), rung(TFIDF, 0.85, is_baseline=True, size=10**7)]
    lines = table(comparison_of(tmp_path, *rungs)).splitlines()
    assert lines[0].startswith(head) and lines[1].split()[0] != lines[2].split()[0]
    wide = [sum(2 if "\u2e80" < c < "\uffee" else 1 for c in line) for line in lines]
    assert len(set(wide)) == 1 and "85.0 ± 7.1" in "".join(lines) and "10.0 MB" in "".join(lines)


# --- how it is measured -----------------------------------------------------------------------------------------------


def test_speed_is_that_of_each_text(monkeypatch):
    monkeypatch.setattr(speed, "WARM_UP", 30)
    monkeypatch.setattr(speed, "LEAST_SECONDS", 1.0)
    slept, answered = [], []

    def answer(text):
        slept.append(text)
        time.sleep(0.02 if text == "slow" else 0.001)

    texts = ["quick"] * 90 + ["slow"] * 10
    found = measure_speed(answer, lambda many: answered.append(len(many)) or time.sleep(0.2), texts)
    assert len(slept) == 130 and found.texts == 100
    assert 1 <= found.p50 < 15 and found.p95 >= 20
    assert 50 < found.per_second <= 500 and sum(answered[1:]) >= 400


def test_a_sample_is_of_all_texts(monkeypatch):
    monkeypatch.setattr(speed, "TEXTS", 300)
    assert sample([str(number) for number in range(3000)]) == [str(number) for number in range(0, 3000, 10)]
    assert sample(["a", " ", "b"]) == ["a"] * 150 + ["b"] * 150
    assert len(sample([""])) == 300

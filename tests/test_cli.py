"""The command line: bad input gets one sentence, odd input works, and a verb is the same function everywhere."""

import io
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import transformers
import typer.main

import wordemb_hf
from wordemb_hf.cli import main, make_app

TOPICS = {
    "food": ["bread", "soup", "apple", "cheese", "rice"],
    "sport": ["ball", "goal", "team", "race", "match"],
    "music": ["song", "piano", "drum", "concert", "band"],
}
TINY = ["--set", "embedding_size=8", "--set", "num_filters=4", "--epochs", "2"]


def sentences(count):
    """Labels and texts, the same in each call."""
    rng = random.Random(0)
    for _ in range(count):
        topic = rng.choice(list(TOPICS))
        first, second = rng.sample(TOPICS[topic], 2)
        yield topic, f"I {rng.choice(['like', 'want', 'see'])} the {first} and the {second}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A labelled file, a corpus and, once made, models: nothing here is written to by a test."""
    folder = tmp_path_factory.mktemp("cli")
    rows = list(sentences(60))
    (folder / "train.tsv").write_text("".join(f"{label}\t{text}\n" for label, text in rows), encoding="utf-8")
    (folder / "corpus.txt").write_text("".join(f"{text}\n" for _, text in rows), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def classifier(folder):
    wordemb_hf.finetune(
        data=folder / "train.tsv",
        output=folder / "classifier",
        settings={"embedding_size": 8, "num_filters": 4},
        epochs=2,
    )
    return folder / "classifier"


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """A folder of one's own, English, an empty standard input, and transformers as quiet as in a process of `main`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORDEMB_HF_LANGUAGE", raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


@pytest.fixture
def run(capsys):
    """Runs a command line in this process and gives its exit status, output and errors."""

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return left.value.code or 0, captured.out, captured.err

    return run


@pytest.fixture
def refused(run, tmp_path):
    """Runs a command line that must fail with one sentence and write nothing; gives the sentence."""

    def refused(*arguments):
        before = sorted(tmp_path.rglob("*"))
        status, _, errors = run(*arguments)
        assert status == 1, errors
        assert errors.startswith("error: ") and errors.count("\n") == 1 and errors.endswith("\n"), errors
        assert sorted(tmp_path.rglob("*")) == before
        return errors.removeprefix("error: ").rstrip("\n")

    return refused


def write(name, content):
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


def python(*arguments, **environment):
    """A command in a process of its own."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONIOENCODING": "utf-8", **environment},
    )


# --- bad data ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("missing.tsv", None, "no such file: missing.tsv"),
        ("empty.tsv", "", "empty.tsv is empty: it holds no example"),
        ("empty.jsonl", "\n\n", "empty.jsonl is empty: it holds no example"),
        ("latin.tsv", "a\tone\nb\tcafé\n".encode("latin-1"), "latin.tsv, line 2, byte 11: not UTF-8"),
        ("utf16.csv", "text,label\n".encode("utf-16"), "utf16.csv, line 1: a NUL byte"),
        ("a.csv", "body,label\nx,a\n", "the header of a.csv has no column 'text'; it has 'body', 'label'"),
        ("a.jsonl", '{"text": "x", "class": "a"}\n', "a.jsonl, line 1 has no column 'label'"),
        ("one.tsv", "a\tx\na\ty\n", "only one class ('a') in one.tsv: a classifier needs at least two"),
        ("nothing", None, "no such file: nothing"),
        ("a.docx", "x", "a.docx has an unknown extension"),
        ("missing.conll", None, "no such file: missing.conll"),
        ("empty.conll", "\n\n", "empty.conll is empty: it holds no sentence"),
        ("one.conll", "a O\nb O\n", "only one tag ('O') in one.conll: a tagger needs at least two"),
        ("a.conll", "a\tO\nb\tB-X\n\nc\n", "a.conll, line 4, sentence 2: no tag for 'c'; a line is word<TAB>tag"),
        ("latin.conll", "a O\ncafé O\n".encode("latin-1"), "latin.conll, line 2, byte 7: not UTF-8"),
    ],
)
def test_labelled_data_that_cannot_be_used(refused, name, content, sentence):
    if content is not None:
        write(name, content)
    assert sentence in refused("finetune", "--data", name, "--output", "new")


@pytest.mark.parametrize("part", ["--dev", "--test"])
def test_an_unknown_label_in_another_part(refused, folder, part):
    write("other.tsv", "food\tsoup\nweather\train\n")
    sentence = refused("finetune", "--data", folder / "train.tsv", part, "other.tsv", "--output", "new")
    assert sentence.startswith("the label 'weather' in other.tsv does not occur in the training part: 'food', 'music'")


def test_a_folder_without_parts(refused, folder, classifier):
    os.mkdir("data")
    assert "the folder data has no training part" in refused("finetune", "--data", "data", "--output", "new")
    assert "the folder data has no test part" in refused("evaluate", classifier, "--data", "data")
    assert "the folder data has no file to read" in refused("pretrain", "--corpus", "data", "--output", "new")


@pytest.mark.parametrize("kind", ["word", "char"])
def test_nothing_reaches_min_count(refused, folder, kind):
    options = ["--min-count", "1000", "--tokenizer-kind", kind, "--output", "new"]
    noun = {"word": "word", "char": "character"}[kind]
    for verb in (["pretrain", "--corpus", folder / "corpus.txt"], ["finetune", "--data", folder / "train.tsv"]):
        sentence = refused(*verb, *options)
        assert sentence.startswith(f"no {noun} of the corpus occurs at least 1000 times (the most frequent, ")
        assert sentence.endswith("lower --min-count or give more text")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("missing.txt", None, "no such file: missing.txt"),
        ("empty.txt", "\n", "empty.txt is empty: it holds no document"),
        ("latin.txt", b"caf\xe9\n", "latin.txt, line 1, byte 3: not UTF-8"),
        ("a.tsv", "body\nx\n", "the header of a.tsv has no column 'text'; it has 'body'"),
        ("marks.txt", "\u200b\n\u00ad\n", "the corpus holds no word at all"),
    ],
)
def test_a_corpus_that_cannot_be_used(refused, name, content, sentence):
    if content is not None:
        write(name, content)
    assert sentence in refused("pretrain", "--corpus", name, "--output", "new")


# --- impossible settings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--set num_filters=0", "num_filters is 0, but must be at least 1"),
        ("--set num_filters=abc", "'num_filters' expected int, got str (value: 'abc')"),
        ("--set filter_sizes=[]", "filter_sizes is [], but must hold one or more widths"),
        ("--set classifier_dropout=2", "classifier_dropout is 2, but must be at least 0 and below 1"),
        ("--set embedding_mode=x", "'embedding_mode' expected one of ('rand', 'static', 'non-static', 'multichannel')"),
        ("--set nonsense=1", "textcnn has no setting 'nonsense': textcnn has bigram_embedding_size, "),
        ("--set num_filter=1", "textcnn has no setting 'num_filter'; did you mean num_filters?"),
        ("--set foo", "--set 'foo' must be name=value, as in --set num_filters=200"),
        ("--set num_filters=[", "--set 'num_filters=[': '[' is no value"),
        ("--set vocab_size=5", "vocab_size is 5, but cannot be set: it follows from the data"),
        ("--set num_labels=7", "num_labels is 7, but cannot be set"),
        ("--family nope", "family is 'nope', but must be one of "),
        ("--epochs -1", "epochs is -1, but must be at least 0"),
        ("--learning-rate 0", "learning_rate is 0.0, but must be above 0"),
        ("--learning-rate nan", "learning_rate is nan, but must be above 0"),
        ("--warmup 1.5", "warmup is 1.5, but must be at least 0 and below 1"),
        ("--weight-decay -1", "weight_decay is -1.0, but must not be negative"),
        ("--max-grad-norm -1", "max_grad_norm is -1.0, but must not be negative"),
        ("--accumulation 0", "accumulation is 0, but must be at least 1"),
        ("--patience -1", "patience is -1, but must be at least 0"),
        ("--batch-size 0", "batch_size is 0"),
        ("--max-length 0", "max_length is 0"),
        ("--min-count 0", "min_count must be at least 1, not 0"),
        ("--seed -1", "seed is -1, but must be at least 0"),
        ("--model a --vectors b", "leave --vectors and --set out"),
        ("--family bow --vectors b", "bow only counts words and has no word vectors to start from"),
        ("--family elmo --set token_input=characters --vectors b", "elmo reads characters (token_input)"),
        ("--vectors missing", "missing is no folder of word vectors: it has no tokenizer.json"),
    ],
)
def test_impossible_settings_of_finetune(refused, folder, options, sentence):
    assert sentence in refused("finetune", "--data", folder / "train.tsv", "--output", "new", *options.split())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--family textcnn", "family is 'textcnn', but pretrain knows bilstm, elmo, rnn, transformer_decoder, "),
        ("--family lstm", "family is 'lstm', but must be one of "),
        ("--family rnn --window-size 3", "rnn has no setting 'window_size'"),
        ("--family rnn --hidden-size 50", "tie_word_embeddings needs embedding_size, 200, equal to hidden_size, 50"),
        ("--family rnn --length 0", "length is 0, but must be at least 1"),
        ("--family bilstm --set num_hidden_layers=2", "num_hidden_layers is 2, but a cloze model has 1"),
        ("--dev dev.txt", "word vectors have no development text"),
        ("--hidden-size 0", "hidden_size is 0, but must be at least 1"),
        ("--window-size 0", "window_size is 0, but must be at least 1"),
        ("--num-negatives 0", "num_negatives is 0, but must be at least 1"),
        ("--subsample-threshold -1", "subsample_threshold is -1.0, but must "),
        ("--epochs -1", "epochs is -1, but must be at least"),
        ("--batch-size 0", "batch_size is 0, but must be at least 1"),
        ("--learning-rate 0", "learning_rate is 0.0, but must be above 0"),
        ("--learning-rate -1", "learning_rate is -1.0, but must be above 0"),
        ("--min-count 0", "min_count must be at least 1, not 0"),
        ("--max-vocab-size 0", "must be at least 1, not 0"),
        ("--seed -1", "seed is -1, but must be at least 0"),
        ("--threads 0", "threads is 0, but must be at least 1"),
        ("--threads 100000", "threads is 100000, but this process has "),
        ("--model old --window-size 3", "model old brings its own settings, but window_size would change them"),
        ("--model no/such", "no/such"),
    ],
)
def test_impossible_settings_of_pretrain(refused, folder, options, sentence):
    assert sentence in refused("pretrain", "--corpus", folder / "corpus.txt", "--output", "new", *options.split())


# --- outputs and models -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["finetune", "pretrain"])
def test_an_output_that_is_in_use_is_not_touched(refused, folder, verb):
    data = ["--data", folder / "train.tsv"] if verb == "finetune" else ["--corpus", folder / "corpus.txt"]
    os.mkdir("full")
    kept = Path(write("full/thesis.txt", "my work"))
    stamp = kept.stat().st_mtime_ns
    assert refused(verb, *data, "--output", "full").startswith("output folder full is not empty: give another one, or ")
    assert "full holds no model" in refused(verb, *data, "--output", "full", "--overwrite")
    assert refused(verb, *data, "--output", "full/thesis.txt") == "output full/thesis.txt is a file: give a folder"
    assert "which is a file" in refused(verb, *data, "--output", "full/thesis.txt/model")
    assert (kept.read_text(), kept.stat().st_mtime_ns) == ("my work", stamp)


def test_an_output_file_that_cannot_be_written(refused, folder, classifier):
    os.mkdir("there")
    for verb in (["predict", classifier, "x"], ["embed", classifier, "x"]):
        assert "there is no folder gone" in refused(*verb, "--output", "gone/x.npy")
        assert refused(*verb, "--output", "there") == "output there is a folder: give a file"
    assert "there is no folder gone" in refused(
        "evaluate", classifier, "--data", folder / "train.tsv", "--output", "gone/x"
    )
    assert (
        refused("embed", classifier, "x", "--output", "x.txt")
        == "output x.txt must end in .npy, .safetensors or .parquet"
    )


VERBS_ON_A_MODEL = {"predict": ["soup"], "embed": ["soup"], "neighbors": ["soup"], "evaluate": ["--data", "data.tsv"]}


@pytest.mark.parametrize("verb", VERBS_ON_A_MODEL)
def test_what_is_no_model(refused, verb, tmp_path):
    write("data.tsv", "food\tsoup\nsport\tball\n")
    os.mkdir("empty")
    for model in ("empty", "data.tsv", tmp_path / "missing"):
        sentence = refused(verb, model, *VERBS_ON_A_MODEL[verb])
        assert sentence.startswith((f"{model} is no ", f"{model} is of no ")) and "folder" in sentence


@pytest.mark.parametrize(
    ("verb", "damaged"),
    [
        (verb, file)
        for verb in VERBS_ON_A_MODEL
        for file in ("model.safetensors", "tokenizer.json", "config.json")
        if (verb, file) != ("neighbors", "config.json")  # which it does not read
    ],
)
@pytest.mark.parametrize("damage", ["cut", "gone", "noise"])
def test_a_damaged_model(refused, classifier, verb, damaged, damage):
    shutil.copytree(classifier, "model")
    write("data.tsv", "food\tsoup\nsport\tball\n")
    file = Path("model", damaged)
    content = file.read_bytes()
    file.write_bytes({"cut": content[: len(content) // 2], "gone": b"", "noise": b"\x93\xff\x00" * 50}[damage])
    if damage == "gone":
        file.unlink()
    assert refused(verb, "model", *VERBS_ON_A_MODEL[verb]).startswith("model")


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_a_model_without_a_trained_head(refused, folder, verb):
    from wordemb_hf.modeling import Word2VecConfig, Word2VecModel

    shutil.copytree(folder / "classifier", "model")
    Word2VecModel(Word2VecConfig(vocab_size=30, hidden_size=4)).save_pretrained("model")
    write("data.tsv", "food\tsoup\nsport\tball\n")
    assert (
        refused(verb, "model", *VERBS_ON_A_MODEL[verb]) == "model is no trained classifier: it has no classifier.bias"
    )


def test_mistakes_with_a_model_that_is_fine(refused, classifier):
    write("data.tsv", "food\tsoup\nweather\train\n")
    write("empty.txt", "")
    write("texts.txt", "soup\n")
    for verb in ("predict", "embed"):
        assert refused(verb, classifier) == "no text is given: name one or more, or --file"
        assert refused(verb, classifier, "x", "--file", "texts.txt") == "give texts or --file, not both"
        assert refused(verb, classifier, "--file", "missing.txt") == "no such file: missing.txt"
        assert refused(verb, classifier, "--file", "empty.txt") == "empty.txt is empty: it holds no document"
    assert refused("predict", classifier, "x", "--top", "0") == "top is 0, but must be at least 1"
    assert refused("neighbors", classifier, "soup", "--top", "0") == "top is 0, but must be at least 1"
    assert refused("neighbors", classifier, "quark").startswith("the word 'quark' is not in the vocabulary of ")
    assert refused("evaluate", classifier, "--data", "data.tsv").startswith("the label 'weather' in data.tsv does not ")


# --- --config ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "--config run.yaml cannot be read: "),
        ("epochs: [1\n", "--config run.yaml is no YAML: "),
        (b"epochs: 3 # \xff\n", "--config run.yaml is no YAML: "),
        ("- epochs\n", "--config run.yaml must hold options and their values, as in `epochs: 3`"),
        ("epocs: 3\n", "--config run.yaml has an unknown option 'epocs': finetune has accumulation, "),
    ],
)
def test_a_config_file_that_cannot_be_used(refused, folder, content, sentence):
    if content is not None:
        write("run.yaml", content)
    sentence_given = refused("finetune", "--config", "run.yaml", "--data", folder / "train.tsv", "--output", "new")
    assert sentence_given.startswith(sentence)


def test_a_config_file_gives_options_and_flags_win(run, folder):
    write(
        "run.yaml",
        f"data: {json.dumps(str(folder / 'train.tsv'))}\noutput: from_file\n"
        "epochs: 3\nbatch-size: 5\nlearning_rate: 0.5\nsettings: [embedding_size=8, num_filters=4]\n",
    )
    status, _, errors = run("finetune", "--config", "run.yaml", "--epochs", "1", "--output", "from_flag")
    assert status == 0, errors
    assert not Path("from_file").exists()
    log = [json.loads(line) for line in Path("from_flag/training_log.jsonl").read_text().splitlines()]
    assert log[-1]["epoch"] == 1.0  # the flag
    assert log[-1]["step"] == -(-54 // 5)  # the file: batch-size
    assert max(row.get("learning_rate", 0) for row in log) > 0.05  # the file: learning_rate
    assert json.loads(Path("from_flag/config.json").read_text())["num_filters"] == 4  # the file: settings


def test_an_empty_config_file_changes_nothing(run, classifier):
    write("run.yaml", "# nothing\n")
    assert run("predict", classifier, "soup", "--config", "run.yaml") == run("predict", classifier, "soup")


# --- the usage of the command line ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["nope"],
        ["--nope"],
        ["predict"],
        ["finetune", "--data", "x", "--output", "y", "--nope", "1"],
        ["finetune", "--data", "x", "--output", "y", "--epochs", "many"],
        ["finetune", "--data", "x", "--output", "y", "--schedule", "nope"],
        ["finetune", "--output", "y"],
    ],
)
def test_a_wrong_usage_is_told_by_the_parser(run, arguments):
    status, _, errors = run(*arguments)
    assert status == 2
    assert "Usage" in errors and "Traceback" not in errors


@pytest.mark.parametrize("arguments", [[], *([verb] for verb in wordemb_hf.VERBS)])
def test_help_tells_every_option_and_imports_nothing_heavy(arguments):
    program = (
        "import sys\n"
        "from wordemb_hf.cli import main\n"
        "try:\n"
        "    main([*sys.argv[1:], '--help'])\n"
        "finally:\n"
        "    heavy = {'torch', 'transformers', 'numpy', 'accelerate', 'datasets', 'matplotlib', 'sklearn'}\n"
        "    print('heavy:', sorted(heavy & set(sys.modules)))\n"
    )
    done = python("-c", program, *arguments, COLUMNS="200", NO_COLOR="1", TERM="dumb")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("heavy: []\n")
    app = typer.main.get_command(make_app())
    command = app.commands[arguments[0]] if arguments else app
    for parameter in command.params:
        if parameter.param_type_name == "option":
            assert max(parameter.opts, key=len) in done.stdout
        assert parameter.help.replace("`", "") in " ".join(done.stdout.split())  # Markdown, which hides the marks
    for verb in [] if arguments else wordemb_hf.VERBS:
        assert verb in done.stdout
    assert "Returns:" not in done.stdout and "Raises:" not in done.stdout


def test_no_arguments_show_the_help_and_the_version_is_told(run):
    assert "finetune" in "".join(run()[1:])
    assert run("--version") == (0, wordemb_hf.__version__ + "\n", "")


# --- processes of their own -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["finetune", "--data", "missing.tsv", "--output", "new"], "no such file: missing.tsv"),
        (["predict", "broken", "x"], "broken cannot be loaded: "),
        (["neighbors", "nowhere", "x"], "nowhere is no folder of word vectors"),
    ],
)
def test_a_real_process_ends_with_one_sentence(classifier, arguments, sentence):
    shutil.copytree(classifier, "broken")
    write("broken/model.safetensors", b"noise")
    done = python("-m", "wordemb_hf", *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {sentence}") and done.stderr.count("\n") == 1
    assert not Path("new").exists()


def test_a_sentence_of_the_other_language_begins_in_it():
    done = python("-m", "wordemb_hf", "neighbors", "nowhere", "x", WORDEMB_HF_LANGUAGE="zh")
    assert done.returncode == 1
    assert done.stderr.startswith("错误: nowhere ")


# --- odd texts --------------------------------------------------------------------------------------------------------

NO_TOKENS = ["", "   ", "\u200b", "zzzz qqqq", "😀"]
LONG = "soup " * 100_000


def test_texts_of_no_known_word_are_labelled_and_embedded(run, classifier):
    status, _, errors = run("predict", classifier, *NO_TOKENS, "--top", "3", "--output", "answers.jsonl")
    assert (status, errors) == (0, "")
    answers = [json.loads(line) for line in Path("answers.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [answer["text"] for answer in answers] == NO_TOKENS
    for answer in answers:
        assert sum(label["score"] for label in answer["labels"]) == pytest.approx(1.0)
    assert run("embed", classifier, *NO_TOKENS, "--output", "vectors.npy")[0] == 0
    vectors = np.load("vectors.npy")
    assert vectors.shape == (5, 12) and np.isfinite(vectors).all()
    assert run("predict", classifier, "")[0] == 0  # alone in its batch


def test_answers_stay_in_step_with_the_lines_of_a_file(run, classifier):
    write("texts.txt", "the soup\n\nthe ball\n")
    assert run("predict", classifier, "--file", "texts.txt", "--output", "answers.jsonl")[0] == 0
    answers = [json.loads(line) for line in Path("answers.jsonl").read_text().splitlines()]
    assert [answer["text"] for answer in answers] == ["the soup", "", "the ball"]


def test_texts_come_from_standard_input(run, classifier, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("the soup\n\nthe ball\n"))
    status, out, _ = run("predict", classifier)
    assert status == 0
    assert [line.split("\t")[1] for line in out.splitlines()] == ["the soup", "", "the ball"]


@pytest.mark.parametrize("family", [TINY, ["--family", "word2vec", "--set", "hidden_size=8", "--epochs", "2"]])
def test_empty_and_very_long_texts_are_trained_on_and_measured(run, folder, family):
    rows = (folder / "train.tsv").read_text() + f"food\t\nsport\t   \nfood\t{LONG}\n"
    write("odd.tsv", rows)
    status, _, errors = run("finetune", "--data", "odd.tsv", "--test", "odd.tsv", "--output", "model", *family)
    assert status == 0, errors
    status, _, errors = run("evaluate", "model", "--data", "odd.tsv", "--output", "figures.json")
    assert status == 0, errors
    assert all(map(np.isfinite, json.loads(Path("figures.json").read_text()).values()))
    assert run("predict", "model", LONG)[0] == 0


def test_a_very_long_text_may_be_read_whole(run):
    write("long.tsv", f"food\t{LONG}\nsport\tthe ball\n" * 2)
    options = ["--max-length", "200000", "--batch-size", "2", "--output", "model"]
    status, _, errors = run("finetune", "--data", "long.tsv", *options, *TINY)
    assert status == 0, errors
    tokenizer = transformers.AutoTokenizer.from_pretrained("model")
    assert tokenizer.model_max_length == 200000
    assert run("predict", "model", LONG)[0] == 0


@pytest.fixture(scope="module")
def tagger(folder):
    rows = "I\tB-X\nsaw\tO\nRome\tB-X\nand\tO\nOslo\tB-X\n"
    (folder / "train.conll").write_text("\n".join([rows] * 20))
    settings = {"embedding_size": 8, "num_filters": 4}
    wordemb_hf.finetune(folder / "train.conll", folder / "tagger", settings=settings, epochs=2)
    return folder / "tagger"


def test_texts_of_no_word_and_of_very_many_are_tagged(run, tagger):
    status, _, errors = run("predict", tagger, *NO_TOKENS, LONG, "--output", "answers.jsonl")
    assert (status, errors) == (0, "")
    answers = [json.loads(line) for line in Path("answers.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [answer["text"] for answer in answers] == [*NO_TOKENS, LONG]
    for answer in answers:
        assert all(answer["text"][span["start"] : span["end"]] == span["text"] for span in answer["spans"])
    assert run("predict", tagger, "")[1] == "\n"


def test_odd_words_are_trained_on_and_measured(run, folder, tagger):
    odd = "\u200b\tO\n\u3000\tB-X\n" + "x" * 100_000 + "\tO\n\n" + "Rome\tB-X\n" * 10_000
    write("odd.conll", (folder / "train.conll").read_text() + "\n" + odd)
    status, _, errors = run("finetune", "--data", "odd.conll", "--test", "odd.conll", "--output", "model", *TINY)
    assert status == 0, errors
    assert run("evaluate", "model", "--data", "odd.conll", "--output", "figures.json")[0] == 0
    figures = json.loads(Path("figures.json").read_text())
    assert 0 < figures["accuracy"] <= 1 and figures["types"]["X"]["support"] == 10_001 + 60
    status, out, _ = run("evaluate", tagger, "--data", "odd.conll")
    assert (status, out[: len("22 sentences: loss ")]) == (0, "22 sentences: loss ")


# --- one verb, three doors --------------------------------------------------------------------------------------------


def files(folder):
    """What a folder holds, but for names and times."""
    names = ["model.safetensors", "tokenizer.json", "training_log.jsonl", "metrics.json"]
    return {name: (Path(folder) / name).read_bytes() for name in names if (Path(folder) / name).exists()}


def test_finetune_is_the_same_as_a_function(run, folder, classifier):
    assert run("finetune", "--data", folder / "train.tsv", "--output", "model", *TINY)[0] == 0
    assert files("model") == files(classifier)
    assert len(files("model")) == 4


def test_pretrain_and_neighbors_are_the_same_as_functions(run, folder):
    status, _, errors = run(
        *["pretrain", "--corpus", folder / "corpus.txt", "--output", "a", "--min-count", "1", "--hidden-size", "8"],
        *["--epochs", "1", "--subsample-threshold", "0"],
    )
    assert status == 0, errors
    output = wordemb_hf.pretrain(
        [folder / "corpus.txt"], Path("b"), min_count=1, hidden_size=8, epochs=1, subsample_threshold=0.0
    )
    assert output == Path("b")
    assert files("a") == files("b")
    _, out, _ = run("neighbors", "a", "soup", "ball", "--top", "3")
    found = wordemb_hf.neighbors("b", ["soup", "ball"], top=3)
    assert out.splitlines() == [
        f"{word}: " + "  ".join(f"{near} {cosine:.2f}" for near, cosine in found[word]) for word in ("soup", "ball")
    ]


def test_predict_evaluate_and_embed_are_the_same_as_functions(run, folder, classifier):
    texts = ["the soup", "", "the ball and the team"]
    assert run("predict", classifier, *texts, "--top", "2", "--output", "answers.jsonl")[0] == 0
    answers = [json.loads(line) for line in Path("answers.jsonl").read_text().splitlines()]
    assert answers == wordemb_hf.predict(str(classifier), texts, top=2)
    _, out, _ = run("predict", classifier, *texts, "--top", "2")
    assert out.splitlines() == [
        "  ".join(f"{label['label']} {label['score']:.3f}" for label in answer["labels"]) + "\t" + answer["text"]
        for answer in answers
    ]
    _, out, _ = run("evaluate", classifier, "--data", folder / "train.tsv", "--output", "figures.json")
    figures = json.loads(Path("figures.json").read_text())
    assert figures == wordemb_hf.evaluate(str(classifier), folder / "train.tsv")
    assert out == "60 texts: " + ", ".join(f"{name} {value:.4f}" for name, value in figures.items()) + "\n"
    assert run("embed", classifier, *texts, "--output", "vectors.npy")[0] == 0
    np.testing.assert_array_equal(np.load("vectors.npy"), wordemb_hf.embed(str(classifier), texts))
    _, out, _ = run("embed", classifier, "the soup")
    np.testing.assert_allclose(np.fromstring(out, sep=" "), np.load("vectors.npy")[0], atol=1e-5)

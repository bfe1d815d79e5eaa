"""Push and load over HTTP, with the real client against a small Hub: what arrives, what loads, and what fails how."""

import json
import os
import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

import wordemb_hf

from .hub_server import OWNER, READER, STRANGER, HubServer, card_errors

pytestmark = pytest.mark.slow

# Runs programs that it is sent, one JSON string a line, and tells what they print or raise.
WORKER = """
import contextlib, io, json, sys, traceback
for line in sys.stdin:
    printed, failed = io.StringIO(), ""
    with contextlib.redirect_stdout(printed):
        try:
            exec(json.loads(line), {})
        except BaseException as error:
            known = type(error).__name__ == "UserError"
            failed = str(error) if known else traceback.format_exc()
    print(json.dumps([printed.getvalue(), failed]), flush=True)
"""

# A process in which the package is not there.
STRANGE = """
import sys
sys.modules["wordemb_hf"] = None
import transformers
transformers.logging.set_verbosity_error()
def load(auto_class, *args, **options):
    return getattr(transformers, auto_class).from_pretrained(*args, trust_remote_code=True, **options)
"""


class Client:
    """A process with the real client, which talks to the test's Hub."""

    def __init__(self, hub: HubServer, home: Path, **environment: str):
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env={**os.environ, **hub.environment(home), "PYTHONIOENCODING": "utf-8", **environment},
        )

    def run(self, program: str) -> str:
        """What a program prints; a `UserError` of it is raised here."""
        self._process.stdin.write(json.dumps(program) + "\n")
        self._process.stdin.flush()
        printed, failed = json.loads(self._process.stdout.readline())
        if failed:
            raise wordemb_hf.UserError(failed)
        return printed

    def push(self, folder: Path, repo: str, **options: object) -> str:
        return self.run(f"import wordemb_hf\nprint(wordemb_hf.push({str(folder)!r}, {repo!r}, **{options!r}))")

    def refused(self, folder: Path, repo: str, **options: object) -> str:
        with pytest.raises(wordemb_hf.UserError) as raised:
            self.push(folder, repo, **options)
        assert "\n" not in str(raised.value)
        return str(raised.value)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Word vectors, a TextCNN, and a BiLSTM with two heads that have a CRF."""
    folder = tmp_path_factory.mktemp("models")
    topics = {"food": ["bread", "soup", "apple", "rice"], "sport": ["ball", "goal", "team", "race"]}
    rng = random.Random(0)
    rows = [
        (topic, f"I like the {' and the '.join(rng.sample(topics[topic], 2))}") for topic in topics for _ in range(30)
    ]
    (folder / "train.tsv").write_text("".join(f"{topic}\t{text}\n" for topic, text in rows), encoding="utf-8")
    (folder / "corpus.txt").write_text("".join(f"{text}\n" for _, text in rows), encoding="utf-8")
    for topic, words in topics.items():
        tagged = ["".join(f"{word}\t{'B-X' if word in words else 'O'}\n" for word in text.split()) for _, text in rows]
        (folder / f"{topic}.conll").write_text("\n".join(tagged), encoding="utf-8")
    corpus = folder / "corpus.txt"
    wordemb_hf.pretrain(corpus=[corpus], output=folder / "vectors", min_count=1, hidden_size=8, epochs=1, threads=1)
    small = {"embedding_size": 8, "num_filters": 4}
    wordemb_hf.finetune(data=folder / "train.tsv", output=folder / "textcnn", settings=small, epochs=1)
    wordemb_hf.pretrain(
        corpus=[corpus],
        output=folder / "bilstm",
        family="bilstm",
        min_count=1,
        hidden_size=8,
        epochs=1,
        fields=["embedding_size=8", "tag_decoder=crf"],
    )
    for topic in topics:
        data = folder / f"{topic}.conll"
        wordemb_hf.finetune(data=data, model=str(folder / "bilstm"), head=topic, family="bilstm", epochs=1)
    return folder


@pytest.fixture(scope="module")
def hub():
    with HubServer() as hub:
        yield hub


@pytest.fixture(scope="module")
def client(hub, tmp_path_factory):
    client = Client(hub, tmp_path_factory.mktemp("home"))
    yield client
    client.close()


@pytest.fixture(autouse=True)
def no_fault_is_left(hub):
    hub.faults.clear()
    yield
    assert not any(fault.times for fault in hub.faults), "a planned failure did not come"
    hub.faults.clear()


@pytest.fixture(scope="module")
def pushed(models, hub, client):
    for name in ("vectors", "textcnn", "bilstm"):
        client.push(models / name, f"you/{name}")
    return hub


def in_a_clean_process(hub: HubServer, home: Path, program: str, token: str | None = OWNER, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", STRANGE + program],
        env={**os.environ, **hub.environment(home, token), **environment},
        cwd=home.anchor,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_pushed_is_there_in_one_commit(models, pushed):
    for name in ("vectors", "textcnn", "bilstm"):
        repo, local = pushed.repos[f"you/{name}"], contents(models / name)
        assert repo.messages == ["initial commit", "Add the model"]
        there = {path: file.content for path, file in repo.files().items() if path != ".gitattributes"}
        expected = {path: content for path, content in local.items() if not path.endswith("card.json")}
        expected = {path: content for path, content in expected.items() if not (path.endswith(".py") and "/" in path)}
        assert set(there) == {*expected, "modules.json", "sentence_bert_config.json"}
        assert all((there[path] != expected[path]) == path.endswith("README.md") for path in expected)
    assert not any(path.endswith((".bin", ".pt", ".pkl")) for repo in pushed.repos.values() for path in repo.files())


def test_cards_are_valid_and_name_the_repository(pushed, client):
    for name in ("vectors", "textcnn", "bilstm"):
        card = pushed.repos[f"you/{name}"].files()["README.md"].content.decode()
        assert card.count(f'repo = "you/{name}"') == 2
        program = f"from huggingface_hub import ModelCard\nModelCard({card!r}).validate()"
        assert client.run(program) == ""
    head = pushed.repos["you/bilstm"].files()["heads/food/README.md"].content.decode()
    metadata = yaml.safe_load(head.split("---\n")[1])
    assert metadata["base_model"] in ("you/bilstm", ["you/bilstm"]) and card_errors(head) == []
    bad = card.replace("---\n", "---\nbase_model: no name!\n", 1)
    with pytest.raises(wordemb_hf.UserError, match="is no name of a model"):
        client.run(f"from huggingface_hub import ModelCard\nModelCard({bad!r}).validate()")


def test_a_card_that_the_hub_refuses_stops_the_push(models, client, tmp_path):
    folder = shutil.copytree(models / "textcnn", tmp_path / "model")
    card = (folder / "README.md").read_text(encoding="utf-8")
    (folder / "README.md").write_text(card.replace("---\n", "---\nbase_model: no name!\n", 1), encoding="utf-8")
    refusal = client.refused(folder, "you/bad-card")
    assert refusal == "you/bad-card: Invalid metadata in README.md. - base_model 'no name!' is no name of a model"


def test_everything_loads_by_remote_code_where_the_package_is_not(pushed, models, tmp_path):
    """Also from the cache without a network, and the same as from the folder."""
    program = """
from safetensors.torch import load_file
for repo, auto_classes in {
    "vectors": ["AutoModel", "AutoModelForPreTraining", "AutoModelForSequenceClassification"],
    "textcnn": ["AutoModel", "AutoModelForSequenceClassification", "AutoModelForTokenClassification"],
    "bilstm": ["AutoModel", "AutoModelForMaskedLM", "AutoModelForTokenClassification"],
}.items():
    for auto_class in ["AutoConfig", "AutoTokenizer", *auto_classes]:
        found = load(auto_class, "you/" + repo)
        assert auto_class == "AutoTokenizer" or type(found).__module__.startswith("transformers_modules."), type(found)
for head in ("food", "sport"):
    place = {"subfolder": "heads/" + head}
    model, report = load("AutoModelForTokenClassification", "you/bilstm", output_loading_info=True, **place)
    assert not report["missing_keys"] and not report["unexpected_keys"], report
    expected = load_file(FOLDER + "/bilstm/heads/" + head + "/model.safetensors")
    assert all((model.state_dict()[name] == value).all() for name, value in expected.items())
    tokenizer = load("AutoTokenizer", "you/bilstm", **place)
    tags = transformers.pipeline("token-classification", model=model, tokenizer=tokenizer)("I like the soup")
    assert {tag["entity"] for tag in tags} <= {"O", "B-X"}, tags
label = transformers.pipeline("text-classification", "you/textcnn", trust_remote_code=True)("I like the soup")
assert label[0]["label"] in ("food", "sport")
print("as expected")
"""
    program = f"FOLDER = {str(models)!r}\n" + program
    assert in_a_clean_process(pushed, tmp_path, program) == "as expected\n"
    pushed.requests.clear()
    assert in_a_clean_process(pushed, tmp_path, program, HF_HUB_OFFLINE="1") == "as expected\n"
    assert pushed.requests == []


def test_with_the_package_its_own_classes_are_used_and_verbs_take_names(models, pushed, client, tmp_path):
    out = client.run(
        "import wordemb_hf, transformers\n"
        "model = transformers.AutoModelForSequenceClassification.from_pretrained('you/textcnn')\n"
        "head = transformers.AutoModelForTokenClassification.from_pretrained('you/bilstm', subfolder='heads/food')\n"
        "print(type(model).__module__, type(head).__module__)\n"
        "remote = transformers.AutoModel.from_pretrained('you/textcnn', trust_remote_code=True)\n"
        "print(type(remote).__module__)\n"
    )
    names = ["wordemb_hf.modeling.modeling_textcnn", "wordemb_hf.modeling.modeling_bilstm"]
    assert out.split() == [*names, names[0]]
    assert client.run("import wordemb_hf\nwordemb_hf.predict('you/textcnn', ['the soup'])").endswith("the soup\n")
    assert "soup" in client.run("import wordemb_hf\nwordemb_hf.predict('you/bilstm/heads/food', ['the soup'])")
    assert client.run("import wordemb_hf\nprint(wordemb_hf.embed('you/vectors@main', ['soup']).shape)").endswith(
        "(1, 8)\n"
    )
    assert client.run("import wordemb_hf\nwordemb_hf.neighbors('you/vectors', ['soup'], top=1)").startswith("soup: ")
    settings = {"data": str(models / "train.tsv"), "vectors": "you/vectors@main", "epochs": 1}
    output = str(tmp_path / "topics")
    client.run(f"import wordemb_hf\nwordemb_hf.finetune(output={output!r}, **{settings!r})")
    assert (tmp_path / "topics" / "model.safetensors").is_file()


def test_sentence_transformers_gives_the_same_vectors(pushed, client):
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    for name in ("vectors", "textcnn", "bilstm"):
        out = client.run(
            "import wordemb_hf\nfrom sentence_transformers import SentenceTransformer\n"
            "texts = ['I like the soup', 'ball', 'the goal and the team']\n"
            f"vectors = SentenceTransformer('you/{name}', device='cpu').encode(texts)\n"
            f"print('farthest', abs(vectors - wordemb_hf.embed('you/{name}', texts)).max())"
        )
        assert float(out.split()[-1]) < 1e-6


def test_a_private_repository_needs_the_token(models, hub, client, tmp_path):
    client.push(models / "textcnn", "you/secret", private=True)
    assert hub.repos["you/secret"].private
    program = "load('AutoModel', 'you/secret')\nprint('as expected')"
    assert in_a_clean_process(hub, tmp_path, program) == "as expected\n"
    for token in (None, STRANGER):
        with pytest.raises(AssertionError, match="you/secret"):
            in_a_clean_process(hub, tmp_path / "other", program, token=token)
    with pytest.raises(wordemb_hf.UserError, match=r"^you/secret is no folder and cannot be loaded: .+$"):
        stranger = Client(hub, tmp_path / "third", HF_TOKEN=STRANGER)
        stranger.run("import wordemb_hf\nwordemb_hf.predict('you/secret', ['soup'])")
    client.push(models / "textcnn", "you/open")
    assert "is public" in client.refused(models / "textcnn", "you/open", private=True)


def test_a_branch_and_a_proposal(models, hub, client):
    client.push(models / "textcnn", "you/branches")
    first = hub.repos["you/branches"].branches["main"]
    client.push(models / "textcnn", "you/branches", revision="next/try", card_language="zh", message="In Chinese")
    repo = hub.repos["you/branches"]
    assert repo.branches["main"] == first and repo.messages[-1] == "In Chinese"
    assert "## 局限" in repo.files("next/try")["README.md"].content.decode()
    load = "import wordemb_hf, transformers\nprint(transformers.AutoModel.from_pretrained('you/branches', revision="
    for revision in ("next/try", first):
        assert "TextCNNModel" in client.run(f"{load}{revision!r}))")
    said = client.push(models / "textcnn", "you/branches", create_pr=True, card_language="zh", token=STRANGER)
    assert said.splitlines()[-1].endswith("/you/branches/discussions/1")
    assert repo.branches["main"] == first and "refs/pr/1" in repo.branches


def test_a_head_is_added_to_what_is_there(models, hub, client, tmp_path):
    client.push(models / "vectors", "you/growing")
    before = dict(hub.repos["you/growing"].files())
    client.push(models / "textcnn", "you/growing", head="topic")
    after = hub.repos["you/growing"].files()
    assert {path: after[path] for path in before} == before
    new = set(after) - set(before)
    assert "heads/topic/model.safetensors" in new and "modeling_textcnn.py" in new
    assert all(path.startswith("heads/topic/") or path.endswith(".py") for path in new)
    program = (
        "assert type(load('AutoModelForSequenceClassification', 'you/growing', subfolder='heads/topic')).__name__"
        " == 'TextCNNForSequenceClassification'\nload('AutoModel', 'you/growing')\nprint('as expected')"
    )
    assert in_a_clean_process(hub, tmp_path, program) == "as expected\n"
    assert "push the model that the head belongs to" in client.refused(models / "textcnn", "you/nowhere", head="topic")
    hub.repos["you/growing"].files()["pooling.py"].content += b"# changed\n"
    assert "another version of pooling.py" in client.refused(models / "textcnn", "you/growing", head="more")


def test_code_may_stay_in_another_repository(models, pushed, client, tmp_path):
    client.push(models / "bilstm", "you/without-code", code_repo="you/bilstm@main")
    assert not [path for path in pushed.repos["you/without-code"].files() if path.endswith(".py")]
    program = (
        "model = load('AutoModelForMaskedLM', 'you/without-code', code_revision='main')\n"
        "load('AutoModelForTokenClassification', 'you/without-code', subfolder='heads/food')\n"
        "print(type(model).__module__.split('.')[1:3])"
    )
    assert in_a_clean_process(pushed, tmp_path, program) == "['you', 'bilstm']\n"
    sentence = "code_repo is you/{}, but "
    for code, what in (("none", "that is not there"), ("bilstm@no", "that is not there"), ("vectors", "it has no ")):
        refusal = client.refused(models / "textcnn", "you/without-code-2", code_repo=f"you/{code}")
        assert refusal.startswith(sentence.format(code) + what)


def test_a_bare_push_to_hub_loads_everywhere_and_keeps_our_card(models, hub, client, tmp_path):
    load = "import wordemb_hf\nfrom transformers import AutoModelForSequenceClassification as Auto\n"
    load += f"model = Auto.from_pretrained({str(models / 'textcnn')!r})\n"
    client.run(load + "model.push_to_hub('you/bare', private=True, revision='next')\nmodel.push_to_hub('bare')")
    files = hub.repos["you/bare"].files()
    ours = (models / "textcnn" / "README.md").read_text(encoding="utf-8")
    ours = ours.replace('"textcnn"  # the folder, or its name on the Hub', '"you/bare"')
    assert files["README.md"].content.decode() == ours
    assert "training_curve.png" in files and hub.repos["you/bare"].private
    # With other weights, what that card says is not true any more.
    client.run(load + "model.classifier.bias.data += 1\nmodel.push_to_hub('you/changed', tags='mine')")
    card = hub.repos["you/changed"].files()["README.md"].content.decode()
    assert "wordemb-hf" in card and "- mine" in card and "More Information Needed" not in card and not card_errors(card)
    # What the repository has stays, and so does what lies in the folder that is saved to.
    client.push(models / "textcnn", "you/carded")
    client.run(load + "model.classifier.bias.data += 1\nmodel.push_to_hub('you/carded')")
    repo = hub.repos["you/carded"]
    first, last = list(repo.commits.values())[-2:]
    assert first["README.md"] == last["README.md"] and first["model.safetensors"] != last["model.safetensors"]
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / "README.md").write_text("Mine.")
    client.run(load + f"model.save_pretrained({str(saved)!r}, push_to_hub=True, repo_id='you/saved')")
    assert (saved / "README.md").read_text() == "Mine." and "config.json" in hub.repos["you/saved"].files()
    program = (
        "for repo in ('bare', 'changed', 'saved'):\n"
        "    for task in ('Config', 'Model', 'ModelForSequenceClassification', 'ModelForTokenClassification'):\n"
        "        load('Auto' + task, 'you/' + repo)\nprint('as expected')"
    )
    assert in_a_clean_process(hub, tmp_path, program) == "as expected\n"


def test_another_model_does_not_lose_its_place_and_old_weights_go(models, hub, client):
    client.push(models / "textcnn", "you/taken")
    repo = hub.repos["you/taken"]
    assert "is taken: it holds a model of type wordemb_textcnn" in client.refused(models / "vectors", "you/taken")
    files = dict(repo.files())
    shard = files.pop("model.safetensors")
    name = "model-00001-of-00002.safetensors"
    repo.commit("main", {**files, name: shard, "model.safetensors.index.json": files["config.json"]}, "in pieces")
    client.push(models / "textcnn", "you/taken")
    assert [path for path in repo.files() if "safetensors" in path] == ["model.safetensors"]


def test_a_push_that_changes_nothing_is_no_commit(models, hub, client):
    client.push(models / "textcnn", "you/same")
    count = len(hub.repos["you/same"].commits)
    client.push(models / "textcnn", "you/same")
    assert len(hub.repos["you/same"].commits) == count


@pytest.mark.parametrize(
    ("token", "sentence"),
    [("hf_wrong", "(401)"), (READER, "may not write there (403"), (STRANGER, "may not write there (403")],
)
def test_a_token_that_is_not_enough(models, hub, client, token, sentence):
    refusal = client.refused(models / "textcnn", "you/closed", token=token)
    assert refusal.startswith("you/closed: ") and sentence in refusal
    assert "you/closed" not in hub.repos
    if token == "hf_wrong":
        assert "401" in client.refused(models / "textcnn", "closed", token=token)


def test_without_a_token(models, hub, tmp_path):
    nobody = Client(hub, tmp_path, HF_TOKEN="")
    for repo in ("you/closed", "closed"):
        assert "hf auth login" in nobody.refused(models / "textcnn", repo)
    nobody.close()


FAILURES = [
    ("GET", "/api/models/you/", 500),
    ("POST", "/repos/create", 503),
    ("POST", "/preupload/", 501),
    ("POST", "/validate-yaml", 500),
    ("POST", "/objects/batch", 507),
    ("PUT", "/lfs/", 501),
    ("POST", "/commit/", 503),
    ("POST", "/commit/", 413),
    ("POST", "/commit/", 409),
    ("POST", "/commit/", None),
    ("POST", "/repos/create", None),
]


@pytest.mark.parametrize("failure", FAILURES, ids=str)
def test_after_a_failure_the_same_push_completes(models, hub, client, failure):
    method, piece, status = failure
    repo = f"you/failing-{FAILURES.index(failure)}"
    before = contents(models / "textcnn")
    if method == "PUT":  # other repositories have the same weights, which would not be sent again
        hub.objects.clear()
    if status is None:
        hub.cut(method, piece)
    else:
        hub.fail(method, piece, status)
    sentence = client.refused(models / "textcnn", repo)
    assert str(status or "connection to") in sentence, sentence
    assert contents(models / "textcnn") == before
    assert repo not in hub.repos or set(hub.repos[repo].files()) == {".gitattributes"}
    client.push(models / "textcnn", repo)
    assert "model.safetensors" in hub.repos[repo].files()


def test_what_passes_is_waited_for(models, hub, client):
    """The client asks again by itself where a server says that it is busy."""
    hub.fail("PUT", "/lfs/", 503)
    hub.cut("POST", "/preupload/")
    (models / "textcnn" / "extra.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}" + os.urandom(9))
    try:
        client.push(models / "textcnn", "you/busy")
    finally:
        (models / "textcnn" / "extra.safetensors").unlink()
    assert "extra.safetensors" in hub.repos["you/busy"].files()


def test_a_server_that_is_not_there_and_one_without_xet(models, hub, tmp_path):
    gone = Client(hub, tmp_path / "a", HF_ENDPOINT="http://127.0.0.1:9", HTTP_PROXY="")
    sentence = gone.refused(models / "textcnn", "you/it")
    assert sentence.startswith("the connection to http://127.0.0.1:9 failed"), sentence
    gone.close()
    xet = Client(hub, tmp_path / "b", HF_HUB_DISABLE_XET="0")
    sentence = xet.refused(models / "textcnn", "you/without-xet")
    assert "HF_HUB_DISABLE_XET=1" in sentence
    xet.close()
    offline = Client(hub, tmp_path / "c", HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE" in offline.refused(models / "textcnn", "you/it")
    offline.close()


def test_a_large_model_goes_through_lfs_and_comes_back_after_a_cut(hub, client, tmp_path):
    folder = tmp_path / "large"
    client.run(
        "from wordemb_hf.modeling import Word2VecConfig, Word2VecModel\n"
        "from wordemb_hf.vocabulary import build_tokenizer\n"
        f"Word2VecModel(Word2VecConfig(vocab_size=60000, hidden_size=100)).save_pretrained({str(folder)!r})\n"
        f"build_tokenizer(['the cat'], min_count=1).save_pretrained({str(folder)!r})"
    )
    assert (folder / "model.safetensors").stat().st_size > 24_000_000
    client.push(folder, "you/large")
    assert hub.repos["you/large"].files()["model.safetensors"].lfs
    hub.requests.clear()
    hub.cut("GET", "/cdn/", after=15_000_000)
    program = (
        "from safetensors.torch import load_file\n"
        f"expected = load_file({str(folder / 'model.safetensors')!r})\n"
        "model = load('AutoModel', 'you/large')\n"
        "assert all((model.state_dict()[name] == value).all() for name, value in expected.items())\n"
        "print('as expected')"
    )
    assert in_a_clean_process(hub, tmp_path / "home", program) == "as expected\n"
    assert sum(request.startswith("GET /cdn/") for request in hub.requests) == 2


def test_two_pushes_at_a_time(models, hub, tmp_path):
    clients = [Client(hub, tmp_path / str(number)) for number in range(2)]
    failed = []

    def push(number):
        try:
            clients[number].push(models / "textcnn", "you/both", message=str(number))
        except wordemb_hf.UserError as error:
            failed.append(str(error))

    threads = [threading.Thread(target=push, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "model.safetensors" in hub.repos["you/both"].files() and all("\n" not in text for text in failed)

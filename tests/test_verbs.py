"""The whole line on a tiny corpus, in English by words and in Chinese by characters: text, vectors, classifier, use."""

import json
import random
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, pipeline

import wordemb_hf
from wordemb_hf.errors import UserError
from wordemb_hf.vectors import KeyedVectors

WORDS = {
    "en": {
        "topics": {
            "food": ["bread", "soup", "apple", "cheese", "rice", "noodles"],
            "sport": ["ball", "goal", "team", "race", "match", "runner"],
            "music": ["song", "piano", "drum", "concert", "band", "melody"],
        },
        "pattern": "I {verb} the {first} and the {second}",
        "verbs": ["like", "want", "see", "know"],
        "known": "soup",
        "unseen": "quark",
    },
    "zh": {
        "topics": {"吃饭": list("饭面汤菜肉鱼"), "运动": list("球跑赛队跳泳"), "音乐": list("歌琴鼓曲唱听")},
        "pattern": "我{verb}{first}和{second}",
        "verbs": ["想", "要", "爱", "看"],
        "known": "汤",
        "unseen": "鑫",
    },
}
SMALL = {"num_filters": 8, "classifier_dropout": 0.1}


def sentences(language, count, seed):
    """Labels and texts, the same for the same seed."""
    words, rng = WORDS[language], random.Random(seed)
    for _ in range(count):
        topic = rng.choice(list(words["topics"]))
        first, second = rng.sample(words["topics"][topic], 2)
        yield topic, words["pattern"].format(verb=rng.choice(words["verbs"]), first=first, second=second)


def documents(language):
    """Texts of which each keeps to one topic, between words of no topic."""
    space, rng = {"en": " ", "zh": ""}[language], random.Random(0)
    for label, text in sentences(language, 300, 0):
        yield text
        yield space.join(rng.choices(WORDS[language]["topics"][label], k=8))


def write_labelled(path, rows):
    path.write_text("".join(f"{label}\t{text}\n" for label, text in rows), encoding="utf-8")
    return path


@dataclass
class Line:
    """What the line of one language has made."""

    language: str
    kind: str
    data: Path
    corpus: Path
    vectors: Path
    classifier: Path
    measured: dict

    @property
    def words(self):
        return WORDS[self.language]

    @property
    def labels(self):
        return sorted(self.words["topics"])

    @property
    def tests(self):
        return [text for _, text in sentences(self.language, 30, 3)]


@pytest.fixture(scope="module", params=["en", "zh"])
def line(request, tmp_path_factory):
    """text -> pretrain -> finetune --vectors."""
    language = request.param
    kind = {"en": "word", "zh": "char"}[language]
    folder = tmp_path_factory.mktemp(language)
    data = folder / "requests"
    data.mkdir()
    for seed, (part, count) in enumerate([("train", 90), ("dev", 30), ("test", 30)], start=1):
        write_labelled(data / f"{part}.tsv", sentences(language, count, seed))
    corpus = folder / "corpus.txt"
    corpus.write_text("".join(f"{text}\n" for text in documents(language)), encoding="utf-8")
    wordemb_hf.pretrain(
        [corpus],
        folder / "vectors",
        tokenizer_kind=kind,
        min_count=1,
        hidden_size=16,
        subsample_threshold=0.0,
        threads=1,
        epochs=30,
        batch_size=64,
        learning_rate=0.02,
        language=language,
    )
    measured = wordemb_hf.finetune(
        data,
        folder / "classifier",
        vectors=folder / "vectors",
        tokenizer_kind=kind,
        settings=SMALL,
        epochs=12,
        learning_rate=0.02,
        baseline=True,
    )
    return Line(language, kind, data, corpus, folder / "vectors", folder / "classifier", measured)


def front_matter(folder):
    return yaml.safe_load((folder / "README.md").read_text(encoding="utf-8").split("---\n")[1])


def rows_of(path):
    return [json.loads(row) for row in path.read_text(encoding="utf-8").splitlines()]


def parameters(folder):
    return load_file(folder / "model.safetensors")


def test_words_of_one_topic_lie_together(line):
    for words in line.words["topics"].values():
        for word in words:
            nearest = [near for near, _ in wordemb_hf.neighbors(str(line.vectors), [word], top=3)[word]]
            assert len(set(nearest) & set(words)) >= 2, (word, nearest)


def test_the_folder_of_vectors_is_complete(line):
    names = {path.name for path in line.vectors.iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md"}
    assert names >= {"modeling_word2vec.py", "configuration_word2vec.py", "training_log.jsonl"}
    assert names >= {"word_map.png", "training_curve.png"}
    config = json.loads((line.vectors / "config.json").read_text())
    assert config["auto_map"]["AutoModelForPreTraining"] == "modeling_word2vec.Word2VecForPreTraining"
    weights, tokenizer = parameters(line.vectors), AutoTokenizer.from_pretrained(line.vectors)
    vocabulary = {word for words in line.words["topics"].values() for word in words}
    assert vocabulary <= set(tokenizer.get_vocab())
    table = weights["word2vec.word_embeddings.weight"]
    assert table.shape == (len(tokenizer), 16)
    assert not table[0].any()
    torch.testing.assert_close(table[1], table[-1])  # a hundredth of so few words is one word
    counts = weights["word_counts"]
    assert not counts[:2].any() and (counts[2:].diff() <= 0).all() and counts[-1] >= 1
    backbone = AutoModel.from_pretrained(line.vectors)
    assert torch.equal(backbone.word_embeddings.weight, table)


def test_the_loss_of_pretraining_falls(line):
    log = rows_of(line.vectors / "training_log.jsonl")
    assert log[-1]["loss"] < 0.9 * log[0]["loss"]
    assert log[-1]["learning_rate"] < log[0]["learning_rate"]


PICKLES = {".bin", ".pt", ".pth", ".pkl", ".ckpt", ".npy", ".h5", ".msgpack"}


def test_the_folder_of_a_classifier_is_complete(line):
    names = {path.name for path in line.classifier.iterdir()}
    assert names == {
        *{"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"},
        *{"README.md", "card.json", "metrics.json", "training_log.jsonl", "training_curve.png"},
        *{"modeling_textcnn.py", "configuration_textcnn.py", "convolution.py", "embeddings.py", "heads.py"},
        *{"hub_ready.py", "pooling.py", "bigram_embedding.py", "word_bigrams.py"},
    } | (names & {"word_map.png"})
    assert not {Path(name).suffix for name in names} & PICKLES
    assert (line.classifier / "training_curve.png").read_bytes().startswith(b"\x89PNG")
    config = json.loads((line.classifier / "config.json").read_text(encoding="utf-8"))
    assert config["auto_map"] == {
        "AutoConfig": "configuration_textcnn.TextCNNConfig",
        "AutoModel": "modeling_textcnn.TextCNNModel",
        "AutoModelForSequenceClassification": "modeling_textcnn.TextCNNForSequenceClassification",
        "AutoModelForTokenClassification": "modeling_textcnn.TextCNNForTokenClassification",
    }
    assert config["architectures"] == ["TextCNNForSequenceClassification"]
    assert config["id2label"] == {str(index): label for index, label in enumerate(line.labels)}
    assert config["label2id"] == {label: index for index, label in enumerate(line.labels)}


def test_a_picture_of_the_word_vectors_lies_in_the_folder_of_a_classifier(line):
    assert (line.classifier / "word_map.png").read_bytes().startswith(b"\x89PNG")


def test_the_card_tells_what_was_measured(line):
    assert json.loads((line.classifier / "metrics.json").read_text()) == line.measured
    card = front_matter(line.classifier)
    assert (card["language"], card["pipeline_tag"], card["library_name"]) == (
        line.language,
        "text-classification",
        "transformers",
    )
    told = {
        (result["dataset"]["split"], metric["name"]): metric["value"]
        for result in card["model-index"][0]["results"]
        for metric in result["metrics"]
    }
    names = {"accuracy": "Accuracy", "macro_f1": "Macro F1"}  # the loss is none of the Hub's metrics
    assert told == {
        (part, names[metric]): value
        for part, figures in line.measured.items()
        for metric, value in figures.items()
        if metric in names
    }
    assert {part for part, _ in told} == {"dev", "test"}


def test_the_snippets_of_the_card_run(line, capsys, monkeypatch):
    monkeypatch.setenv("HF_MODULES_CACHE", str(line.classifier.parent / "modules"))
    card = (line.classifier / "README.md").read_text(encoding="utf-8")
    snippets = re.findall(r"```python\n(.*?)```", card, flags=re.S)
    assert len(snippets) == 2
    assert snippets[0].startswith("import wordemb_hf") and "trust_remote_code=True" not in snippets[0]
    assert "wordemb_hf" not in snippets[1] and "trust_remote_code=True" in snippets[1]
    expected = re.search(r"# (\[\{.*\}\])", snippets[0])[1]
    for snippet in snippets:
        assert 'repo = "classifier"' in snippet
        capsys.readouterr()
        exec(snippet.replace('repo = "classifier"', f"repo = {str(line.classifier)!r}"), {})
        (printed,) = eval(capsys.readouterr().out)
        (promised,) = eval(expected)
        assert printed["label"] == promised["label"]
        assert printed["score"] == pytest.approx(promised["score"], abs=1e-4)


def test_auto_classes_and_the_pipeline_agree_with_predict(line):
    answers = wordemb_hf.predict(str(line.classifier), line.tests, top=3)
    classify = pipeline("text-classification", model=str(line.classifier), top_k=3)
    tokenizer = AutoTokenizer.from_pretrained(line.classifier)
    model = AutoModelForSequenceClassification.from_pretrained(line.classifier)
    for batch_size in (1, 8):
        for answer, labels in zip(answers, classify(line.tests, batch_size=batch_size), strict=True):
            assert [label["label"] for label in labels] == [label["label"] for label in answer["labels"]]
            assert [label["score"] for label in labels] == pytest.approx(
                [label["score"] for label in answer["labels"]], abs=1e-5
            )
    with torch.no_grad():
        logits = model(**tokenizer(line.tests, padding=True, return_tensors="pt")).logits
    best = [model.config.id2label[index] for index in logits.argmax(-1).tolist()]
    assert best == [answer["labels"][0]["label"] for answer in answers]


def test_the_classifier_has_learnt_its_task(line):
    assert line.measured["test"]["accuracy"] >= 0.9
    assert line.measured["test"]["loss"] < 1.0  # no worse than half sure


def test_the_baseline_is_measured_on_the_last_part(line):
    assert set(line.measured["dev"]) == {"loss", "accuracy", "macro_f1"}
    assert set(line.measured["test"]) == {"loss", "accuracy", "macro_f1", "baseline_accuracy", "baseline_macro_f1"}
    assert line.measured["test"]["baseline_accuracy"] >= 0.9
    card = (line.classifier / "README.md").read_text(encoding="utf-8")
    shown = f"| Accuracy | {line.measured['dev']['accuracy']:.4f} | {line.measured['test']['accuracy']:.4f} | "
    assert shown + f"{line.measured['test']['baseline_accuracy']:.4f} |" in card


def test_evaluate_repeats_the_figures_of_the_test(line):
    expected = {name: line.measured["test"][name] for name in ("loss", "accuracy", "macro_f1")}
    assert wordemb_hf.evaluate(str(line.classifier), line.data) == pytest.approx(expected, abs=1e-6)
    assert wordemb_hf.evaluate(str(line.classifier), line.data / "test.tsv") == pytest.approx(expected, abs=1e-6)
    answers = wordemb_hf.predict(str(line.classifier), line.tests)
    labels = [label for label, _ in sentences(line.language, 30, 3)]
    right = [answer["labels"][0]["label"] == label for answer, label in zip(answers, labels, strict=True)]
    assert expected["accuracy"] == pytest.approx(np.mean(right))


def test_the_weights_of_the_best_epoch_are_kept(line):
    accuracies = [row for row in rows_of(line.classifier / "training_log.jsonl") if "eval_accuracy" in row]
    best = max(accuracies, key=lambda row: row["eval_accuracy"])
    assert line.measured["dev"]["accuracy"] == best["eval_accuracy"]
    assert line.measured["dev"]["loss"] == pytest.approx(best["eval_loss"], abs=1e-6)


def test_texts_of_one_topic_lie_together(line, tmp_path):
    vectors = wordemb_hf.embed(str(line.vectors), line.tests, output=tmp_path / "vectors.npy")
    assert vectors.shape == (30, 16)
    np.testing.assert_array_equal(np.load(tmp_path / "vectors.npy"), vectors)
    table = KeyedVectors.from_folder(line.vectors)
    tokenizer = AutoTokenizer.from_pretrained(line.vectors)
    mean = np.mean([table[word] for word in tokenizer.tokenize(line.tests[0])], axis=0)
    np.testing.assert_allclose(vectors[0], mean, atol=1e-6)
    assert wordemb_hf.embed(str(line.classifier), line.tests).shape == (30, 3 * SMALL["num_filters"])


@pytest.fixture(scope="module")
def extended(line, tmp_path_factory):
    """Classifiers on data with a word that the vectors do not know, one for each mode, and the data."""
    folder = tmp_path_factory.mktemp("extended")
    rows = [*sentences(line.language, 60, 4), (line.labels[0], line.words["unseen"])] * 2
    data = write_labelled(folder / "data.tsv", rows)
    for mode in ("static", "non-static", "multichannel"):
        wordemb_hf.finetune(
            data, folder / mode, vectors=line.vectors, settings={**SMALL, "embedding_mode": mode}, epochs=1
        )
    wordemb_hf.finetune(data, folder / "word2vec", family="word2vec", vectors=line.vectors, epochs=1)
    wordemb_hf.finetune(data, folder / "untrained", vectors=line.vectors, settings=SMALL, epochs=0)
    return folder


def table_of(folder, name="word_embeddings"):
    return next(tensor for key, tensor in parameters(folder).items() if key.endswith(f"{name}.weight")).numpy()


@pytest.mark.parametrize("mode", ["static", "non-static", "multichannel", "word2vec"])
def test_known_words_keep_their_ids_and_new_ones_follow(line, extended, mode):
    old = AutoTokenizer.from_pretrained(line.vectors).get_vocab()
    new = AutoTokenizer.from_pretrained(extended / mode).get_vocab()
    assert old.items() <= new.items()
    assert line.words["unseen"] in set(new) - set(old)
    assert min(new[word] for word in set(new) - set(old)) == len(old)
    assert table_of(extended / mode).shape == (len(new), 16)


@pytest.mark.parametrize(
    ("mode", "name"),
    [("untrained", "word_embeddings"), ("static", "word_embeddings"), ("multichannel", "static_embeddings")],
)
def test_frozen_vectors_are_those_that_were_given(line, extended, mode, name):
    given, kept = table_of(line.vectors), table_of(extended / mode, name)
    scale = kept[2 : len(given)].std() / given[2:].std()  # one factor for all: directions are kept
    np.testing.assert_allclose(kept[2 : len(given)], scale * given[2:], rtol=1e-5)
    assert kept[len(given) :].any(1).all()  # words without a vector have a random one, of the size of the others
    assert 0.2 < kept[len(given) :].std() / kept[2 : len(given)].std() < 5


@pytest.mark.parametrize("mode", ["non-static", "multichannel", "word2vec"])
def test_other_vectors_start_from_those_that_were_given_and_learn(line, extended, mode):
    given = table_of(line.vectors)
    learnt = table_of(extended / mode)[2 : len(given)]
    assert not np.array_equal(learnt, given[2:])
    cosines = (learnt * given[2:]).sum(1) / np.linalg.norm(learnt, axis=1) / np.linalg.norm(given[2:], axis=1)
    assert cosines.min() > 0.5


def small(line, output, **options):
    defaults = {"data": line.data, "tokenizer_kind": line.kind, "settings": {**SMALL, "embedding_size": 8}}
    return wordemb_hf.finetune(output=output, **{**defaults, "epochs": 2, "learning_rate": 0.01, **options})


def same(one, other):
    one, other = parameters(one), parameters(other)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_seed_decides_every_bit(line, tmp_path):
    first = small(line, tmp_path / "first")
    assert small(line, tmp_path / "again") == first
    small(line, tmp_path / "other", seed=1)
    assert same(tmp_path / "first", tmp_path / "again")
    assert not same(tmp_path / "first", tmp_path / "other")


def test_a_model_is_trained_further(line, tmp_path):
    further = wordemb_hf.finetune(line.data, tmp_path / "further", model=str(line.classifier), epochs=0)
    assert same(tmp_path / "further", line.classifier)
    assert further["test"]["loss"] == pytest.approx(line.measured["test"]["loss"], abs=1e-6)
    wordemb_hf.finetune(line.data, tmp_path / "trained", model=str(line.classifier), epochs=1)
    assert not same(tmp_path / "trained", line.classifier)


def test_a_model_learns_other_labels(line, tmp_path):
    rows = [
        (label.upper() if label != line.labels[0] else "z", text) for label, text in sentences(line.language, 90, 5)
    ]
    rows += [("new", line.words["known"])] * 9
    data = write_labelled(tmp_path / "data.tsv", rows)
    wordemb_hf.finetune(data, tmp_path / "model", model=str(line.classifier), epochs=20, learning_rate=0.01)
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    assert set(config["label2id"]) == {label for label, _ in rows}
    assert parameters(tmp_path / "model")["classifier.weight"].shape[0] == 4
    answers = wordemb_hf.predict(str(tmp_path / "model"), [text for _, text in rows])
    right = [answer["labels"][0]["label"] == label for answer, (label, _) in zip(answers, rows, strict=True)]
    assert np.mean(right) >= 0.85


def test_a_model_whose_labels_have_another_order_keeps_their_meaning(line, tmp_path):
    """The same labels with other ids, as of another tool: what is learnt must be called by its own name."""
    shutil.copytree(line.classifier, tmp_path / "turned")
    file = tmp_path / "turned" / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["id2label"] = {str(index): label for index, label in enumerate(reversed(line.labels))}
    config["label2id"] = {label: index for index, label in enumerate(reversed(line.labels))}
    file.write_text(json.dumps(config), encoding="utf-8")
    measured = wordemb_hf.finetune(
        line.data, tmp_path / "model", model=str(tmp_path / "turned"), epochs=15, learning_rate=0.01
    )
    assert wordemb_hf.evaluate(str(tmp_path / "model"), line.data)["accuracy"] == measured["test"]["accuracy"] >= 0.9


def test_an_output_is_replaced_only_when_asked(line, tmp_path):
    small(line, tmp_path / "model")
    (tmp_path / "model" / "note.txt").write_text("mine")
    with pytest.raises(UserError, match="is not empty"):
        small(line, tmp_path / "model")
    assert (tmp_path / "model" / "note.txt").exists()
    small(line, tmp_path / "model", overwrite=True)
    assert not (tmp_path / "model" / "note.txt").exists()


def test_training_stops_early_and_keeps_the_best(line, tmp_path):
    measured = small(line, tmp_path / "model", epochs=40, patience=2, learning_rate=0.02)
    evaluations = [row for row in rows_of(tmp_path / "model" / "training_log.jsonl") if "eval_accuracy" in row]
    accuracies = [row["eval_accuracy"] for row in evaluations]
    assert len(evaluations) == accuracies.index(max(accuracies)) + 3 < 40
    assert measured["dev"]["accuracy"] == max(accuracies)


def as_jsonl(rows):
    return "".join(json.dumps({"body": text, "topic": label}, ensure_ascii=False) + "\n" for label, text in rows)


def as_csv(rows):
    return "id,topic,body\n" + "".join(f'{row},{label},"{text}"\n' for row, (label, text) in enumerate(rows))


def as_tsv(rows):
    return "body\ttopic\n" + "".join(f"{text}\t{label}\n" for label, text in rows)


@pytest.mark.parametrize(("suffix", "write"), [("jsonl", as_jsonl), ("csv", as_csv), ("tsv", as_tsv)])
def test_every_form_of_data_gives_the_same_model(line, tmp_path, suffix, write):
    expected = small(line, tmp_path / "expected", epochs=1)
    (tmp_path / "data").mkdir()
    for seed, (part, count) in enumerate([("train", 90), ("dev", 30), ("test", 30)], start=1):
        content = write(list(sentences(line.language, count, seed)))
        (tmp_path / "data" / f"{part}.{suffix}").write_text(content, encoding="utf-8")
    columns = {"text_column": "body", "label_column": "topic"}
    assert small(line, tmp_path / "model", epochs=1, data=tmp_path / "data", **columns) == expected
    assert same(tmp_path / "model", tmp_path / "expected")
    files = {part: tmp_path / "data" / f"{part}.{suffix}" for part in ("train", "dev", "test")}
    options = {"data": files["train"], "dev": files["dev"], "test": files["test"], **columns}
    assert small(line, tmp_path / "files", epochs=1, **options) == expected
    evaluated = wordemb_hf.evaluate(str(tmp_path / "model"), tmp_path / "data", **columns)
    assert evaluated == pytest.approx(expected["test"], abs=1e-6)


def test_a_lone_file_gives_its_tenth_as_dev(line, tmp_path):
    measured = small(line, tmp_path / "model", data=line.data / "train.tsv", baseline=True)
    assert set(measured) == {"dev"}
    assert "baseline_accuracy" in measured["dev"]
    assert "train: 81, dev: 9" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("family", ["textcnn", "word2vec"])
def test_every_family_is_fine_tuned_from_nothing(line, tmp_path, family):
    settings = {"hidden_size": 8} if family == "word2vec" else {**SMALL, "embedding_size": 8}
    measured = small(line, tmp_path / "model", family=family, settings=settings, epochs=12, learning_rate=0.05)
    assert measured["test"]["accuracy"] >= 0.9
    assert pipeline("text-classification", model=str(tmp_path / "model"))(line.tests[0])[0]["label"] in line.labels
    known = line.words["known"]
    assert len(wordemb_hf.neighbors(str(tmp_path / "model"), [known], top=4)[known]) == 4

"""The card: its metadata can be read, its numbers are those measured, its code compiles, nothing breaks its tables."""

import math
import re

import numpy as np
import pytest
import yaml
from huggingface_hub import ModelCard

from wordemb_hf.card_texts import CHINESE, DESCRIPTIONS
from wordemb_hf.model_card import ModelCardFacts, read_card_facts, write_model_card

NASTY = "a: 'b' | \"c\" #d {{ e }} <unk> `f` 中文：x\\y [g](h) *i* %\n---\nj ```"


def classifier(**changes):
    facts = {
        "model_name": "you/trec-textcnn",
        "family": "textcnn",
        "auto_class": "AutoModelForSequenceClassification",
        "pipeline_tag": "text-classification",
        "language": "en",
        "num_parameters": 2_345_678,
        "file_size_bytes": 9_400_000,
        "vocab_size": 8733,
        "labels": ["HUM", "LOC"],
        "dataset_name": "TREC questions",
        "dataset_sizes": {"train": 5452, "test": 500},
        "metrics": {"dev": {"accuracy": 0.9, "macro_f1": 0.88}, "test": {"accuracy": 0.912, "macro_f1": 0.9}},
        "baseline": {"accuracy": 0.892},
        "settings": {"learning_rate": 1e-3, "kernel_sizes": [3, 4, 5]},
        "examples": [("Who wrote Hamlet?", {"LOC": 0.02, "HUM": 0.98})],
        "pictures": [("training curve.png", "Training")],
    }
    return ModelCardFacts(**facts | changes)


def word_vectors(**changes):
    facts = {
        "model_name": "vectors",
        "family": "word2vec",
        "auto_class": "AutoModel",
        "pipeline_tag": "feature-extraction",
        "language": "zh",
        "num_parameters": 5_000_000,
        "examples": [("国王", {"王后": 0.81, "皇帝": 0.77})],
    }
    return ModelCardFacts(**facts | changes)


def write(folder, facts):
    """The card's text, its metadata as plain YAML, and the card as the Hub's library reads it."""
    write_model_card(folder, facts)
    text = (folder / "README.md").read_text(encoding="utf-8")
    metadata = yaml.safe_load(re.match(r"---\n(.*?)\n---\n", text, re.DOTALL).group(1))
    return text, metadata, ModelCard(text)


def code_blocks(text):
    return re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def tables(text):
    """Lines of tables, each split into its cells as GitHub does."""
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]


def test_metadata_of_a_classifier(tmp_path):
    _, metadata, card = write(tmp_path, classifier())
    assert metadata["library_name"] == "transformers"
    assert metadata["pipeline_tag"] == "text-classification"
    assert (metadata["language"], metadata["license"]) == ("en", "apache-2.0")
    assert metadata["tags"] == ["wordemb-hf", "textcnn"]
    assert metadata["metrics"] == ["accuracy", "f1"]
    output = [{"label": "HUM", "score": 0.98}, {"label": "LOC", "score": 0.02}]
    assert metadata["widget"] == [{"text": "Who wrote Hamlet?", "output": output}]
    assert card.data.model_name == "trec-textcnn"
    measured = {(r.dataset_split, r.metric_name): r.metric_value for r in card.data.eval_results}
    assert measured == {
        ("dev", "Accuracy"): 0.9,
        ("dev", "Macro F1"): 0.88,
        ("test", "Accuracy"): 0.912,
        ("test", "Macro F1"): 0.9,
    }
    assert {result.dataset_name for result in card.data.eval_results} == {"TREC questions"}
    assert {result.task_type for result in card.data.eval_results} == {"text-classification"}


def test_text_of_a_classifier(tmp_path):
    text, _, _ = write(tmp_path, classifier(base_model="you/vectors", limits=["It is young."]))
    assert "A small text classifier for English: 2,345,678 parameters, 9.4 MB on disk, a vocabulary of 8,733." in text
    assert "| Accuracy | 0.9000 | 0.9120 | 0.8920 |" in text
    assert "| Macro F1 | 0.8800 | 0.9000 | – |" in text
    assert "arxiv.org/abs/1408.5882" in text and "fine-tuned from `you/vectors`" in text
    assert "![Training](training%20curve.png)" in text
    assert ">=5.17,<6" in text and "- It is young." in text
    assert "# [{'label': 'HUM', 'score': 0.98}]" in text
    assert "\n\n\n" not in text and text.endswith("\n") and "{{" not in text and "{%" not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "card.json"]


def tagger(**changes):
    facts = {
        "auto_class": "AutoModelForTokenClassification",
        "pipeline_tag": "token-classification",
        "labels": ["O", "B-PER", "I-PER"],
        "metrics": {"test": {"f1": 0.5, "accuracy": 0.75}},
        "types": {"PER": {"f1": 0.5, "precision": 1.0, "recall": 0.25, "support": 1234}, "a|b": {"f1": 0.0}},
        "baseline": {"f1": 0.25},
        "examples": [("Ada wrote", {"text": "[PER Ada] wrote"})],
        "joins_tags": True,
        "found": [("PER", "Ada")],
    }
    return classifier(**facts | changes)


def test_card_of_a_tagger(tmp_path):
    text, metadata, _ = write(tmp_path, tagger())
    assert metadata["pipeline_tag"] == "token-classification"
    assert metadata["widget"] == [{"text": "Ada wrote", "output": {"text": "[PER Ada] wrote"}}]
    assert "A small tagger of words for English: " in text
    assert "| Ada wrote | \\[PER Ada\\] wrote |" in text
    assert "| F1 | 0.5000 | 0.2500 |" in text
    assert "By type, on test:\n\n| Type | F1 | Precision | Recall | Support |\n|---|---:|---:|---:|---:|\n" in text
    assert "| PER | 0.5000 | 1.0000 | 0.2500 | 1,234 |\n| a\\|b | 0.0000 | – | – | – |\n" in text
    assert "Every word gets one of the labels above" in text
    for block in code_blocks(text):
        compile(block, "card", "exec")
        assert 'aggregation_strategy="simple"' in block and 'found["entity_group"]' in block
        assert block.endswith("\n# PER Ada\n")
    assert "\n\n\n" not in text


def test_a_tagger_whose_tags_the_pipeline_does_not_join(tmp_path):
    text, _, _ = write(tmp_path, tagger(joins_tags=False, found=[(str(number), NASTY) for number in range(9)]))
    for block in code_blocks(text):
        compile(block, "card", "exec")
        assert "aggregation_strategy" not in block and 'found["entity"]' in block
        assert [line.split()[1] for line in block.splitlines() if line.startswith("# ")] == [*"01234567", "…"]
    assert "By type" not in write(tmp_path, tagger(types={}))[0]


def test_card_of_word_vectors(tmp_path):
    text, metadata, _ = write(tmp_path, word_vectors())
    assert metadata["pipeline_tag"] == "feature-extraction"
    assert not {"model-index", "widget", "metrics", "model_name"} & set(metadata)
    assert "Word vectors for Chinese" in text
    assert "| 国王 | 王后 0.8100, 皇帝 0.7700 |" in text
    assert "## Results" not in text and "## Training" not in text and "Labels" not in text
    assert all("AutoModel.from_pretrained" in block and '"国王"' in block for block in code_blocks(text))


@pytest.mark.parametrize(
    ("auto_class", "task"),
    [
        ("AutoModelForSequenceClassification", "text-classification"),
        ("AutoModelForTokenClassification", "token-classification"),
        ("AutoModelForMaskedLM", "fill-mask"),
        ("AutoModelForCausalLM", "text-generation"),
        ("AutoModelForSeq2SeqLM", None),
        ("AutoModelForPreTraining", None),
        ("AutoModel", "feature-extraction"),
    ],
)
@pytest.mark.parametrize("language", ["en", "zh", None])
def test_both_ways_of_loading_are_shown_and_compile(tmp_path, auto_class, task, language):
    facts = ModelCardFacts(
        model_name='C:\\runs\\my "model"',
        family="wordemb_bilstm",
        auto_class=auto_class,
        pipeline_tag=task,
        language=language,
        num_parameters=10,
    )
    text, metadata, _ = write(tmp_path, facts)
    registered, remote = code_blocks(text)
    for block in (registered, remote):
        compile(block, "card", "exec")
        assert re.search(r"^repo = (.*)$", block, re.MULTILINE)
        values = {}
        exec(re.search(r"^repo = .*$", block, re.MULTILINE).group(), values)
        assert values["repo"] == facts.model_name
    assert "import wordemb_hf" in registered and "trust_remote_code" not in registered
    assert "wordemb_hf" not in remote and "trust_remote_code=True" in remote
    assert metadata["tags"] == ["wordemb-hf", "bilstm"]
    assert DESCRIPTIONS["bilstm"] in text
    assert "\n\n\n" not in text


def test_special_characters_break_neither_metadata_nor_tables_nor_code(tmp_path):
    facts = classifier(
        labels=[NASTY, "是|否"],
        dataset_name=NASTY,
        dataset_sizes={NASTY: 3},
        metrics={NASTY: {"accuracy": 0.5, NASTY: 0.25}},
        baseline={NASTY: 0.125},
        baseline_name=NASTY,
        settings={NASTY: NASTY},
        examples=[(NASTY, {NASTY: 0.75, "是|否": 0.25})],
        pictures=[("图 (1).png", NASTY)],
        limits=[NASTY],
    )
    text, metadata, card = write(tmp_path, facts)
    assert metadata["widget"][0]["text"] == NASTY
    assert metadata["widget"][0]["output"][0] == {"label": NASTY, "score": 0.75}
    assert metadata["model-index"][0]["results"][0]["dataset"]["name"] == NASTY
    assert [result.metric_value for result in card.data.eval_results] == [0.5, 0.25]
    widths = [len(row) for row in tables(text)]
    assert sorted(widths) == [2] * 6 + [3] * 4
    registered, remote = code_blocks(text)
    for block in (registered, remote):
        compile(block, "card", "exec")
    body = text.split("\n---\n", 1)[1] if metadata else text
    outside = re.sub(r"^```python\n.*?^```$", "", body, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"(?<!\\)<unk", outside.split("# trec-textcnn", 1)[1])


def test_numbers_of_numpy_and_nan(tmp_path):
    facts = classifier(
        metrics={"test": {"accuracy": np.float64(0.5), "macro_f1": math.nan, "perplexity": np.float32(123.456)}},
        examples=[("x", {"HUM": np.float32(0.5)})],
        num_parameters=3,
        file_size_bytes=999,
    )
    text, _, card = write(tmp_path, facts)
    measured = {result.metric_name: result.metric_value for result in card.data.eval_results}
    assert measured == {"Accuracy": 0.5, "Perplexity": pytest.approx(123.456)}
    assert "999 bytes" in text and "| Perplexity | 123.5 | – |" in text


def test_a_card_takes_the_place_of_an_older_one(tmp_path):
    write_model_card(tmp_path, classifier())
    text, _, _ = write(tmp_path, word_vectors())
    assert "trec" not in text


def test_a_folder_named_dot_has_the_family_as_title(tmp_path):
    text, _, _ = write(tmp_path / "new", word_vectors(model_name="."))
    assert "\n# word2vec\n" in text


def test_text_outputs_are_kept(tmp_path):
    facts = classifier(pipeline_tag="text-generation", labels=None, examples=[("Once", {"text": "Once upon a time"})])
    _, metadata, _ = write(tmp_path, facts)
    assert metadata["widget"] == [{"text": "Once", "output": {"text": "Once upon a time"}}]


def test_every_family_has_a_description_with_its_paper():
    assert set(DESCRIPTIONS) == {
        "word2vec", "bow", "textcnn", "rnn", "bilstm", "elmo", "attention_seq2seq",
        "transformer_decoder", "transformer_encoder", "transformer_seq2seq",
    }  # fmt: skip
    assert all("](https://" in paragraph for paragraph in DESCRIPTIONS.values())
    for paragraph in DESCRIPTIONS.values():
        links = [re.findall(r"\]\((https://[^)]+)\)", text) for text in (paragraph, CHINESE[paragraph])]
        assert links[0] == links[1]


def test_facts_are_read_again_until_someone_edits_the_card(tmp_path):
    facts = classifier(metrics={"test": {"accuracy": np.float32(0.5), "macro_f1": math.nan}}, settings={"a": (1, 2)})
    text, _, _ = write(tmp_path, facts)
    again = read_card_facts(tmp_path)
    assert again.labels == facts.labels
    write_model_card(tmp_path / "again", again)
    assert (tmp_path / "again" / "README.md").read_text(encoding="utf-8") == text
    (tmp_path / "README.md").write_text(text + "\nMy own words.\n", encoding="utf-8")
    assert read_card_facts(tmp_path) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model_name": 1}', '{"no such field": 1}', "\udcff"])
def test_facts_from_elsewhere_do_no_harm(tmp_path, content):
    write(tmp_path, classifier())
    (tmp_path / "card.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert read_card_facts(tmp_path) is None


@pytest.mark.parametrize("facts", [classifier, tagger, word_vectors], ids=lambda facts: facts.__name__)
def test_the_chinese_card_says_the_same(tmp_path, facts):
    text, metadata, _ = write(tmp_path / "en", facts())
    chinese, same, _ = write(tmp_path / "zh", facts(card_language="zh"))
    assert metadata == same and code_blocks(text) == code_blocks(chinese)
    for pattern in (r"^#+ ", r"^\|", r"^- ", r"^!\["):
        assert len(re.findall(pattern, text, re.M)) == len(re.findall(pattern, chinese, re.M))
    assert CHINESE[DESCRIPTIONS[facts().family]] in chinese and "## 局限" in chinese
    prose = re.sub(r"^---\n.*?\n---\n|^```.*?^```|^\|.*?$|^# .*?$|\]\(.*?\)|`.*?`", "", chinese, flags=re.S | re.M)
    names = {"Mikolov", "Bojanowski", "Kim", "et", "al", "n", "gram", "transformers", "PyTorch", "MB", "a", "b"}
    known = {*names, "TREC", "questions", "train", "test", "HUM", "LOC", "Training", "O", "B", "I", "PER"}
    assert not set(re.findall(r"[A-Za-z]+", prose)) - known
    assert "\n\n\n" not in chinese


def test_a_head_beside_its_backbone(tmp_path):
    text, metadata, _ = write(tmp_path, classifier(subfolder="heads/topic", base_model="you/it", model_name="you/it"))
    assert (metadata["base_model"], metadata["base_model_relation"]) == ("you/it", "finetune")
    for block in code_blocks(text):
        compile(block, "card", "exec")
        assert block.count('from_pretrained(repo, subfolder="heads/topic"') == 2
        assert 'pipeline("text-classification", model=model, tokenizer=tokenizer)' in block


def test_a_loss_is_shown_but_is_no_metric_of_the_hub(tmp_path):
    text, metadata, _ = write(tmp_path, classifier(metrics={"test": {"accuracy": 0.5, "loss": 1.5}}))
    assert "| Loss | 1.5 |" in text and metadata["metrics"] == ["accuracy"]
    assert [m["type"] for m in metadata["model-index"][0]["results"][0]["metrics"]] == ["accuracy"]


def test_heads_are_listed_and_code_may_lie_elsewhere(tmp_path):
    facts = word_vectors(heads=["topic", "names"], code_repo="you/code", code_revision="v1")
    for language in ("en", "zh"):
        facts.card_language = language
        text, _, _ = write(tmp_path, facts)
        assert "\n\n- [topic](heads/topic/README.md)\n- [names](heads/names/README.md)\n\n## " in text
        assert "`you/code`" in text and code_blocks(text)[1].count('trust_remote_code=True, code_revision="v1"') == 2

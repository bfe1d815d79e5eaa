"""From pairs of texts to a model that writes: finetune, evaluate, predict, and the pipeline without the package."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, pipeline

import wordemb_hf
from wordemb_hf import modeling
from wordemb_hf.cli import main
from wordemb_hf.errors import UserError
from wordemb_hf.vocabulary import build_tokenizer

from .test_remote_code import alone

SMALL = {"embedding_size": 16, "hidden_size": 32, "attention_size": 16, "embedding_dropout": 0.0}
SMALL |= {"hidden_dropout_prob": 0.0}
SIZES = {
    "attention_seq2seq": SMALL,
    "transformer_seq2seq": {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    },
}
DRINKS = {"tea": "茶", "coffee": "咖啡", "water": "水", "milk": "牛奶"}
WISHES = {"I like": "我喜欢", "she wants": "她要"}

# Arguments: a folder, a text, what the pipeline gives for it.
STRANGER = """
import json
import sys

sys.modules["wordemb_hf"] = None  # importing it is an ImportError

from transformers import pipeline

folder, again, text, expected = sys.argv[1:]
for place in (folder, again):
    write = pipeline("wordemb-seq2seq", model=place, trust_remote_code=True)
    assert type(write).__module__.startswith("transformers_modules."), type(write)
    assert write(text) == json.loads(expected), write(text)
    write.save_pretrained(again)
print("as expected")
"""


def pairs() -> list[tuple[str, str]]:
    return [
        (f"{wish} {drink}.", f"{wunsch}{getraenk}。")
        for wish, wunsch in WISHES.items()
        for drink, getraenk in DRINKS.items()
    ]


@pytest.fixture(scope="module", params=list(SIZES))
def family(request):
    """A family that writes."""
    return request.param


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of pairs: nothing here, or in the next one, is written to by a test."""
    rows = ["\t".join(pair) for pair in pairs()]
    random.Random(0).shuffle(rows)
    data = tmp_path_factory.mktemp("pairs")
    for part in ("train", "dev", "test"):
        (data / f"{part}.tsv").write_text("\n".join(rows * (8 if part == "train" else 1)), encoding="utf-8")
    return data


@pytest.fixture(scope="module")
def folder(tmp_path_factory, data, family):
    """A model that has learnt them by heart, and what was measured."""
    folder = tmp_path_factory.mktemp("seq2seq")
    measured = wordemb_hf.finetune(
        data,
        folder / "model",
        family=family,
        settings=SIZES[family],
        epochs=12,
        learning_rate=0.03 if family == "attention_seq2seq" else 0.01,
        batch_size=8,
        baseline=True,
    )
    (folder / "measured.json").write_text(json.dumps(measured))
    return folder


def test_what_is_learnt_is_measured(data, folder):
    measured = json.loads((folder / "measured.json").read_text())
    assert set(measured) == {"dev", "test"}
    assert measured["test"]["exact_match"] == 1 and measured["test"]["bleu"] == pytest.approx(100)
    assert measured["test"]["baseline_exact_match"] == 1  # the nearest source is the same
    assert wordemb_hf.evaluate(folder / "model", data) == pytest.approx(
        {name: value for name, value in measured["test"].items() if not name.startswith("baseline")}, abs=1e-5
    )


def test_predict_writes_the_target(folder, capsys, tmp_path):
    answers = wordemb_hf.predict(str(folder / "model"), ["I like tea.", "she wants milk."])
    assert answers == [
        {"text": "I like tea.", "written": [{"text": "我喜欢茶。"}]},
        {"text": "she wants milk.", "written": [{"text": "她要牛奶。"}]},
    ]
    assert capsys.readouterr().out.splitlines()[-2:] == ["我喜欢茶。", "她要牛奶。"]
    (best,) = wordemb_hf.predict(str(folder / "model"), ["I like tea."], top=3, beams=4, length_penalty=0.5)
    scores = [row["score"] for row in best["written"]]
    assert len(scores) == 3 and scores == sorted(scores, reverse=True) and best["written"][0]["text"] == "我喜欢茶。"
    wordemb_hf.predict(str(folder / "model"), ["", "x " * 2000], output=tmp_path / "out.jsonl")
    assert len((tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_the_card_and_the_generation_config(folder):
    card = (folder / "model" / "README.md").read_text(encoding="utf-8")
    assert "AutoModelForSeq2SeqLM" in card and "我喜欢" in card and "BLEU" in card and "custom_pipelines" not in card
    assert "**Labels**" not in card
    generation = json.loads((folder / "model" / "generation_config.json").read_text())
    assert 10 <= generation["max_new_tokens"] < 30 and generation["suppress_tokens"][:2] == [0, 1]


def test_the_pipeline_is_registered(folder):
    model = AutoModelForSeq2SeqLM.from_pretrained(folder / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    write = pipeline("wordemb-seq2seq", model=model, tokenizer=tokenizer)
    texts = ["I like tea.", "she wants coffee.", "I like"]
    assert write(texts[:2]) == [[{"generated_text": "我喜欢茶。"}], [{"generated_text": "她要咖啡。"}]]
    assert write(texts, batch_size=3) == write(texts)
    best = write(texts[0], num_beams=3, num_return_sequences=2)
    assert len(best) == 2 and best[0]["generated_text"] == "我喜欢茶。" and best[0]["score"] > best[1]["score"]
    with pytest.raises(ValueError, match="a text is expected, not int"):
        write(3)


@pytest.mark.slow
def test_the_pipeline_travels_with_the_model(folder, tmp_path):
    expected = json.dumps([{"generated_text": "我喜欢茶。"}])
    alone(STRANGER, tmp_path, str(folder / "model"), str(tmp_path / "again"), "I like tea.", expected)


@pytest.mark.slow
def test_importing_in_any_order_registers_the_pipeline():
    for order in ("transformers.pipelines, wordemb_hf", "wordemb_hf, transformers.pipelines"):
        code = f"import {order}; from transformers.pipelines import PIPELINE_REGISTRY as registry; "
        code += "registry.check_task('wordemb-seq2seq')"
        assert subprocess.run([sys.executable, "-c", code], stdin=subprocess.DEVNULL).returncode == 0


def test_training_goes_on_from_a_model(data, folder, family, tmp_path):
    options = {"model": str(folder / "model"), "family": family, "epochs": 0}
    measured = wordemb_hf.finetune(data, tmp_path / "on", **options)
    assert measured["test"]["exact_match"] == 1


def test_what_it_looked_at_is_drawn(folder, tmp_path):
    wordemb_hf.predict(str(folder / "model"), ["I like tea."], explain=tmp_path / "looked.html")
    page = (tmp_path / "looked.html").read_text(encoding="utf-8")
    assert "我喜欢茶。" in page and all(f">{word}<" in page for word in ("like", "茶"))


def test_pretraining_on_raw_text_is_a_beginning(tmp_path):
    rows = ["\t".join(pair) for pair in pairs()] * 4
    (tmp_path / "pairs.tsv").write_text("\n".join(rows), encoding="utf-8")
    (tmp_path / "text.txt").write_text("\n".join(rows).replace("\t", "\n"), encoding="utf-8")
    settings = {**SIZES["transformer_seq2seq"], "num_hidden_layers": 2}
    options = {"tokenizer_kind": "word-space", "min_count": 1, "lowercase": False, "epochs": 1}
    wordemb_hf.pretrain(
        tmp_path / "text.txt", tmp_path / "trained", family="transformer_seq2seq", fields=settings, **options
    )
    measured = wordemb_hf.finetune(
        tmp_path / "pairs.tsv",
        tmp_path / "tuned",
        dev=tmp_path / "pairs.tsv",
        family="transformer_seq2seq",
        model=str(tmp_path / "trained"),
        epochs=12,
        learning_rate=0.01,
        batch_size=4,
    )
    assert measured["dev"]["exact_match"] == 1
    assert AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "tuned").config.num_hidden_layers == 2
    generation = json.loads((tmp_path / "tuned" / "generation_config.json").read_text())
    assert 10 <= generation["max_new_tokens"] < 30


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "seq2seq"}, "family is 'textcnn', but for a seq2seq model it must be one of .*attention_seq2seq"),
        ({"family": "attention_seq2seq", "task": "tagging"}, "family is 'attention_seq2seq', but for a tagger"),
        ({"family": "attention_seq2seq", "target_column": "zh"}, None),  # without a header, columns have no names
        ({"family": "attention_seq2seq", "settings": {"attention_score": "cosine"}}, "attention_score"),
        ({"family": "attention_seq2seq", "settings": {"decoder_start_token_id": 1}}, "follows from the data"),
        ({"family": "attention_seq2seq", "encoder": str(Path(__file__).parent)}, "is no model folder"),
        ({"family": "textcnn", "encoder": "nowhere", "task": "seq2seq"}, "for a seq2seq model"),
    ],
)
def test_what_cannot_be_is_refused(data, tmp_path, options, message):
    options = {"epochs": 0, **options}
    if message is None:
        wordemb_hf.finetune(data, tmp_path / "out", **options)
        return
    with pytest.raises(UserError, match=message):
        wordemb_hf.finetune(data, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_search_that_cannot_be_is_refused(folder):
    model = str(folder / "model")
    for options, message in (
        ({"beams": 0}, "beams is 0"),
        ({"length_penalty": 1.0}, "length_penalty is 1.0, but has a meaning with --beams"),
        ({"beams": 2, "length_penalty": float("nan")}, "must be a number"),
    ):
        with pytest.raises(UserError, match=message):
            wordemb_hf.predict(model, ["I like tea."], **options)


def test_long_texts_are_cut_with_a_word(data, family, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WORDEMB_HF_LANGUAGE", "zh")
    options = {"family": family, "epochs": 0, "settings": SIZES[family], "max_length": 3}
    wordemb_hf.finetune(data / "train.tsv", tmp_path / "out", **options)
    told = capsys.readouterr().out
    assert "对文本，验证集" in told and "已截断" in told


@pytest.mark.parametrize("kind", ["bilstm", "elmo"])
def test_an_encoder_starts_from_a_pretrained_one(data, tmp_path, kind):
    tokenizer = build_tokenizer(
        ["I like tea and coffee ."], kind="word", min_count=1, special_tokens=["<s>", "</s>"], lowercase=False
    )
    torch.manual_seed(0)
    if kind == "bilstm":
        config = modeling.BiLSTMConfig(vocab_size=len(tokenizer), embedding_size=8, hidden_size=12, num_hidden_layers=2)
        trained = modeling.BiLSTMModel(config).eval()
    else:
        sizes = {"projection_size": 6, "cell_size": 9, "cell_clip": 1.0}
        config = modeling.ELMoConfig(vocab_size=len(tokenizer), token_input="words", **sizes)
        trained = modeling.ELMoModel(config).eval()
    trained.save_pretrained(tmp_path / "encoder")
    tokenizer.save_pretrained(tmp_path / "encoder")
    options = {"family": "attention_seq2seq", "epochs": 0, "encoder": str(tmp_path / "encoder")}
    wordemb_hf.finetune(data, tmp_path / "out", **options)
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "out")
    known = AutoTokenizer.from_pretrained(tmp_path / "out")
    ids = torch.tensor([tokenizer("I like tea .")["input_ids"]])
    assert ids.tolist()[0] == known("I like tea .")["input_ids"][:-1] and "milk" in known.vocab
    with torch.no_grad():
        expected, states = trained(ids).last_hidden_state, model.get_encoder()(ids).last_hidden_state
    torch.testing.assert_close(states, expected)
    with pytest.raises(UserError, match="hidden_size is 98, but the encoder"):
        wordemb_hf.finetune(data, tmp_path / "other", **options, settings={"hidden_size": 98})


def test_an_encoder_of_another_kind_is_refused(data, folder, family, tmp_path):
    with pytest.raises(UserError, match=f"is of the family {family}, but an encoder can start from bilstm"):
        wordemb_hf.finetune(data, tmp_path / "out", family="attention_seq2seq", encoder=str(folder / "model"), epochs=0)


def test_the_command_line(folder, tmp_path, capsys):
    (tmp_path / "pairs.jsonl").write_text(
        "".join(json.dumps({"en": source, "zh": target}) + "\n" for source, target in pairs()), encoding="utf-8"
    )
    columns = ["--text-column", "en", "--target-column", "zh"]
    given = ["--data", str(tmp_path / "pairs.jsonl"), *columns]
    with pytest.raises(SystemExit) as end:
        main(["evaluate", str(folder / "model"), *given, "--beams", "2", "--output", str(tmp_path / "figures.json")])
    assert not end.value.code
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["exact_match"] > 0.5 and "8 pairs: loss" in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        main(["evaluate", str(folder / "model"), "--data", str(tmp_path / "pairs.jsonl")])
    assert end.value.code == 1 and "no column 'source'" in capsys.readouterr().err
    assert Path(folder / "model" / "pipeline_seq2seq.py").is_file()

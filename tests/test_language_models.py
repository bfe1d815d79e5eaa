"""The verb `pretrain` for language models: from raw text to a folder that predicts words, in English and Chinese."""

import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForPreTraining,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
)
from wordemb_hf.modeling import FAMILIES

import wordemb_hf
from wordemb_hf.corpus import read_texts
from wordemb_hf.errors import UserError
from wordemb_hf.language_models import evaluate_language_model
from wordemb_hf.training import make_accelerator

AUTO = {
    "rnn": AutoModelForCausalLM,
    "bilstm": AutoModelForMaskedLM,
    "elmo": AutoModelForPreTraining,
    "transformer_decoder": AutoModelForCausalLM,
    "transformer_encoder": AutoModelForMaskedLM,
    "transformer_seq2seq": AutoModelForSeq2SeqLM,
}
STREAMS, CLOZES = ("rnn", "transformer_decoder"), ("bilstm", "transformer_encoder")
TRANSFORMER = ["hidden_size=32", "intermediate_size=64", "num_hidden_layers=2", "hidden_dropout_prob=0"]
SIZES = {
    "rnn": ["embedding_size=24", "hidden_size=24", "num_hidden_layers=1"],
    "bilstm": ["embedding_size=24", "hidden_size=24"],
    "elmo": ["projection_size=24", "cell_size=32", "num_hidden_layers=1", "filters=[[1, 8], [2, 8]]"],
    "transformer_decoder": TRANSFORMER,
    "transformer_encoder": [*TRANSFORMER, "position_type=learned", "max_position_embeddings=16"],
    "transformer_seq2seq": TRANSFORMER,
}
TRAINED = [("rnn", "en"), ("bilstm", "en"), ("elmo", "en"), ("rnn", "zh")]
TRAINED += [("transformer_decoder", "zh"), ("transformer_encoder", "en"), ("transformer_seq2seq", "zh")]
# Who does what: each sentence has one verb for its noun, so a model that sees context beats one that counts words.
PAIRS = {
    "en": [("dogs", "bark"), ("birds", "sing"), ("fish", "swim"), ("cats", "purr")],
    "zh": [("狗", "叫"), ("鸟", "飞"), ("鱼", "游"), ("马", "跑")],
}


def write_corpus(folder: Path, language: str, count: int, seed: int) -> Path:
    rng, path = random.Random(seed), folder / f"{language}{seed}.txt"
    pattern = {"en": "the {} {} here .", "zh": "小{}{}了。"}[language]
    path.write_text("\n".join(pattern.format(*rng.choice(PAIRS[language])) for _ in range(count)) + "\n")
    return path


@pytest.fixture(scope="module", params=TRAINED, ids="-".join)
def trained(request, tmp_path_factory):
    family, language = request.param
    folder = tmp_path_factory.mktemp(family)
    wordemb_hf.pretrain(
        write_corpus(folder, language, 400, 0),
        folder / "model",
        dev=write_corpus(folder, language, 100, 1),
        tokenizer_kind="char" if language == "zh" else "word",
        family=family,
        min_count=1,
        fields=SIZES[family],
        epochs=40 if family == "transformer_encoder" else 10,  # which learns from a word of each text only
        batch_size=8,
        length=16,
        learning_rate=0.005 if family.startswith("transformer") else 0.02,
        language=language,
    )
    return family, language, folder


def unigram_perplexity(path: Path, tokenizer, stream: bool) -> float:
    """Of a model that knows how often each token occurs, and nothing else."""
    end = tokenizer.eos_token if stream else ""
    ids = np.concatenate([tokenizer(text + end)["input_ids"] for text in read_texts(path)])
    share = np.bincount(ids)[ids] / len(ids)
    return math.exp(-np.log(share).mean())


def test_it_beats_the_counts_of_words(trained):
    family, language, folder = trained
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    measured = json.loads((folder / "model" / "metrics.json").read_text())["dev"]
    unigram = unigram_perplexity(folder / f"{language}1.txt", tokenizer, stream=family in STREAMS)
    assert measured["perplexity"] == pytest.approx(math.exp(measured["loss"])) and 1 < measured["perplexity"] < 2.5
    assert unigram > 5.5
    log = [json.loads(line) for line in (folder / "model" / "training_log.jsonl").read_text().splitlines()]
    assert min(row["eval_loss"] for row in log if "eval_loss" in row) == measured["loss"]


def test_the_folder_is_whole(trained):
    family, _, folder = trained
    model, report = AUTO[family].from_pretrained(folder / "model", output_loading_info=True)
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert model.config.vocab_size == len(tokenizer)
    measured = json.loads((folder / "model" / "metrics.json").read_text())["dev"]
    texts = list(read_texts(next(folder.glob("*1.txt"))))
    again = evaluate_language_model(model, tokenizer, texts, make_accelerator())
    assert again["loss"] == pytest.approx(measured["loss"], abs=0.05)  # streams may be cut at other places
    assert {"README.md", "training_curve.png", "tokenizer.json", f"modeling_{family}.py"} <= {
        path.name for path in (folder / "model").iterdir()
    }
    card = (folder / "model" / "README.md").read_text()
    assert "perplexity" in card and (".from_pretrained" in card or "pipeline(" in card)
    with torch.no_grad():
        states = AutoModel.from_pretrained(folder / "model")(**tokenizer(texts[0], return_tensors="pt"))
    assert states.last_hidden_state.shape[-1] == model.config.hidden_size


def test_two_contexts_give_two_vectors(trained):
    _, language, folder = trained
    tokenizer, model = AutoTokenizer.from_pretrained(folder / "model"), AutoModel.from_pretrained(folder / "model")
    texts = {"en": ["dogs bark here", "fish bark here"], "zh": ["狗叫了", "鱼叫了"]}[language]
    with torch.no_grad():
        one, two = (model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, -2] for text in texts)
    assert not torch.equal(one, two)


def test_too_little_text_is_refused(tmp_path):
    (tmp_path / "corpus.txt").write_text("one line\n")
    with pytest.raises(UserError, match="3 tokens, too few for 32 streams of at least 2: lower --batch-size"):
        wordemb_hf.pretrain(tmp_path / "corpus.txt", tmp_path / "model", family="rnn", min_count=1)
    assert not (tmp_path / "model").exists()


def test_predict_writes_or_fills_in(trained, capsys):
    family, language, folder = trained
    prompt = {"en": "the dogs", "zh": "小狗"}[language]
    if family == "transformer_seq2seq":
        pytest.skip("a text with gaps is no task of its own")
    if family in CLOZES:
        answer = wordemb_hf.predict(str(folder / "model"), ["the birds <mask> here ."], top=2)[0]
        assert answer["words"][0]["word"] == "sing" and len(answer["words"]) == 2
        assert 1 >= answer["words"][0]["score"] > 0.9
        assert "sing" in capsys.readouterr().out
        with pytest.raises(UserError, match="must hold one <mask>"):
            wordemb_hf.predict(str(folder / "model"), ["the birds sing ."])
        if family == "transformer_encoder":  # its positions are learnt, and there are 16
            with pytest.raises(UserError, match="has 17 tokens, but the model reads at most 16: cut it"):
                wordemb_hf.predict(str(folder / "model"), ["<mask>" + " birds" * 16])
    else:
        answers = wordemb_hf.predict(str(folder / "model"), [prompt, ""], top=2)
        assert len(answers[0]["continuations"]) == 2
        verb = {"en": "bark", "zh": "叫"}[language]
        assert all(text.startswith(f"{prompt}{' ' * (language == 'en')}{verb}") for text in answers[0]["continuations"])
        again = wordemb_hf.predict(str(folder / "model"), [prompt, ""], top=2)
        assert again == answers


def test_a_writer_leaves_no_gaps(tmp_path):
    # Names that each occur once: what comes after "dear" is always unknown.
    (tmp_path / "letters.txt").write_text("\n".join(f"dear n{number} come" for number in range(200)))
    how = {"family": "rnn", "fields": SIZES["rnn"], "epochs": 10, "batch_size": 4, "learning_rate": 0.02}
    wordemb_hf.pretrain(tmp_path / "letters.txt", tmp_path / "model", **how)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    prompt = tokenizer("dear", return_tensors="pt")
    assert model(**prompt).logits[0, -1].argmax() == tokenizer.unk_token_id
    written = model.generate(**prompt, max_new_tokens=8)[0, 1:].tolist()
    assert not {tokenizer.unk_token_id, tokenizer.pad_token_id} & set(written)
    assert "unk" not in wordemb_hf.predict(tmp_path / "model", ["dear"], top=1)[0]["continuations"][0]


def test_evaluate_reads_plain_text(trained):
    family, language, folder = trained
    if family == "transformer_seq2seq":
        pytest.skip("a text with gaps is no task of its own")
    figures = wordemb_hf.evaluate(str(folder / "model"), folder / f"{language}1.txt")
    measured = json.loads((folder / "model" / "metrics.json").read_text())["dev"]
    assert figures["loss"] == pytest.approx(measured["loss"], abs=0.05)
    assert figures["perplexity"] == pytest.approx(math.exp(figures["loss"]))


def test_fine_tuning_goes_on_from_the_language_model(trained, tmp_path):
    family, language, folder = trained
    if not any(name.endswith("ForSequenceClassification") for name in FAMILIES[family]):
        pytest.skip("it only writes")
    texts = [(f"the {noun} {verb} here .", noun) for noun, verb in PAIRS["en"]] * 10
    if language == "zh":
        texts = [(f"小{noun}{verb}了。", noun) for noun, verb in PAIRS["zh"]] * 10
    (tmp_path / "train.tsv").write_text("".join(f"{label}\t{text}\n" for text, label in texts))
    measured = wordemb_hf.finetune(
        tmp_path / "train.tsv",
        tmp_path / "classifier",
        model=str(folder / "model"),
        epochs=10,
        batch_size=4,
        learning_rate=0.002 if family.startswith("transformer") else 0.01,
    )
    assert measured["dev"]["accuracy"] == 1.0


def test_pre_training_goes_on_from_the_language_model(trained, tmp_path):
    family, language, folder = trained
    model = str(folder / "model")
    corpus = write_corpus(tmp_path, language, 60, seed=5)
    same = wordemb_hf.pretrain(corpus, tmp_path / "same", family=family, model=model, epochs=0)
    before, after = (load_file(place / "model.safetensors") for place in (folder / "model", same))
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    further = wordemb_hf.pretrain(
        corpus, tmp_path / "further", family=family, model=model, epochs=2, learning_rate=1e-3
    )
    assert (further / "tokenizer.json").read_bytes() == (folder / "model" / "tokenizer.json").read_bytes()
    if family != "transformer_seq2seq":  # which cannot be evaluated on plain text
        first, second = (wordemb_hf.evaluate(str(place), corpus)["loss"] for place in (model, further))
        assert second < first

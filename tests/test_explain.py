"""Explanations: their numbers are those of the model, and their files can be read."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import BartConfig, BartForConditionalGeneration, PreTrainedTokenizerFast
from wordemb_hf.modeling import (
    BiLSTMConfig,
    BiLSTMForSequenceClassification,
    BiLSTMForTokenClassification,
    BowConfig,
    BowForSequenceClassification,
    ELMoConfig,
    ELMoForPreTraining,
    RNNConfig,
    RNNForCausalLM,
    RNNForSequenceClassification,
    TextCNNConfig,
    TextCNNForSequenceClassification,
    TextCNNForTokenClassification,
    Word2VecConfig,
    Word2VecForSequenceClassification,
)

import wordemb_hf
from wordemb_hf.errors import UserError
from wordemb_hf.explain import explain
from wordemb_hf.explain.alignment import alignment, attention_panels
from wordemb_hf.explain.decision import decision_of
from wordemb_hf.explain.drawing import write_drawing
from wordemb_hf.explain.gates import gates_of
from wordemb_hf.explain.page import write_panels
from wordemb_hf.explain.panels import Highlights, Matrix, shown
from wordemb_hf.explain.reading import read
from wordemb_hf.explain.windows import windows_of

WORDS = ["<pad>", "<unk>", "the", "film", "was", "not", "good", "bad", "at", "all", "好", "看", "不"]
TEXT = "the film was not good not bad quark"


def tokenizer():
    backend = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", unk_token="<unk>")


def made(model_class, config_class, **fields):
    """A model whose every weight is random."""
    torch.manual_seed(0)
    model = model_class(config_class(vocab_size=len(WORDS), num_labels=3, **fields)).eval()
    for weight in model.parameters():
        nn.init.uniform_(weight, -0.5, 0.5)
    return model


def odds(model, text):
    """The logarithm of the odds of the likeliest label against the second, or the logit that decides alone."""
    with torch.inference_mode():
        logits = model(**read(tokenizer(), text, model.device).inputs).logits[0]
    best, second = logits.sort(descending=True).values[:2]
    return float(best if model.config.problem_type == "multi_label_classification" else best - second)


def bias_of(model, bias):
    with torch.inference_mode():
        logits = model(**read(tokenizer(), TEXT, model.device).inputs).logits[0]
        return float(decision_of(model, logits).direction @ bias)


@pytest.mark.parametrize("problem", [None, "multi_label_classification"])
@pytest.mark.parametrize("weighting", ["count", "binary", "sublinear-tfidf"])
@pytest.mark.parametrize("scaling", ["none", "log-count-ratio"])
@pytest.mark.parametrize("buckets", [0, 16])
def test_words_of_a_bag_sum_to_the_odds(problem, weighting, scaling, buckets):
    fields = {"weighting": weighting, "feature_scaling": scaling, "num_bigram_buckets": buckets}
    model = made(BowForSequenceClassification, BowConfig, problem_type=problem, **fields)
    for buffer in model.buffers():
        buffer.uniform_(0.5, 2.0)
    _, (panel,) = explain(model, tokenizer(), TEXT)
    assert panel.words == TEXT.split()
    assert panel.weights.sum() + bias_of(model, model.classifier.bias) == pytest.approx(odds(model, TEXT), abs=1e-5)
    if not buckets:  # both places of a word share its number
        assert panel.weights[3] == panel.weights[5] != 0


def test_a_word_of_a_bag_is_worth_what_is_lost_without_it():
    fields = {"weighting": "count", "normalization": "none", "num_bigram_buckets": 0}
    model = made(BowForSequenceClassification, BowConfig, problem_type="multi_label_classification", **fields)
    sentence, (panel,) = explain(model, tokenizer(), "the film was bad")
    label = int(sentence.split()[0].removeprefix("LABEL_"))
    with torch.inference_mode():
        logits = [
            float(model(**read(tokenizer(), text, model.device).inputs).logits[0, label])
            for text in ("the film was bad", "the was bad")
        ]
    assert panel.weights[1] == pytest.approx(logits[0] - logits[1], abs=1e-6)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"pooling": "rows"},
        {"pooling": "rows", "num_ngram_buckets": 12, "max_ngrams": 5},
        {"num_ngram_buckets": 12, "max_ngrams": 5},
    ],
)
def test_words_of_a_mean_sum_to_the_odds(fields):
    model = made(Word2VecForSequenceClassification, Word2VecConfig, hidden_size=5, **fields)
    if fields.get("num_ngram_buckets"):
        model.word2vec.set_word_ngrams(torch.arange(len(WORDS) * 5).view(-1, 5) % 13)
    _, (panel,) = explain(model, tokenizer(), TEXT)
    assert panel.weights.sum() + bias_of(model, model.classifier.bias) == pytest.approx(odds(model, TEXT), abs=1e-5)
    assert len(set(panel.weights.round(6).tolist())) > 4


@pytest.mark.parametrize("mode", ["rand", "multichannel"])
def test_windows_sum_to_the_odds(mode):
    fields = {"embedding_size": 4, "num_filters": 6, "filter_sizes": [1, 2, 3, 4], "embedding_mode": mode}
    model = made(TextCNNForSequenceClassification, TextCNNConfig, **fields)
    for text in (TEXT, "film"):
        reading = read(tokenizer(), text, model.device)
        with torch.inference_mode():
            decision = decision_of(model, model(**reading.inputs).logits[0])
            windows = windows_of(model, reading, decision)
            total = sum(windows.values()) + float(decision.direction @ model.classifier.bias)
        assert total == pytest.approx(odds(model, text), abs=1e-5)
        assert all(0 <= start < stop <= len(reading.words) for start, stop in windows)
        _, (panel,) = explain(model, tokenizer(), text)
        assert panel.weights.sum() == pytest.approx(sum(windows.values()), abs=1e-5)


def test_without_the_window_that_stands_out_the_odds_fall():
    """A text is positive when `not bad` is in it: neither word alone tells."""
    model = made(TextCNNForSequenceClassification, TextCNNConfig, embedding_size=8, num_filters=8, filter_sizes=[2, 3])
    rng = np.random.default_rng(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(150):
        ids = torch.from_numpy(rng.integers(2, 10, size=(64, 9)))
        ids[:32, 3], ids[:32, 4] = 5, 7
        labels = ((ids[:, :-1] == 5) & (ids[:, 1:] == 7)).any(1).long()
        optimizer.zero_grad()
        model(ids, labels=labels).loss.backward()
        optimizer.step()
    model.eval()
    text = "the film was at all not bad at all"
    sentence, (panel,) = explain(model, tokenizer(), text)
    assert sentence.startswith("LABEL_1 ")
    group, number = panel.groups[0]
    assert "not bad" in group and number > 0
    assert sorted(panel.weights.argsort()[-2:].tolist()) == [5, 6]
    with torch.inference_mode():
        kept, without = (
            model(**read(tokenizer(), words, model.device).inputs).logits[0]
            for words in (text, text.replace(group, " "))
        )
    assert kept[1] - kept[0] > 0 > without[1] - without[0]


def slow_gates(lstm, states):
    """Step by step, as in the paper."""
    size, hidden, cell = (
        lstm.hidden_size,
        torch.zeros(lstm.proj_size or lstm.hidden_size),
        torch.zeros(lstm.hidden_size),
    )
    gates, outputs = [], []
    for state in states:
        sums = lstm.weight_ih_l0 @ state + lstm.bias_ih_l0 + lstm.weight_hh_l0 @ hidden + lstm.bias_hh_l0
        opened, kept, told = (sums[start * size : (start + 1) * size].sigmoid() for start in (0, 1, 3))
        cell = kept * cell + opened * sums[2 * size : 3 * size].tanh()
        hidden = told * cell.tanh()
        hidden = lstm.weight_hr_l0 @ hidden if lstm.proj_size else hidden
        gates.append(torch.stack([opened, kept, told]))
        outputs.append(hidden)
    return torch.stack(gates, dim=1), torch.stack(outputs)


@pytest.mark.parametrize("projection", [0, 2])
def test_gates_are_those_of_a_slow_loop(projection):
    torch.manual_seed(0)
    lstm = nn.LSTM(3, 5, proj_size=projection, batch_first=True)
    states = torch.randn(7, 3)
    with torch.no_grad():
        outputs = lstm(states.unsqueeze(0))[0][0]
        gates, slow_outputs = slow_gates(lstm, states)
        torch.testing.assert_close(outputs, slow_outputs)
        torch.testing.assert_close(torch.stack(gates_of(lstm, states, outputs)), gates)


def test_gates_of_both_directions_stand_at_their_words():
    model = made(BiLSTMForSequenceClassification, BiLSTMConfig, embedding_size=4, hidden_size=6, num_hidden_layers=2)
    sentence, (forgets, inputs) = explain(model, tokenizer(), TEXT)
    assert sentence.startswith("LABEL_") and forgets.columns == TEXT.split()
    assert forgets.rows == ["1 →", "1 ←", "2 →", "2 ←"]
    backbone = model.bilstm
    with torch.no_grad():
        words = backbone.word_embeddings(read(tokenizer(), TEXT, model.device).inputs["input_ids"])[0]
        onward = slow_gates(backbone.layers.forward_layers[0], words)[0].mean(-1)
        back = slow_gates(backbone.layers.backward_layers[0], words.flip(0))[0].mean(-1).flip(1)
    np.testing.assert_allclose(inputs.values[:2], torch.stack([onward[0], back[0]]), atol=1e-6)
    np.testing.assert_allclose(forgets.values[:2], torch.stack([onward[1], back[1]]), atol=1e-6)


@pytest.mark.parametrize("clip", [None, 0.4])
def test_gates_of_elmo_have_the_boundaries(clip):
    fields = {"projection_size": 4, "cell_size": 5, "token_input": "words", "bos_token_id": 2, "eos_token_id": 3}
    model = made(ELMoForPreTraining, ELMoConfig, **fields, cell_clip=clip, projection_clip=clip)
    sentence, (forgets, _) = explain(model, tokenizer(), TEXT)
    assert sentence == "" and forgets.columns == ["<s>", *TEXT.split(), "</s>"]
    assert forgets.values.shape == (4, 10) and ((forgets.values > 0) & (forgets.values < 1)).all()


def test_language_models_and_taggers_show_their_gates_but_not_those_of_spelling():
    fields = {"embedding_size": 4, "hidden_size": 4}
    assert len(explain(made(RNNForCausalLM, RNNConfig, cell_type="lstm", **fields), tokenizer(), TEXT)[1]) == 2
    fields |= {"character_encoder": "lstm", "character_embedding_size": 4, "character_hidden_size": 4}
    model = made(BiLSTMForTokenClassification, BiLSTMConfig, **fields, num_hidden_layers=1)
    assert explain(model, tokenizer(), TEXT)[1][0].rows == ["1 →", "1 ←"]


@pytest.mark.parametrize("hops", [1, 3])
def test_attention_is_that_of_the_pooling(hops):
    fields = {"embedding_size": 4, "hidden_size": 6, "pooling": "attention", "attention_hops": hops}
    model = made(BiLSTMForSequenceClassification, BiLSTMConfig, **fields)
    _, panels = explain(model, tokenizer(), TEXT)
    with torch.inference_mode():
        weights = model(**read(tokenizer(), TEXT, model.device).inputs).attentions[0][0]  # (hops, length)
    np.testing.assert_allclose(panels[0].weights, weights.mean(0))
    assert panels[0].weights.sum() == pytest.approx(1.0, abs=1e-6)
    assert isinstance(panels[1], Matrix) and len(panels) == (3 if hops == 1 else 4)
    if hops > 1:
        np.testing.assert_allclose(panels[1].values, weights)


def bart():
    sizes = {"d_model": 8, "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
    sizes |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 200}
    tokens = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 2}
    return made(BartForConditionalGeneration, BartConfig, **sizes, **tokens, forced_eos_token_id=None)


def test_any_model_with_cross_attention_shows_its_alignment():
    model = bart()
    kept = model.config._attn_implementation
    _, (panel,) = explain(model, tokenizer(), TEXT)
    assert model.config._attn_implementation == kept
    inputs = read(tokenizer(), TEXT, model.device).inputs
    written = model.generate(**inputs, max_new_tokens=128)
    model.set_attn_implementation("eager")
    with torch.inference_mode():
        weights = model(**inputs, decoder_input_ids=written[:, :-1], output_attentions=True).cross_attentions[-1][0]
    assert panel.columns == TEXT.split()
    assert panel.rows == tokenizer().convert_ids_to_tokens(written[0, 1:].tolist())
    np.testing.assert_allclose(panel.values, weights.mean(0), atol=1e-6)
    np.testing.assert_allclose(panel.values.sum(1), 1.0, rtol=1e-5)
    assert alignment(weights[0]).equal(weights[0])


def test_attention_of_tokens_is_a_matrix_for_each_layer():
    model = bart().model.encoder
    with torch.inference_mode():
        (panel,) = attention_panels(model, read(tokenizer(), TEXT, model.device))
    assert panel.rows == panel.columns == TEXT.split()
    np.testing.assert_allclose(panel.values.sum(1), 1.0, rtol=1e-5)


# --- files ------------------------------------------------------------------------------------------------------------

HOSTILE = ['<script>alert("x")</script>', "&amp;", "$x^2$", "好看", "\n", "a" * 300, "'\"><img src=x>", "\u202e\x00"]


def hostile_panels():
    weights = np.linspace(-1, 1, len(HOSTILE))
    values = np.arange(len(HOSTILE) * 2.0).reshape(2, -1)
    return [
        Highlights("<i>title</i>", HOSTILE, weights, [(word, 0.5) for word in map(shown, HOSTILE)]),
        Matrix("<b>", HOSTILE[:2], HOSTILE, values),
    ]


def test_a_page_needs_nothing_else_and_every_text_in_it_is_escaped(tmp_path):
    write_panels(HOSTILE[0], hostile_panels(), tmp_path / "out.html")
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    tags = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "span", "div", "table", "thead"}
    assert set(re.findall(r"<(\w+)", page)) <= tags | {"tbody", "tr", "th", "td"}
    assert "&lt;script&gt;alert(&quot;x&quot;)" in page and "好看" in page and "&amp;amp;" in page
    assert "src=" not in page.replace("src=x", "") and "url(" not in page and "http" not in page and "\x00" not in page
    assert list(tmp_path.iterdir()) == [tmp_path / "out.html"]


def test_a_picture_is_written_whole_and_wraps_its_lines(tmp_path):
    pytest.importorskip("matplotlib")
    from matplotlib.image import imread

    write_drawing(HOSTILE[0], hostile_panels(), tmp_path / "out.png")
    few = imread(tmp_path / "out.png").shape
    panels = [Highlights("t", ["word"] * 200, np.ones(200)), Matrix("m", ["1"], ["好"] * 100, np.ones((1, 100)))]
    write_drawing("", panels, tmp_path / "many.png")
    assert few[1] == imread(tmp_path / "many.png").shape[1] == 1400
    assert imread(tmp_path / "many.png")[..., :3].std() > 0.01
    with pytest.raises(UserError, match=r"the text is too long for a picture of \d+ pixels, give an \.html"):
        write_drawing("", [Highlights("t", ["word" * 9] * 2000, np.ones(2000))], tmp_path / "long.png")
    assert {path.name for path in tmp_path.iterdir()} == {"out.png", "many.png"}


def test_large_matrices_are_cut(tmp_path):
    panel = Matrix("m", ["r"] * 300, ["c"] * 300, np.ones((300, 300))).cut()
    assert panel.values.shape == (len(panel.rows), len(panel.columns)) == (60, 66)


# --- the verb ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = made(BowForSequenceClassification, BowConfig)
    model.save_pretrained("bow")
    tokenizer().save_pretrained("bow")
    return "bow"


@pytest.mark.parametrize(("suffix", "language"), [("html", "en"), ("html", "zh"), ("png", "zh")])
def test_predict_draws(folder, suffix, language, monkeypatch, capsys):
    monkeypatch.setenv("WORDEMB_HF_LANGUAGE", language)
    wordemb_hf.predict(folder, ["不 好 看"], explain=Path(f"out.{suffix}"))
    first, answer = capsys.readouterr().out.splitlines()
    assert f"out.{suffix}" in first and answer.endswith("不 好 看")
    if suffix == "html":
        page = Path("out.html").read_text(encoding="utf-8")
        assert f'lang="{language}"' in page and page.count('class="word"') == 3
        assert ("对数几率" in page) is (language == "zh")


def test_mistakes_get_one_sentence(folder):
    def refused(model, *texts, explain="x.html"):
        with pytest.raises(UserError) as error:
            wordemb_hf.predict(model, list(texts), explain=explain)
        assert not Path(explain).is_file()
        return str(error.value)

    assert refused(folder, "a", "b") == "explain draws what one text is made of, but 2 are given: name one"
    assert refused(folder, "a", explain="x.svg") == "explain is x.svg, but must end in .html or .png"
    assert "there is no folder gone" in refused(folder, "a", explain="gone/x.html")
    assert refused(folder, "") == "the text '' has no token: there is nothing to explain"
    fields = {"embedding_size": 4}
    for model, name in (
        (made(RNNForSequenceClassification, RNNConfig, cell_type="gru", **fields), "RNNForSequenceClassification"),
        (made(TextCNNForTokenClassification, TextCNNConfig, **fields), "TextCNNForTokenClassification"),
    ):
        model.save_pretrained("other")
        tokenizer().save_pretrained("other")
        assert refused("other", "the film").startswith(f"{name} has no explanation: classifiers of bow, ")


def test_importing_it_imports_nothing_heavy():
    code = "import sys, wordemb_hf.explain; sys.exit(bool({'torch', 'numpy', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

"""The head with a CRF, on a family made for it: what it returns, learns, refuses and keeps in a folder."""

import pytest
import torch
from huggingface_hub.dataclasses import strict
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling
from wordemb_hf.modeling.crf import LinearChainCRF
from wordemb_hf.modeling.crf_head import CRFTokenClassificationHead
from wordemb_hf.modeling.heads import TokenClassificationHead
from wordemb_hf.modeling.tag_constraints import first_forbidden

from .test_compile import COMPILERS
from .test_crf import naive_log_likelihood


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@strict
class TinyConfig(PreTrainedConfig):
    model_type = "wordemb_tiny_crf"

    vocab_size: int = 11
    hidden_size: int = 6
    classifier_dropout: float | int = 0.0
    pad_token_id: int | None = 0
    tag_decoder: str = "crf"


class TinyPreTrainedModel(PreTrainedModel):
    config_class = TinyConfig
    base_model_prefix = "tiny"

    @torch.no_grad()
    def _init_weights(self, module):
        if isinstance(module, nn.Embedding | nn.Linear):
            init.normal_(module.weight)
        elif isinstance(module, LinearChainCRF):
            module.reset_parameters()


class TinyModel(TinyPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.words = nn.Embedding(config.vocab_size, config.hidden_size)
        self.post_init()

    def forward(self, input_ids=None, attention_mask=None, inputs_embeds=None, output_hidden_states=None, **kwargs):
        states = self.words(input_ids) if inputs_embeds is None else inputs_embeds
        return BaseModelOutputWithPooling(
            last_hidden_state=states, hidden_states=(states,) if output_hidden_states else None
        )


class TinyForTokenClassification(CRFTokenClassificationHead, TinyPreTrainedModel):
    backbone_class = TinyModel


class SoftmaxForTokenClassification(TokenClassificationHead, TinyPreTrainedModel):
    backbone_class = TinyModel


NAMES = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG"]


def tagger(names=NAMES, **fields) -> TinyForTokenClassification:
    model = TinyForTokenClassification(TinyConfig(id2label=dict(enumerate(names)), **fields)).eval()
    for weight in model.parameters():
        nn.init.normal_(weight)
    return model


def tagger_batch(batch: int = 4, length: int = 6) -> dict[str, torch.Tensor]:
    mask = torch.arange(length) < torch.tensor([length, 1, *[length - 2] * (batch - 2)]).unsqueeze(1)
    labels = torch.tensor([0, 1, 2, 2, 3, 4])[:length].expand(batch, length)
    ids = torch.randint(1, 11, (batch, length))
    return {"input_ids": ids * mask, "attention_mask": mask.long(), "labels": labels.where(mask, -100)}


def test_the_argmax_of_the_logits_is_the_best_path():
    model, batch = tagger(), tagger_batch(batch=200)
    model.tagger.weight.data *= 0.3  # where emissions say little, paths and single tags differ more often
    mask = batch["attention_mask"].bool()
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        with torch.no_grad():
            answer = model.to(dtype)(**batch)
        expected = model.crf.viterbi(answer.emissions, mask)
        marginals = model.crf.log_marginals(answer.emissions, mask)
        assert answer.logits.dtype == answer.emissions.dtype == dtype and answer.logits.isfinite().all()
        assert torch.equal(answer.tags, expected)
        assert torch.equal(answer.logits.argmax(2)[mask], expected[mask])
        assert (marginals.argmax(2) != expected)[mask].sum() > 20  # where it makes a difference
        changed = answer.logits.sort(2).values[mask] - marginals.to(dtype).sort(2).values[mask]
        assert changed.abs().max() <= 8 * torch.finfo(dtype).eps  # the same probabilities, in other places
        assert not answer.logits[~mask].any()
        for row, tokens in zip(answer.tags, mask, strict=True):
            assert first_forbidden([NAMES[tag] for tag in row[tokens]], NAMES) is None


def test_labels_do_not_change_what_comes_out():
    model, batch = tagger(), tagger_batch()
    with torch.no_grad():
        labelled = model(**batch)
        plain = model(input_ids=batch["input_ids"])  # padding is known by its id
    assert plain.loss is None and labelled.loss > 0
    for name in ("logits", "tags", "emissions"):
        assert torch.equal(plain[name], labelled[name])


def test_in_training_nobody_looks_for_the_best_path(monkeypatch):
    model, batch = tagger().train(), tagger_batch()
    monkeypatch.setattr(LinearChainCRF, "viterbi", None)
    monkeypatch.setattr(LinearChainCRF, "log_marginals", None)
    answer = model(**batch)
    assert answer.tags is None and torch.equal(answer.logits, answer.emissions)
    answer.loss.backward()
    assert all(weight.grad.isfinite().all() and weight.grad.any() for weight in model.parameters())


def test_the_loss_is_a_mean_over_tagged_tokens():
    model, batch = tagger(), tagger_batch()
    batch["labels"][0, 2:4] = -100  # summed over, and not counted
    answer = model(**batch)
    mask = batch["attention_mask"].bool()
    likelihood = model.crf.log_likelihood(answer.emissions, batch["labels"], mask)
    naive = naive_log_likelihood(model.crf, answer.emissions, batch["labels"], mask)
    torch.testing.assert_close(likelihood, naive)
    torch.testing.assert_close(answer.loss, -naive.sum() / (6 - 2 + 1 + 4 + 4))
    batch["labels"][:] = -100
    assert model(**batch).loss.abs() < 1e-6


def test_with_softmax_it_is_the_plain_head():
    names = dict(enumerate(NAMES))
    model = TinyForTokenClassification(TinyConfig(id2label=names, tag_decoder="softmax")).eval()
    plain = SoftmaxForTokenClassification(TinyConfig(id2label=names)).eval()
    plain.load_state_dict(model.state_dict())
    batch = tagger_batch()
    for options in ({}, {"output_hidden_states": True}, {"return_dict": False}):
        actual, expected = model(**batch, **options), plain(**batch, **options)
        assert type(actual) is type(expected)
        torch.testing.assert_close(actual, expected, rtol=0, atol=0)


def test_tuples():
    model, batch = tagger(), tagger_batch()
    named, values = model(**batch), model(**batch, return_dict=False)
    assert list(named) == ["loss", "logits", "tags", "emissions"]
    torch.testing.assert_close(values, named.to_tuple())


@pytest.mark.parametrize(
    ("row", "tags", "message"),
    [
        (0, [0, 1, 4, 0, 0, 0], "sentence 0, position 2: I-ORG cannot follow B-PER"),
        (1, [2, 0, 0, 0, 0, 0], "sentence 1, position 0: I-PER cannot begin a sentence"),
        (3, [0, 0, 0, 4, 0, 0], "sentence 3, position 3: I-ORG cannot follow O"),
        (2, [0, 5, 0, 0, 0, 0], r"labels\[2, 1\] is 5, .* below num_labels, 5"),
        (2, [0, -1, 0, 0, 0, 0], r"labels\[2, 1\] is -1, .* -100"),
    ],
)
def test_labels_that_cannot_be_are_refused(row, tags, message):
    model, batch = tagger(), tagger_batch()
    batch["labels"][row] = torch.tensor(tags).where(batch["attention_mask"][row].bool(), -100)
    with pytest.raises(ValueError, match=message):
        model(**batch)


def test_positions_are_counted_with_the_padding():
    model, batch = tagger(), tagger_batch()
    batch = {name: tensor.flip(1) for name, tensor in batch.items()}
    batch["labels"] = torch.tensor([0, 0, 0, 0, 0, 0]).where(batch["attention_mask"].bool(), -100)
    batch["labels"][2, 3] = 4
    with pytest.raises(ValueError, match="sentence 2, position 3: I-ORG cannot follow O"):
        model(**batch)


def test_names_without_a_scheme_allow_everything():
    model, batch = tagger(["LABEL_0", "LABEL_1", "LABEL_2"]), tagger_batch()
    batch["labels"] = torch.randint(3, (4, 6))
    assert model(**batch).loss.isfinite() and model.crf.allowed_transitions.all()


@pytest.mark.filterwarnings("ignore:.*fill uninitialized memory")
def test_constraints_and_weights_survive_a_folder(tmp_path):
    model, batch = tagger(), tagger_batch()
    model.save_pretrained(tmp_path / "tagger")
    model.tiny.save_pretrained(tmp_path / "backbone")
    assert not any("allowed" in name for name in model.state_dict())
    fresh = TinyForTokenClassification(model.config).crf
    try:
        torch.use_deterministic_algorithms(True)  # memory that nobody has written is filled
        whole, report = TinyForTokenClassification.from_pretrained(tmp_path / "tagger", output_loading_info=True)
        headless, lacking = TinyForTokenClassification.from_pretrained(
            tmp_path / "backbone", id2label=dict(enumerate(NAMES)), output_loading_info=True
        )
    finally:
        torch.use_deterministic_algorithms(False)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    weights = {"crf.transitions", "crf.start_transitions", "crf.end_transitions"}
    assert set(lacking["missing_keys"]) == {"tagger.weight", "tagger.bias", *weights}
    for loaded in (whole, headless):
        for name, buffer in fresh.named_buffers():
            assert torch.equal(loaded.crf.get_buffer(name), buffer), name
    assert not fresh.allowed_transitions.all()
    for name, weight in headless.crf.named_parameters():
        assert 0.02 < weight.std() < 0.1 and weight.abs().max() <= 0.1, name
    with torch.no_grad():
        torch.testing.assert_close(whole(**batch).to_tuple(), model(**batch).to_tuple(), rtol=0, atol=0)


def test_learns_what_single_tags_cannot_tell():
    """The tag of a word depends on the tag before alone: a CRF knows, each tag by itself does not."""
    labels = torch.tensor([[0, 1, 2, 0, 1, 2], [1, 2, 0, 1, 2, 0], [2, 0, 1, 2, 0, 1]])
    ids = torch.full_like(labels, 5)
    ids[:, 0] = labels[:, 0] + 1
    model = tagger(["LABEL_0", "LABEL_1", "LABEL_2"]).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
    assert torch.equal(model.eval()(input_ids=ids).logits.argmax(2), labels)


@pytest.mark.slow
@pytest.mark.skipif(not COMPILERS, reason="torch.compile makes C++, and there is no compiler for it here")
def test_compiles_to_one_graph_for_all_lengths():
    model = tagger()
    for training in (True, False):
        model.train(training)
        torch.compiler.reset()
        torch._dynamo.utils.counters.clear()
        compiled = torch.compile(model, fullgraph=True, dynamic=True)
        for batch in (tagger_batch(4, 6), tagger_batch(3, 5), tagger_batch(5, 4)):
            batch["labels"][0, 1] = -100
            answers = []
            for run in (compiled, model):
                model.zero_grad()
                answer = run(**batch)
                answer.loss.backward()
                answers.append([*answer.to_tuple(), *(weight.grad for weight in model.parameters())])
            torch.testing.assert_close(*answers)
        assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1

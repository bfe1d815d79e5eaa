"""Every contract of DESIGN's "what every family keeps" on what a model computes, for every class of every family."""

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, logsigmoid, mse_loss

from .contracts import CLASSIFIERS, DEVICES, TAGGERS, TRAINED, close, loss_of, of, same, trained_names
from .models import CASES, LENGTHS, VOCABULARY, Case, each

# What comes out


def shape_of(case: Case, output: str, sizes: dict[str, int]) -> tuple[int, ...]:
    config = case.config()
    return tuple(sizes[size] if size in sizes else getattr(config, size) for size in case.task.outputs[output])


@each(CASES)
def test_shapes(case):
    model, batch = case.model(), case.batch()
    sizes = {"batch": len(LENGTHS), "length": max(LENGTHS)}
    for name, output in case.outputs(model, **batch).items():
        assert output.shape == shape_of(case, name, sizes) and output.dtype == torch.float32
        assert output.isfinite().all() and output.std() > 0


@each(CASES)
@pytest.mark.parametrize("side", ["right", "left"])
def test_padding_changes_nothing(case, side):
    lengths = (*LENGTHS, 0)
    model, batch = case.model(), case.batch(lengths, side)
    batch["input_ids"] = batch["input_ids"].where(batch["attention_mask"].bool(), 7)  # the mask alone must say it
    together = case.outputs(model, **batch)
    for row, length in enumerate(lengths):
        tokens = batch["attention_mask"][row].bool()
        texts = {name: tensor[row, tokens].unsqueeze(0) for name, tensor in batch.items() if name != "attention_mask"}
        alone = case.outputs(model, **texts)
        assert tokens.sum() == length
        for name, shape in case.task.outputs.items():
            output = together[name][row]
            close(output[tokens] if "length" in shape else output, alone[name][0])
        if "last_hidden_state" in together:
            assert not together["last_hidden_state"][row, ~tokens].any()


@each(TRAINED)
def test_padding_does_not_change_the_loss(case):
    model = case.model()
    right, left = (model(**case.batch(side=side, labels=True)).loss for side in ("right", "left"))
    close(left, right)


@each(CASES)
@pytest.mark.parametrize("side", ["right", "left"])
def test_without_a_mask_padding_is_known_by_its_id(case, side):
    model, batch = case.model(), case.batch(side=side)
    expected = case.outputs(model, **batch)
    del batch["attention_mask"]
    same(case.outputs(model, **batch), expected)


@each([case for case in CASES if case.family.takes_vectors])
def test_vectors_in_place_of_ids(case):
    if case.variant == "rows":
        pytest.skip("a mean of rows cannot be told from the vectors of words")
    if case.variant == "pairs":
        pytest.skip("vectors do not tell which pairs their words are")
    model, batch = case.model(), case.batch()
    table = model.get_input_embeddings()
    for module in model.base_model.modules():  # given vectors fill every channel, so let every channel hold the same
        if isinstance(module, nn.Embedding) and module.weight.shape == table.weight.shape:
            module.weight.data.copy_(table.weight.data)
    expected = case.outputs(model, **batch)
    batch["inputs_embeds"] = case.family.look_up(model, batch)
    del batch["input_ids"]
    close(case.outputs(model, **batch), expected)


@each(CASES)
def test_ids_and_vectors_exclude_each_other(case):
    model, ids = case.model(), case.batch()["input_ids"]
    vectors = torch.zeros(*ids.shape, 6)
    only = [] if case.family.takes_vectors else [{"inputs_embeds": vectors}]
    for inputs in ({}, {"input_ids": ids, "inputs_embeds": vectors}, *only):
        with pytest.raises(ValueError, match="inputs_embeds"):
            model(**inputs)


@each(CASES)
@pytest.mark.parametrize("dtype", [torch.int64, torch.float32], ids=str)
@pytest.mark.parametrize("masked", [True, False], ids=["mask", "no mask"])
def test_texts_of_no_tokens(case, dtype, masked):
    # A tokenizer makes a tensor of floats from lists that are all empty.
    empty = torch.zeros((2, 0), dtype=dtype)
    model = case.model()
    sizes = {"batch": 2, "length": 0}
    inputs = {"input_ids": empty, **({"attention_mask": empty} if masked else {})}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = empty
    for name, output in case.outputs(model, **inputs).items():
        assert output.shape == shape_of(case, name, sizes)
        assert output.isfinite().all()


@each(CASES)
def test_tuples_and_hidden_states(case):
    model, batch = case.model(), case.batch()
    with torch.no_grad():
        plain, full = model(**batch), model(**batch, output_hidden_states=True)
        values = model(**batch, return_dict=False, output_hidden_states=True)
    two = model.config.is_encoder_decoder
    states = ["encoder_hidden_states", "decoder_hidden_states"] if two else ["hidden_states"]
    assert all(getattr(plain, name) is None for name in states)
    assert isinstance(values, tuple)
    close(values, full.to_tuple())
    if case.family.counts_words:
        assert full.hidden_states is None
        return
    for name in states:
        assert full[name]
        for state in full[name]:
            assert state.shape[:2] == batch["input_ids"].shape and state.isfinite().all()
    if "last_hidden_state" in case.task.outputs and not case.family.mixes_layers:
        assert torch.equal(full[states[-1]][-1], full.last_hidden_state)
    model.config.output_hidden_states = True
    with torch.no_grad():
        for name in states:
            close(model(**batch)[name], full[name])


@each([case for case in CASES if case.family.attends])
@pytest.mark.parametrize("side", ["right", "left"])
def test_eager_attention_is_sdpa(case, side):
    lengths = (*LENGTHS, 0)
    model, batch = case.model(), case.batch(lengths, side)
    expected = case.outputs(model, **batch)
    with torch.no_grad():
        seen = model(**batch, output_attentions=True)  # which must compute the weights, whatever the config says
    weights = seen["decoder_attentions" if model.config.is_encoder_decoder else "attentions"]
    assert len(weights) == model.config.num_hidden_layers
    tokens = batch["attention_mask"].bool()
    for layer in (*weights, *(seen.get("cross_attentions") or ())):
        assert layer.shape == (len(lengths), model.config.num_attention_heads, max(lengths), max(lengths))
        close(layer.transpose(1, 2)[tokens].sum(-1), torch.ones(int(tokens.sum()), layer.shape[1]))
        assert not layer.permute(0, 3, 1, 2)[~tokens].any()  # what is padded is never looked at
    model.set_attn_implementation("eager")
    for actual in (seen, case.outputs(model, **batch)):
        close({name: actual[name] for name in expected}, expected)
    assert model(**batch, output_attentions=False).get("attentions") is None


@each([case for case in CASES if case.family.attends and case.task.labels])
def test_gradient_checkpointing_changes_nothing(case):
    model, batch = case.model().train(), case.batch(labels=True)
    loss_of(case, model, batch).backward()
    expected = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    # transformers is about to give it another name.
    getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)()
    runs = []
    layers = [module for module in model.modules() if type(module).__name__ == "TransformerLayer"]
    for layer in layers:
        layer.feed_forward.register_forward_pre_hook(lambda *_: runs.append(1))
    loss_of(case, model, {**batch, "use_cache": True}).backward()
    assert len(runs) == 2 * len(layers)  # once more on the way back
    close({name: weight.grad for name, weight in model.named_parameters()}, expected)


@each(CASES)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_is_close(case, device, dtype):
    model, batch = case.model().to(device), {name: tensor.to(device) for name, tensor in case.batch().items()}
    expected = case.outputs(model, **batch)
    try:
        actual = case.outputs(model.to(dtype), **batch)
    except RuntimeError as error:
        if "not implemented for" not in str(error):
            raise
        pytest.skip(f"no kernel here: {error}")
    for name, output in expected.items():
        assert actual[name].dtype == dtype
        close(actual[name].float(), output, tolerance=0.05 if dtype == torch.bfloat16 else 0.01)


# The loss and its gradients


@each([case for case in CASES if case.learns])
def test_loss_and_gradients(case):
    model, batch = case.model().train(), case.batch(labels=True)
    loss = loss_of(case, model, batch)
    assert loss.shape == () and loss.isfinite() and loss > 0
    loss.backward()
    for name, weight in model.named_parameters():
        if name in case.frozen:
            assert not weight.requires_grad and weight.grad is None, name
        else:
            assert weight.grad.isfinite().all() and weight.grad.any(), name
    assert case.frozen == dict(model.named_parameters()).keys() - trained_names(model)


@each([case for case in CASES if case.frozen])
def test_what_is_frozen_stays_frozen(case, tmp_path):
    case.model().save_pretrained(tmp_path)
    loaded = case.model_class.from_pretrained(tmp_path)
    resized = case.model_class.from_pretrained(tmp_path)
    resized.resize_token_embeddings(VOCABULARY + 4)
    for model in (loaded, resized, case.model_class(case.config())):
        frozen = {name: model.get_parameter(name).clone() for name in case.frozen}
        # Weight decay moves whatever an optimizer holds and has a gradient.
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
        for _ in range(2):
            loss_of(case, model.train(), case.batch(labels=True)).backward()
            optimizer.step()
        same({name: model.get_parameter(name) for name in frozen}, frozen)
        assert trained_names(model) == dict(model.named_parameters()).keys() - case.frozen


@each([case for case in TAGGERS if getattr(case.config(), "tag_decoder", "softmax") == "softmax"])
def test_tags_of_minus_100_are_ignored(case):
    model, batch = case.model(), case.batch(labels=True)
    batch["labels"][:, ::2] = -100
    counted = batch["labels"] != -100
    answer = model(**batch)
    close(answer.loss, cross_entropy(answer.logits[counted], batch["labels"][counted]))


@each([case for case in of("AutoModelForPreTraining") if case.family.name == "word2vec"])
@pytest.mark.parametrize("algorithm", ["skipgram", "cbow"])
def test_word2vec_loss_is_a_loop_over_predictions(case, algorithm):
    model, batch = case.model(algorithm=algorithm), case.batch((4, 1, 3, 0), labels=True)
    batch["labels"][2] = -100  # a window with nothing to predict
    words = case.family.look_up(model, batch)

    def loss(vector, target, noise):
        if case.config().loss == "hierarchical_softmax":
            path = zip(model.huffman_codes[target].tolist(), model.huffman_paths[target].tolist(), strict=True)
            nodes = model.node_embeddings.weight
            return -sum(logsigmoid((1 - 2 * code) * (nodes[node] @ vector)) for code, node in path if code >= 0)
        outputs = model.get_output_embeddings().weight
        noise = [word for word in noise if word != target]
        return -logsigmoid(outputs[target] @ vector) - sum(logsigmoid(-outputs[word] @ vector) for word in noise)

    losses = []
    for row in (0, 1):
        vectors = words[row][batch["attention_mask"][row].bool()]
        for vector in vectors if algorithm == "skipgram" else vectors.mean(0, keepdim=True):
            losses.append(loss(vector, batch["labels"][row], batch["negative_ids"][row]))
    close(model(**batch).loss, sum(losses) / len(losses))
    batch["labels"][:] = -100
    assert model(**batch).loss == 0


@each(CLASSIFIERS)
@pytest.mark.parametrize("stated", [True, False], ids=["stated", "inferred"])
@pytest.mark.parametrize(
    ("problem_type", "num_labels", "labels", "loss"),
    [
        ("regression", 1, torch.tensor([0.5, -1.0, 2.0, 0.0]), lambda x, y: mse_loss(x.squeeze(1), y)),
        ("single_label_classification", 3, torch.tensor([0, 2, 1, 1]), cross_entropy),
        ("multi_label_classification", 3, torch.eye(4, 3), binary_cross_entropy_with_logits),
    ],
    ids=["regression", "single label", "multi label"],
)
def test_kinds_of_classification(case, stated, problem_type, num_labels, labels, loss):
    fields = {"problem_type": problem_type} if stated else {}
    if hasattr(case.config(), "attention_penalty"):
        fields["attention_penalty"] = 0.0  # which would be added to the loss
    model = case.model(num_labels=num_labels, **fields)
    answer = model(**case.batch(), labels=labels)
    assert answer.logits.shape == (4, num_labels)
    close(answer.loss, loss(answer.logits, labels))
    assert model.config.problem_type == problem_type


@each([case for case in CASES if case.learns])
def test_a_seed_decides_everything(case):
    def train_two_steps() -> dict[str, torch.Tensor]:
        torch.manual_seed(3)
        model = case.model_class(case.config(classifier_dropout=0.5)).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        batch = case.batch(labels=True)
        batch.pop("negative_ids", None)  # so that they are drawn
        for _ in range(2):
            optimizer.zero_grad()
            loss_of(case, model, batch).backward()
            optimizer.step()
        return model.state_dict()

    same(train_two_steps(), train_two_steps())

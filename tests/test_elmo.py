"""What is ELMo's own: two readings that never mix, language models in both directions, and what stays frozen."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from wordemb_hf.modeling import ELMoConfig, ELMoForCausalLM, ELMoForPreTraining, ELMoForTokenClassification, ELMoModel
from wordemb_hf.modeling.recurrent_cache import RecurrentCache

BEGIN, END, WORDS = 2, 3, 20
TINY: dict[str, Any] = {
    "vocab_size": WORDS,
    "max_characters": 6,
    "character_embedding_size": 4,
    "filters": [[1, 3], [2, 5]],
    "projection_size": 5,
    "cell_size": 7,
    "classifier_dropout": 0.0,
    "num_labels": 3,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "characters": {"token_input": "characters"},
    "words": {"token_input": "words"},
    "clipped": {"token_input": "words", "cell_clip": 0.5, "projection_clip": 0.4},
}
variants = pytest.mark.parametrize("variant", VARIANTS)
directions = pytest.mark.parametrize("direction", ["forward", "backward"])


def make(model_class: type, variant: str = "words", **fields: Any) -> Any:
    """A model in eval mode whose weights are all random and not small."""
    torch.manual_seed(0)
    model = model_class(ELMoConfig(**{**TINY, **VARIANTS[variant], **fields})).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.uniform_(-0.7, 0.7)
    model.base_model.set_spellings(torch.randint(1, 262, (WORDS, 6)))
    return model


def texts(*lengths: int) -> list[Tensor]:
    random = torch.Generator().manual_seed(0)
    return [torch.randint(4, WORDS, (length,), generator=random) for length in lengths]


def close(actual, expected) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


# Two readings


@variants
def test_the_directions_never_mix(variant):
    model, (ids,) = make(ELMoModel, variant), texts(7)
    for place in range(7):
        other = ids.clone()
        other[place] = 4 + (ids[place] - 3) % (WORDS - 4)
        with torch.no_grad():
            layers, changed = (model(one[None], output_hidden_states=True).hidden_states for one in (ids, other))
        for before, after in zip(layers[1:], changed[1:], strict=True):
            (ahead, behind), (new_ahead, new_behind) = before[0].split(5, dim=-1), after[0].split(5, dim=-1)
            assert torch.equal(ahead[:place], new_ahead[:place])
            assert torch.equal(behind[place + 1 :], new_behind[place + 1 :])
            assert ((ahead - new_ahead).abs().amax(-1) > 0)[place:].all()
            assert ((behind - new_behind).abs().amax(-1) > 0)[: place + 1].all()


@variants
def test_each_half_is_its_stack_between_the_boundaries(variant):
    model, (ids,) = make(ELMoModel, variant), texts(6)
    words = model.get_input_embeddings()(ids[None])  # (1, 6, 5)
    begin, end = model.boundaries(ids.device).split(1)
    sentence = torch.cat([begin[None], words, end[None]], dim=1)
    ahead, _ = model.readings.forward_layers(sentence)
    behind, _ = model.readings.backward_layers(sentence.flip(1))
    layers = model(ids[None], output_hidden_states=True).hidden_states
    close(layers[0], torch.cat([words, words], dim=-1))
    for layer, one, other in zip(layers[1:], ahead, behind, strict=True):
        close(layer, torch.cat([one, other.flip(1)], dim=-1)[:, 1:-1])


@variants
def test_padding_anywhere_changes_nothing(variant):
    model, (one, two) = make(ELMoModel, variant), texts(5, 2)
    alone = [model(ids[None], output_hidden_states=True) for ids in (one, two)]
    mask = torch.tensor([[0, 1, 1, 0, 1, 0, 1, 1], [0, 0, 1, 0, 0, 0, 1, 0]])
    ids = torch.full((2, 8), 9).masked_scatter(mask.bool(), torch.cat([one, two]))
    together = model(ids, mask, output_hidden_states=True)
    for row in range(2):
        places = mask[row].bool()
        close(together.pooler_output[row], alone[row].pooler_output[0])
        for layer, expected in zip(together.hidden_states, alone[row].hidden_states, strict=True):
            close(layer[row, places], expected[0])
            assert not layer[row, ~places].any()


def test_the_mix_is_what_comes_out():
    model, (ids,) = make(ELMoModel, scalar_mix_layer_norm=False), texts(6)
    output = model(ids[None], output_hidden_states=True)
    shares = model.scalar_mix.weights.softmax(0)
    expected = sum(share * layer for share, layer in zip(shares, output.hidden_states, strict=True))
    close(output.last_hidden_state, model.scalar_mix.scale * expected)
    close(output.pooler_output, output.last_hidden_state.mean(1))


def test_a_long_text():
    model = make(ELMoModel, "words")
    with torch.no_grad():
        assert model(torch.full((1, 10_000), 5)).last_hidden_state.isfinite().all()
        assert make(ELMoModel, "clipped")(torch.full((1, 3_000), 5)).last_hidden_state.isfinite().all()


# States that are carried


@pytest.mark.parametrize("variant", ["words", "clipped"])
def test_carried_states_go_on_from_the_text_before(variant):
    model, (one, two) = make(ELMoModel, variant), texts(4, 3)
    table = model.get_input_embeddings()
    begin, end = torch.tensor([BEGIN]), torch.tensor([END])
    forward, _ = model.readings.forward_layers(table(torch.cat([begin, one, end, begin, two, end]))[None])
    # The backward model reads each text from its own end; so the second one begins where the first one's beginning was.
    backward, _ = model.readings.backward_layers(
        table(torch.cat([end, one.flip(0), begin, end, two.flip(0), begin]))[None]
    )
    first = model(one[None], use_cache=True)
    second = model(two[None], past_key_values=first.past_key_values, output_hidden_states=True)
    close(second.hidden_states[-1][0, :, :5], forward[-1][0, 7:10])
    close(second.hidden_states[-1][0, :, 5:], backward[-1][0, 7:10].flip(0))
    assert second.past_key_values is first.past_key_values and second.past_key_values.get_seq_length() == 7


def test_states_of_another_batch_or_model_are_refused():
    model, (ids,) = make(ELMoModel), texts(4)
    past = model(ids[None], use_cache=True).past_key_values
    with pytest.raises(ValueError, match=r"past_key_values has the states of 4 layers and 1 texts, .* 4 layers and 2"):
        model(ids[None].expand(2, -1), past_key_values=past)
    with pytest.raises(ValueError, match=r"past_key_values has the states of 4 layers .* must have those of 2 layers"):
        make(ELMoForCausalLM)(ids[None], past_key_values=past)


# Language models


def losses_by_loops(model: ELMoForPreTraining, text: Tensor, labels: Tensor) -> list[Tensor]:
    """The loss of each prediction in both directions, from one reading after the other."""
    table, found = model.get_input_embeddings(), []
    boundaries = model.elmo.boundaries(text.device)
    sentence = torch.cat([boundaries[:1], table(text[None])[0], boundaries[1:]])  # (length + 2, width)
    targets = [BEGIN, *labels.tolist(), END]
    for stack, order in ((model.elmo.readings.forward_layers, 1), (model.elmo.readings.backward_layers, -1)):
        states = stack(sentence[::order][None] if order > 0 else sentence.flip(0)[None])[0][-1][0]
        for state, target in zip(states, targets[::order][1:], strict=False):
            if target != -100:
                found.append(cross_entropy(model.lm_head(state), torch.tensor(target)))
    return found


@variants
@pytest.mark.parametrize("side", ["right", "left"])
def test_the_loss_is_a_loop_over_predictions(variant, side):
    model, rows = make(ELMoForPreTraining, variant), texts(5, 1, 3, 4)
    labels = [row.clone() for row in rows]
    labels[0][1:3] = -100
    labels[3][:] = -100  # of a text without labels, the ends are no labels either
    losses = [
        loss
        for row, target in zip(rows, labels, strict=True)
        if (target != -100).any()
        for loss in losses_by_loops(model, row, target)
    ]
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_side=side)
    targets = torch.nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=-100, padding_side=side)
    close(model(padded, labels=targets).loss, torch.stack(losses).mean())
    assert len(losses) == 2 * (4 + 2 + 4)
    # Labels are the words themselves: padding among them is no word to learn.
    close(model(padded, labels=padded).loss, model(padded, labels=padded.masked_fill(padded == 0, -100)).loss)
    assert model(padded, labels=torch.full_like(padded, -100)).loss == 0


@variants
def test_scores_at_a_place_do_not_know_the_word_there(variant):
    model, (ids,) = make(ELMoForPreTraining, variant), texts(6)
    with torch.no_grad():
        output = model(ids[None])
        other = ids.clone()
        other[2] = 4 + (ids[2] - 3) % (WORDS - 4)
        changed = model(other[None])
    same = [(output[name] - changed[name]).abs().amax(-1)[0] == 0 for name in ("forward_logits", "backward_logits")]
    assert same[0].tolist() == [True, True, True, False, False, False]
    assert same[1].tolist() == [False, False, True, True, True, True]
    # And they are those that the loss is made of, but for the ends of the text.
    places = cross_entropy(torch.cat([output.forward_logits[0], output.backward_logits[0]]), torch.cat([ids, ids]))
    losses = losses_by_loops(model, ids, ids)
    close(places, torch.stack([*losses[:6], *losses[7:13]]).mean())


@directions
@variants
def test_a_writer_is_one_half_of_the_pair(variant, direction, tmp_path):
    pair, (ids,) = make(ELMoForPreTraining, variant), texts(6)
    pair.save_pretrained(tmp_path)
    writer, report = ELMoForCausalLM.from_pretrained(tmp_path, generation_direction=direction, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    reading = ids if direction == "forward" else ids.flip(0)
    logits = writer(reading[None]).logits[0]
    expected = pair(ids[None])[f"{direction}_logits"][0]
    close(logits[:-1], (expected if direction == "forward" else expected.flip(0))[1:])


@directions
def test_a_text_begins_but_once(direction):
    first, last = (BEGIN, END) if direction == "forward" else (END, BEGIN)
    model, (ids,) = make(ELMoForCausalLM, generation_direction=direction), texts(4)
    assert (model.generation_config.bos_token_id, model.generation_config.eos_token_id) == (first, last)
    begun = torch.cat([torch.tensor([first]), ids])
    close(model(begun[None]).logits[:, 1:], model(ids[None]).logits)
    batch = torch.stack([torch.cat([torch.tensor([0]), ids]), begun])  # left-padded, and begun by the text itself
    mask = torch.tensor([[0, 1, 1, 1, 1], [1, 1, 1, 1, 1]])
    close(*model(batch, mask).logits[:, 1:])
    # Further on it is a word like any other.
    twice = torch.cat([ids[:1], torch.tensor([first]), ids[1:]])
    assert not torch.allclose(model(twice[None]).logits[:, 2:], model(ids[None]).logits[:, 1:])


@directions
@pytest.mark.parametrize("use_cache", [True, False])
def test_a_prompt_keeps_its_own_spelling(direction, use_cache):
    """Words that the vocabulary does not know are what their characters say, as long as the text is written."""
    model, (ids,) = make(ELMoForCausalLM, "characters", generation_direction=direction), texts(3)
    known = model.elmo.word_embeddings.spelling(ids[None])
    options = {"max_new_tokens": 5, "do_sample": False, "eos_token_id": -1, "use_cache": use_cache}
    unknown = torch.ones_like(ids[None])  # <unk>, by its id
    expected = model.generate(ids[None], **options)[0, 3:]
    assert torch.equal(model.generate(unknown, character_ids=known, **options)[0, 3:], expected)
    scores = model(unknown).logits[0, -1] - model(unknown, character_ids=known).logits[0, -1]
    assert scores.abs().max() > 1e-3


CORPUS = ["a dog barks at a cat", "the bird sings in a tree", "a cat sleeps on the mat", "the fish swims in the sea"]


def corpus() -> tuple[Tensor, dict[str, int]]:
    vocabulary = {word: 4 + number for number, word in enumerate(sorted({w for text in CORPUS for w in text.split()}))}
    rows = [torch.tensor([vocabulary[word] for word in text.split()]) for text in CORPUS]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), vocabulary


def trained(variant: str, steps: int = 60, **fields: Any) -> tuple[ELMoForPreTraining, Tensor, dict[str, int]]:
    ids, vocabulary = corpus()
    torch.manual_seed(0)
    sizes = {"vocab_size": 4 + len(vocabulary), "projection_size": 24, "cell_size": 32}
    model = ELMoForPreTraining(ELMoConfig(**{**TINY, **VARIANTS[variant], **sizes, **fields}))
    model.elmo.set_spellings(torch.randint(1, 262, (4 + len(vocabulary), 6)))
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        model(ids, labels=ids).loss.backward()
        optimizer.step()
    return model.eval(), ids, vocabulary


def unigram_loss(ids: Tensor) -> float:
    """Of the best model that knows how often each word and each end of a text is, in either direction."""
    counts = torch.cat([torch.bincount(ids[ids > 0]), torch.tensor([len(ids)])]).double()
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * shares.log()).sum())


@pytest.mark.parametrize(
    ("variant", "fields"),
    [("characters", {}), ("words", {}), ("clipped", {"cell_clip": 3, "projection_clip": 3})],
    ids=["characters", "words", "clipped"],
)
def test_a_bilm_beats_the_unigram(variant, fields):
    model, ids, _ = trained(variant, **fields)
    with torch.no_grad():
        perplexity = math.exp(model(ids, labels=ids).loss)
    assert perplexity < 0.25 * math.exp(unigram_loss(ids))


def test_a_sampled_softmax_trains():
    model, ids, _ = trained("words", steps=120, num_softmax_samples=10)
    with torch.no_grad():
        exact = model(ids, labels=ids).loss
        assert exact < 0.5 * unigram_loss(ids)
        assert model(ids, labels=ids).loss == exact  # in evaluation nothing is drawn
        model.train()
        model.config.hidden_dropout_prob = 0.0
        assert len({float(model(ids, labels=ids).loss) for _ in range(5)}) > 1


@directions
def test_writes_what_it_has_read(direction, tmp_path):
    model, _, vocabulary = trained("words")
    model.save_pretrained(tmp_path)
    writer = ELMoForCausalLM.from_pretrained(tmp_path, generation_direction=direction)
    words = {index: word for word, index in vocabulary.items()}
    written = set()
    for first in ("a dog", "the fish") if direction == "forward" else ("cat a", "sea the"):
        ids = torch.tensor([[vocabulary[word] for word in first.split()]])
        ids = writer.generate(ids, max_new_tokens=10, do_sample=False, pad_token_id=0)[0]
        assert ids[-1] == (END if direction == "forward" else BEGIN)
        read = [words[int(index)] for index in ids[:-1]]
        written.add(" ".join(read if direction == "forward" else read[::-1]))
    assert written == {CORPUS[0], CORPUS[3]}


# What stays frozen


def test_a_frozen_encoder_is_the_same_in_training():
    model, (ids,) = make(ELMoForTokenClassification, freeze_encoder=True, hidden_dropout_prob=0.5), texts(6)
    layers = [
        state.train(mode)(ids[None], output_hidden_states=True).hidden_states
        for state, mode in ((model, True), (model, True), (model, False))
    ]
    for other in layers[1:]:
        close(other, layers[0])
    model = make(ELMoForTokenClassification, freeze_encoder=False, hidden_dropout_prob=0.5).train()
    assert not torch.equal(*(model(ids[None], output_hidden_states=True).hidden_states[-1] for _ in range(2)))


def test_the_mix_and_the_head_learn_on_a_frozen_encoder(tmp_path):
    make(ELMoForPreTraining).save_pretrained(tmp_path)
    model = ELMoForTokenClassification.from_pretrained(tmp_path, freeze_encoder=True)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    (ids,) = texts(6)
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(ids[None], labels=ids[None] % 3).loss.backward()
        optimizer.step()
    moved = {name for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])}
    assert moved == {"elmo.scalar_mix.weights", "elmo.scalar_mix.scale", "tagger.weight", "tagger.bias"}


@pytest.mark.parametrize("model_class", [ELMoForPreTraining, ELMoForCausalLM])
def test_a_language_model_trains_all_that_it_uses(model_class):
    """Several processes wait for the gradient of every parameter that can have one."""
    model, (ids,) = make(model_class, "characters").train(), texts(6)
    model(ids[None], labels=ids[None]).loss.backward()
    for name, weight in model.named_parameters():
        assert weight.requires_grad == (weight.grad is not None), name


# Spelling


def test_how_a_word_is_spelled_is_what_it_is():
    model, (ids,) = make(ELMoModel, "characters"), texts(4)
    spelled = model.word_embeddings.spelling(ids[None])
    close(
        model(torch.ones_like(ids[None]), character_ids=spelled).last_hidden_state, model(ids[None]).last_hidden_state
    )
    other = spelled.clone()
    other[0, 0, 1] = other[0, 0, 1] % 261 + 1
    assert not torch.allclose(
        model(ids[None], character_ids=other).last_hidden_state, model(ids[None]).last_hidden_state
    )


def test_words_have_no_spelling():
    model, (ids,) = make(ELMoModel, "words"), texts(4)
    given = torch.randint(1, 262, (1, 4, 6))
    assert torch.equal(model(ids[None], character_ids=given).last_hidden_state, model(ids[None]).last_hidden_state)
    model.set_spellings(torch.zeros(1, 1))  # nothing to tell


def test_a_cache_is_made_only_when_asked_for():
    model, (ids,) = make(ELMoModel), texts(4)
    assert model(ids[None]).past_key_values is None
    assert isinstance(model(ids[None], use_cache=True).past_key_values, RecurrentCache)

"""The Transformer's blocks against loops and PyTorch's own layers, and what its models can do."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from wordemb_hf.modeling import (
    TransformerDecoderConfig,
    TransformerDecoderForCausalLM,
    TransformerEncoderConfig,
    TransformerEncoderModel,
    TransformerSeq2SeqConfig,
    TransformerSeq2SeqForConditionalGeneration,
)
from wordemb_hf.modeling.positions import number_tokens, rotary_angles, rotate, sinusoidal_positions
from wordemb_hf.modeling.transformer_layers import CrossAttention, SelfAttention, TransformerStack, Wanted

SIZES = {"vocab_size": 19, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12}
SIZES |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
MASK = torch.tensor([[1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]]).bool()
POSITIONS = ["sinusoidal", "learned", "rotary"]


# Blocks


def attend(query, keys, values, seen):
    """A query's mean of the values that it may see, and its weights: one head, numbers one by one."""
    scores = [sum(a * b for a, b in zip(query, key, strict=True)) / math.sqrt(len(query)) for key in keys]
    total = sum(math.exp(score) for score, can in zip(scores, seen, strict=True) if can)
    weights = [math.exp(score) / total if can else 0.0 for score, can in zip(scores, seen, strict=True)]
    mixed = [sum(w * value[i] for w, value in zip(weights, values, strict=True)) for i in range(len(values[0]))]
    return mixed, weights


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", ["self", "causal", "cross"])
def test_attention_is_a_loop_over_tokens_and_heads(kind, implementation):
    torch.manual_seed(0)
    states, source = torch.randn(4, 5, 6), torch.randn(4, 5, 6)
    seen = MASK[:, None, None, :].expand(4, 1, 5, 5)
    if kind == "causal":
        seen = seen & torch.ones(5, 5, dtype=torch.bool).tril()
    with torch.no_grad():
        if kind == "cross":
            block = CrossAttention(6, num_heads=2)
            actual, weights = block(states, source, seen, None, implementation)
            query, (key, value) = block.query(states), block.key_value(source).chunk(2, dim=-1)
        else:
            block = SelfAttention(6, num_heads=2, is_causal=kind == "causal")
            actual, weights = block(states, seen, None, None, implementation)
            query, key, value = block.query_key_value(states).chunk(3, dim=-1)
        for row in range(4):
            for place in range(5):
                heads = []
                for head in range(2):
                    part = slice(3 * head, 3 * head + 3)
                    mixed, expected = attend(
                        query[row, place, part].tolist(),
                        key[row, :, part].tolist(),
                        value[row, :, part].tolist(),
                        seen[row, 0, place].tolist(),
                    )
                    heads += mixed
                    if weights is not None:
                        torch.testing.assert_close(weights[row, head, place], torch.tensor(expected))
                torch.testing.assert_close(actual[row, place], block.output(torch.tensor(heads)))
    assert (weights is None) == (implementation == "sdpa")


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm_position", ["pre", "post"])
@pytest.mark.parametrize("is_decoder", [False, True], ids=["encoder", "decoder"])
def test_a_layer_is_that_of_pytorch(is_decoder, norm_position, activation):
    torch.manual_seed(0)
    theirs_class = nn.TransformerDecoderLayer if is_decoder else nn.TransformerEncoderLayer
    theirs = theirs_class(8, 2, 12, 0.0, activation, batch_first=True, norm_first=norm_position == "pre").eval()
    ours = TransformerStack(
        8,
        1,
        num_heads=2,
        intermediate_size=12,
        activation=activation,
        norm_position=norm_position,
        dropout=0.0,
        attention_dropout=0.0,
        is_causal=is_decoder,
        reads_source=is_decoder,
    ).eval()
    with torch.no_grad():
        for weight in theirs.parameters():
            weight.uniform_(-0.5, 0.5)
    (layer,), theirs_state = ours.layers, theirs.state_dict()
    cut = 8  # PyTorch keeps query, key and value of the cross attention in one matrix
    names = {
        "self_attention.query_key_value.{}": lambda kind: theirs_state[f"self_attn.in_proj_{kind}"],
        "self_attention.output.{}": lambda kind: theirs_state[f"self_attn.out_proj.{kind}"],
        "self_attention_norm.{}": lambda kind: theirs_state[f"norm1.{kind}"],
        "feed_forward.expand.{}": lambda kind: theirs_state[f"linear1.{kind}"],
        "feed_forward.contract.{}": lambda kind: theirs_state[f"linear2.{kind}"],
        "feed_forward_norm.{}": lambda kind: theirs_state[f"norm{3 if is_decoder else 2}.{kind}"],
    }
    if is_decoder:
        names |= {
            "cross_attention.query.{}": lambda kind: theirs_state[f"multihead_attn.in_proj_{kind}"][:cut],
            "cross_attention.key_value.{}": lambda kind: theirs_state[f"multihead_attn.in_proj_{kind}"][cut:],
            "cross_attention.output.{}": lambda kind: theirs_state[f"multihead_attn.out_proj.{kind}"],
            "cross_attention_norm.{}": lambda kind: theirs_state[f"norm2.{kind}"],
        }
    layer.load_state_dict(
        {name.format(kind): take(kind) for name, take in names.items() for kind in ("weight", "bias")}
    )
    ours.last_norm = None  # PyTorch leaves it to the user
    states, source, tokens = torch.randn(3, 5, 8), torch.randn(3, 5, 8), MASK[[0, 1, 3]]
    with torch.no_grad():
        if is_decoder:
            expected = theirs(
                states,
                source,
                tgt_mask=nn.Transformer.generate_square_subsequent_mask(5),
                memory_key_padding_mask=torch.zeros(3, 5).masked_fill(~tokens, float("-inf")),
            )
            seen = tokens[:, None, None, :].expand(3, 1, 5, 5)
            actual = ours(states, Wanted(), source=source, source_mask=seen).states
        else:
            expected = theirs(states, src_key_padding_mask=~tokens)
            expected = expected.masked_fill(~tokens.unsqueeze(-1), 0.0)
            actual = ours(states, Wanted(), tokens[:, None, None, :].expand(3, 1, 5, 5), tokens=tokens).states
    torch.testing.assert_close(actual, expected)


def test_sines_are_those_of_the_paper():
    for width in (6, 7):
        table = sinusoidal_positions(torch.tensor([[0, 3, 2000]]), width)
        assert table.shape == (1, 3, width)
        for column, place in enumerate((0, 3, 2000)):
            for i in range(width):
                angle = place / 10000 ** (2 * (i // 2) / (width + width % 2))
                expected = math.cos(angle) if i % 2 else math.sin(angle)
                assert table[0, column, i].item() == pytest.approx(expected, abs=2e-4)


def test_rotation_turns_pairs_and_only_distance_counts():
    torch.manual_seed(0)
    query, key = torch.randn(1, 2, 1, 6), torch.randn(1, 2, 1, 6)

    def turned(states, place):
        return rotate(states, rotary_angles(torch.tensor([[place]]), 6, 100.0, torch.float32))

    for place in (0, 1, 7):
        actual = turned(query, place)[0, 1, 0]
        for i in range(3):
            angle = place / 100 ** (2 * i / 6)
            first, second = query[0, 1, 0, i].item(), query[0, 1, 0, i + 3].item()
            assert actual[i].item() == pytest.approx(first * math.cos(angle) - second * math.sin(angle), abs=1e-5)
            assert actual[i + 3].item() == pytest.approx(second * math.cos(angle) + first * math.sin(angle), abs=1e-5)
    near = (turned(query, 3) * turned(key, 1)).sum(-1)
    torch.testing.assert_close((turned(query, 102) * turned(key, 100)).sum(-1), near, rtol=1e-4, atol=1e-4)
    assert not torch.allclose((turned(query, 4) * turned(key, 1)).sum(-1), near, atol=1e-3)


def test_tokens_are_numbered_without_padding():
    assert number_tokens(MASK, 5, 0, MASK.device).tolist() == [
        [0, 1, 2, 2, 2],
        [0, 0, 0, 1, 2],
        [0, 0, 0, 0, 0],
        [0, 1, 2, 3, 4],
    ]
    assert number_tokens(MASK, 2, 3, MASK.device)[1].tolist() == [1, 2]
    assert number_tokens(None, 2, 3, MASK.device).tolist() == [[3, 4]]


# Models


@pytest.mark.parametrize("position_type", POSITIONS)
def test_a_long_text_is_refused_or_read(position_type):
    config = TransformerEncoderConfig(**SIZES, position_type=position_type, max_position_embeddings=6)
    model = TransformerEncoderModel(config).eval()
    long = torch.randint(1, 19, (2, 7))
    padded = nn.functional.pad(long[:, :6], (4, 0))  # ten columns, six tokens
    assert model(padded).last_hidden_state.isfinite().all()
    if position_type == "learned":
        with pytest.raises(ValueError, match="7 tokens, but max_position_embeddings is 6: cut the text"):
            model(long)
        return
    assert model(long).last_hidden_state.isfinite().all()
    writer = TransformerDecoderForCausalLM(
        TransformerDecoderConfig(**SIZES, position_type=position_type, max_position_embeddings=6)
    )
    assert writer.generate(long, max_new_tokens=9, do_sample=False, eos_token_id=-1).shape == (2, 16)


def test_writing_beyond_learned_positions_is_refused():
    config = TransformerDecoderConfig(**SIZES, position_type="learned", max_position_embeddings=6)
    model = TransformerDecoderForCausalLM(config).eval()
    with pytest.raises(ValueError, match="max_position_embeddings is 6"):
        model.generate(torch.randint(1, 19, (1, 4)), max_new_tokens=5, eos_token_id=-1)


@pytest.mark.parametrize("position_type", POSITIONS)
def test_order_is_seen(position_type):
    torch.manual_seed(0)
    model = TransformerEncoderModel(TransformerEncoderConfig(**SIZES, position_type=position_type)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.uniform_(-0.5, 0.5)
        one, two = (model(torch.tensor([ids])).pooler_output for ids in ([5, 6, 7], [7, 6, 5]))
    assert not torch.allclose(one, two, atol=1e-3)


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_a_token_sees_what_stands_before_it_and_no_more(implementation):
    torch.manual_seed(0)
    model = TransformerDecoderForCausalLM(TransformerDecoderConfig(**SIZES)).eval()
    model.set_attn_implementation(implementation)
    ids = torch.randint(1, 19, (1, 7))
    with torch.no_grad():
        logits = model(ids).logits
        for place in range(7):
            other = ids.clone()
            other[0, place] = ids[0, place] % 17 + 1
            changed = ~torch.isclose(model(other).logits, logits, atol=1e-6).all(-1)[0]
            assert changed.tolist() == [row >= place for row in range(7)]


def seq2seq(seed: int = 0, **fields) -> TransformerSeq2SeqForConditionalGeneration:
    torch.manual_seed(seed)
    model = TransformerSeq2SeqForConditionalGeneration(TransformerSeq2SeqConfig(**{**SIZES, **fields})).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.uniform_(-0.5, 0.5)
    return model


SOURCE = torch.tensor([[5, 6, 7, 8], [9, 10, 0, 0], [11, 0, 0, 0]])
TARGET = torch.tensor([[12, 13, 3], [14, 3, -100], [3, -100, -100]])


def test_what_the_decoder_reads_is_the_target_shifted():
    model = seq2seq()
    assert model.prepare_decoder_input_ids_from_labels(TARGET).tolist() == [[2, 12, 13], [2, 14, 3], [2, 3, 2]]
    left = torch.tensor([[-100, 14, 3]])
    assert model.prepare_decoder_input_ids_from_labels(left).tolist() == [[2, 2, 14]]


@pytest.mark.parametrize("position_type", POSITIONS)
def test_the_loss_is_that_of_each_token_of_the_target(position_type):
    model = seq2seq(position_type=position_type)
    answer = model(SOURCE, labels=TARGET)
    assert answer.logits is None
    before = torch.tensor([[2, 12, 13], [2, 14, 0], [2, 0, 0]])
    logits = model(SOURCE, decoder_input_ids=before).logits
    torch.testing.assert_close(answer.loss, cross_entropy(logits.flatten(0, 1), TARGET.flatten()))
    torch.testing.assert_close(model(SOURCE, labels=TARGET, logits_to_keep=0).logits[0], logits[0])
    left = model(SOURCE.flip(1), SOURCE.flip(1) != 0, labels=TARGET)
    assert left.loss.isfinite()


WAYS = {
    "greedy": {"do_sample": False},
    "sampling": {"do_sample": True, "top_k": 10},
    "beams": {"do_sample": False, "num_beams": 3, "num_return_sequences": 2, "length_penalty": 0.6},
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("position_type", POSITIONS)
def test_writing_with_a_cache_is_reading_again(way, position_type):
    model = seq2seq(position_type=position_type)

    def write(source, **options):
        torch.manual_seed(0)
        return model.generate(source, max_new_tokens=6, eos_token_id=-1, **way, **options)

    together = write(SOURCE, attention_mask=(SOURCE != 0).long())
    assert torch.equal(together, write(SOURCE, attention_mask=(SOURCE != 0).long(), use_cache=False))
    if not way["do_sample"]:
        copies = way.get("num_return_sequences", 1)
        for row, length in enumerate((4, 2, 1)):
            alone = write(SOURCE[row : row + 1, :length])
            assert torch.equal(alone, together[row * copies : (row + 1) * copies])


def test_going_on_from_a_cache_keeps_what_was_made_of_the_source():
    model, target = seq2seq(), torch.tensor([[2, 12, 13, 14], [2, 15, 16, 17], [2, 4, 5, 6]])
    with torch.no_grad():
        whole = model(SOURCE, decoder_input_ids=target)
        begun = model(SOURCE, decoder_input_ids=target[:, :2], use_cache=True)
        past = begun.past_key_values
        kept = past.cross_attention_cache.layers[0].keys
        rest = model(
            encoder_outputs=(begun.encoder_last_hidden_state,),
            attention_mask=SOURCE != 0,
            decoder_input_ids=target[:, 2:],
            past_key_values=past,
        )
    torch.testing.assert_close(rest.logits, whole.logits[:, 2:])
    assert past.is_updated == {0: True, 1: True} and past.cross_attention_cache.layers[0].keys is kept
    assert past.get_seq_length() == 4


@pytest.mark.parametrize("masked", [True, False], ids=["mask", "length"])
def test_a_source_without_tokens_is_written_from(masked):
    model = seq2seq()
    source = torch.zeros((2, 3 if masked else 0), dtype=torch.long)
    for implementation in ("sdpa", "eager"):
        model.set_attn_implementation(implementation)
        answer = model(source, attention_mask=torch.zeros_like(source), labels=TARGET[:2])
        assert answer.loss.isfinite()
        answer.loss.backward()
        assert all(weight.grad is None or weight.grad.isfinite().all() for weight in model.parameters())
        written = model.generate(source, attention_mask=torch.zeros_like(source), max_new_tokens=4, eos_token_id=-1)
        assert written.shape == (2, 5)
    empty = model(SOURCE[:2], labels=torch.full((2, 3), -100)).loss
    assert empty == 0
    assert model(SOURCE[:2], labels=torch.zeros((2, 0), dtype=torch.long)).loss == 0


@pytest.mark.parametrize("family", ["decoder", "seq2seq"])
def test_output_vectors_are_word_vectors(family):
    for tied in (True, False):
        if family == "decoder":
            model = TransformerDecoderForCausalLM(TransformerDecoderConfig(**SIZES, tie_word_embeddings=tied))
        else:
            model = TransformerSeq2SeqForConditionalGeneration(
                TransformerSeq2SeqConfig(**SIZES, tie_word_embeddings=tied)
            )
        assert (model.lm_head.weight is model.get_input_embeddings().weight) == tied


@pytest.mark.slow
@pytest.mark.parametrize("position_type", ["sinusoidal", "rotary"])
def test_learns_to_copy_and_to_look_where_it_copies(position_type):
    """Unseen texts are copied, and each token attends to the place that it copies."""
    torch.manual_seed(0)
    sizes = {**SIZES, "hidden_size": 48, "intermediate_size": 96, "num_attention_heads": 4}
    model = TransformerSeq2SeqForConditionalGeneration(
        TransformerSeq2SeqConfig(**sizes, position_type=position_type)
    ).train()
    random = torch.Generator().manual_seed(1)

    def texts(count):
        ids = torch.stack([torch.randperm(15, generator=random)[:6] + 4 for _ in range(count)])
        return ids, nn.functional.pad(ids, (0, 1), value=3)

    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for step in range(400):
        source, target = texts(32)
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1.0, step / 50, (400 - step) / 200)
        optimizer.zero_grad()
        model(source, labels=target).loss.backward()
        optimizer.step()
    source, target = texts(64)
    written = model.eval().generate(source, max_new_tokens=7, num_beams=2, do_sample=False)
    assert (written[:, 1:] == target).all(1).float().mean() > 0.95
    with torch.no_grad():
        weights = model(source, labels=target, output_attentions=True).cross_attentions
    looks = torch.stack([layer[:, :, :6].argmax(-1) for layer in weights])  # (layers, batch, heads, 6)
    right = (looks == torch.arange(6)).float().mean((1, 3))
    assert right.max() > 0.6  # some head of some layer is the alignment; by chance it would be a sixth

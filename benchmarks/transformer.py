"""Transformers against those of PyTorch and transformers: writing, reading, and a step of training.

    python benchmarks/transformer.py [--threads 2] [--only writing reading training]

Writing: `transformer_decoder` and a GPT-2 of equal size, both through transformers' `generate()`. Reading:
`transformer_encoder` and `nn.TransformerEncoder`, padded batches, both by scaled dot-product attention; the nested fast
path of PyTorch is shown beside it. Training: `transformer_seq2seq` and a bare `nn.Transformer` with word vectors,
output and loss around it, a whole step of AdamW each.
"""

import argparse
import math

import torch
from measuring import compare, report
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel
from wordemb_hf.modeling import (
    TransformerDecoderConfig,
    TransformerDecoderForCausalLM,
    TransformerEncoderConfig,
    TransformerEncoderModel,
    TransformerSeq2SeqConfig,
    TransformerSeq2SeqForConditionalGeneration,
)

VOCABULARY, WIDTH, HEADS, LAYERS = 10_000, 256, 4, 4


class Reader(nn.Module):
    """Word vectors, learned positions and `nn.TransformerEncoder`."""

    def __init__(self, nested: bool):
        super().__init__()
        self.words, self.places = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(4096, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, 0.1, "gelu", batch_first=True)
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=nested)

    def forward(self, ids, mask):
        """States `(batch, length, WIDTH)`."""
        words = self.words(ids) + self.places.weight[: ids.shape[1]]
        return self.layers(words, src_key_padding_mask=~mask)


class Translator(nn.Module):
    """Word vectors, sines, `nn.Transformer`, and an output that is the word vectors."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, WIDTH)
        self.layers = nn.Transformer(WIDTH, HEADS, LAYERS, LAYERS, 4 * WIDTH, 0.1, "gelu", batch_first=True)
        angles = torch.arange(512).unsqueeze(1) * torch.exp(torch.arange(0, WIDTH, 2) * -math.log(1e4) / WIDTH)
        self.register_buffer("places", torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1))
        self.bias = nn.Parameter(torch.zeros(VOCABULARY))

    def forward(self, source, mask, target):
        """The loss of the target."""
        before = nn.functional.pad(target, (1, 0), value=2)[:, :-1].clamp(min=0)
        read, written = (self.words(ids) * math.sqrt(WIDTH) + self.places[: ids.shape[1]] for ids in (source, before))
        causal = nn.Transformer.generate_square_subsequent_mask(before.shape[1])
        states = self.layers(
            read,
            written,
            tgt_mask=causal,
            src_key_padding_mask=~mask,
            memory_key_padding_mask=~mask,
            tgt_is_causal=True,
        )
        scores = states @ self.words.weight.T + self.bias
        return nn.functional.cross_entropy(scores.flatten(0, 1), target.flatten(), ignore_index=-100)


def padded(batch: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random texts from three quarters of the length up to all of it, and where their tokens are."""
    lengths = torch.linspace(0.75 * length, length, batch).long()
    mask = torch.arange(length) < lengths.unsqueeze(1)
    return torch.randint(4, VOCABULARY, (batch, length)).where(mask, 0), mask


def writing(repeats: int) -> None:
    """Tokens one by one, with caches."""
    sizes = {"vocab_size": VOCABULARY, "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS}
    models = {
        f"transformer_decoder, {kind}": TransformerDecoderForCausalLM(
            TransformerDecoderConfig(**sizes, position_type=kind, max_position_embeddings=2048)
        ).eval()
        for kind in ("learned", "rotary")
    }
    models["GPT-2"] = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=VOCABULARY,
            n_positions=2048,
            n_embd=WIDTH,
            n_layer=LAYERS,
            n_head=HEADS,
            bos_token_id=None,
            eos_token_id=None,
        )
    ).eval()
    for name, model in models.items():
        print(f"{name:32} {model.num_parameters():>10,} parameters")
    for batch, beams in ((1, 1), (16, 1), (1, 4)):
        prompt = torch.randint(3, VOCABULARY, (batch, 16))

        def write(model, prompt=prompt, beams=beams):
            return model.generate(
                prompt, min_new_tokens=64, max_new_tokens=64, do_sample=False, num_beams=beams, pad_token_id=0
            )

        measured = compare({name: lambda m=m: write(m) for name, m in models.items()}, repeats)
        report(
            f"a token of 64, batch {batch}, {beams} beam(s)",
            {name: (wall / 64, cpu / 64) for name, (wall, cpu) in measured.items()},
        )


@torch.inference_mode()
def reading(repeats: int, shapes: list[tuple[int, int]]) -> None:
    """A batch at a time, without gradients."""
    sizes = {"vocab_size": VOCABULARY, "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS}
    ours = {
        f"transformer_encoder, {kind}": TransformerEncoderModel(
            TransformerEncoderConfig(**sizes, norm_position="post", position_type=kind, max_position_embeddings=4096)
        ).eval()
        for kind in ("learned", "rotary")
    }
    theirs = Reader(nested=False).eval()
    nested = Reader(nested=True).eval()
    nested.load_state_dict(theirs.state_dict())
    for batch, length in shapes:
        ids, mask = padded(batch, length)

        def by_attention(ids=ids, mask=mask):
            torch.backends.mha.set_fastpath_enabled(False)
            theirs(ids, mask)
            torch.backends.mha.set_fastpath_enabled(True)

        rivals = {name: lambda m=m, i=ids, k=mask: m(i, attention_mask=k) for name, m in ours.items()}
        rivals["nn.TransformerEncoder"] = by_attention
        rivals["nn.TransformerEncoder, fast path"] = lambda i=ids, k=mask: nested(i, k)
        report(f"reading {batch} x {length}", compare(rivals, repeats))


def training(repeats: int) -> None:
    """Forward, backward and a step of AdamW."""
    ours = TransformerSeq2SeqForConditionalGeneration(
        TransformerSeq2SeqConfig(
            vocab_size=VOCABULARY,
            hidden_size=WIDTH,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            norm_position="post",
        )
    ).train()
    theirs = Translator().train()
    source, mask = padded(32, 32)
    target = padded(32, 32)[0]
    target = target.masked_fill(target == 0, -100)
    losses = {
        "transformer_seq2seq": (ours, lambda: ours(source, attention_mask=mask, labels=target).loss),
        "nn.Transformer": (theirs, lambda: theirs(source, mask, target)),
    }
    rivals = {}
    for name, (model, loss) in losses.items():
        print(f"{name:32} {sum(weight.numel() for weight in model.parameters()):>10,} parameters")
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

        def step(loss=loss, optimizer=optimizer):
            loss().backward()
            optimizer.step()
            optimizer.zero_grad()

        rivals[name] = step
    report("a step of training, 32 x 32", compare(rivals, repeats))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=["writing", "reading", "training"])
    parser.add_argument("--shapes", nargs="+", default=["32x128", "8x2048"], help="batch x length, for reading")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    chosen = arguments.only or ["writing", "reading", "training"]
    if "writing" in chosen:
        writing(arguments.repeats)
    if "reading" in chosen:
        reading(arguments.repeats, [tuple(map(int, shape.split("x"))) for shape in arguments.shapes])
    if "training" in chosen:
        training(arguments.repeats)


if __name__ == "__main__":
    main()

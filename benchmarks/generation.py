"""Writing with a recurrent language model against a GPT-2 of equal size: time for a token, and how it grows.

    python benchmarks/generation.py [--threads 2]

Both have about as many parameters, the same vocabulary and random weights; both write greedily through
`transformers`' own `generate()` with their caches. GPT-2 is given the room it needs for the longest text.
"""

import argparse

import torch
from measuring import compare, report
from transformers import GPT2Config, GPT2LMHeadModel
from wordemb_hf.modeling import RNNConfig, RNNForCausalLM

VOCABULARY = 10_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    gpt2 = GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_positions=2048, n_embd=200, n_layer=2, n_head=4)).eval()
    sizes = {"vocab_size": VOCABULARY, "embedding_size": 200, "hidden_size": 200}
    ours = {
        f"{cell_type}, {layers} layers": RNNForCausalLM(
            RNNConfig(**sizes, cell_type=cell_type, num_hidden_layers=layers)
        ).eval()
        for cell_type, layers in (("lstm", 3), ("gru", 4), ("rnn", 12))
    }
    models = {"GPT-2, 2 layers": gpt2, **ours}
    for name, model in models.items():
        print(f"{name:32} {model.num_parameters():>10,} parameters")
    for batch, beams in ((1, 1), (16, 1), (1, 4)):
        prompt = torch.randint(3, VOCABULARY, (batch, 16))

        def write(model, length, prompt=prompt, beams=beams):
            return model.generate(
                prompt, min_new_tokens=length, max_new_tokens=length, do_sample=False, num_beams=beams, pad_token_id=0
            )

        measured = compare({name: lambda m=m: write(m, 64) for name, m in models.items()}, arguments.repeats)
        report(
            f"a token of 64, batch {batch}, {beams} beam(s)",
            {name: (wall / 64, cpu / 64) for name, (wall, cpu) in measured.items()},
        )

    print("one token behind a text of so many, batch 16: milliseconds on the clock")
    for name, model in models.items():
        costs = []
        for length in (16, 256, 1024):
            with torch.no_grad():
                past = model(torch.randint(3, VOCABULARY, (16, length)), use_cache=True).past_key_values
                token, mask = torch.full((16, 1), 5), torch.ones(16, length + 1, dtype=torch.long)

                def one(model=model, past=past, token=token, mask=mask, length=length):
                    with torch.no_grad():
                        model(token, attention_mask=mask, past_key_values=past, use_cache=True)
                    if isinstance(model, GPT2LMHeadModel):
                        past.crop(-1)  # a recurrent state has nothing to take back

                costs.append(compare({name: one}, 30)[name][0])
        print(f"  {name:32} " + "  ".join(f"{1e3 * cost:7.2f}" for cost in costs))


if __name__ == "__main__":
    main()

"""The adding problem (Hochreiter & Schmidhuber 1997, section 5.4): what a plain RNN forgets and an LSTM remembers.

    python benchmarks/adding_problem.py [--length 200] [--steps 3000]

A series has two features at each step: a number between 0 and 1, and a mark that is 1 at two steps and 0 elsewhere. The
answer is the sum of the two marked numbers; who always says 1 is wrong by 0.167 in the mean square. The series enter
the models as `inputs_embeds`; what is trained is `RNNForSequenceClassification` as a regression.
"""

import argparse
import time

import torch
from wordemb_hf.modeling import RNNConfig, RNNForSequenceClassification


def draw(batch: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Series `(batch, length, 2)`, one mark in each half, and their sums `(batch,)`."""
    numbers, marks = torch.rand(batch, length), torch.zeros(batch, length)
    half = length // 2
    rows = torch.arange(batch)
    marks[rows, torch.randint(half, (batch,))] = 1.0
    marks[rows, torch.randint(half, length, (batch,))] = 1.0
    return torch.stack([numbers, marks], dim=-1), (numbers * marks).sum(1)


def main() -> None:
    """Train each cell and say whether it solved the problem."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=200)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--hidden-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--cells", nargs="+", default=["rnn", "gru", "lstm"])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for cell_type in arguments.cells:
        torch.manual_seed(arguments.seed)
        model = RNNForSequenceClassification(
            RNNConfig(
                vocab_size=1,  # no words
                embedding_size=2,
                hidden_size=arguments.hidden_size,
                num_hidden_layers=1,
                cell_type=cell_type,
                memory_span=arguments.length,
                num_labels=1,
                problem_type="regression",
            )
        )
        optimizer = torch.optim.Adam(model.parameters(), lr=arguments.learning_rate)
        started, solved = time.perf_counter(), None
        for step in range(1, arguments.steps + 1):
            series, sums = draw(arguments.batch, arguments.length)
            loss = model(inputs_embeds=series, labels=sums).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            if step % 250 == 0 or step == arguments.steps:
                with torch.no_grad():
                    series, sums = draw(1000, arguments.length)
                    error = model.eval()(inputs_embeds=series, labels=sums).loss.item()
                    model.train()
                print(f"{cell_type:4} step {step:5} mean square error {error:.4f}", flush=True)
                if error < 0.01:
                    solved = step
                    break
        seconds = time.perf_counter() - started
        outcome = f"solved in {solved} steps" if solved else f"not solved in {arguments.steps} steps"
        print(f"{cell_type:4} {outcome} ({model.num_parameters():,} parameters, {seconds:.0f} s)", flush=True)


if __name__ == "__main__":
    main()

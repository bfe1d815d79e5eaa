"""Our CRF against pytorch-crf 0.7.2 on the same inputs: `python benchmarks/crf.py`.

For each size, the log-likelihood with its gradient, and the best path, each with one thread and with two. Runs of the
two take turns, so that what else the machine does falls on both; the times are medians. A ratio above 1 says how many
times faster ours is, in wall time and in CPU time. Before anything is timed, ours must give the same paths, and the
numbers that pytorch-crf gives in float64 (in float32 its gradients are off by 1e-4 for the longest sentences).
"""

import argparse
import copy
import statistics
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from wordemb_hf.modeling.crf import LinearChainCRF

SIZES = ((32, 50, 9), (64, 128, 23), (16, 500, 45))  # sentences, tokens, tags


class Seconds(NamedTuple):
    """Of one run."""

    wall: float
    cpu: float


def measure(run: Callable[[], object]) -> Seconds:
    """One run; CPU time is that of all threads."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def compare(ours: Callable[[], object], theirs: Callable[[], object], repeats: int) -> tuple[Seconds, Seconds]:
    """Medians of runs that take turns, after one of each that does not count."""
    ours(), theirs()
    pairs = [(measure(ours), measure(theirs)) for _ in range(repeats)]
    first, second = ([pair[which] for pair in pairs] for which in (0, 1))
    return _median(first), _median(second)


def _median(runs: list[Seconds]) -> Seconds:
    return Seconds(statistics.median(run.wall for run in runs), statistics.median(run.cpu for run in runs))


def make_inputs(batch: int, length: int, tags: int) -> tuple[Tensor, Tensor, Tensor]:
    """Random emissions and tags; sentences of half the length to the whole, padded on the right as pytorch-crf asks."""
    lengths = torch.randint(length // 2, length + 1, (batch, 1))
    lengths[0] = length
    emissions = torch.randn(batch, length, tags, requires_grad=True)
    return emissions, torch.randint(tags, (batch, length)), torch.arange(length) < lengths


def gradients(likelihood: Tensor, emissions: Tensor, crf: torch.nn.Module) -> tuple[Tensor, ...]:
    """By the emissions and the three parameters of a CRF."""
    weights = (crf.transitions, crf.start_transitions, crf.end_transitions)
    return torch.autograd.grad(-likelihood.sum(), (emissions, *weights))


def main() -> None:
    """Print a table of times and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=9, help="runs of each, of which the median counts")
    repeats = parser.parse_args().repeats
    try:
        from torchcrf import CRF
    except ImportError:
        sys.exit("pytorch-crf is not installed, which this compares with: pip install pytorch-crf==0.7.2")

    print(f"{'sentences x tokens x tags':26}{'threads':>8} {'':18}{'ours':>10}{'theirs':>10}{'wall':>8}{'CPU':>8}")
    for size in SIZES:
        torch.manual_seed(0)
        emissions, tags, mask = make_inputs(*size)
        ours, theirs = LinearChainCRF(size[2]), CRF(size[2], batch_first=True)
        theirs.load_state_dict(ours.state_dict())

        def our_gradients(ours=ours, emissions=emissions, tags=tags, mask=mask):
            return gradients(ours.log_likelihood(emissions, tags, mask), emissions, ours)

        def their_gradients(theirs=theirs, emissions=emissions, tags=tags, mask=mask):
            return gradients(theirs(emissions, tags, mask, reduction="none"), emissions, theirs)

        def our_path(ours=ours, emissions=emissions, mask=mask):
            return ours.viterbi(emissions, mask)

        def their_path(theirs=theirs, emissions=emissions, mask=mask):
            with torch.no_grad():
                return theirs.decode(emissions, mask)

        exact, doubles = copy.deepcopy(theirs).double(), emissions.detach().double().requires_grad_()
        expected = exact(doubles, tags, mask, reduction="none")
        torch.testing.assert_close(ours.log_likelihood(emissions, tags, mask).double(), expected, rtol=1e-6, atol=1e-6)
        for actual, gradient in zip(our_gradients(), gradients(expected, doubles, exact), strict=True):
            torch.testing.assert_close(actual.double(), gradient, rtol=1e-5, atol=1e-5)
        assert [row[row >= 0].tolist() for row in our_path()] == their_path()
        for threads in (1, 2):
            torch.set_num_threads(threads)
            for name, pair in (
                ("likelihood, gradient", (our_gradients, their_gradients)),
                ("best path", (our_path, their_path)),
            ):
                us, them = compare(*pair, repeats)
                label = " x ".join(map(str, size))
                print(
                    f"{label:26}{threads:>8} {name:20}{1e3 * us.wall:>8.1f}ms{1e3 * them.wall:>8.1f}ms"
                    f"{them.wall / us.wall:>7.1f}x{them.cpu / us.cpu:>7.1f}x",
                    flush=True,
                )


if __name__ == "__main__":
    main()

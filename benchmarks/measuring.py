"""How benchmarks compare: the rivals take turns on the same work, and the medians of their times are set against ours.

Machines are noisy, and their noise has a memory: what runs second finds warm caches or a hot processor. So runs are
interleaved, and CPU seconds are counted beside the clock.
"""

import statistics
import time
from collections.abc import Callable


def compare(
    rivals: dict[str, Callable[[], object]], repeats: int = 7, between: Callable[[str], object] = lambda name: None
) -> dict[str, tuple[float, float]]:
    """Median wall seconds and CPU seconds of each rival, after a first run that does not count.

    `between` is called after each run with the rival's name, and its time is nobody's.
    """
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in rivals}
    for turn in range(repeats + 1):
        for name, run in rivals.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            took = time.perf_counter() - wall, time.process_time() - cpu
            if turn:
                times[name].append(took)
            between(name)
    return {
        name: (statistics.median(wall for wall, _ in runs), statistics.median(cpu for _, cpu in runs))
        for name, runs in times.items()
    }


def report(title: str, measured: dict[str, tuple[float, float]]) -> None:
    """Print times, and each rival's as a multiple of the first one's."""
    (_, (wall, cpu)), *_ = measured.items()
    print(title)
    for name, (own_wall, own_cpu) in measured.items():
        print(
            f"  {name:32} {1e3 * own_wall:9.2f} ms wall ({own_wall / wall:5.2f}x)"
            f" {1e3 * own_cpu:9.2f} ms CPU ({own_cpu / cpu:5.2f}x)"
        )

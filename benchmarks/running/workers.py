"""How much a second worker brings: the same small series, judged by one worker and by two, on a real PostgreSQL.

All series are received first; then the workers start, and the time counts from when they are ready. One thread each for
the engine, so that one worker does not use what the second would have.

    PYTHONPATH=.:tests python benchmarks/running/workers.py --series 200
"""

import argparse
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from builders.peers.postgres import running_postgres
from builders.running.daemon import Daemon, running_daemon, running_workers, write_series


def measure(workers: int, count: int) -> float:
    """Series a minute."""
    with ExitStack() as stack:
        server = stack.enter_context(running_postgres())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        extra = f'database = "{server.database()}"\n[engine]\nthreads = 1\n[completion]\nquiet_s = 2.0'
        daemon = stack.enter_context(running_daemon(folder, extra=extra, options=("--no-work",)))
        for number in range(count):
            _, files = write_series(folder / f"{number}", 4 * number, "workers")
            assert daemon.push(files[0].parent).returncode == 0
        while len(daemon.known()) < count:
            time.sleep(0.5)
        stack.enter_context(running_workers(daemon, *(f"worker-{number}" for number in range(workers))))
        before, began = done(daemon), time.monotonic()
        while done(daemon) < count:
            time.sleep(1)
        records = daemon.known()
        assert len(records) == len({record["series"] for record in records}) == count, "a series was done twice"
        return (count - before) / (time.monotonic() - began) * 60


def done(daemon: Daemon) -> int:
    return sum(record["state"] == "DONE" for record in daemon.known())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=200)
    options = parser.parse_args()
    rates = []
    for workers in (1, 2):
        rates.append(measure(workers, options.series))
        print(f"{workers} at work: {rates[-1]:.1f} series a minute", flush=True)
    print(f"ratio {rates[1] / rates[0]:.2f}")


if __name__ == "__main__":
    main()

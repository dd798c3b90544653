"""How fast the receiver takes images, beside DCMTK's storescp and Orthanc, with the same client.

Every server runs fresh on core 0 and the clients (DCMTK's storescu) on core 1; the servers take turns inside
each round, so that a slow minute of the machine hits all of them. Only ours and Orthanc flush to disk before they
answer. Run it from the repository root::

    PYTHONPATH=. python benchmarks/receiving/receiving.py --rounds 5
"""

import argparse
import json
import os
import pickle
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from builders.peers.receiver import mr_dataset  # noqa: E402 - the path is set above

from daemon.edge.receiving.settings import ListenerSettings  # noqa: E402
from daemon.edge.spool.writer import SpoolSettings  # noqa: E402

NODELAY = {"TCP_NODELAY": "1"}  # DCMTK and what is built on it turn Nagle's algorithm off
SERVER_CORES, CLIENT_CORES = "0", "1"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """How to start a server on a port, storing into a folder."""

    name: str
    start: Callable[[int, Path], subprocess.Popen[bytes]]


@dataclass(frozen=True)
class Case:
    """How many clients send how much, and whether both ends leave Nagle's algorithm on."""

    name: str
    clients: int
    instances: int
    environment: dict[str, str]
    servers: tuple[Server, ...]


@dataclass
class Runs:
    """What was measured of one server in one case."""

    rates: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    client_ms: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)


def scheduled(cores: str, *command: object) -> list[str]:
    """A command for some cores only, ahead of all that runs without real-time priority.

    On a machine that also computes, a thread that wakes from a flush or a read waits for the next timer tick (up to
    4 ms) before it gets a core. Real-time priority, which the receiver's systemd unit asks for as well, takes that
    out of the comparison: servers and clients all have it.
    """
    return ["/usr/bin/chrt", "-r", "1", "/usr/bin/taskset", "-c", cores, *map(str, command)]


#: The receiver as it is, but for the flush; to see what the flush costs.
UNFLUSHED = (
    "import os, runpy; os.fdatasync = lambda file: None; runpy.run_module('daemon.line.intake', run_name='__main__')"
)


def start_scanside(*python: str) -> Callable[[int, Path], subprocess.Popen[bytes]]:
    def start(port: int, folder: Path) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            scheduled(SERVER_CORES, sys.executable, *python),
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        spool = SpoolSettings(folder=folder, free_bytes_min=0, used_fraction_max=1.0)
        assert process.stdin
        process.stdin.write(pickle.dumps((spool, ListenerSettings(host="127.0.0.1", port=port))))
        process.stdin.close()
        return process

    return start


def start_storescp(*options: str, nodelay: bool) -> Callable[[int, Path], subprocess.Popen[bytes]]:
    def start(port: int, folder: Path) -> subprocess.Popen[bytes]:
        environment = os.environ | (NODELAY if nodelay else {})
        return subprocess.Popen(
            scheduled(SERVER_CORES, "/usr/bin/storescp", *options, "-od", folder, port), env=environment
        )

    return start


def start_orthanc(port: int, folder: Path) -> subprocess.Popen[bytes]:
    configuration = folder / "orthanc.json"
    settings = {"StorageDirectory": str(folder), "DicomPort": port, "HttpServerEnabled": False, "Plugins": []}
    configuration.write_text(json.dumps(settings))
    return subprocess.Popen(
        scheduled(SERVER_CORES, "/usr/sbin/Orthanc", configuration), env=os.environ | NODELAY, stderr=subprocess.DEVNULL
    )


SCANSIDE = Server("scanside (durable)", start_scanside("-m", "daemon.line.intake"))
NOT_DURABLE = Server("scanside, its flush taken out", start_scanside("-c", UNFLUSHED))
SHIPPED = Server("storescp as shipped", start_storescp(nodelay=False))
STORESCP = Server("storescp", start_storescp(nodelay=True))
STORESCP_FORK = Server("storescp --fork", start_storescp("--fork", nodelay=True))
ORTHANC = Server("orthanc (durable)", start_orthanc)


@contextmanager
def running(server: Server, scratch: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A fresh server that accepts connections, and its port; in a process group of its own making, ended at exit."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = server.start(port, folder)
    try:
        wait_until_open(port, process)
        yield port, process
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def wait_until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            time.sleep(0.5)  # servers end their start in their own time
            return
    raise SystemExit(f"the server ended with {process.returncode}")


def processes_of(process: subprocess.Popen[bytes]) -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [process.pid, *map(int, children)]


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """Of the server, its living children and those it has waited for."""
    while True:
        try:
            stats = [Path(f"/proc/{pid}/stat").read_text() for pid in processes_of(process)]
        except FileNotFoundError:  # a child ended in between, and counts with its parent from now on
            continue
        return sum(sum(map(int, stat.rpartition(")")[2].split()[11:15])) for stat in stats) / TICKS


def children_seconds() -> float:
    """CPU of all children that have ended; while a server runs, what grows is its clients'."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def peak_rss_mb(process: subprocess.Popen[bytes]) -> float:
    """The largest resident set the server itself ever had."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def send(port: int, series: Path, case: Case) -> float:
    """Seconds that the clients took, from the first start to the last end."""
    environment = {name: value for name, value in os.environ.items() if name != "TCP_NODELAY"} | case.environment
    begin = time.perf_counter()
    clients = [
        subprocess.Popen(
            scheduled(
                CLIENT_CORES, "/usr/bin/storescu", "-aec", "SCANSIDE", "+sd", "127.0.0.1", port, series / str(number)
            ),
            env=environment,
        )
        for number in range(case.clients)
    ]
    codes = [client.wait() for client in clients]
    if any(codes):
        raise SystemExit("a client failed")
    return time.perf_counter() - begin


def measure(server: Server, case: Case, series: Path, scratch: Path, runs: Runs) -> None:
    with running(server, scratch) as (port, process):
        before, of_clients = cpu_seconds(process), children_seconds()
        seconds = send(port, series, case)
        total = case.clients * case.instances
        runs.client_ms.append((children_seconds() - of_clients) / total * 1000)
        runs.rates.append(total / seconds)
        runs.cpu_ms.append((cpu_seconds(process) - before) / total * 1000)
        runs.rss_mb.append(peak_rss_mb(process))


def write_series(folder: Path, case: Case) -> None:
    """One folder a client, 135 KB an image: 256 x 256 x 16 bit and a header of scanner size."""
    for client in range(case.clients):
        (folder / str(client)).mkdir(parents=True)
        for number in range(case.instances):
            dataset = mr_dataset(client * case.instances + number, 256)
            dataset.add_new(0x00090010, "LO", "BENCHMARK")
            dataset.add_new(0x00091001, "OB", bytes(3600))
            dataset.save_as(folder / str(client) / f"{number:05d}.dcm", enforce_file_format=True)


def print_table(case: Case, results: dict[str, Runs]) -> None:
    ours = statistics.median(results[SCANSIDE.name].rates)
    print(f"\n### {case.name}: {case.clients} x {case.instances} instances\n")
    print("| server | instances/s | CPU ms/instance | of the client | peak RSS MB | scanside is |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, runs in results.items():
        rate, cpu, client, rss = map(statistics.median, (runs.rates, runs.cpu_ms, runs.client_ms, runs.rss_mb))
        spread = f"{min(runs.rates):.0f}-{max(runs.rates):.0f}"
        print(f"| {name} | {rate:.0f} ({spread}) | {cpu:.2f} | {client:.2f} | {rss:.0f} | {ours / rate:.2f} x |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--cases", nargs="*", default=["nagle", "one", "eight"])
    arguments = parser.parse_args()
    cases = {
        "nagle": Case("Clients with Nagle on, as scanners ship", 1, 200, {}, (SCANSIDE, SHIPPED)),
        "one": Case(
            "Both ends TCP_NODELAY, one association", 1, 1000, NODELAY, (SCANSIDE, NOT_DURABLE, STORESCP, ORTHANC)
        ),
        "eight": Case(
            "Both ends TCP_NODELAY, eight associations",
            8,
            250,
            NODELAY,
            (SCANSIDE, NOT_DURABLE, STORESCP_FORK, ORTHANC),
        ),
    }
    for case in (cases[name] for name in arguments.cases):
        with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
            series = Path(scratch) / "series"
            write_series(series, case)
            results = {server.name: Runs() for server in case.servers}
            for _ in range(arguments.rounds):
                for server in case.servers:
                    measure(server, case, series, Path(scratch), results[server.name])
        print_table(case, results)


if __name__ == "__main__":
    main()

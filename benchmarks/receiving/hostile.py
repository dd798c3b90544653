"""How fast a configured scanner pushes while others attack, beside how fast it pushes alone, in turns in one run.

A daemon that does not judge (``scanside run --no-work``) gets the same images from DCMTK's storescu, alone and under
each attack; the attackers are a process of their own. Run it from the repository root::

    PYTHONPATH=. python benchmarks/receiving/hostile.py --rounds 5
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from builders.peers.peer import ECHO, MR, Peer, echo_command, store_command  # noqa: E402
from builders.peers.receiver import write_series  # noqa: E402
from builders.running.daemon import Daemon, running_daemon  # noqa: E402 - the path is set above

from daemon.dicom.protocol.pdu import HEAD, PduType, encode_command  # noqa: E402

ALONE = "alone"
HALF_OPEN, SLOW_HEADS, STRANGERS = 500, 1100, 25


def flood(port: int, fragment: bytes) -> None:
    """Fragments of one image without an end, as fast as they are taken; again when cut."""
    value = (len(fragment) + 2).to_bytes(4, "big") + bytes([MR, 0]) + fragment
    pdu = HEAD.pack(PduType.DATA, len(value) * 15_000) + value * 15_000
    while True:
        with suppress(OSError, AssertionError), Peer(port) as peer:
            peer.socket.settimeout(None)
            peer.associate(calling="STRANGER").send(encode_command(MR, store_command("1.2.3")))
            while True:
                peer.send(pdu)


def echo(port: int) -> None:
    """One echo after the other on one association; again when refused or dropped."""
    while True:
        with suppress(OSError, AssertionError), Peer(port) as peer:
            peer.associate(calling="STRANGER")
            while peer.send(encode_command(ECHO, echo_command())) or peer.status() is not None:
                pass
        time.sleep(0.5)


def knock(port: int) -> None:
    """One association after the other, each released at once."""
    while True:
        with suppress(OSError, AssertionError), Peer(port) as peer:
            peer.associate(calling="STRANGER").release()


def hold(port: int, count: int, greeting: bytes) -> None:
    """So many connections that say no more than ``greeting``; again when closed."""
    with ExitStack() as stack:
        while True:
            held = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(count)]
            for one in held:
                with suppress(OSError):
                    one.sendall(greeting)
            time.sleep(5)
            stack.pop_all().close()


def crowd(attack: Callable[[], None], count: int) -> None:
    """The same ``count`` times at once."""
    threads = [threading.Thread(target=attack, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


#: Each takes the DICOM port and the page's.
ATTACKS: dict[str, Callable[[int, int], None]] = {
    "empty fragments": lambda port, _: flood(port, b""),
    "one-byte fragments": lambda port, _: flood(port, b"x"),
    f"{HALF_OPEN} half-open connections": lambda port, _: hold(port, HALF_OPEN, b""),
    f"{SLOW_HEADS} slow HTTP heads": lambda _, web: hold(web, SLOW_HEADS, b"GET / HT"),
    f"{STRANGERS} echoing strangers": lambda port, _: crowd(lambda: echo(port), STRANGERS),
    f"{STRANGERS} strangers, an association after the other": lambda port, _: crowd(lambda: knock(port), STRANGERS),
}


@contextmanager
def attacked(name: str, daemon: Daemon) -> Iterator[None]:
    """The attack goes on in a process of its own."""
    if name == ALONE:
        yield
        return
    command = [sys.executable, __file__, "--attack", name, "--ports", str(daemon.dicom_port), str(daemon.web_port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            time.sleep(2)
            if process.poll() is not None:
                raise SystemExit(f"the attack '{name}' ended by itself")
            yield
        finally:
            process.kill()


def rate(daemon: Daemon, series: Path, images: int) -> float:
    """Images a second of one push; 0 where an image was not taken."""
    began = time.perf_counter()
    done = daemon.push(series)
    return 0.0 if done.returncode else images / (time.perf_counter() - began)


def peak_mib(pid: int | None) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def measure(rounds: int, images: int) -> None:
    """Print a line for each attack."""
    os.environ["TCP_NODELAY"] = "1"  # DCMTK's own
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_series(folder / "series", images, 256)
        extra = "[spool]\nfree_bytes_min = 0\nused_fraction_max = 1.0"
        with running_daemon(folder, extra=extra, options=("--no-work",)) as daemon:
            receiver = daemon.living_receiver_pid()
            rates: dict[str, list[float]] = {name: [] for name in (ALONE, *ATTACKS)}
            for _ in range(rounds):
                for name, seen in rates.items():
                    with attacked(name, daemon):
                        seen.append(rate(daemon, folder / "series", images))
            report(rates, peak_mib(receiver))
            if receiver != daemon.living_receiver_pid():
                raise SystemExit("the receiver did not survive")


def report(rates: dict[str, list[float]], mib: float) -> None:
    alone = statistics.median(rates[ALONE])
    print("| attack | images/s, median (from - to) | of the rate alone |\n| --- | ---: | ---: |")
    for name, seen in rates.items():
        median = statistics.median(seen)
        print(f"| {name} | {median:.0f} ({min(seen):.0f} - {max(seen):.0f}) | {median / alone:.2f} |")
    print(f"\nreceiver: {mib:.0f} MiB at most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--attack", choices=list(ATTACKS), help=argparse.SUPPRESS)
    parser.add_argument("--ports", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.attack:
        ATTACKS[options.attack](*options.ports)
    else:
        measure(options.rounds, options.images)


if __name__ == "__main__":
    main()

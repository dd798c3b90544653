"""What a long history costs: start, memory and a push, with one finished series in the database and with many.

One series goes through the real daemon; its rows, those of the workflow engine too, are then copied under other names.

    PYTHONPATH=.:tests python benchmarks/running/restart.py --series 10000
"""

import argparse
import sqlite3
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from builders.running.daemon import Daemon, running_daemon, write_series

#: Tables whose rows are copied, with the columns that get another name in each copy.
COPIED = {
    "series": ("series_instance_uid", "card_id"),
    "instances": ("series_instance_uid",),
    "deliveries": ("sop_instance_uid", "series_instance_uid"),
    "workflow_status": ("workflow_uuid",),
    "operation_outputs": ("workflow_uuid",),
}


def multiply(database: Path, count: int) -> dict[str, int]:
    """Copy everything until there are ``count`` series; rows by table."""
    with sqlite3.connect(database) as connection:
        copies = count // connection.execute("SELECT count(*) FROM series").fetchone()[0]
        for table, renamed in COPIED.items():
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            values = ", ".join(f"{c} || '.' || n" if c in renamed else c for c in columns)
            connection.execute(
                f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {copies - 1}) "
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table}, numbers"
            )
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in COPIED}


def measure(daemon: Daemon, folder: Path, name: str) -> str:
    """Start it; seconds until it is ready, memory then, seconds of one push to its verdict, of one page of cards."""
    began = time.monotonic()
    daemon.start()
    ready = time.monotonic() - began
    status = Path(f"/proc/{daemon.working_pid()}/status").read_text()
    memory = int(status.split("VmRSS:")[1].split()[0]) / 1024
    began = time.monotonic()
    daemon.get("cards")
    page = time.monotonic() - began
    uid, _ = write_series(folder / name, 1, name)
    began = time.monotonic()
    daemon.push(folder / name)
    daemon.done(uid)
    pushed = time.monotonic() - began
    daemon.stop()
    return f"ready in {ready:.1f} s, {memory:.0f} MiB, cards in {page * 1000:.0f} ms, a push done in {pushed:.1f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=10000)
    options = parser.parse_args()
    with ExitStack() as stack:
        kept = stack.enter_context(tempfile.TemporaryDirectory())
        outlet = f'[[destinations]]\nname = "drop"\nkind = "folder"\npath = "{kept}"'
        daemon = stack.enter_context(running_daemon(Path(kept), extra=outlet))
        folder, database = Path(kept), Path(kept) / "storage" / "scanside.sqlite"
        uid, _ = write_series(folder / "first", 0, "first")
        daemon.push(folder / "first")
        daemon.done(uid)
        daemon.stop()
        print("one series:", measure(daemon, folder, "few"), flush=True)
        print("rows:", multiply(database, options.series), f"{database.stat().st_size / 1e6:.0f} MB", flush=True)
        print(f"{options.series} series:", measure(daemon, folder, "many"))


if __name__ == "__main__":
    main()

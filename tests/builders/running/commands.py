"""A command that works through steps with stamps, killed on the way."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[3]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def kill_in(step: str, command: Sequence[str], out: Path) -> None:
    """Run until ``step`` of the bundle ``out`` has begun, then kill -9."""
    begun = out.with_name(f"{out.name}.run") / "stamps" / f"{step}.begun"
    with subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL) as process:
        while not begun.exists() and process.poll() is None:
            time.sleep(0.2)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)


def run_to_the_end(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """What it printed, and its status."""
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=ENVIRONMENT)

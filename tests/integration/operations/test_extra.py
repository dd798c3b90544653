"""The training's commands where its extra is not installed: they say which, and how to get it."""

import subprocess
import sys
from pathlib import Path

import pytest

from training.running.extra import answer_without

ROOT = Path(__file__).parents[3]
PROGRAM = ROOT / "tests" / "builders" / "running" / "without_torch.py"
INSTALL = 'pip install -e ".[cpu,training]"'


def run_without_torch(*arguments):
    command = [sys.executable, "-P", PROGRAM, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize("module", ["training", "export"])
def test_help_without_torch_says_which_extra_to_install(module):
    found = run_without_torch(module, "--help")

    assert 0 == found.returncode, found.stderr
    assert f"python -m {module}: " in found.stdout
    assert "extra 'training'" in found.stdout
    assert INSTALL in found.stdout


@pytest.mark.parametrize("arguments", [("training", "task", "--run", "somewhere"), ("export", "lesions")])
def test_a_command_without_torch_fails_in_one_line(arguments):
    found = run_without_torch(*arguments)

    assert 2 == found.returncode
    assert 1 == len(found.stderr.splitlines())
    assert INSTALL in found.stderr


def test_what_is_of_no_extra_is_a_fault_of_the_installation():
    with pytest.raises(ModuleNotFoundError):
        answer_without(ModuleNotFoundError(name="numpy"), ["--help"], "python -m training", "")

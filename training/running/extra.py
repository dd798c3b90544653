"""What a command says where the packages of its extra are not installed."""

import sys
from collections.abc import Sequence
from typing import Final

#: Modules of the extra ``training`` in pyproject.toml.
_MODULES: Final = frozenset(
    ("SimpleITK", "lightning_fabric", "matplotlib", "onnx", "onnxscript", "torch", "torchio", "onnxruntime")
)
_INSTALL: Final = 'pip install -e ".[cpu,training]" -c constraints.txt'


def answer_without(error: ModuleNotFoundError, arguments: Sequence[str], command: str, about: str) -> int:
    """Say which extra ``command`` needs, after what it is ``about`` where help was asked; the exit status.

    Raises:
        ModuleNotFoundError: what is missing is of no extra.
    """
    missing = (error.name or "").partition(".")[0]
    if missing not in _MODULES:
        raise error
    if not {"-h", "--help"} & set(arguments):
        print(f"{command} needs {missing}, which is not installed: {_INSTALL}", file=sys.stderr)
        return 2
    print(f"{about}\nIt needs the extra 'training' ({missing} is not installed):\n\n    {_INSTALL}")
    return 0

"""python -P without_torch.py MODULE ARGUMENTS: a module run as where torch is not installed."""

import runpy
import sys


class Hidden:
    """A finder that knows of no torch."""

    @staticmethod
    def find_spec(name, *_):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


if __name__ == "__main__":
    sys.meta_path.insert(0, Hidden())
    module, *sys.argv[1:] = sys.argv[1:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)

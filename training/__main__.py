"""python -m training: make the bank of anatomies, train each part of a brain bundle, evaluate it.

Every option is a field of the step's plan (see ``--help`` of each); a run that is started again in the same folder
goes on where it stopped. ``python -m training brain --bids FOLDER --out BUNDLE`` makes a bundle of your own people,
every step of it; ``python -m training cine --bids ...`` one of hearts, ``lesions --bids ...`` one of lesions.
"""

import os
import sys
from collections.abc import Sequence

from training.running.extra import answer_without
from training.running.options import asks_for_whole


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one step."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if asks_for_whole(
        given
    ):  # it exports as well, and export/ stands above training/: that command takes over the process
        os.execv(sys.executable, [sys.executable, "-m", "export", *given])  # noqa: S606 - this very Python
    try:
        from training.steps import run
    except ModuleNotFoundError as error:
        sys.exit(answer_without(error, given, "python -m training", str(__doc__)))
    run(given)


if __name__ == "__main__":
    main()

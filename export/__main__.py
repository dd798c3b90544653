"""python -m export: a bundle from checkpoints; refuses to write one that does not say what torch says.

``python -m export brain --bids FOLDER --out BUNDLE`` makes one from people of your own, every step of it;
``python -m export lesions`` makes the bundle of white-matter lesions, anything else the brain's.
"""

import sys
from collections.abc import Sequence

from training.running.extra import answer_without


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        from export.commands import run
    except ModuleNotFoundError as error:
        sys.exit(answer_without(error, given, "python -m export", str(__doc__)))
    run(given)


if __name__ == "__main__":
    main()

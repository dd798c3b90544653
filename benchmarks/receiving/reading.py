"""Every series of the real DICOM data: what the reader makes of it, against dcm2niix, and who would judge it.

PYTHONPATH=.:tests python benchmarks/receiving/reading.py --data ../shared/data > docs/reader-table.md
"""

import argparse
import sys
from pathlib import Path

from builders.images.reader_table import rows, table


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True, help="folder with dicom/, a folder a kind of data")
    folder = (options.parse_args().data / "dicom").resolve()
    if not folder.is_dir():
        sys.exit(f"there is no {folder}: give the folder of the test data")
    sys.stdout.write(table(rows(folder)))


if __name__ == "__main__":
    main()

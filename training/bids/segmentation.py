"""What the values of a segmentation are, as FreeSurfer's codes (FreeSurferColorLUT): by their table, or by themselves.

A table beside the labels (BIDS derivatives: index, name, abbreviation) decides. Without one, one to three values are
CSF, grey and white matter in the order of their brightness in the T1-weighted image, whatever their numbers: FAST, BIDS
and others number them differently. Anything else must be FreeSurfer's own codes.
"""

import csv
import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final, TextIO

import numpy as np
import numpy.typing as npt

#: Codes that stand for a tissue as a whole.
CSF, GREY, WHITE = 24, 3, 2
#: FreeSurfer's codes that are used as they are: CSF, grey and white matter of every kind, nuclei, tracts, vessels.
KNOWN: Final = frozenset(
    (
        *(2, 3, 4, 5, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 24, 25, 26, 28, 30, 41, 42, 43, 44),
        *(46, 47, 49, 50, 51, 52, 53, 54, 57, 58, 60, 62, 72, 85, 136, 137, 163, 164),
    )
)
#: Codes that count as another: choroid plexus, hypointensities, corpus callosum, the optic chiasm's neighbours.
_AS: Final = {31: 4, 63: 43, 77: 2, 78: 2, 79: 41, 80: 3, 251: 2, 252: 2, 253: 2, 254: 2, 255: 2, 27: 3, 59: 42}
#: Parcels of the cortex (aparc+aseg) and of the white matter below it, by their thousands.
_PARCELS: Final = {1: 3, 2: 42, 11: 3, 12: 42, 3: 2, 4: 41}
_TISSUES: Final = (
    (CSF, frozenset(("csf", "cerebrospinal fluid", "cerebro spinal fluid", "fluid"))),
    (GREY, frozenset(("gm", "grey matter", "gray matter", "grey", "gray", "cgm", "sgm", "cbm"))),
    (WHITE, frozenset(("wm", "white matter", "white"))),
    (0, frozenset(("bg", "background", "unknown", "none", "b", "bone", "st", "soft tissue", "nb", "non brain"))),
)
#: Neighbours in brightness differ by at least so much, else nobody can tell them apart.
_APART: Final = 1.05


class UnknownLabelsError(ValueError):
    """Nobody can tell what the values are."""


def read_lookup(path: Path | None) -> Mapping[int, str]:
    """Value -> name, by the columns index and name or abbreviation; nothing without a table.

    Raises:
        UnknownLabelsError: the table cannot be read.
    """
    if path is None:
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [{str(k).strip().lower(): (v or "").strip() for k, v in r.items()} for r in _rows(file)]
        return {int(row["index"]): row.get("name") or row["abbreviation"] for row in rows}
    except (OSError, ValueError, KeyError, AttributeError, csv.Error) as error:
        raise UnknownLabelsError(f"{path.name} is no table with columns index and name") from error


def _rows(file: TextIO) -> list[dict[str, str]]:
    """The rows of a table that has an index.

    Raises:
        ValueError: it has none.
    """
    table = csv.DictReader(file, delimiter="\t")
    if "index" not in [str(name).strip().lower() for name in table.fieldnames or ()]:
        raise ValueError
    return list(table)


def codes_of(
    values: npt.NDArray[np.int32], voxels: npt.NDArray[np.float32], lookup: Mapping[int, str]
) -> dict[int, int]:
    """Each value of a label map (i, j, k), with its image (i, j, k) -> its code; 0 is no tissue.

    Raises:
        UnknownLabelsError: a value is nothing that is known, or one of the three tissues is missing.
    """
    present = [int(value) for value in np.unique(values) if value != 0]
    if lookup:
        table = {value: _named(value, lookup) for value in present}
    elif len(present) == len(_BY_BRIGHTNESS) and max(present) <= _MOST_PLAIN:
        table = _by_brightness(present, values, voxels)
    else:
        table = {value: _freesurfer(value) for value in present}
    tissues = {tissue_of(code) for code in table.values()}
    if missing := [name for code, name in _NAMES.items() if code not in tissues]:
        raise UnknownLabelsError(f"no {' and no '.join(missing)} among {_shown(present)}")
    return {0: 0, **table}


_NAMES: Final = {CSF: "CSF", GREY: "grey matter", WHITE: "white matter"}
#: CSF is the darkest, white matter the brightest.
_BY_BRIGHTNESS: Final = (CSF, GREY, WHITE)
#: Up to here three values are tissues, not FreeSurfer's codes.
_MOST_PLAIN: Final = 9
_FLUID: Final = frozenset((4, 5, 14, 15, 24, 43, 44, 72, 136, 137, 163, 164))
_WHITE: Final = frozenset((2, 7, 16, 25, 28, 41, 46, 57, 60, 85))


def tissue_of(code: int) -> int:
    """CSF, GREY or WHITE; 0 for what is neither."""
    if code in _FLUID:
        return CSF
    if code in _WHITE:
        return WHITE
    return GREY if code in KNOWN and code not in (30, 62) else 0


def _by_brightness(
    present: list[int], values: npt.NDArray[np.int32], voxels: npt.NDArray[np.float32]
) -> dict[int, int]:
    means = {value: float(voxels[values == value].mean()) for value in present}
    order = sorted(present, key=lambda value: means[value])
    if any(means[b] < _APART * means[a] or means[b] <= 0 for a, b in pairwise(order)):
        raise UnknownLabelsError(f"values {_shown(present)} are alike in brightness")
    return dict(zip(order, _BY_BRIGHTNESS, strict=True))


def _named(value: int, lookup: Mapping[int, str]) -> int:
    if value not in lookup:
        raise UnknownLabelsError(f"value {value} is not in the table")
    words = " ".join(re.findall(r"[a-z]+", lookup[value].lower()))
    for code, names in _TISSUES:
        if words in names:
            return code
    return _freesurfer(value)


def _freesurfer(value: int) -> int:
    code = _AS.get(value, _PARCELS.get(value // 1000, value))
    if code not in KNOWN:
        raise UnknownLabelsError(f"value {value}")
    return code


def _shown(values: list[int]) -> str:
    return ", ".join(map(str, values[:8])) + (" ..." if len(values) > 8 else "")

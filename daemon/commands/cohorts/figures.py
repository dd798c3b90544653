"""A series of a cohort as a picture: three slices with the outline of what was judged."""

from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from daemon.core.bids import token
from daemon.dicom.report.picture.slices import Panel, Slice, compose_slices
from daemon.edge.durable import write_whole
from daemon.edge.files.derivative import FIGURES
from daemon.line.appraisal import Appraisal
from models.findings import View

#: Rows and columns of one slice.
_SIDE: Final = 224
_QUALITY: Final = 85


def draw_figure(series: str, appraisal: Appraisal, out: Path) -> None:
    """Write the picture of a series below the derivative ``out``, by the series' token; nothing without an image."""
    if appraisal.image is None:
        return
    view = appraisal.examination.findings.view if appraisal.examination else None
    cuts = compose_slices(appraisal.image.voxels[0], appraisal.image.affine) if view is None else _cuts(view)
    picture = np.concatenate([Panel(cut, _SIDE).anatomy() for cut in cuts], axis=1)
    stream = BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=_QUALITY)
    folder = out / FIGURES
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(folder / f"{token(series)}.jpg", stream.getvalue())


def _cuts(view: View) -> tuple[Slice, ...]:
    return compose_slices(view.image, view.affine, region=view.region, outlined=view.outlined)

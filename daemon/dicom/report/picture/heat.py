"""Which measure's heat the picture shows, how it is called, and up to which value its scale reaches."""

from math import inf, isnan
from typing import Final

import numpy as np

from daemon.core.measures import Measure, nearness
from daemon.core.people.translation import Say
from daemon.core.phrases import Phrase
from daemon.core.values import Judgement
from daemon.dicom.report.picture.lettering import legible
from models.findings import Evidence, View
from models.manifest import Manifest


def dominant(judgement: Judgement, view: View) -> Measure | None:
    """The measure whose heat is shown: the verdict's cause's, else the one nearest to its limit, else the largest."""
    measures = () if judgement.assessment is None else judgement.assessment.measures
    shown = [measure for measure in measures if measure.name in view.heat]
    blamed = [measure for measure in shown if measure.cause and measure.cause == judgement.verdict.cause]
    told = blamed or [measure for measure in shown if not isnan(measure.value)]
    return max(told, key=lambda measure: (*nearness(measure), measure.name), default=None)


#: The scale reaches at least to this many reference limits, so that a good series looks calm.
_CALM: Final = 4.0
#: Without a limit it reaches at least to a standard deviation of one logit: less can hardly turn a voxel's label.
_ONE_LOGIT: Final = 1.0


def heat_top(view: View, measure: Measure) -> float:
    """The value that is shown hottest, greater than zero."""
    heat, limit = np.nan_to_num(view.heat[measure.name]), measure.limit
    inside = heat[view.region]
    seen = float(np.quantile(inside if inside.size else heat, 0.99))
    least = _CALM * limit if limit is not None and 0 < limit < inf else _ONE_LOGIT
    return min(max(seen, least), float(np.finfo(np.float32).max))


def heat_caption(measure: Measure, manifest: Manifest | None, say: Say) -> str:
    """Evidence of the image is shown by its variance; any other measure by itself."""
    name = manifest.causes[measure.cause].word if manifest and measure.cause else measure.name
    image = measure.evidence is Evidence.IMAGE
    return legible(say(Phrase("{}: uncertainty (variance)", (name,)) if image else name))

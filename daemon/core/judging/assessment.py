"""Findings -> Assessment: each signal beside the reference that it is compared with."""

from daemon.core.judging.own_past import OwnPast
from daemon.core.judging.reference import Standard
from daemon.core.measures import Assessment
from models.findings import Findings
from models.manifest import Manifest


def assess(findings: Findings, manifest: Manifest, standard: Standard | OwnPast) -> Assessment:
    """The measures of one series, each beside what ``standard`` says of it."""
    beside = standard.compare(findings, manifest)
    return Assessment(
        primary=manifest.primary,
        measures=beside.measures,
        structures=findings.structures,
        presence={**findings.presence, **beside.presence},
        any_cause=findings.any_cause,
        loss=findings.loss,
        reference=standard.name,
        learning=beside.learning,
        remarks=beside.remarks,
        rescans=beside.rescans,
    )

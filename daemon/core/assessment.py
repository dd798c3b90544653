"""Findings -> Assessment: each signal beside the reference that it is compared with."""

from daemon.core.measures import Assessment
from daemon.core.reference import Standard, known_subjects
from models.findings import Evidence, Findings
from models.manifest import Manifest


def assess(findings: Findings, manifest: Manifest, standard: Standard) -> Assessment:
    """The measures of one series, each with its limit and p-value where there is a reference for it.

    Each place of a signal of several is compared as if it were the worst one: references hold one number a series.
    Signals of familiarity are compared with the subjects that the bundle knows, all others with ``standard``.
    """
    known = known_subjects(manifest)
    standards = {Evidence.FAMILIARITY: known}
    return Assessment(
        primary=manifest.primary,
        measures=tuple(
            standards.get(signal.evidence, standard).measure(signal, manifest.signals[signal.name].compared_with)
            for signal in findings.signals
        ),
        structures=findings.structures,
        presence=dict(findings.presence),
        loss=findings.loss,
        reference=standard.name,
    )

"""The judge of each configured bundle: who examines, and what a series is compared with."""

from collections.abc import Collection
from dataclasses import replace
from functools import cache, partial

from sqlalchemy import Engine

from daemon.config import Settings
from daemon.core.judging.own_past import OwnPast, past_of
from daemon.core.judging.reference import Origin, Standard
from daemon.core.judging.site_artefacts import SiteArtefacts
from daemon.core.judging.site_harm import SiteHarm, with_harm_of
from daemon.edge.database.pasts import Pasts
from daemon.edge.database.patience import patiently
from daemon.edge.files.learnt import LearntOfSite, artefacts_file, harm_file
from daemon.edge.files.references import SiteReferences
from daemon.edge.supervisor import Supervisor
from daemon.edge.telemetry.metrics import Metrics
from daemon.line.appraisal import ChooseStandard, FindJudge, Judge, software
from daemon.line.examination import Examiners
from models.bundle import Bundle


def find_judges(
    settings: Settings, database: Engine, examiners: Examiners, metrics: Metrics, supervisor: Supervisor
) -> FindJudge:
    """The judge of each bundle by its name, made once, when it is first asked for."""

    def chooser(name: str, bundle: Bundle) -> ChooseStandard:
        if bundle.manifest.past is None:
            references = SiteReferences(settings.references_of(name), bundle, settings.judgement.rule, supervisor)
            harm = LearntOfSite(harm_file(settings.storage, name), SiteHarm, bundle)
            return partial(choose_of_site, references, harm)
        artefacts = LearntOfSite(artefacts_file(settings.storage, name), SiteArtefacts, bundle)
        return partial(choose_past, Pasts(database), artefacts, bundle, settings.judgement.rescans)

    @cache
    def find(name: str) -> Judge:
        examiner = examiners.get(name)
        bundle = examiner.bundle
        manifest = bundle.manifest
        algorithm = replace(
            software(settings.digest),
            bundle=manifest.name,
            bundle_version=manifest.version,
            bundle_digest=bundle.digest,
        )
        metrics.bundle.labels(algorithm.bundle, algorithm.bundle_version, examiner.provider).set(1)
        return Judge(examiner=examiner, algorithm=algorithm, choose_standard=chooser(name, bundle))

    return find


def choose_of_site(references: SiteReferences, harm: LearntOfSite[SiteHarm], origin: Origin) -> Standard | OwnPast:
    """What a series of this origin is compared with, and told its loss by."""
    return with_harm_of(harm.value(), references.choose(origin), origin)


def choose_past(
    pasts: Pasts, artefacts: LearntOfSite[SiteArtefacts], bundle: Bundle, rescans: Collection[str], origin: Origin
) -> OwnPast:
    """What was accepted of a series' own protocol, as this very bundle measured it; ``rescans``: see ``past_of``.

    A database that is gone is waited for.
    """
    members = patiently(lambda: pasts.members(bundle.digest, origin.scanner, origin.protocol, origin.series))
    past = past_of(members, origin.parameters, origin.protocol, bundle.manifest.thresholds.alpha, rescans)
    learnt = artefacts.value()
    if learnt is None:
        return past
    return replace(past, artefacts=learnt.of(origin.scanner, origin.protocol, origin.parameters))

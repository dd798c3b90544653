"""scanside push: a scanner on this machine, for trying out a receiver and for breaking one."""

import argparse
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from pydicom import Dataset

from daemon.commands.scanner.push_options import add_push_options, sending_options
from daemon.config import Settings, load_settings
from daemon.core.errors import ConfigError, DeliveryFailed, NotAssessable
from daemon.core.reception.transmission import SendingOptions, Transmission, plan
from daemon.core.steps import StepState
from daemon.dicom.parsing import parse
from daemon.dicom.protocol.mpps import begun, ended
from daemon.dicom.protocol.outgoing import Outgoing, encode_outgoing, read_outgoing
from daemon.dicom.reading.volumes import read_volumes
from daemon.dicom.simulate import corrupted_series, series_from_image
from daemon.dicom.uids import derive_uid
from daemon.edge.delivery.dicom import Peer
from daemon.edge.delivery.scanner import Pushed, create_step, push, push_late, set_step
from daemon.edge.files.nifti import read_nifti
from daemon.edge.tls import TlsSettings
from models.bundle import load_bundle, read_manifest
from models.physics.artefacts import Artefact
from models.physics.damage import Damage, damage_of, expected_loss
from models.physics.kspace import corrupt
from models.physics.severity import draw
from models.preprocess import Grid

Series = Sequence[Outgoing]
#: Hears a line for people.
Tell = Callable[[str], None]

_SEEDS = 1 << 31


add_options = add_push_options


def run(options: argparse.Namespace) -> int:
    """Push what the options say; 0 if all of it was accepted, else 1.

    Raises:
        ConfigError: the options name something that is not so.
        NotAssessable: an artefact was asked for, and a series is no single volume.
        DeliveryFailed: the step could not be reported.
    """
    settings = load_settings(options.config)
    seed = secrets.randbelow(_SEEDS) if options.seed is None else options.seed
    peer = _peer(options, settings)
    series = _series(options, settings, seed)
    how = sending_options(options, seed)
    transmission = plan(series, how, lambda image: image.acquired_at)
    step = StepState[options.mpps.upper()] if options.mpps else None
    print(f"sending {_counted(sum(map(len, series)), 'image')} of {len(series)} series to {peer.name}, seed {seed}")
    pushed, refused = send(series, transmission, how, peer, step)
    _print(transmission, pushed, refused)
    return 0 if all(part.complete for part in pushed) and not refused else 1


def send(
    series: Sequence[Series],
    transmission: Transmission[Outgoing],
    how: SendingOptions,
    peer: Peer,
    step: StepState | None = None,
) -> tuple[tuple[Pushed, ...], tuple[str, ...]]:
    """Send a transmission with its procedure step, if any; what became of it, and which reports of the step failed.

    The step lists every image of ``series``: the scanner has made them, whether or not they arrive.
    """
    statuses = []
    uid = derive_uid("step", str(how.seed), *(images[0].series_instance_uid for images in series))
    if step is not None:
        attributes = begun(series[0][0].study_instance_uid, peer.calling_ae, _now())
        statuses.append(("N-CREATE", create_step(peer, uid, attributes)))
    pushed = [push(transmission, peer)]
    if step is not None:
        images = ((i.series_instance_uid, i.sop_class_uid, i.sop_instance_uid) for each in series for i in each)
        statuses.append(("N-SET", set_step(peer, uid, ended(step, images, _now()))))
    if transmission.late:
        time.sleep(how.late_s)
        pushed.append(push_late(transmission, peer))
    return tuple(pushed), tuple(f"{name} of the step answered {status:04X}" for name, status in statuses if status)


def send_plainly(images: Series, peer: Peer) -> None:
    """Send one series on one association, in order.

    Raises:
        DeliveryFailed: not every image was stored.
    """
    pushed = push(plan([images], SendingOptions(), lambda _: None), peer)
    if not pushed.complete:
        raise DeliveryFailed(f"{peer.name} took {pushed.stored} of {len(images)} images: {_answers([pushed])}")


def golden_head(bundle: Path, seed: str) -> list[Dataset]:
    """The golden head of a bundle as a classic MR series."""
    whole = load_bundle(bundle)
    image = read_nifti(whole.file(next(iter(whole.manifest.golden.images.values()))))
    return list(series_from_image(image, seed=seed))


def spoilt(
    datasets: Iterable[Dataset], artefact: Artefact, severity: float, seed: int, tell: Tell = lambda _: None
) -> list[Dataset]:
    """A series with an artefact, under new series and instance UIDs; ``tell`` hears what it does to the scan.

    Raises:
        NotAssessable: the data sets do not form one volume of single-frame images.
    """
    sources = list(datasets)
    whole = read_volumes(sources)[0]
    corruption = draw(artefact, severity, np.random.default_rng(seed))
    spacing = Grid(whole.shape, whole.affine).spacing
    image = corrupt(whole.still, (corruption,), spacing)
    name = artefact.value
    tell(told(artefact, severity, damage_of(corruption, whole.still, spacing)))
    return list(corrupted_series(sources, image, seed=f"{name} {severity:g} {seed}", description=f"simulated {name}"))


def told(artefact: Artefact, severity: float, damage: Damage) -> str:
    """One line: what was done to k-space and to the image, and the loss that such heads had."""
    parts = [f"{damage.kspace:.2g} of k-space is not the head's own"]
    if damage.displacement_mm is not None:
        parts.append(f"moved by up to {damage.displacement_mm:.1f} mm")
    if damage.outside is not None:
        parts.append(f"{damage.outside:.0%} of the head outside the field of view")
    if damage.snr_db is not None:
        parts.append(f"{damage.snr_db:.1f} dB of signal over what was added")
    parts.append(f"heads lose {expected_loss(artefact, severity):.2f} of grey-matter Dice by such, on average")
    return f"{artefact.value} of severity {severity:g}: {'; '.join(parts)}"


def _peer(options: argparse.Namespace, settings: Settings) -> Peer:
    host, _, port = (options.to or f"127.0.0.1:{settings.dicom.port}").rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ConfigError(f"'{options.to}' is no address: write --to HOST:PORT")
    called = options.called or settings.dicom.ae_title
    return Peer(
        name=f"{called} at {host}:{port}",
        host=host.strip("[]"),
        port=int(port),
        ae_title=called,
        calling_ae=options.calling,
        timeout_s=options.timeout,
        tls=_tls(options),
    )


def _tls(options: argparse.Namespace) -> TlsSettings | None:
    if options.tls_ca is None:
        if options.tls_certificate or options.tls_key:
            raise ConfigError("a certificate is for TLS: write --tls-ca as well")
        return None
    return TlsSettings(ca_file=options.tls_ca, certificate_file=options.tls_certificate, key_file=options.tls_key)


def _bundle(settings: Settings) -> Path:
    """The first bundle with a task of its own; where there is none, the one that takes any image."""
    if not settings.bundle_folders:
        raise ConfigError("no bundle is configured, so there is no golden head: name what to send")
    return min(settings.bundle_folders.values(), key=lambda folder: read_manifest(folder).fallback)


def _series(options: argparse.Namespace, settings: Settings, seed: int) -> list[Series]:
    """The series to send, each by instance number."""
    if not options.paths:
        datasets = golden_head(_bundle(settings), f"push {seed}")
        spoil = partial(spoilt, artefact=options.artefact, severity=options.severity, seed=seed, tell=print)
        return [[encode_outgoing(dataset) for dataset in (spoil(datasets) if options.artefact else datasets)]]
    files = _files(options.paths, str(seed) if options.new_uids else None)
    if options.artefact is None:
        return files
    return [
        [
            encode_outgoing(made)
            for made in spoilt(map(_dataset, images), options.artefact, options.severity, seed, print)
        ]
        for images in files
    ]


def _files(paths: Sequence[Path], seed: str | None) -> list[Series]:
    """The DICOM files under ``paths``, by series; only their headers are kept in memory."""
    series: dict[str, list[Outgoing]] = {}
    skipped = 0
    for path in paths:
        if not path.exists():
            raise ConfigError(f"there is no {path}: give folders or files of DICOM")
        for file in sorted(found for found in (path.rglob("*") if path.is_dir() else [path]) if found.is_file()):
            image = None
            with suppress(NotAssessable):
                image = read_outgoing(file.read_bytes, seed)
            if image is None:
                skipped += 1
            else:
                series.setdefault(image.series_instance_uid, []).append(image)
    if skipped:
        print(f"{_counted(skipped, 'file')} left out: no DICOM instance")
    if not series:
        raise ConfigError("there is no DICOM instance to send: give folders or files of DICOM")
    return [sorted(images, key=lambda image: image.number) for images in series.values()]


def _dataset(image: Outgoing) -> Dataset:
    return parse(image.encoded(), image.transfer_syntax_uid)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y%m%d%H%M%S")


def _print(transmission: Transmission[Outgoing], pushed: Sequence[Pushed], refused: Sequence[str]) -> None:
    stored, seconds = sum(part.stored for part in pushed), sum(part.seconds for part in pushed)
    megabytes = sum(part.sent_bytes for part in pushed) / 1e6
    print(f"stored {stored} of {transmission.sendings} sent, {transmission.dropped} dropped: {_answers(pushed)}")
    print(f"{seconds:.2f} s, {stored / seconds:.0f} images/s, {megabytes / seconds:.1f} MB/s")
    for problem in refused:
        print(f"not accepted: {problem}")
    if stored < transmission.sendings:
        print(f"not accepted: {_counted(transmission.sendings - stored, 'image')}")


def _answers(pushed: Sequence[Pushed]) -> str:
    totals: dict[str, int] = {}
    for part in pushed:
        for answer, count in part.answers.items():
            totals[answer] = totals.get(answer, 0) + count
    return ", ".join(f"{count} x {answer}" for answer, count in totals.items())


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")

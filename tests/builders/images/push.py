"""Series for the simulated scanner to send."""

from itertools import count

from builders.images.series import Lattice, classic
from daemon.commands.scanner.push import send
from daemon.core.reception.transmission import SendingOptions, plan
from daemon.dicom.protocol.outgoing import encode_outgoing
from daemon.edge.delivery.dicom import Peer

_numbers = count(1)


def peer(port, **changes):
    facts = {"name": "receiver", "host": "127.0.0.1", "ae_title": "SCANSIDE", "calling_ae": "MR1", "timeout_s": 10.0}
    return Peer(port=port, **facts | changes)


def slices(number=12, **attributes):
    """A regular series of small slices under UIDs of its own."""
    uid = f"1.2.826.{next(_numbers)}"
    made = classic(Lattice(slices=number), uid=f"{uid}.1", SeriesInstanceUID=uid, **attributes)
    return [encode_outgoing(dataset) for dataset in made]


def push_series(port, *series, step=None, calling_ae="MR1", **options):
    """Send series with the options given; what became of them."""
    how, scanner = SendingOptions(**{"late_s": 0.5} | options), peer(port, calling_ae=calling_ae)
    pushed, refused = send(series, plan(series, how, lambda image: image.acquired_at), how, scanner, step)
    assert () == refused
    return pushed

"""Where the page is reached, and what it may say of a patient."""

from dataclasses import dataclass

from daemon.core.bounds import FreePort, Host
from daemon.core.people.exams import PatientHint


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """The live page and the metrics; port 0 takes a free one.

    ``hosts``: names and addresses by which browsers and Prometheus reach it, besides ``host``, this machine's own and
    that of ``alerts.page``: a request that names another one is refused. ``patient``: what the page says of who lies in
    the scanner: none, initials or name.
    """

    host: Host = "127.0.0.1"
    port: FreePort = 8112
    hosts: tuple[Host, ...] = ()
    patient: PatientHint = PatientHint.NONE

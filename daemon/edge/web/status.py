"""``/status``: how the daemon is, as JSON for programs; no patient, no series, nothing that a login guards."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from daemon.edge.web.sources import Sources

#: Key of the answer -> metric.
_NUMBERS: Final = {
    "series_waiting": "scanside_series_waiting",
    "oldest_waiting_s": "scanside_oldest_waiting_age_seconds",
    "spool_free_bytes": "scanside_spool_free_bytes",
}
_SWITCHES: Final = {"receiver_up": "scanside_receiver_up", "database_up": "scanside_database_up"}


def status_route(sources: Sources, registry: CollectorRegistry) -> Callable[[Request], Awaitable[Response]]:
    """The route; it answers 200 while the process lives, whatever it says: ``/readyz`` is for load balancers."""

    async def tell_status(_request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(describe, sources, registry, time.time()))

    return tell_status


def describe(sources: Sources, registry: CollectorRegistry, now: float) -> dict[str, Any]:
    """Everything that is told."""
    samples: dict[str, list[Sample]] = {}
    for family in registry.collect():
        for sample in family.samples:
            samples.setdefault(sample.name, []).append(sample)
    obstacles = list(sources.ready())
    return {
        "now": now,
        "ready": not obstacles,
        "obstacles": obstacles,
        "notices": list(sources.notices()),
        "mode": "shadow" if sources.shadow else "live",
        "version": next((one.labels["version"] for one in samples.get("scanside_build_info", ())), ""),
        "bundles": [one.labels for one in samples.get("scanside_bundle_info", ())],
        "last_image_at": {
            one.labels["scanner"]: one.value for one in samples.get("scanside_last_image_timestamp_seconds", ())
        },
        **{key: _value(samples, name) for key, name in _NUMBERS.items()},
        **{key: bool(_value(samples, name)) for key, name in _SWITCHES.items()},
    }


def _value(samples: dict[str, list[Sample]], name: str) -> float:
    return next((one.value for one in samples.get(name, ())), 0.0)

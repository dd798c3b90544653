"""A scanner over the weeks, as JSON for its page; and that a call for service was seen to."""

import asyncio
import re
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from daemon.core.people.access import Deed, Role
from daemon.core.trends.drift import FALSE_ALARM_WEEKS
from daemon.core.trends.quality import chart_of, measured, recent
from daemon.core.trends.service import ServiceCall
from daemon.edge.database.trends.calls import Calls
from daemon.edge.database.trends.quality import Quality
from daemon.edge.web.access import Login
from daemon.edge.web.pages.answers import told

_RECENT_S: Final = 30 * 86400.0
_CALL_ID: Final = re.compile(r"[0-9a-f]{12}")


class QualityPage:
    """What the page of a scanner's quality shows, and takes."""

    def __init__(self, quality: Quality, calls: Calls, login: Login) -> None:
        self._quality = quality
        self._calls = calls
        self._login = login

    async def trends(self, request: Request) -> Response:
        """One measure of a scanner by week, what has changed, and the last 30 days."""
        scanner = request.query_params.get("scanner", "")[:64]
        await self._login.note(request, Deed.SAW, f"quality of scanner {scanner}")
        measure = request.query_params.get("measure", "")[:64]
        return await told(lambda: self._shown(scanner, measure), "no such scanner")

    async def settle(self, request: Request) -> Response:
        """A call was seen to: from now on measures are compared anew."""
        if refusal := await self._login.refuse(request, Role.RADIOGRAPHER):
            return refusal
        call_id, by = request.path_params["call_id"], request.scope["visitor"].name
        known = _CALL_ID.fullmatch(call_id) is not None
        if not (known and await asyncio.to_thread(self._calls.settle, call_id, by, time.time())):
            return PlainTextResponse("no such call, or it was seen to before\n", 404)
        await self._login.note(request, Deed.SETTLED, call_id)
        return JSONResponse({"settled": True})

    def _shown(self, scanner: str, measure: str) -> dict[str, Any] | None:
        rated, calls = self._quality.scanner(scanner), self._calls.of_scanner(scanner)
        if not rated and not calls:
            return None
        names = measured(rated)
        chosen = measure if measure in names else next((name for name in _changed(calls) if name in names), "")
        chosen = chosen or next(iter(names), "")
        now = time.time()
        return {
            "now": now,
            "scanner": scanner,
            "measures": [{"name": name, "unit": self._quality.units.get(name, "1")} for name in names],
            "measure": chosen,
            "points": [asdict(point) | {"bundle": point.bundle[:8]} for point in chart_of(rated, chosen)],
            "calls": [_call(call) for call in calls],
            "recent": [asdict(one) for one in recent(rated, now - _RECENT_S)],
            "false_alarm_years": round(FALSE_ALARM_WEEKS / 52),
        }


def _changed(calls: Iterable[ServiceCall]) -> list[str]:
    return [one.measure for call in calls if call.settled_at is None for one in call.findings]


def _call(call: ServiceCall) -> dict[str, Any]:
    findings = [asdict(one.shift) | {"measure": one.measure, "change": one.shift.change} for one in call.findings]
    return asdict(call) | {"findings": findings}

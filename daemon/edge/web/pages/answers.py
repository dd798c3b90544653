"""What the pages are told: JSON, or in words that there is none."""

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

from daemon.edge.database.patience import unless_gone


async def told(look: Callable[[], dict[str, Any] | None], missing: str) -> Response:
    """What a look at the database gives, as JSON; ``missing`` where that is nothing."""
    found = await asyncio.to_thread(_looked, look)
    if not found:
        return PlainTextResponse("the database does not answer\n", 503)
    return PlainTextResponse(f"{missing}\n", 404) if found[0] is None else JSONResponse(found[0])


def _looked(look: Callable[[], dict[str, Any] | None]) -> list[dict[str, Any] | None]:
    found: list[dict[str, Any] | None] = []
    with unless_gone():
        found.append(look())
    return found

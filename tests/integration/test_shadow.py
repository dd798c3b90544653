"""Shadow mode: series are judged and kept, nothing is shown or sent."""

import httpx
from builders.board import RESCAN, MemoryBoard, card, mixture, pictures, sources
from prometheus_client import CollectorRegistry

from daemon.core.values import Stage
from daemon.edge.web.server import Address, serve
from daemon.edge.web.shadow import ShadowBoard


def test_the_page_shows_that_series_come_and_nothing_of_what_they_were_judged():
    board = MemoryBoard(mixture(), pictures(mixture()))
    board.put(card("over", verdict=RESCAN, scanner="MR 3"))
    board.next_patient("MR 3")
    shown = ShadowBoard(board)
    with serve(sources(shown, answers=board, shadow=True), CollectorRegistry(), Address()) as server:
        url = f"http://127.0.0.1:{server.port}"
        snapshots = [httpx.get(f"{url}/cards{asked}") for asked in ("", "?scanner=MR 1", "?scanner=MR 3")]
        picture = httpx.get(f"{url}/pictures/motion.png").status_code

    told = [snapshot.json() for snapshot in snapshots]
    assert all(one["shadow"] for one in told)
    assert {None} == {shown["verdict"] for one in told for shown in one["cards"]}
    assert {False} == {shown["calls"] for one in told for shown in one["cards"]}
    assert not {word for word in ("RESCAN", "REVIEW", "Motion", "Wrap") for one in snapshots if word in one.text}
    assert Stage.RECEIVING in {shown["stage"] for one in told for shown in one["cards"]}
    assert 404 == picture

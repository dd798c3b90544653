"""Shadow mode: series are judged and kept, nothing is shown or sent."""

import time

import httpx
from builders.page.board import RESCAN, MemoryBoard, card, mixture, pictures, sources
from builders.peers.http import http_target
from builders.running.alerts import ward
from prometheus_client import CollectorRegistry

from daemon.config import Settings
from daemon.core.mode import Mode
from daemon.core.sending.alert_settings import AlertSettings
from daemon.core.values import Stage, State
from daemon.edge.database.studies.exams import Exams
from daemon.edge.web.server import Address, serve
from daemon.edge.web.shadow import ShadowBoard
from daemon.sending.alerting import alert_turns
from daemon.sending.delivering import DeliveryServices


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


def test_nobody_is_alerted_not_even_of_what_was_owed_before(tmp_path):
    database = f"sqlite:///{tmp_path}/scanside.sqlite"
    with ward(database) as here, http_target() as target:
        here.now = time.time()
        urls = AlertSettings(urls=(target.url,), escalate_urls=(target.url,), escalate_after_s=30)
        told = {}
        for mode in (Mode.SHADOW, Mode.LIVE):
            settings = Settings(storage=tmp_path, mode=mode, alerts=urls)
            here.judge(len(told), State.RESCAN, to=urls.targets if mode is Mode.SHADOW else settings.alerted)
            services = DeliveryServices(
                outbox=None,
                reports=None,
                metrics=here.services.metrics,
                supervisor=here.services.supervisor,
                worker="w",
            )
            engine = here.services.results._engine  # noqa: SLF001 - their database
            records = (here.services.results, Exams(engine, b"key"))
            for turn in alert_turns(settings, services, here.services.alerts, records):
                turn.run()
            told[mode] = len(target.received)

    assert {} == Settings(mode=Mode.SHADOW, alerts=urls).alerted
    assert {Mode.SHADOW: 0, Mode.LIVE: 1} == told  # one turn, one alert

"""One alert to one target: accepted, or an error that says so, within bounds."""

import socket
import threading
from dataclasses import replace

import pytest
from builders.peers.http import http_target

from daemon.core.errors import ConfigError, DeliveryFailed
from daemon.core.sending.alert_settings import AlertSettings, AlertTemplates
from daemon.core.sending.messages import Alert, Facts, Messages
from daemon.core.values import State, Verdict
from daemon.edge.delivery.notifier import HANGING_MAX, Notifier, make_notifiers

RESCAN = Verdict(
    state=State.RESCAN, cause="motion", cause_word="Motion", action="Repeat the series; the patient moved."
)
LINK = "http://scanside:8080/#0f3a"
FACTS = Facts(
    scanner="MR 1", cause="Motion", action=RESCAN.action, link=LINK, protocol="t1 of Jane Roe", patient="J. R."
)
ALERT = Messages().rescan(RESCAN, FACTS)


def test_an_alert_says_where_why_and_what_to_do_and_not_whom() -> None:
    assert Alert(title="RESCAN on MR 1: Motion", body=f"Repeat the series; the patient moved.\n{LINK}") == ALERT


def test_the_protocol_is_told_only_on_demand_and_in_bounds() -> None:
    templates = AlertTemplates(alert_body="{protocol}\n{action}\n{link}")
    alert = Messages(templates=templates).rescan(RESCAN, replace(FACTS, protocol="x\n" * 500))

    assert ["x " * 31 + "x", "Repeat the series; the patient moved.", LINK] == alert.body.splitlines()


@pytest.mark.parametrize("state", [State.ACCEPT, State.REVIEW, State.NOT_ASSESSED])
def test_only_a_rescan_calls_somebody(state: State) -> None:
    with pytest.raises(ValueError, match="calls nobody"):
        Messages().rescan(Verdict(state=state, action=""), FACTS)


def test_an_accepted_alert_arrives_once_and_whole() -> None:
    with http_target() as target:
        Notifier("alert-1", target.url).send(ALERT)

    assert [(ALERT.title, ALERT.body)] == [(got["title"], got["message"]) for got in target.received]


@pytest.mark.parametrize("status", [400, 401, 500, 503])
def test_a_target_that_refuses_is_an_error_and_is_not_asked_twice(status: int) -> None:
    with http_target(status) as target, pytest.raises(DeliveryFailed, match=r"alert-1: alert not accepted"):
        Notifier("alert-1", target.url).send(ALERT)

    assert 1 == len(target.received)


def test_a_target_that_is_not_there_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    with pytest.raises(DeliveryFailed, match="alert-1"):
        Notifier("alert-1", f"json://127.0.0.1:{port}").send(ALERT)


def test_a_target_that_never_answers_is_given_up_while_it_is_still_silent() -> None:
    with http_target(waits=True) as target:
        with pytest.raises(DeliveryFailed, match="timeout"):
            Notifier("alert-1", target.url, timeout_s=0.2).send(ALERT)

        assert not target.answer.is_set()


def test_a_target_that_drips_its_answer_is_given_up_while_it_still_drips() -> None:
    """Each byte comes within a read timeout, so only a bound on the whole attempt ends it."""
    with http_target(drips=True) as target:
        with pytest.raises(DeliveryFailed, match="timeout"):
            Notifier("alert-1", target.url, timeout_s=0.2).send(ALERT)

        assert not target.answer.is_set()


def test_a_target_that_hangs_holds_a_few_threads_however_often_it_is_tried() -> None:
    with http_target(drips=True) as target:
        notifier = Notifier("alert-1", target.url, timeout_s=0.1)
        before = threading.active_count()
        for _ in range(20):
            with pytest.raises(DeliveryFailed, match="alert-1"):
                notifier.send(ALERT)

        assert len(target.received) <= HANGING_MAX
        assert threading.active_count() - before <= 3 * HANGING_MAX  # ours, and those of the target


def test_no_error_shows_the_secrets_of_a_url() -> None:
    with http_target(500) as target, pytest.raises(DeliveryFailed) as failed:
        Notifier("alert-1", target.url).send(ALERT)
    with pytest.raises(ConfigError, match=r"alert-2.*nonsense:") as unusable:
        make_notifiers(AlertSettings(urls=("json://127.0.0.1", "nonsense://user:secret@host")).first)

    assert "secret" not in str(failed.value) + str(unusable.value)


def test_each_url_is_a_target_of_its_own() -> None:
    with http_target() as good, http_target(500) as bad:
        first, second = make_notifiers(AlertSettings(urls=(good.url, bad.url)).first)
        first.send(ALERT)
        with pytest.raises(DeliveryFailed, match="alert-2"):
            second.send(ALERT)

    assert (1, 1) == (len(good.received), len(bad.received))

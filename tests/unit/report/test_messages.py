"""What an alert says: the house's words or the site's, filled with clean and bounded facts, about nobody."""

from dataclasses import fields
from string import Formatter
from typing import get_type_hints

import pytest

from daemon.config import load_settings
from daemon.core.bounds import Template
from daemon.core.errors import ConfigError
from daemon.core.people.words import Language, words_of
from daemon.core.sending.alert_settings import AlertTemplates
from daemon.core.sending.messages import Alert, Facts, Messages
from daemon.core.values import State, Verdict

RESCAN = Verdict(state=State.RESCAN, cause="a", cause_word="Motion", action="Repeat it.")
ACCEPT = Verdict(state=State.ACCEPT, action="Nothing to do.")
FACTS = Facts(
    scanner="MR 1", cause="Motion", action="Repeat it.", link="http://s/#card-1", protocol="t1", patient="J. R."
)
SECRETS = ("t1", "J. R.")


def alerts_of(messages: Messages) -> list[Alert]:
    return [
        messages.rescan(RESCAN, FACTS),
        messages.escalation(RESCAN, FACTS, 5),
        messages.withdrawal(ACCEPT, FACTS),
        messages.summary({"MR 1": 3, "MR 2": 2}, 20, "http://s/"),
    ]


@pytest.mark.parametrize("language", list(Language))
def test_the_houses_words_name_nobody_and_leave_no_brace(language):
    said = alerts_of(Messages(language))

    assert all(alert.title and alert.body for alert in said)
    assert not [alert for alert in said if any(one in alert.title + alert.body for one in (*SECRETS, "{", "}"))]
    assert [True, True, False, True] == [alert.calls for alert in said]
    assert ("5", "MR 1 3, MR 2 2") == tuple(part in said[3].title and part for part in ("5", "MR 1 3, MR 2 2"))


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("one", [field.name for field in fields(AlertTemplates)])
def test_the_houses_words_keep_to_what_a_template_may_name(language, one):
    (bound,) = get_type_hints(AlertTemplates, include_extras=True)[one].__metadata__
    text = words_of(language)[one]

    assert "" == bound.objection(text) or "\n" in text
    assert {name for _, name, _, _ in Formatter().parse(text) if name} <= set(bound.names)


def test_the_sites_words_take_the_place_of_the_houses_and_nothing_else_is_filled_in():
    templates = AlertTemplates(alert_title="{{!}} {scanner} {patient}", alert_body="{protocol}: {cause}")
    alert = Messages(templates=templates).rescan(RESCAN, FACTS)

    assert Alert(title="{!} MR 1 J. R.", body="t1: Motion") == alert


def test_what_a_scanner_wrote_fills_no_second_time_and_breaks_no_line():
    facts = Facts(scanner="{patient}", cause="a\r\nBcc: b", action="{0.__class__}", link="l", patient="Roe")
    alert = Messages().rescan(RESCAN, facts)

    assert Alert(title="RESCAN on {patient}: a  Bcc: b", body="{0.__class__}\nl") == alert


def test_no_alert_is_longer_than_any_phone_takes():
    facts = Facts(scanner="s" * 10_000, cause="c" * 10_000, action="a" * 10_000, link="l" * 10_000)
    templates = AlertTemplates(alert_title="{cause}" * 60, alert_body="{action}\n" * 50)
    alert = Messages(templates=templates).rescan(RESCAN, facts)

    assert (200, 2000) == (len(alert.title), len(alert.body))


@pytest.mark.parametrize(
    "text",
    ["{unknown}", "{scanner.__class__}", "{scanner[0]}", "{scanner!r}", "{scanner:>9999999}", "{", "{}", "{0}", "\x00"],
)
def test_a_template_that_reaches_beyond_the_facts_is_refused(text):
    assert Template(("scanner",)).objection(text)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[alerts.templates]\nalert_title = '{patient}'", "web.patient is none"),
        ("[alerts.templates]\nalert_title = '{uid}'", "alerts.templates.alert_title: a brace that names nothing"),
        (
            "[alerts]\nescalate_urls = ['json://a']\nescalate_after_s = 4000.0",
            "alerts.escalate_after_s: an alert expires",
        ),
        ("[alerts]\nper_hour_max = 0", "alerts.per_hour_max: 0 is out of range"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(tmp_path, content, words):
    path = tmp_path / "scanside.toml"
    path.write_text(content)

    with pytest.raises(ConfigError, match=words):
        load_settings(path)


def test_a_patient_is_named_where_the_configuration_says_so_twice(tmp_path):
    path = tmp_path / "scanside.toml"
    path.write_text("[web]\npatient = 'initials'\n[alerts.templates]\nalert_title = '{patient}'")

    assert load_settings(path).alerts.templates.name("patient")

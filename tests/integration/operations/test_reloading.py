"""SIGHUP: what is good is taken up and told, what is not is refused, and the old configuration goes on."""

import pytest
from structlog.testing import capture_logs

from daemon.config import load_settings
from daemon.core.people.access import Deed
from daemon.edge.access.audit import Audit
from daemon.edge.database.migrations import open_database
from daemon.reloading import Reloading, changes

BASE = 'storage = "{}"\nlanguage = "en"\n[alerts]\nurls = ["json://user:secret@127.0.0.1"]\n'


@pytest.fixture
def site(tmp_path):
    (tmp_path / "storage").mkdir()
    config = tmp_path / "scanside.toml"
    config.write_text(BASE.format(tmp_path / "storage"))
    return config


def reload(config, text):
    """Whether another text is taken up, and what is logged."""
    settings = load_settings(config)
    open_database(settings.database_url).dispose()
    reloading = Reloading(config, settings, works=False)
    config.write_text(text)
    with capture_logs() as logs:
        assert not reloading.is_due()  # nobody asked
        reloading.ask(1, None)
        due = reloading.is_due()
    return due, logs


def test_a_good_change_is_taken_up_logged_and_in_the_trail_without_secrets(site):
    text = site.read_text().replace('"en"', '"de"').replace("secret", "other") + "per_hour_max = 5\n"
    due, logs = reload(site, text)
    engine = open_database(load_settings(site).database_url)
    (entry,) = Audit(engine).entries(0.0)
    engine.dispose()

    assert due
    assert [
        ("setting_changed", "language: en -> de"),
        ("setting_changed", "alerts.urls: changed"),
        ("setting_changed", "alerts.per_hour_max: 30 -> 5"),
    ] == [(one["event"], one["detail"]) for one in logs]
    assert (Deed.CHANGED, "settings: language, alerts.urls, alerts.per_hour_max") == (entry.deed, entry.subject)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("en", "fr"), "language"),
        (("[alerts]", "[alerts"), "not TOML"),
        (("json://", "nonsense://"), "not a URL that Apprise can use"),
        (("language", "dicom = { port = 1 }\nlanguage"), "dicom.port: restart the service"),
        (("/storage", "/elsewhere"), "storage: restart the service"),
    ],
)
def test_a_bad_or_too_deep_change_is_refused_and_said(site, change, said):
    due, logs = reload(site, site.read_text().replace(*change))

    assert not due
    assert ["configuration_refused"] == [one["event"] for one in logs]
    assert said in logs[0]["detail"]
    assert "secret" not in logs[0]["detail"]


def test_the_same_configuration_starts_nothing(site):
    due, logs = reload(site, site.read_text() + "# a comment\n")

    assert (False, ["configuration_unchanged"]) == (due, [one["event"] for one in logs])


def test_what_was_added_or_taken_away_is_a_change(site):
    old = load_settings(site)
    site.write_text(site.read_text() + '[scanners]\nMR1 = "Trio"\n')
    new = load_settings(site)

    assert [("scanners", "{} -> None"), ("scanners.MR1", "None -> Trio")] == list(changes(old, new))
    assert [] == list(changes(new, new))

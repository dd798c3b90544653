"""The configuration says what it does not understand."""

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from daemon.config import JudgementSettings, Settings, load_settings
from daemon.core.errors import ConfigError
from daemon.core.rule import Rule
from daemon.core.values import ReportKind
from daemon.edge.outlets import DicomOutlet, FolderOutlet, StowOutlet


def test_no_file_is_the_defaults():
    assert Settings() == load_settings(None)


def test_an_empty_file_is_the_defaults(written):
    assert Settings() == load_settings(written(""))


def test_settings_reach_their_dataclasses(written):
    path = written(
        """
        storage = "~/here"
        scanners = { MR1 = "Trio" }
        [dicom]
        port = 104
        networks = ["10.1.0.0/16"]
        calling_ae_titles = ["MR1"]
        [completion]
        quiet_s = 5
        [judgement]
        rule = "iqr"
        [[destinations]]
        name = "pacs"
        host = "10.0.0.1"
        port = 11112
        ae_title = "PACS"
        """
    )
    settings = load_settings(path)

    assert (ip_network("10.1.0.0/16"),) == settings.dicom.networks
    assert frozenset({"MR1"}) == settings.dicom.calling_ae_titles
    assert Path.home() / "here" == settings.storage
    assert (settings.dicom.port, dict(settings.scanners)) == (104, {"MR1": "Trio"})
    assert settings.completion.quiet_s == 5.0
    assert Rule.IQR is settings.judgement.rule
    assert [destination.name for destination in settings.destinations] == ["pacs"]


def test_a_destination_is_of_its_kind(written):
    path = written(
        """
        [[destinations]]
        name = "pacs"
        host = "10.0.0.1"
        port = 2762
        ae_title = "PACS"
        objects = ["SR"]
        tls = { ca_file = "/etc/ca.pem", certificate_file = "/etc/us.pem", key_file = "/etc/us.key" }
        [[destinations]]
        name = "cloud"
        kind = "stow"
        url = "https://archive.example/dicom-web"
        authorization_file = "~/token"
        [[destinations]]
        name = "share"
        kind = "folder"
        path = "/mnt/share"
        """
    )
    pacs, cloud, share = load_settings(path).destinations

    assert (DicomOutlet, StowOutlet, FolderOutlet) == (type(pacs), type(cloud), type(share))
    assert ((ReportKind.SR,), Path("/etc/ca.pem")) == (pacs.objects, pacs.tls.ca_file)
    assert Path.home() / "token" == cloud.authorization_file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("surprise = 1", "surprise"),
        ("[dicom]\nprot = 104", "prot"),
        ('[dicom]\nport = "a"', "dicom.port"),
        ("[[destinations]]\nname = 'x'", "host"),
        ("[[destinations]]\nname = 'x'\nkind = 'ftp'", "kind 'ftp' of a destination is not known, write dicom or stow"),
        ("[[destinations]]\nname = 'x'\nkind = 'folder'\npath = '/x'\nport = 1", "port"),
        ("[[destinations]]\nname = 'x'\nkind = 'folder'\npath = '/x'\nobjects = ['KO']", "object 'KO' is not known"),
        ("a = [", "not TOML"),
        (2 * "[[destinations]]\nname = 'x'\nkind = 'folder'\npath = '/x'\n", "two destinations have one name"),
        ('[judgement]\nrule = "gut"', "rule 'gut' is not known, write conformal or iqr"),
        ("[judgement]\nrule = 3", "rule 3 is not known"),
    ],
)
def test_what_is_wrong_is_named(written, text, said):
    with pytest.raises(ConfigError, match=said):
        load_settings(written(text))


def test_whatever_can_change_a_verdict_changes_the_digest():
    settings = Settings()
    engine = replace(settings.engine, threads=7)
    changed = [replace(settings, judgement=JudgementSettings(rule=Rule.IQR)), replace(settings, engine=engine)]

    assert 3 == len({settings.digest, *(other.digest for other in changed)})
    assert settings.digest == replace(settings, station="elsewhere").digest


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        load_settings(tmp_path / "nowhere.toml")

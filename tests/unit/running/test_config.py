"""The configuration says what it does not understand."""

import functools
import re
from dataclasses import is_dataclass, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.config import JudgementSettings, Settings, load_settings
from daemon.core.bounds import Finite, Range
from daemon.core.errors import ConfigError
from daemon.core.judging.rule import Rule
from daemon.core.values import ReportKind
from daemon.edge.delivery.outlets import OUTLETS, DicomOutlet, FolderOutlet, StowOutlet
from daemon.edge.engines import ENGINES, OnnxRuntimeSettings, OpenVinoSettings, TritonSettings
from daemon.structuring import structure


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


DICOM = "[[destinations]]\nname = 'x'\nhost = 'h'\nport = 104\nae_title = 'A'\n"
STOW = "[[destinations]]\nname = 'x'\nkind = 'stow'\n"
FOLDER = "[[destinations]]\nname = 'x'\nkind = 'folder'\npath = '/x'\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = [", "is not TOML"),
        ("surprise = 1", ": unknown key 'surprise', known are storage, "),
        ("storge = '/x'", ": unknown key 'storge', did you mean storage?"),
        ("[dicom]\nprot = 104", "dicom: unknown key 'prot', did you mean port?"),
        ("[dicom]\ntls = { private_key = 'x' }", "dicom.tls: unknown key 'private_key', it is called key_file now"),
        ("storage = 3", "storage: write a text in quotes"),
        ("storage = ''", "storage: write the path"),
        ("dicom = 3", "dicom: write a table"),
        ('[dicom]\nport = "a"', "dicom.port: write a whole number without quotes"),
        ('[dicom]\nport = "104"', "dicom.port: write a whole number without quotes"),
        ("[dicom]\nport = 99999", "dicom.port: 99999 is out of range, write a number from 0 to 65,535"),
        ("[web]\nport = true", "web.port: write a whole number without quotes"),
        ("[web]\nport = 80.5", "web.port: write a whole number without quotes"),
        ("[web]\nhost = 'http://127.0.0.1'", "web.host: not a host"),
        ("[web]\nport = 11112", "web.port is 11112, as dicom.port is: give each a port of its own"),
        (f"[commitment]\nport = 8112\n{DICOM}commitment = true", "commitment.port is 8112, as web.port is"),
        ("[alerts]\npage = 3", "alerts.page: write a text in quotes"),
        ("[alerts]\npage = 'scanside.example'", "alerts.page: not an address, write http://... or https://..."),
        ("[alerts]\nurls = 'mailto://x'", "alerts.urls: write a list"),
        ("[completion]\nquiet_s = -4", "completion.quiet_s: -4.0 is out of range"),
        ("[completion]\nquiet_s = nan", "completion.quiet_s: nan is out of range"),
        ("[work]\njudging_s = 0", "work.judging_s: 0.0 is out of range"),
        ("[retention]\nkeep_days = -1", "retention.keep_days: -1.0 is out of range"),
        ("[spool]\nused_fraction_max = 2.0", "spool.used_fraction_max: 2.0 is out of range"),
        ("[dicom]\nae_title = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'", "dicom.ae_title: not an AE title"),
        ("[dicom]\nae_title = 'A\\\\B'", "dicom.ae_title: not an AE title"),
        ("[dicom]\nae_title = ' A'", "dicom.ae_title: not an AE title"),
        ("[dicom]\ncalling_ae_titles = 'MR1'", "dicom.calling_ae_titles: write a list"),
        ("[dicom]\ncalling_ae_titles = ['MR1', '']", "dicom.calling_ae_titles[1]: not an AE title"),
        ("[dicom]\nnetworks = ['10.0.0.1/8']", "dicom.networks[0]: 10.0.0.1/8 has host bits set"),
        ('[scanners]\n"" = "x"', "not an AE title"),
        ("[scanners]\nMR1 = ''", "scanners.MR1: no text to show"),
        ("[bundles]\n'a/b' = '/x'", "bundles.a/b: no plain name"),
        ("database = 'mysql://u:secret@h/x'", "database: not an address, write postgresql://..."),
        ("log_level = 'loud'", "log_level: not known, write debug or info or warning or error"),
        ("[engine]\nkind = 'onnx'", "engine: kind 'onnx' of an engine is not known, write onnxruntime or openvino or"),
        (
            "[engine]\nkind = 'onnxruntime'\nprovider = 'gpu'",
            "engine.provider: not known, write cpu or cuda or tensorrt",
        ),
        ("[engine]\nprecision = 'f64'", "engine.precision: not known, write f32 or bf16 or f16"),
        ("[engine]\nkind = 'triton'", "engine.host: missing, write it"),
        ("[engine]\nkind = 'triton'\nhost = 'http://gpu:8001'", "engine.host: not a host"),
        ("engine = 'openvino'", "engine: write a table: [engine]"),
        ('[judgement]\nrule = "gut"', "judgement.rule: 'gut' is not known, write conformal or iqr"),
        ("[judgement]\nrule = 3", "judgement.rule: 3 is not known"),
        ("[[routing.routes]]\nname = 'x'\nwhen = { EchoTime = { mn = 3 } }", "when.EchoTime: unknown key 'mn'"),
        (
            "[[routing.routes]]\nname = 'x'\nrefuse = 'y'\nwhen = { EchoTime = nan }",
            "when.EchoTime.min: nan is no number",
        ),
        ("[[routing.routes]]\nname = 'x'\nrefuse = 'y'\nwhen = { EchoTime = { min = 3, max = 2 } }", "min above max"),
        (f"{DICOM}tls = {{ server_name = 'a b' }}", "destinations[0].tls.server_name: not a host"),
        ("destinations = 3", "destinations: write a list"),
        ("destinations = [3]", "destinations[0]: write a table"),
        ("[[destinations]]\nname = 'x'", "destinations[0].host: missing"),
        ("[[destinations]]\nname = 'x'\nkind = 'ftp'", "kind 'ftp' of a destination is not known, write dicom or stow"),
        (f"{FOLDER}port = 1", "destinations[0]: unknown key 'port', known are name, path"),
        (f"{FOLDER}objects = ['KO']", "destinations[0].objects[0]: 'KO' is not known"),
        (f"{FOLDER}verdicts = ['BAD']", "destinations[0].verdicts[0]: 'BAD' is not known, write ACCEPT or REVIEW or"),
        (f"{FOLDER}verdicts = []", "destinations[0].verdicts: empty"),
        (f"{FOLDER}objects = []", "destinations[0].objects: empty"),
        (f"{FOLDER}objects = ['SR', 'SR']", "destinations[0].objects: the same twice"),
        (2 * FOLDER, "destinations: two have one name, 'x'"),
        (DICOM.replace("104", "0"), "destinations[0].port: 0 is out of range, write a number from 1 to 65,535"),
        (f"{STOW}url = 'ftp://archive'", "destinations[0].url: not an address"),
        (f"{STOW}url = 'https://archive:99999/'", "destinations[0].url: not an address"),
        (f"{STOW}url = 'https:archive'", "destinations[0].url: not an address"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_write(written, text, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        load_settings(written(text))


def test_all_that_is_wrong_is_said_at_once(written):
    with pytest.raises(ConfigError) as caught:
        load_settings(written("storge = 1\n[dicom]\nport = -1\n[web]\nport = true\n[work]\nsilence_s = 0"))

    said = str(caught.value).splitlines()[1:]
    assert 4 == len(said)
    assert {"", "dicom.port", "web.port", "work.silence_s"} == {line.strip().rpartition(": ")[0] for line in said}


def test_no_error_shows_a_secret(written):
    with pytest.raises(ConfigError) as caught:
        load_settings(written("database = 'mysql://u:hunter2@h/x'\n[alerts]\npage = 'ftp://u:hunter2@h'"))

    assert "hunter2" not in str(caught.value)


def settable(wanted, key=""):
    """Every number and text that a file may set, as dotted key, type and bounds."""
    kind, *bounds = get_args(wanted) if get_origin(wanted) is Annotated else (wanted,)
    if is_dataclass(kind):
        for name, inner in get_type_hints(kind, include_extras=True).items():
            yield from settable(inner, f"{key}.{name}" if key else name)
    elif kind in (int, float, str):
        yield key, kind, bounds
    else:
        for inner in get_args(kind):
            yield from settable(inner, key)


#: What a table of the file must have, to be one.
TABLES = {
    Settings: {},
    DicomOutlet: {"name": "x", "host": "h", "port": 104, "ae_title": "A"},
    StowOutlet: {"name": "x", "url": "http://h"},
    FolderOutlet: {"name": "x", "path": "/x"},
    OnnxRuntimeSettings: {},
    OpenVinoSettings: {},
    TritonSettings: {"host": "h"},
}
PLAIN = [
    (table, name, *get_args(wanted)[:1], get_args(wanted)[1:])
    for table in TABLES
    for name, wanted in get_type_hints(table, include_extras=True).items()
    if get_origin(wanted) is Annotated and get_args(wanted)[0] in (int, float)
] + [
    (Settings, key, kind, bounds)
    for key, kind, bounds in settable(Settings)
    if key.count(".") == 1 and kind in (int, float) and not key.startswith(("engine.", "destinations."))
]


def test_every_number_and_text_of_the_configuration_has_its_bounds():
    found = [one for table in TABLES for one in settable(table)]

    assert len(found) > 80
    assert set(TABLES) == {Settings, *OUTLETS.values(), *ENGINES.values()}
    assert [] == [key for key, _, bounds in found if not bounds]
    assert [] == [key for key, kind, bounds in found if kind is not str and not isinstance(bounds[0], Range | Finite)]


@pytest.mark.parametrize(("table", "key", "kind", "bounds"), PLAIN, ids=[f"{t.__name__}-{k}" for t, k, _, _ in PLAIN])
@given(number=st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(), st.integers(-3, 100_000)))
@settings(max_examples=20)
def test_a_number_is_within_its_bounds_or_its_key_is_named(table, key, kind, bounds, number):
    content = TABLES[table] | functools.reduce(lambda inner, name: {name: inner}, reversed(key.split(".")), number)
    wrong_kind = kind is int and isinstance(number, float)
    if wrong_kind or any(bound.objection(number) for bound in bounds):
        with pytest.raises(ConfigError, match=f"^{re.escape(key)}: "):
            structure(content, table)
    else:
        found = functools.reduce(getattr, key.split("."), structure(content, table))
        assert (number, kind) == (found, type(found))


def test_whatever_can_change_a_verdict_changes_the_digest():
    settings = Settings()
    engine = replace(settings.engine, threads=7)
    changed = [replace(settings, judgement=JudgementSettings(rule=Rule.IQR)), replace(settings, engine=engine)]

    assert 3 == len({settings.digest, *(other.digest for other in changed)})
    assert settings.digest == replace(settings, station="elsewhere").digest


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        load_settings(tmp_path / "nowhere.toml")

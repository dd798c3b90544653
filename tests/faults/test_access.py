"""Who comes in to the page, who may answer, and what the trail tells of it, over real HTTP."""

import http.client
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest
from builders.page.board import RESCAN, MemoryBoard, card, gate, sources
from prometheus_client import CollectorRegistry

from daemon.core.people.access import Deed, LocalRole, Refusal, Role
from daemon.edge.web.server import Address, serve

PASSWORD = "correct horse battery"
CLOSED = [
    "/",
    "/cards",
    "/events",
    "/me",
    "/pictures/one.png",
    "/exams/x",
    "/scanners/MR 1",
    "/answers.js",
    "/connection.js",
    "/page.js",
]
OPEN = ["/livez", "/readyz", "/metrics", "/page.css", "/login.js", "/words.js"]


class Tally(Counter):
    """Counts refusals, as the metrics do."""

    def __call__(self, why):
        self[why] += 1


@contextmanager
def site(**settings):
    """A page that this machine has to log in to, and its users."""
    settings = {"local": LocalRole.NOBODY, "logins_per_minute": 1000} | settings
    entrance = replace(gate(**settings), count=Tally())
    entrance.users.put("anna", Role.RADIOGRAPHER, PASSWORD)
    entrance.users.put("vera", Role.VIEWER, PASSWORD)
    board = MemoryBoard([card("one", verdict=RESCAN)], {"one": b"png"})
    with (
        serve(sources(board, gate=entrance), CollectorRegistry(), Address()) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=20) as client,
    ):
        yield client, entrance, board


def log_in(client, name="anna", password=PASSWORD, **headers):
    return client.post("/login", json={"name": name, "password": password}, headers=headers)


def answer(client, token=None, **headers):
    token = client.get("/me").json().get("token", "") if token is None else token
    sent = {"X-Scanside-Token": token, **headers}
    return client.post("/cards/one/answer", json={"choice": "wrong", "revision": 1}, headers=sent)


def deeds(entrance, deed):
    return [entry.subject for entry in entrance.audit.entries(0.0) if entry.deed is deed]


@pytest.mark.parametrize("path", CLOSED)
def test_nothing_is_shown_to_whoever_has_not_logged_in(path):
    with site() as (client, entrance, _):
        found = client.get(path)

        assert 401 == found.status_code
        assert "MR 1" not in found.text
        assert ["not logged in"] == deeds(entrance, Deed.REFUSED)


def test_a_browser_gets_the_login_page_and_machines_what_they_ask():
    with site() as (client, _, _):
        page = client.get("/", headers={"Accept": "text/html"})

        assert (401, True) == (page.status_code, 'id="login"' in page.text)
        assert {200} == {client.get(path).status_code for path in OPEN}


def test_a_user_logs_in_answers_and_is_named_and_logs_out():
    with site() as (client, entrance, board):
        cookie = log_in(client).headers["set-cookie"].lower()
        said = answer(client).status_code
        token = client.get("/me").json()["token"]
        left = client.post("/logout", headers={"X-Scanside-Token": token}).status_code

        assert (200, 200) == (said, left)
        assert "anna" == board.scanner("MR 1").cards[0].answer.by
        assert {"httponly", "samesite=strict"} <= {part.strip() for part in cookie.split(";")}
        assert 401 == client.get("/cards").status_code
        assert ["one"] == deeds(entrance, Deed.ANSWERED)
        assert ["anna"] == deeds(entrance, Deed.LOGGED_IN)


def test_a_session_that_was_ended_cannot_be_used_again_by_its_cookie():
    with site() as (client, _, _):
        log_in(client)
        stolen = dict(client.cookies)
        client.post("/logout", headers={"X-Scanside-Token": client.get("/me").json()["token"]})

        assert 401 == httpx.get(f"{client.base_url}/cards", cookies=stolen).status_code


@pytest.mark.parametrize(
    "forge", [lambda text: text[:-2] + "xx", lambda _: "x", lambda text: text * 2, lambda _: "a.b.c"]
)
def test_a_forged_session_is_none(forge):
    with site() as (client, _, _):
        log_in(client)
        forged = {name: forge(value) for name, value in client.cookies.items()}

        assert 401 == httpx.get(f"{client.base_url}/cards", cookies=forged).status_code


def test_a_viewer_sees_and_may_not_answer():
    with site() as (client, entrance, board):
        log_in(client, "vera")

        assert (200, 403) == (client.get("/cards").status_code, answer(client).status_code)
        assert board.scanner("MR 1").cards[0].answer is None
        assert ["needs radiographer"] == deeds(entrance, Deed.REFUSED)


def test_the_token_of_one_user_is_none_of_anothers():
    with site() as (client, _, _):
        log_in(client, "vera")
        vera = client.get("/me").json()["token"]
        log_in(client, "anna")

        assert 403 == answer(client, vera).status_code


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_a_post_of_another_site_is_refused(headers):
    with site() as (client, entrance, board):
        assert 403 == log_in(client, **headers).status_code
        log_in(client)

        assert 403 == answer(client, **headers).status_code
        assert board.scanner("MR 1").cards[0].answer is None
        assert ["cross-site", "forged token"] == deeds(entrance, Deed.REFUSED)


@pytest.mark.parametrize("name", ["anna", "nobody", "anna' OR 1=1", "\0", "ANNA"])
def test_a_wrong_name_or_password_is_refused_with_the_same_words(name):
    with site() as (client, entrance, _):
        refused = log_in(client, name, "wrong horse battery!")

        assert (403, "wrong name or password\n") == (refused.status_code, refused.text)
        assert ["wrong name or password"] == deeds(entrance, Deed.REFUSED)


@pytest.mark.parametrize("sent", ["[]", "null", "{", '{"name": 1, "password": 2}', '{"name": "", "password": "x"}'])
def test_what_is_no_login_is_refused(sent):
    with site() as (client, _, _):
        assert 400 == client.post("/login", content=sent, headers={"Content-Type": "application/json"}).status_code


def test_a_thousand_logins_are_refused_but_for_the_first_few_a_minute_and_told_in_a_line_each():
    with site(logins_per_minute=5) as (client, entrance, _):
        began = time.monotonic()
        codes = [log_in(client, f"user{n % 7}", "guess guess guess").status_code for n in range(1000)]
        minutes = 1 + int((time.monotonic() - began) // 60)

        assert {403, 429} == set(codes)
        assert 5 <= codes.count(403) <= 5 * minutes
        assert 429 == log_in(client).status_code
        assert {"wrong name or password", "too many logins"} == {*deeds(entrance, Deed.REFUSED)}
        assert len(deeds(entrance, Deed.REFUSED)) <= 4 * minutes
        assert {Refusal.WRONG_LOGIN: codes.count(403), Refusal.TOO_MANY_LOGINS: 1 + codes.count(429)} == entrance.count


def ask(client, path, method="GET", **headers):
    """The status of a request whose path is sent as it is written."""
    url = client.base_url
    connection = http.client.HTTPConnection(url.host, url.port, timeout=20)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    try:
        return connection.getresponse().status
    finally:
        connection.close()


TRICKS = [
    "/../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "//etc/passwd",
    "/pictures/..%2f..%2fetc%2fpasswd.png",
    "/pictures/one%00.png",
    "/pictures/one.png%00.css",
    "/series/..%5c..%5cwindows/case.zip",
    "/static/page.js",
    "/page.js/../../access.py",
    "/.git/config",
]
AT_THIS_MACHINE = {"local": LocalRole.ADMIN}


@pytest.mark.parametrize(
    ("settings", "request_of", "status", "why"),
    [
        ({}, lambda client: ask(client, "/cards"), 401, Refusal.NOT_LOGGED_IN),
        (
            {"local": LocalRole.VIEWER},
            lambda client: answer(client).status_code,
            403,
            Refusal.NEEDS_RADIOGRAPHER,
        ),
        (AT_THIS_MACHINE, lambda client: answer(client, "f" * 64).status_code, 403, Refusal.FORGED_TOKEN),
        (
            AT_THIS_MACHINE,
            lambda client: log_in(client, Origin="http://evil.example").status_code,
            403,
            Refusal.CROSS_SITE,
        ),
        ({}, lambda client: log_in(client, password="guess guess").status_code, 403, Refusal.WRONG_LOGIN),
        (AT_THIS_MACHINE, lambda client: ask(client, "/cards", Host="evil.example"), 400, Refusal.FOREIGN_HOST),
        (
            AT_THIS_MACHINE,
            lambda client: ask(client, "/cards", "POST", **{"Content-Length": "9" * 9}),
            413,
            Refusal.UNWANTED_BODY,
        ),
        *((AT_THIS_MACHINE, lambda client, path=path: ask(client, path), 404, Refusal.NO_SUCH_PAGE) for path in TRICKS),
    ],
)
def test_what_is_refused_is_counted_and_told_by_the_trail_each(settings, request_of, status, why):
    with site(**settings) as (client, entrance, _):
        assert status == request_of(client)
        assert {why: 1} == entrance.count
        assert [why.value] == deeds(entrance, Deed.REFUSED)
        assert {"127.0.0.1"} == {entry.address for entry in entrance.audit.entries(0.0)}


def test_a_session_ends_when_it_is_old_or_idle_and_the_oldest_beyond_the_most():
    with site(session_s=3600, idle_s=600, sessions_max=2) as (_, entrance, _):
        sessions = entrance.sessions
        first, second, third = (sessions.begin("anna", now) for now in (0.0, 1.0, 2.0))
        used = [sessions.visitor(third, now) is not None for now in (500.0, 1000.0, 1500.0, 2099.0, 2800.0)]
        first_is_known, second_is_known = (sessions.visitor(one, 3.0) is not None for one in (first, second))
        kept = sessions.begin("anna", 10_000.0)
        old = [sessions.visitor(kept, 10_000.0 + now) is not None for now in range(0, 4001, 400)]

        assert (False, True) == (first_is_known, second_is_known)
        assert [True, True, True, True, False] == used
        assert [True] * 10 + [False] == old


def test_a_user_who_is_removed_or_gets_another_role_has_no_session_any_more():
    with site() as (client, entrance, _):
        log_in(client)
        entrance.users.put("anna", Role.VIEWER, PASSWORD)
        changed = client.get("/cards").status_code
        log_in(client)
        entrance.users.remove("anna")

        assert (401, 401) == (changed, client.get("/cards").status_code)


def test_a_password_is_kept_as_argon2id_has_it():
    with site() as (_, entrance, _), entrance.users._engine.connect() as connection:  # noqa: SLF001 - what is kept
        kept = str(connection.exec_driver_sql("SELECT * FROM users").all())

        assert "$argon2id$" in kept
        assert PASSWORD not in kept


@pytest.mark.parametrize(
    ("proxies", "name", "role"),
    [
        (("127.0.0.1",), "boss", "admin"),
        (("127.0.0.1",), "guest", "viewer"),
        (("10.0.0.1",), "boss", None),
        (("127.0.0.1",), "", None),
        (("127.0.0.1",), "x" * 65, None),
    ],
    ids=["known", "unknown", "not from the proxy", "nobody", "too long"],
)
def test_a_name_in_the_header_counts_from_a_proxy_alone(proxies, name, role):
    settings = {"proxy_header": "X-Remote-User", "proxies": proxies, "roles": {"boss": Role.ADMIN}}
    with site(**settings, local=LocalRole.ADMIN) as (client, _, _):
        told = client.get("/me", headers={"X-Remote-User": name} if name else {})

        assert (401 if role is None else 200) == told.status_code
        assert role is None or (name, role) == (told.json()["name"], told.json()["role"])


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_this_machine_needs_no_login_unless_it_asks_for_somebody_else(header):
    with site(local=LocalRole.RADIOGRAPHER) as (client, _, _):
        assert "console" == client.get("/me").json()["name"]
        assert 401 == client.get("/me", headers={header: "10.1.2.3"}).status_code


def test_where_the_page_is_open_to_a_network_nobody_is_at_this_machine():
    board = MemoryBoard()
    with serve(sources(board, gate=gate(loopback=False)), CollectorRegistry(), Address()) as server:
        assert 401 == httpx.get(f"http://127.0.0.1:{server.port}/cards").status_code


def test_what_was_seen_is_told_once_a_minute():
    with site() as (client, entrance, _):
        log_in(client)
        for path in ("/cards", "/cards", "/cards?exam=abc", "/cards?scanner=MR 1"):
            client.get(path)

        assert ["all scanners", "exam abc", "scanner MR 1"] == deeds(entrance, Deed.SAW)

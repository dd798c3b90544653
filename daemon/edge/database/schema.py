"""The tables, of SQLite by default, of PostgreSQL where several machines share the work."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

METADATA = sa.MetaData()


class Words(sa.types.TypeDecorator[str]):
    """Text that may come from a header: what a database cannot hold (NUL, half a surrogate pair) is replaced."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: sa.Dialect) -> str | None:
        """The text as it is stored and compared."""
        return None if value is None else value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


position = sa.Table(
    "spool_position",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("cursor", Words, nullable=False),
)
instances = sa.Table(
    "instances",
    METADATA,
    sa.Column("series_instance_uid", Words, primary_key=True),
    sa.Column("sop_instance_uid", Words, primary_key=True),
    sa.Column("revision", sa.Integer, index=True),  # the revision that closed over it first; NULL while open
    sa.Column("body", Words, nullable=False),
)
associations = sa.Table(
    "association_ends",
    METADATA,
    sa.Column("association", Words, primary_key=True),
    sa.Column("ended_at", sa.Float, nullable=False),
    sa.Column("aborted", sa.Boolean, nullable=False),
)
step_reports = sa.Table(
    "step_reports",
    METADATA,
    sa.Column("step_uid", Words, primary_key=True),
    sa.Column("reported_at", sa.Float, primary_key=True),
    sa.Column("body", Words, nullable=False),
)
rhythms = sa.Table(
    "rhythms",
    METADATA,
    sa.Column("calling_ae", Words, primary_key=True),
    sa.Column("pauses", Words, nullable=False),
)
series = sa.Table(
    "series",
    METADATA,
    sa.Column("series_instance_uid", Words, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("study_instance_uid", Words, nullable=False),
    sa.Column("card_id", Words, nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False, index=True),
    sa.Column("calling_ae", Words, nullable=False),
    sa.Column("stage", Words, nullable=False, index=True),
    sa.Column("images", sa.Integer, nullable=False),
    sa.Column("closed_by", Words, nullable=False),
    sa.Column("closed_at", sa.Float, nullable=False),
    sa.Column("last_received_at", sa.Float, nullable=False),
    sa.Column("partial", sa.Boolean, nullable=False),
    sa.Column("description", Words, nullable=False, server_default=""),
    sa.Column("verdict", Words),
    sa.Column("assessment", Words),
    sa.Column("seconds", Words, nullable=False, server_default="{}"),
    sa.Column("objects", Words, nullable=False, server_default="{}"),
    sa.Column("bundle", Words, nullable=False, server_default=""),  # digest of the one that judged
    sa.Column("software", Words, nullable=False, server_default=""),  # the scanner's, as its header says
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),  # workers that began to judge it
    sa.Column("turn", sa.Integer, nullable=False, server_default="1"),  # the lower, the sooner: core.turns
    sa.Column("reference", Words, nullable=False, server_default=""),  # to its SR, once the file has gone
    sa.Column("cleared_at", sa.Float),  # when its files went; 0 where there were none
)
deliveries = sa.Table(
    "deliveries",
    METADATA,
    sa.Column("sop_instance_uid", Words, primary_key=True),
    sa.Column("destination", Words, primary_key=True),
    sa.Column("series_instance_uid", Words, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("kind", Words, nullable=False),
    sa.Column("delivered_at", sa.Float),
    sa.Column("parked", Words),  # why it was refused for good
    sa.Column("owed_at", sa.Float, nullable=False, server_default="0"),
    sa.Column("urgency", sa.Integer, nullable=False, server_default="9"),  # the smaller, the sooner
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),  # those that failed by this object's doing
    sa.Column("due_at", sa.Float, nullable=False, server_default="0"),
    sa.Column("claimed_by", Words),  # the worker that is at it
    sa.Column("trouble", Words, nullable=False, server_default=""),  # what went wrong last, and may pass
    sa.Column("remark", Words, nullable=False, server_default=""),  # what the destination said as it took it
    sa.Column("commitment", Words, nullable=False, server_default=""),  # pledges.Commitment
    sa.Column("transaction_uid", Words, index=True),  # the request for commitment that it was last part of
    sa.Column("commit_at", sa.Float, nullable=False, server_default="0"),
)
owed_index = sa.Index("deliveries_owed", deliveries.c.destination, deliveries.c.delivered_at, deliveries.c.parked)
alerts = sa.Table(
    "alerts",
    METADATA,
    sa.Column("series_instance_uid", Words, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("target", Words, primary_key=True),
    sa.Column("withdrawal", sa.Boolean, nullable=False),  # takes an earlier alert back
    sa.Column("owed_at", sa.Float, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due_at", sa.Float, nullable=False, server_default="0"),
    sa.Column("claimed_by", Words),  # the worker that is at it
    sa.Column("trouble", Words, nullable=False, server_default=""),  # what went wrong last
    sa.Column("outcome", Words),  # core.alerts.AlertOutcome at its end
    sa.Column("settled_at", sa.Float),
)
alerts_index = sa.Index("alerts_owed", alerts.c.target, alerts.c.outcome)
exams = sa.Table(
    "exams",
    METADATA,
    sa.Column("exam_id", Words, primary_key=True),
    sa.Column("scanner", Words, nullable=False, index=True),
    sa.Column("study_instance_uid", Words, nullable=False),
    sa.Column("patient", Words, nullable=False),  # a token under the site's key; "" where nothing was said
    sa.Column("hint", Words, nullable=False),
    sa.Column("hint_kind", Words, nullable=False),  # core.exams.PatientHint
    sa.Column("began_at", sa.Float, nullable=False),
    sa.Column("acquired", Words, nullable=False),  # the latest, in the scanner's own time
    sa.Column("over_at", sa.Float),  # when the scanner's next one began
)
exam_series = sa.Table(
    "exam_series",
    METADATA,
    sa.Column("series_instance_uid", Words, primary_key=True),
    sa.Column("exam_id", Words, nullable=False, index=True),
    sa.Column("protocol", Words, nullable=False),
    sa.Column("number", sa.Integer),
    sa.Column("began_at", sa.Float, nullable=False),
)
answers = sa.Table(
    "answers",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("card_id", Words, nullable=False, index=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("state", Words, nullable=False),  # the verdict that was answered
    sa.Column("choice", Words, nullable=False),  # core.card.Choice, or "" where it was taken back
    sa.Column("reason", Words, nullable=False),
    sa.Column("answered_by", Words, nullable=False),
    sa.Column("answered_at", sa.Float, nullable=False),
)
users = sa.Table(
    "users",
    METADATA,
    sa.Column("name", Words, primary_key=True),
    sa.Column("role", Words, nullable=False),  # core.access.Role
    sa.Column("password", Words, nullable=False),  # as Argon2id has it
)
sessions = sa.Table(
    "sessions",
    METADATA,
    sa.Column("digest", Words, primary_key=True),  # of what the browser holds
    sa.Column("name", Words, nullable=False, index=True),
    sa.Column("began_at", sa.Float, nullable=False),
    sa.Column("seen_at", sa.Float, nullable=False),
)
audit = sa.Table(
    "audit",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.Float, nullable=False, index=True),
    sa.Column("who", Words, nullable=False),
    sa.Column("address", Words, nullable=False),
    sa.Column("deed", Words, nullable=False),  # core.access.Deed
    sa.Column("subject", Words, nullable=False),
)
changes = sa.Table(
    "changes",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
)
workers = sa.Table(
    "workers",
    METADATA,
    sa.Column("worker", Words, primary_key=True),
    sa.Column("machine", Words, nullable=False),  # processes of one machine see each other end
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("beats", sa.Integer, nullable=False),
)
cohorts = sa.Table(
    "cohorts",
    METADATA,
    sa.Column("cohort", Words, primary_key=True),
    sa.Column("judge", Words, nullable=False),  # digest of all that decides an answer
)
cohort_series = sa.Table(
    "cohort_series",
    METADATA,
    sa.Column("cohort", Words, primary_key=True),
    sa.Column("series", Words, primary_key=True),  # its UID, or its path where it is no DICOM
    sa.Column("files", Words, nullable=False),  # JSON: folder -> names of files
    sa.Column("revision", sa.Integer, nullable=False),  # how often it was begun for new files
    sa.Column("attempts", sa.Integer, nullable=False),  # workers that began to judge this revision
    sa.Column("answered_at", sa.Float),
    sa.Column("answer", Words),  # JSON: the row of the table
    sa.Column("passing", sa.Boolean, nullable=False),  # it could not be read: the next start tries again
    sa.Column("study", Words, nullable=False, server_default=""),  # its UID, if it states one
)
pasts = sa.Table(  # of each protocol, what was accepted
    "pasts",
    METADATA,
    sa.Column("series_instance_uid", Words, primary_key=True),
    sa.Column("scanner", Words, nullable=False),
    sa.Column("protocol", Words, nullable=False),
    sa.Column("bundle", Words, nullable=False),  # digest of the one that measured
    sa.Column("judged_at", sa.Float, nullable=False),
    sa.Column("body", Words, nullable=False),  # JSON: own_past.Member
)
past_index = sa.Index("pasts_protocol", pasts.c.scanner, pasts.c.protocol, pasts.c.judged_at)
service_calls = sa.Table(
    "service_calls",
    METADATA,
    sa.Column("call_id", Words, primary_key=True),
    sa.Column("scanner", Words, nullable=False, index=True),  # its alias
    sa.Column("found_at", sa.Float, nullable=False),
    sa.Column("body", Words, nullable=False),  # JSON: quality.Finding, a list
    sa.Column("settled_at", sa.Float),  # a person said that it was seen to: measures begin anew
    sa.Column("settled_by", Words, nullable=False, server_default=""),
)
service_alerts = sa.Table(
    "service_alerts",
    METADATA,
    sa.Column("call_id", Words, primary_key=True),
    sa.Column("target", Words, primary_key=True),
    sa.Column("owed_at", sa.Float, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due_at", sa.Float, nullable=False, server_default="0"),
    sa.Column("trouble", Words, nullable=False, server_default=""),  # what went wrong last
    sa.Column("outcome", Words),  # core.alerts.AlertOutcome at its end
    sa.Column("settled_at", sa.Float),
)
answered_index = sa.Index("cohort_series_answered", cohort_series.c.cohort, cohort_series.c.answered_at)
study_index = sa.Index("cohort_series_study", cohort_series.c.cohort, cohort_series.c.study)


def insert_or_ignore(engine: sa.Engine, table: sa.Table) -> sa.Insert:
    """An insert that leaves rows alone that are already there: recording twice is recording once."""
    if engine.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


def insert_or_mend(engine: sa.Engine) -> sa.Insert:
    """An insert of instances that leaves those alone that are there, but for damaged ones: they are received anew."""
    insert = sqlite.insert(instances) if engine.dialect.name == "sqlite" else postgresql.insert(instances)
    damaged, sound = (f'"damaged": {word}' for word in ("true", "false"))
    return insert.on_conflict_do_update(
        index_elements=list(instances.primary_key),
        set_={"body": insert.excluded.body, "revision": None},
        where=instances.c.body.contains(damaged) & insert.excluded.body.contains(sound),
    )


def series_key(series_instance_uid: str, revision: int) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    """What picks the row of one series and revision."""
    return (series.c.series_instance_uid == series_instance_uid, series.c.revision == revision)


def delivery_key(sop_instance_uid: str, destination: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    """What picks the row of one object for one destination."""
    return (deliveries.c.sop_instance_uid == sop_instance_uid, deliveries.c.destination == destination)


def next_version(connection: sa.Connection) -> int:
    """The number that the next change of any series gets.

    Whoever has a number holds the counter until the transaction ends: numbers become visible in their order, and
    transactions that change series wait for one another. Ask for it first, before any other row is changed.
    """
    counted = sa.update(changes).values(number=changes.c.number + 1).returning(changes.c.number)
    return int(connection.execute(counted).scalar_one())


def newest_version(connection: sa.Connection) -> int:
    """The number of the newest change of any series."""
    return int(connection.execute(sa.select(changes.c.number)).scalar_one())

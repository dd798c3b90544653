"""Steps 9 to 16."""

import sqlalchemy as sa

from daemon.edge.database.steps.columns import add_column


def alerts(connection: sa.Connection) -> None:
    """9: alerts are owed until their end; what an older version left under way is adopted by the workers."""
    connection.exec_driver_sql(
        "CREATE TABLE alerts (series_instance_uid TEXT NOT NULL, revision INTEGER NOT NULL, target TEXT NOT NULL, "
        "withdrawal BOOLEAN NOT NULL, owed_at FLOAT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, "
        "due_at FLOAT NOT NULL DEFAULT 0, claimed_by TEXT, trouble TEXT NOT NULL DEFAULT '', outcome TEXT, "
        "settled_at FLOAT, PRIMARY KEY (series_instance_uid, revision, target))"
    )
    connection.exec_driver_sql("CREATE INDEX alerts_owed ON alerts (target, outcome)")


def reasons(connection: sa.Connection) -> None:
    """10: why a series was not judged is said without naming what is judged."""
    older, newer = "no head found in the images", "what this model judges is not in the images"
    verdict: sa.ColumnClause[str] = sa.column("verdict", sa.Text)
    reworded = sa.func.replace(verdict, f'"not_assessed": "{older}"', f'"not_assessed": "{newer}"')
    series = sa.table("series", verdict)
    connection.execute(sa.update(series).where(verdict.contains(older)).values(verdict=reworded))


def exams(connection: sa.Connection) -> None:
    """11: exams and what people answered; series of before are given an exam when the daemon starts."""
    number = "SERIAL" if connection.dialect.name == "postgresql" else "INTEGER"
    connection.exec_driver_sql(
        "CREATE TABLE exams (exam_id TEXT NOT NULL PRIMARY KEY, scanner TEXT NOT NULL, "
        "study_instance_uid TEXT NOT NULL, patient TEXT NOT NULL, hint TEXT NOT NULL, hint_kind TEXT NOT NULL, "
        "began_at FLOAT NOT NULL, acquired TEXT NOT NULL, over_at FLOAT)"
    )
    connection.exec_driver_sql("CREATE INDEX ix_exams_scanner ON exams (scanner)")
    connection.exec_driver_sql(
        "CREATE TABLE exam_series (series_instance_uid TEXT NOT NULL PRIMARY KEY, exam_id TEXT NOT NULL, "
        "protocol TEXT NOT NULL, number INTEGER, began_at FLOAT NOT NULL)"
    )
    connection.exec_driver_sql("CREATE INDEX ix_exam_series_exam_id ON exam_series (exam_id)")
    connection.exec_driver_sql(
        f"CREATE TABLE answers (id {number} NOT NULL PRIMARY KEY, card_id TEXT NOT NULL, revision INTEGER NOT NULL, "
        "state TEXT NOT NULL, choice TEXT NOT NULL, reason TEXT NOT NULL, answered_by TEXT NOT NULL, "
        "answered_at FLOAT NOT NULL)"
    )
    connection.exec_driver_sql("CREATE INDEX ix_answers_card_id ON answers (card_id)")


def pasts(connection: sa.Connection) -> None:
    """12: what was accepted of each protocol."""
    connection.exec_driver_sql(
        "CREATE TABLE pasts (series_instance_uid TEXT NOT NULL PRIMARY KEY, scanner TEXT NOT NULL, "
        "protocol TEXT NOT NULL, bundle TEXT NOT NULL, judged_at FLOAT NOT NULL, body TEXT NOT NULL)"
    )
    connection.exec_driver_sql("CREATE INDEX pasts_protocol ON pasts (scanner, protocol, judged_at)")


def access(connection: sa.Connection) -> None:
    """13: users, their sessions, and the trail of what people did."""
    number = "SERIAL" if connection.dialect.name == "postgresql" else "INTEGER"
    connection.exec_driver_sql(
        "CREATE TABLE users (name TEXT NOT NULL PRIMARY KEY, role TEXT NOT NULL, password TEXT NOT NULL)"
    )
    connection.exec_driver_sql(
        "CREATE TABLE sessions (digest TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, began_at FLOAT NOT NULL, "
        "seen_at FLOAT NOT NULL)"
    )
    connection.exec_driver_sql("CREATE INDEX ix_sessions_name ON sessions (name)")
    connection.exec_driver_sql(
        f"CREATE TABLE audit (id {number} NOT NULL PRIMARY KEY, at FLOAT NOT NULL, who TEXT NOT NULL, "
        "address TEXT NOT NULL, deed TEXT NOT NULL, subject TEXT NOT NULL)"
    )
    connection.exec_driver_sql("CREATE INDEX ix_audit_at ON audit (at)")


def quality(connection: sa.Connection) -> None:
    """14: the scanner's software, calls for service and their alerts."""
    add_column(connection, "series", "software TEXT NOT NULL DEFAULT ''")
    connection.exec_driver_sql(
        "CREATE TABLE service_calls (call_id TEXT NOT NULL PRIMARY KEY, scanner TEXT NOT NULL, "
        "found_at FLOAT NOT NULL, body TEXT NOT NULL, settled_at FLOAT, settled_by TEXT NOT NULL DEFAULT '')"
    )
    connection.exec_driver_sql(
        "CREATE TABLE service_alerts (call_id TEXT NOT NULL, target TEXT NOT NULL, owed_at FLOAT NOT NULL, "
        "attempts INTEGER NOT NULL DEFAULT 0, due_at FLOAT NOT NULL DEFAULT 0, trouble TEXT NOT NULL DEFAULT '', "
        "outcome TEXT, settled_at FLOAT, PRIMARY KEY (call_id, target))"
    )
    connection.exec_driver_sql("CREATE INDEX ix_service_calls_scanner ON service_calls (scanner)")


def studies(connection: sa.Connection) -> None:
    """15: what closed series may be in examinations of their study, and who joined whom."""
    connection.exec_driver_sql(
        "CREATE TABLE offers (series_instance_uid TEXT NOT NULL, bundle TEXT NOT NULL, role TEXT NOT NULL, "
        "revision INTEGER NOT NULL, study_instance_uid TEXT NOT NULL, leads BOOLEAN NOT NULL, every BOOLEAN NOT NULL, "
        "partial BOOLEAN NOT NULL, state TEXT NOT NULL, closed_at FLOAT NOT NULL, "
        "PRIMARY KEY (series_instance_uid, bundle, role))"
    )
    connection.exec_driver_sql("CREATE INDEX offers_study ON offers (study_instance_uid, bundle)")
    connection.exec_driver_sql(
        "CREATE TABLE members (series_instance_uid TEXT NOT NULL, revision INTEGER NOT NULL, role TEXT NOT NULL, "
        "member_series_uid TEXT NOT NULL, member_revision INTEGER NOT NULL, "
        "PRIMARY KEY (series_instance_uid, revision, role, member_series_uid))"
    )


def cohort_studies(connection: sa.Connection) -> None:
    """16: the study of each series of a cohort."""
    add_column(connection, "cohort_series", "study TEXT NOT NULL DEFAULT ''")
    connection.exec_driver_sql("CREATE INDEX cohort_series_study ON cohort_series (cohort, study)")

"""Exams in SQL: whose the series of a scanner are, and which exam it is at now."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from daemon.core.people.exams import Exam, PatientHint, Whose, believed, has_returned, is_sent_again
from daemon.core.tokens import token
from daemon.edge.database import schema
from daemon.edge.database.studies.usual_lists import earlier_lists, protocols_of

_EXAMS, _SERIES = schema.exams, schema.exam_series


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One series of an exam, as its first image said."""

    series_instance_uid: str
    exam_id: str
    protocol: str
    number: int | None


class Exams:
    """Exams and their series. Every method is one transaction.

    ``kind``: which hint of a patient may be kept and shown; those of another kind are deleted when one is written.
    """

    def __init__(self, engine: sa.Engine, site_key: bytes, kind: PatientHint = PatientHint.NONE) -> None:
        self._engine = engine
        self._site_key = site_key
        self._kind = kind

    def enter(self, scanner: str, whose: Whose, at: float, series_instance_uid: str = "") -> str:
        """Find or begin the exam that something from a scanner belongs to; its id.

        ``series_instance_uid``: the series that it is the first image of, empty for a procedure step. A new exam ends
        the scanner's last one, unless its images are older: then it was sent again.
        """
        told = replace(whose, acquired=believed(whose.acquired, at), patient=self._token(whose.patient))
        with self._engine.begin() as connection:
            schema.next_version(connection)
            known = self._known(connection, series_instance_uid)
            if known:
                return known
            exam_id = self._found(connection, scanner, told, at) or self._begin(connection, scanner, told, at)
            if series_instance_uid:
                row = {
                    "series_instance_uid": series_instance_uid,
                    "exam_id": exam_id,
                    "protocol": whose.protocol,
                    "number": whose.number,
                    "began_at": at,
                }
                connection.execute(schema.insert_or_ignore(self._engine, _SERIES), [row])
            return exam_id

    def adopt(self, scanners: Mapping[str, str]) -> None:
        """Give an exam to each series that an older version left without one."""
        table = schema.series
        known = sa.select(_SERIES.c.series_instance_uid)
        query = sa.select(
            table.c.series_instance_uid,
            table.c.study_instance_uid,
            table.c.calling_ae,
            table.c.description,
            table.c.closed_at,
        )
        query = query.where(table.c.revision == 1, table.c.series_instance_uid.not_in(known)).order_by(
            table.c.closed_at
        )
        with self._engine.connect() as connection:
            left = connection.execute(query).all()
        for uid, study, calling_ae, description, closed_at in left:
            whose = Whose(study_instance_uid=study, protocol=description)
            self.enter(scanners.get(calling_ae, calling_ae), whose, closed_at, uid)

    def forget_hints(self) -> None:
        """Delete what is kept of patients beyond what is configured."""
        other = sa.update(_EXAMS).where(_EXAMS.c.hint_kind != self._kind.value)
        with self._engine.begin() as connection:
            schema.next_version(connection)
            connection.execute(other.values(hint="", hint_kind=self._kind.value))

    def current(self) -> list[Exam]:
        """The exam that each scanner is at, by the scanner's name."""
        query = sa.select(_EXAMS).where(_EXAMS.c.over_at.is_(None)).order_by(_EXAMS.c.scanner)
        return self._exams(query)

    def of_scanner(self, scanner: str, limit: int, before: float | None = None) -> list[Exam]:
        """The exams of a scanner, the newest first; those that began ``before`` then."""
        query = sa.select(_EXAMS).where(_EXAMS.c.scanner == scanner)
        query = query if before is None else query.where(_EXAMS.c.began_at < before)
        return self._exams(query.order_by(_EXAMS.c.began_at.desc(), _EXAMS.c.exam_id).limit(limit))

    def exam(self, exam_id: str) -> Exam | None:
        """One exam; None where it is unknown."""
        return next(iter(self._exams(sa.select(_EXAMS).where(_EXAMS.c.exam_id == exam_id))), None)

    def entries(self, uids: Iterable[str]) -> dict[str, Entry]:
        """What is known of some series, by their UIDs."""
        query = sa.select(*(_SERIES.c[name] for name in Entry.__slots__)).where(
            _SERIES.c.series_instance_uid.in_(list(uids))
        )
        with self._engine.connect() as connection:
            return {row["series_instance_uid"]: Entry(**row) for row in connection.execute(query).mappings()}

    def hint_of(self, series_instance_uid: str) -> str:
        """What may be shown of the patient of a series; empty where nothing may, or nothing is known."""
        entry = self.entries([series_instance_uid]).get(series_instance_uid)
        exam = self.exam(entry.exam_id) if entry else None
        return exam.hint if exam else ""

    def changes(self, exam_ids: Collection[str]) -> dict[str, tuple[int, int]]:
        """Of each exam how many series and revisions it has, and the newest change of any: equal if nothing changed."""
        table = schema.series
        query = sa.select(_SERIES.c.exam_id, sa.func.count(), sa.func.coalesce(sa.func.max(table.c.version), 0))
        query = query.outerjoin(table, table.c.series_instance_uid == _SERIES.c.series_instance_uid)
        query = query.where(_SERIES.c.exam_id.in_(exam_ids)).group_by(_SERIES.c.exam_id)
        with self._engine.connect() as connection:
            return {exam_id: (count, newest) for exam_id, count, newest in connection.execute(query)}

    def protocols(self, exam_id: str) -> list[str]:
        """The protocols of an exam's series so far, in their order."""
        with self._engine.connect() as connection:
            return protocols_of(connection, exam_id)

    def earlier_lists(self, exam: Exam) -> Sequence[Sequence[str]]:
        """The protocols of each earlier exam of the same scanner that is over."""
        with self._engine.connect() as connection:
            return earlier_lists(connection, exam)

    def _exams(self, query: sa.Select[tuple[object, ...]]) -> list[Exam]:
        with self._engine.connect() as connection:
            return [self._exam(row) for row in connection.execute(query).mappings()]

    def _exam(self, row: sa.RowMapping) -> Exam:
        shown = row["hint"] if row["hint_kind"] == self._kind.value else ""
        return Exam(
            exam_id=row["exam_id"],
            scanner=row["scanner"],
            hint=shown,
            began_at=row["began_at"],
            over_at=row["over_at"],
        )

    def _known(self, connection: sa.Connection, series_instance_uid: str) -> str:
        query = sa.select(_SERIES.c.exam_id).where(_SERIES.c.series_instance_uid == series_instance_uid)
        return str(connection.execute(query).scalar() or "")

    def _found(self, connection: sa.Connection, scanner: str, told: Whose, at: float) -> str:
        """The exam of this study and patient, brought up to date; one of both that says nothing of its patient fits."""
        study = (_EXAMS.c.scanner == scanner, _EXAMS.c.study_instance_uid == told.study_instance_uid)
        fits = _EXAMS.c.patient.in_([told.patient, ""]) if told.patient else sa.true()
        nearest = _EXAMS.c.patient.desc() if told.patient else _EXAMS.c.over_at.is_(None).desc()
        query = sa.select(_EXAMS).where(*study, fits).order_by(nearest, _EXAMS.c.began_at.desc())
        row = connection.execute(query).mappings().first()
        if row is None:
            return ""
        values = {"acquired": max(row["acquired"], told.acquired)}
        if not row["patient"]:
            values["patient"] = told.patient
        if told.hint and not row["hint"]:
            values |= {"hint": told.hint, "hint_kind": self._kind.value}
        connection.execute(sa.update(_EXAMS).where(_EXAMS.c.exam_id == row["exam_id"]).values(**values))
        if row["over_at"] is not None and has_returned(told.acquired, _current_acquired(connection, scanner)):
            _end_current(connection, scanner, at)
            connection.execute(sa.update(_EXAMS).where(_EXAMS.c.exam_id == row["exam_id"]).values(over_at=None))
        return str(row["exam_id"])

    def _begin(self, connection: sa.Connection, scanner: str, told: Whose, at: float) -> str:
        old = is_sent_again(told.acquired, _current_acquired(connection, scanner))
        if not old:
            _end_current(connection, scanner, at)
        exam_id = token(f"{scanner}\n{told.study_instance_uid}\n{told.patient}", self._site_key)
        row = {
            "exam_id": exam_id,
            "scanner": scanner,
            "study_instance_uid": told.study_instance_uid,
            "patient": told.patient,
            "hint": told.hint,
            "hint_kind": self._kind.value,
            "began_at": at,
            "acquired": told.acquired,
            "over_at": at if old else None,
        }
        connection.execute(sa.insert(_EXAMS), row)
        return exam_id

    def _token(self, patient: str) -> str:
        return token(patient, self._site_key) if patient else ""


def _current_acquired(connection: sa.Connection, scanner: str) -> str:
    current = sa.select(_EXAMS.c.acquired).where(_EXAMS.c.scanner == scanner, _EXAMS.c.over_at.is_(None))
    return str(connection.execute(current).scalar() or "")


def _end_current(connection: sa.Connection, scanner: str, at: float) -> None:
    current = (_EXAMS.c.scanner == scanner, _EXAMS.c.over_at.is_(None))
    connection.execute(sa.update(_EXAMS).where(*current).values(over_at=at))

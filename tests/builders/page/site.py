"""A board of the page over a real database, and series that are closed and answered in it."""

from dataclasses import replace

from builders.judging.values import instance
from daemon.core.people.exams import Whose
from daemon.core.values import ClosedBy, Series
from daemon.edge.database.answers import Answers
from daemon.edge.database.index import Index
from daemon.edge.database.results import Published, Results
from daemon.edge.database.studies.exams import Exams
from daemon.edge.files.reports import Reports
from daemon.edge.web.board import ExamBoard, Kept


class Site:
    """An index, its results and their board."""

    def __init__(self, engine, folder):
        self.index, self.results, self.exams = Index(engine, b"key"), Results(engine), Exams(engine, b"key")
        self.answers = Answers(engine)
        self.incoming = []
        self.reports = Reports(folder)
        self.board = self.new_board()
        self._closed = 0

    def new_board(self):
        """Another board over the same, which has seen nothing yet."""
        kept = Kept(exams=self.exams, results=self.results, answers=self.answers, reports=self.reports)
        return ExamBoard(kept, lambda: (len(self.incoming), self.incoming), self.index.card_id)

    def view(self):
        (view,) = self.board.current()
        return view

    def answer(self, uid, verdict, *, study="1.2", description="dynamic", images=2, revision=1):  # noqa: PLR0913 - each as a test needs
        """Close a series of a study, and answer it unless ``verdict`` is None."""
        self._closed += 1
        first = 100 * self._closed
        new = [replace(instance(first + n), series_instance_uid=uid, study_instance_uid=study) for n in range(images)]
        self.index.record(new, [], f"1:{self._closed}")
        self.index.close_series(
            Series(
                series_instance_uid=uid,
                study_instance_uid=study,
                revision=revision,
                instances=tuple(new),
                closed_by=ClosedBy.RELEASE,
                closed_at=100.0 + self._closed,
                partial=False,
            )
        )
        self.exams.enter("MR 1", Whose(study_instance_uid=study, protocol=description), 100.0 + self._closed, uid)
        if verdict is not None:
            self.publish(uid, verdict, description=description, revision=revision)

    def publish(self, uid, verdict, *, description="dynamic", revision=1, owed=()):
        """Record the verdict of a closed series."""
        published = Published(
            verdict=verdict,
            assessment=None,
            description=description,
            seconds={"verdict": 1.0},
            objects={},
            bundle="b",
            at=200.0,
        )
        self.results.publish(uid, revision, published, owed)

"""A board in memory, cards of every kind, and pictures that look enough like a head."""

import hashlib
import io
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import sqlalchemy as sa
from argon2 import PasswordHasher
from PIL import Image

from daemon.core.errors import Reason
from daemon.core.people.access import AccessSettings
from daemon.core.people.card import Answer, Card
from daemon.core.people.exams import Exam, ExamView, arrange
from daemon.core.values import Stage, State, Verdict
from daemon.edge.access.audit import Audit
from daemon.edge.access.sessions import Sessions
from daemon.edge.access.users import Users
from daemon.edge.database.schema import METADATA
from daemon.edge.web.access import Gate
from daemon.edge.web.sources import Sources


class MemoryBoard:
    """The Board protocol over dictionaries: an exam a scanner, and the answers to its cards."""

    def __init__(self, cards: Sequence[Card] = (), pictures: dict[str, bytes] | None = None) -> None:
        self._lock = threading.Lock()
        self._cards = {card.card_id: card for card in cards}
        self._pictures = dict(pictures or {})
        self._version = 0
        self._over: list[ExamView] = []
        self._begun = {card.scanner: time.time() for card in cards}

    def version(self) -> int:
        return self._version

    def current(self) -> Sequence[ExamView]:
        with self._lock:
            return [self._view(scanner) for scanner in sorted(self._begun)]

    def scanner(self, name: str) -> ExamView | None:
        return next((view for view in self.current() if view.exam.scanner == name), None)

    def exam(self, exam_id: str) -> ExamView | None:
        return next((view for view in (*self.current(), *self._over) if view.exam.exam_id == exam_id), None)

    def earlier(self, scanner: str, limit: int) -> Sequence[ExamView]:
        return [view for view in reversed(self._over) if view.exam.scanner == scanner][:limit]

    def picture(self, card_id: str) -> bytes | None:
        return self._pictures.get(card_id)

    def put(self, card: Card, picture: bytes | None = None) -> None:
        with self._lock:
            if picture is not None:
                self._pictures[card.card_id] = picture
            self._cards[card.card_id] = card
            self._begun.setdefault(card.scanner, time.time())
            self._version += 1

    def next_patient(self, scanner: str) -> None:
        """Another exam begins."""
        with self._lock:
            view = self._view(scanner)
            over = replace(view.exam, over_at=time.time())
            cards = [card for card in self._cards.values() if card.scanner == scanner]
            self._over.append(arrange(over, cards))
            self._cards = {card.card_id: card for card in self._cards.values() if card.scanner != scanner}
            self._begun[scanner] = time.time()
            self._version += 1

    def judged(self, card_id: str, revision: int) -> State | None:
        card = self._cards.get(card_id)
        return card.verdict.state if card and card.verdict and card.revision == revision else None

    def give(self, card_id: str, revision: int, answer: Answer) -> None:  # noqa: ARG002 - the protocol's
        self.put(replace(self._cards[card_id], answer=answer))

    def take_back(self, card_id: str, revision: int, answer: Answer) -> None:  # noqa: ARG002 - the protocol's
        self.put(replace(self._cards[card_id], answer=None))

    def _view(self, scanner: str) -> ExamView:
        number = sum(view.exam.scanner == scanner for view in self._over)
        exam_id = hashlib.sha256(f"{scanner}{number}".encode()).hexdigest()[:12]
        exam = Exam(exam_id=exam_id, scanner=scanner, hint="", began_at=self._begun[scanner])
        return arrange(exam, [card for card in self._cards.values() if card.scanner == scanner])


def sources(board: MemoryBoard, obstacles: Sequence[str] = (), **more: object) -> Sources:
    """What a page over this board shows, to whoever is at this machine unless there is another ``gate``."""
    shown = {"gate": gate(), "answers": board, **more}
    return Sources(board=board, ready=lambda: obstacles, **shown)  # type: ignore[arg-type]


def gate(*, loopback: bool = True, **settings: object) -> Gate:
    """Who comes in, over a database in memory; passwords are cheap to try."""
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool, connect_args={"check_same_thread": False})
    METADATA.create_all(engine)
    access = AccessSettings(**settings)  # type: ignore[arg-type]
    return Gate(
        settings=access,
        users=Users(engine, PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)),
        sessions=Sessions(engine, access),
        audit=Audit(engine),
        secret=b"secret",
        local=loopback,
    )


ACCEPT = Verdict(state=State.ACCEPT, action="Go on with the next series.", rating=4)
REVIEW = Verdict(
    state=State.REVIEW,
    cause="noise",
    cause_word="Noise",
    action="Look at the images before you go on.",
    reasons=("noise above the reference of this protocol (p = 0.012)",),
    rating=3,
)
RESCAN = Verdict(
    state=State.RESCAN,
    cause="motion",
    cause_word="Motion",
    action="Ask the patient to lie still and repeat the series.",
    reasons=("motion variance 0.31 above its limit 0.12", "grey matter uncertain by 18 ml"),
    rating=2,
)
NOT_ASSESSED = Verdict(
    state=State.NOT_ASSESSED, action="Judge the images yourself.", not_assessed=Reason.INCOMPLETE, rating=None
)


def card(card_id: str = "c1", *, age_s: float = 10, verdict: Verdict | None = ACCEPT, **changes: object) -> Card:
    """A finished card, unless told otherwise."""
    finished = Card(
        card_id=card_id,
        scanner="MR 1",
        description="t1_mprage_sag_p2_iso",
        stage=Stage.DONE,
        images=176,
        received_at=time.time() - age_s,
        verdict=verdict,
        seconds=4.2,
    )
    return replace(finished, **changes)  # type: ignore[arg-type]


def mixture() -> list[Card]:
    """A morning: one of everything."""
    wrap = replace(
        RESCAN, cause="wrap", cause_word="Wrap-around", action="Enlarge the field of view and repeat the series."
    )
    spike = replace(
        RESCAN, cause="spike", cause_word="RF spike", action="Repeat the series; if it returns, call service."
    )
    return [
        card("motion", age_s=95, verdict=RESCAN, seconds=3.9),
        card(
            "receiving", age_s=2, verdict=None, stage=Stage.RECEIVING, images=84, seconds=None, description="t2_tse_tra"
        ),
        card("waiting", age_s=6, verdict=None, stage=Stage.WAITING, images=24, scanner="MR 2", description="ep2d_diff"),
        card(
            "assessing", age_s=9, verdict=None, stage=Stage.ASSESSING, images=192, scanner="MR 2", description="t1_vibe"
        ),
        card("delivering", age_s=14, verdict=ACCEPT, stage=Stage.DELIVERING, description="t2_space_dark-fluid_sag"),
        card("good", age_s=240, description="t1_mprage_sag_p2_iso_ND", seconds=4.4),
        card("noisy", age_s=700, verdict=REVIEW, scanner="MR 2", description="PD TSE fs cor", images=32),
        card("few", age_s=1300, verdict=NOT_ASSESSED, description="localizer", images=3, seconds=0.4),
        card("late", age_s=1900, description="t2_flair_tra", images=40, revision=2),
        card("half", age_s=2500, verdict=REVIEW, description="T1W 3D TFE", partial=True, images=90, scanner="MR 2"),
        card("old", age_s=3900, verdict=RESCAN, description="t2_flair_tra", superseded=True, images=38),
        card("folded", age_s=5400, verdict=wrap, scanner="MR 2", description="cor T2"),
        card("stripes", age_s=9000, verdict=spike, description="t1_se_tra"),
    ]


def crowd(count: int) -> list[Card]:
    """Many cards, a verdict each in turn."""
    verdicts = (ACCEPT, ACCEPT, REVIEW, ACCEPT, NOT_ASSESSED, ACCEPT, RESCAN)
    return [
        card(
            f"c{n}", age_s=40 + 300 * n, verdict=verdicts[n % 7], scanner=f"MR {1 + n % 3}", description=f"protocol_{n}"
        )
        for n in range(count)
    ]


def wordy() -> list[Card]:
    """Everything longer than anybody planned for."""
    words = "T1W_3D_TFE_sagittal_isotropic_post_contrast_with_fat_suppression_SENSE_2x2_" * 2
    long_verdict = replace(
        RESCAN,
        cause="wrap",
        cause_word="Wrap-around",
        action="Enlarge the field of view in the phase encoding direction until no part of the head, the nose or the "
        "headphones folds over into the brain, and then repeat the whole series before the patient leaves.",
        reasons=tuple(f"{measure} is far above the reference of this protocol and scanner" for measure in range(12)),
    )
    scanner = "Neuroradiology ground floor, room 17, MAGNETOM"
    return [
        card("w1", age_s=3, verdict=long_verdict, description=words, scanner=scanner, partial=True, revision=12),
        card("w2", age_s=30, verdict=NOT_ASSESSED, description=words, scanner=scanner, superseded=True, revision=3),
        card("w3", age_s=90, verdict=None, stage=Stage.ASSESSING, description=words, scanner=scanner, images=123456),
    ]


def head_png(seed: int = 0, size: tuple[int, int] = (1024, 768)) -> bytes:
    """Three slices of something round with a bright overlay, on black: as busy as a real summary."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    rng = np.random.default_rng(seed)
    grey = np.zeros((height, width), np.float32)
    heat = np.zeros_like(grey)
    for column in range(3):
        u, v = (x - width * (2 * column + 1) / 6) / (width / 7), (y - height * 0.52) / (height / 3.2)
        radius = np.hypot(u, v)
        tissue = 0.55 + 0.18 * np.sin(9 * u + column) * np.cos(11 * v) + rng.normal(0, 0.03, grey.shape)
        grey += np.where(radius < 0.9, tissue, np.where(radius < 1, 0.9, 0))
        heat += np.where(radius < 0.85, np.exp(-((u - 0.3) ** 2 + (v + 0.2) ** 2) * 8), 0)
    rgb = np.stack([grey + 0.6 * heat, grey * (1 - 0.3 * heat), grey * (1 - 0.8 * heat)], axis=-1)
    buffer = io.BytesIO()
    Image.fromarray((255 * np.clip(rgb, 0, 1)).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def pictures(cards: Sequence[Card]) -> dict[str, bytes]:
    """A picture for every card with a verdict."""
    shared = [head_png(seed) for seed in range(2)]
    return {shown.card_id: shared[n % 2] for n, shown in enumerate(cards) if shown.verdict is not None}

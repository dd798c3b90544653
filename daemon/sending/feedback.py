"""What people made of the verdicts, looked at again and again for the metrics."""

import time

import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from daemon.config import Settings
from daemon.edge.supervisor import Loop, Turn
from daemon.edge.telemetry.feedback import Feedback

#: Between two looks.
_LOOK_S = 60.0


def feedback_turn(settings: Settings, engine: sa.Engine, registry: CollectorRegistry) -> Turn:
    """The looks, whose numbers ``registry`` tells."""
    references = {name: settings.references_of(name) for name in settings.bundle_folders}
    feedback = Feedback(engine, settings.scanners, references)
    registry.register(feedback)

    def turn() -> float:
        feedback.look(time.time())
        return _LOOK_S

    return Turn(Loop.OBSERVING, "feedback", turn)

"""The floor under the variances, lowered as the loss settles (Shaw et al. 2021, section 4.2)."""

from collections.abc import Mapping


class EpsilonSchedule:
    """``epsilon`` begins at 0.05; whenever the loss no longer falls, it and the learning rate are halved.

    That ends once epsilon is below 1e-3. ``patience``: so many reports without a loss lower by one per cent are a
    plateau.
    """

    def __init__(self, epsilon: float = 0.05, least: float = 1e-3, patience: int = 2) -> None:
        self.epsilon = epsilon
        self.rate_factor = 1.0
        self._least, self._patience = least, patience
        self._best, self._waited = float("inf"), 0

    def observe(self, means: Mapping[str, float]) -> None:
        """Take the mean ``loss`` of the last steps into account."""
        loss = means["loss"]
        if loss < self._best - 0.01 * abs(self._best) or self._best == float("inf"):
            self._best, self._waited = loss, 0
            return
        self._waited += 1
        if self._waited >= self._patience and self.epsilon >= self._least:
            self.epsilon /= 2
            self.rate_factor /= 2
            # a lower floor changes the loss itself: what was best before is no measure any more
            self._best, self._waited = float("inf"), 0

    def state_dict(self) -> dict[str, float]:
        """Everything that must be restored."""
        return {
            "epsilon": self.epsilon,
            "rate_factor": self.rate_factor,
            "best": self._best,
            "waited": float(self._waited),
        }

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Restore it."""
        self.epsilon, self.rate_factor = state["epsilon"], state["rate_factor"]
        self._best, self._waited = state["best"], int(state["waited"])

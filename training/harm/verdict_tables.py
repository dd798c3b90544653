"""What bundles decide about heads, beside each other: ranks, what was found, what was idle, causes, clean heads."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from daemon.core.values import State
from models.statistics.ranking import interval_over_groups, rank_correlation, risk_coverage
from training.evaluation.ranks import grey
from training.evaluation.tables import report_on
from training.harm.evaluated import Answer, BrainEvaluationPlan, Evaluated
from training.harm.spoilt_images import CLEAN, UNKNOWN
from training.harm.verdicts import judge_all

Numbers = npt.NDArray[np.float64]
#: A loss that must be found; one that is idle to repeat a scan for; one from which on the cause must be right.
HURT, IDLE = 0.10, 0.05
_RESAMPLES = 1000
_CERTAIN_CAUSE = 0.5


def evaluate_brain(plan: BrainEvaluationPlan) -> None:
    """Judge and print every table."""
    report = "\n".join(brain_report(judge_all(plan)))
    (plan.out / "report.md").write_text(report + "\n")
    print(report)


def brain_report(images: Sequence[Evaluated]) -> Iterator[str]:
    """Every table of some images, as Markdown lines."""
    yield f"# {len(images)} images of {len({one.person for one in images})} people"
    groups = {
        name: [one for one in images if one.simulator == name or one.artefact == CLEAN] for name in _simulators(images)
    }
    for name, group in groups.items():
        yield f"\n## Verdicts, artefacts by {name}\n" if name else "\n## Verdicts\n"
        yield from verdict_table(group)
        yield "\n### Ranks\n"
        yield from rival_table(group)
    for name, group in groups.items():
        labelled = [one.row for one in group if one.labelled and one.artefact != UNKNOWN]
        if labelled:
            yield f"\n# Labels and scores, artefacts by {name or 'nobody'}\n"
            yield from report_on(labelled)


def _simulators(images: Sequence[Evaluated]) -> list[str]:
    return list(dict.fromkeys(one.simulator for one in images if one.artefact != CLEAN)) or [""]


def losses_of(images: Sequence[Evaluated]) -> Numbers:
    """Grey-matter Dice lost against the same head clean, where labels were drawn, else the harm; no head loses all."""
    clean = {one.head: grey(one.row) for one in images if one.artefact == CLEAN and one.labelled}
    return np.array([_loss(one, clean.get(one.head)) for one in images])


def _loss(one: Evaluated, clean: float | None) -> float:
    if not one.row.scores:
        return 1.0
    return clean - grey(one.row) if one.labelled and clean is not None else one.harm


def verdict_table(images: Sequence[Evaluated]) -> Iterator[str]:
    """A column a bundle."""
    names, losses = list(images[0].answers), losses_of(images)
    yield "| what | " + " | ".join(names) + " |"
    yield "| --- |" + " --- |" * len(names)
    for what, tell in _LINES.items():
        cells = [tell(images, [one.answers[name] for one in images], losses) for name in names]
        yield f"| {what} | " + " | ".join(cells) + " |"


Tell = Callable[[Sequence[Evaluated], Sequence[Answer], Numbers], str]


def _counted(hits: Sequence[bool] | npt.NDArray[np.bool_]) -> str:
    """K of n, with the 95 % interval of the share (Clopper and Pearson 1934)."""
    n, k = len(hits), int(np.sum(hits))
    if not n:
        return "none"
    low = float(beta.ppf(0.025, k, n - k + 1)) if k else 0.0
    high = float(beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
    return f"{k} of {n} ({low:.0%} to {high:.0%})"


def _states(answers: Sequence[Answer], chosen: npt.NDArray[np.bool_]) -> str:
    counts = Counter(answer.state for answer, inside in zip(answers, chosen, strict=True) if inside)
    return ", ".join(f"{state} {counts[state]}" for state in State if counts[state]) or "none"


def _is(answers: Sequence[Answer], state: State) -> npt.NDArray[np.bool_]:
    return np.array([answer.state is state for answer in answers], bool)


def _clean(images: Sequence[Evaluated]) -> npt.NDArray[np.bool_]:
    return np.array([one.artefact == CLEAN for one in images], bool)


def _rank_of_loss(images: Sequence[Evaluated], answers: Sequence[Answer], losses: Numbers) -> str:
    expected = np.array([answer.expected for answer in answers])
    return _rank_with_interval(images, expected, losses) if np.isfinite(expected).any() else "not told"


def _coverage(_: Sequence[Evaluated], answers: Sequence[Answer], losses: Numbers) -> str:
    told = [np.isfinite(answer.expected) for answer in answers]
    inside = [a.low <= max(0.0, loss) <= a.high for a, loss in zip(answers, losses, strict=True)]
    return _counted([hit for hit, known in zip(inside, told, strict=True) if known])


def _causes(images: Sequence[Evaluated], answers: Sequence[Answer], losses: Numbers) -> str:
    """Of images with one known artefact that lost more than IDLE, whose strongest presence is that artefact."""
    right = [
        max(answer.presence, key=lambda name: answer.presence[name], default="") == one.artefact
        for one, answer, loss in zip(images, answers, losses, strict=True)
        if one.artefact not in (CLEAN, UNKNOWN) and loss > IDLE
    ]
    return _counted(right)


def _suspected(images: Sequence[Evaluated], answers: Sequence[Answer], _: Numbers) -> str:
    clean = [a for one, a in zip(images, answers, strict=True) if one.artefact == CLEAN]
    return _counted([max(answer.presence.values(), default=0.0) > _CERTAIN_CAUSE for answer in clean])


_LINES: dict[str, Tell] = {
    "clean heads": lambda images, answers, _: _states(answers, _clean(images)),
    "clean heads: RESCAN": lambda images, answers, _: _counted(_is(answers, State.RESCAN)[_clean(images)]),
    "clean heads with a cause above 0.5": _suspected,
    f"spoilt, lost <= {IDLE}": lambda i, a, losses: _states(a, ~_clean(i) & (losses <= IDLE)),
    f"spoilt, lost {IDLE} to {HURT}": lambda i, a, losses: _states(a, ~_clean(i) & (losses > IDLE) & (losses <= HURT)),
    f"lost > {HURT}": lambda _, a, losses: _states(a, losses > HURT),
    f"lost > {HURT}: not accepted": lambda _, a, losses: _counted(~_is(a, State.ACCEPT)[losses > HURT]),
    f"lost > {HURT}: RESCAN": lambda _, a, losses: _counted(_is(a, State.RESCAN)[losses > HURT]),
    f"RESCANs that lost <= {IDLE}": lambda _, a, losses: _counted((losses <= IDLE)[_is(a, State.RESCAN)]),
    f"cause first, lost > {IDLE}": _causes,
    "rho of the expected loss with the true one": _rank_of_loss,
    "loss inside its interval (nominal 90 %)": _coverage,
}


def rival_table(images: Sequence[Evaluated]) -> Iterator[str]:
    """Every measure by itself: how it ranks Dice, its loss and the harm; its area under the risk-coverage curve."""
    losses = losses_of(images)
    yield "| measure | rho with Dice | rho with its loss | rho with the harm | AURC | excess |"
    yield "| --- |" + " ---: |" * 5
    labelled = np.array([one.labelled for one in images])
    dices = np.where(labelled, [grey(one.row) for one in images], np.nan)
    harms = np.array([one.harm for one in images])
    for name, values in _measures(images).items():
        known = np.isfinite(values)
        sign = np.sign(rank_correlation(values, losses)) if known.any() else 1.0
        told = np.where(known, sign * values, np.nanmax(sign * values, initial=0.0))
        cells = [_rank_with_interval(images, told, one) for one in (dices, losses, harms)]
        area, excess = risk_coverage(told, losses)
        yield f"| {name} | " + " | ".join([*cells, f"{area:.4f}", f"{excess:.4f}"]) + " |"


def _measures(images: Sequence[Evaluated]) -> dict[str, Numbers]:
    told = {f"expected loss, {name}": [one.answers[name].expected for one in images] for name in images[0].answers}
    scores = {
        name: [one.row.scores.get(name, np.nan) for one in images] for name in ("uncertainty", "entropy", "snr", "cnr")
    }
    rivals = {
        name: [one.rivals.get(name, np.nan) for one in images]
        for name in dict.fromkeys(n for o in images for n in o.rivals)
    }
    columns = {name: np.array(values, float) for name, values in {**told, **scores, **rivals}.items()}
    return {name: values for name, values in columns.items() if np.isfinite(values).any()}


def _rank_with_interval(images: Sequence[Evaluated], told: Numbers, truth: Numbers) -> str:
    """Spearman's rho with its 95 % percentile interval; people are drawn, for the images of one are not independent."""
    people = [one.person for one in images]
    rho = rank_correlation(told, truth)
    if len(set(people)) < 2:  # nobody else to draw
        return f"{rho:.3f}"
    low, high = interval_over_groups(lambda index: rank_correlation(told[index], truth[index]), people, _RESAMPLES)
    return f"{rho:.3f} ({low:.3f} to {high:.3f})" if np.isfinite(low) else f"{rho:.3f}"

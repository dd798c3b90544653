"""How far something is: what a person sees on a terminal, and what stays in a file."""

import io

from daemon.edge.telemetry.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream, steps, things="series judged"):
    """What is written while the clock goes through ``steps``: (time, done, total)."""
    clock = iter([time for time, _, _ in steps])
    progress = Progress(things, stream, lambda: next(clock))
    for _, done, total in steps:
        progress.show(done, total)
    progress.end()
    return stream.getvalue()


def test_a_terminal_has_a_bar_and_an_estimate_by_the_pace_of_this_run():
    said = shown(Terminal(), [(0.0, 400, 1000), (10.0, 400, 1000), (600.0, 700, 1000), (1200.0, 1000, 1000)])
    lines = said.replace("\r\x1b[K", "\n").split("\n")

    assert f"[{'#' * 12}{'.' * 18}] 400 of 1000 series judged" == lines[1] == lines[2]  # no pace yet
    assert f"[{'#' * 21}{'.' * 9}] 700 of 1000 series judged, about 10 min left" == lines[3]
    assert f"[{'#' * 30}] 1000 of 1000 series judged" == lines[4]
    assert said.endswith("\n")


def test_a_file_gets_a_line_a_minute_and_the_end():
    steps = [(float(second), second, 150) for second in range(151)]

    lines = shown(io.StringIO(), steps).splitlines()

    assert ["60 of 150 series judged, about 90 s left", "120 of 150 series judged, about 30 s left"] == lines[:2]
    assert ["150 of 150 series judged"] == lines[2:]


def test_a_total_may_be_unknown_or_nothing():
    assert "\r\x1b[K7 files looked at\n" == shown(Terminal(), [(0.0, 7, None)], "files looked at")
    assert "0 of 0 series judged\n" == shown(io.StringIO(), [(0.0, 0, 0)])

from __future__ import annotations

import io

import pytest

from lippycat_core.cli.progress import ProgressLine, describe
from lippycat_core.interfaces.capture import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_run_of_less_than_a_second_shows_nothing() -> None:
    clock, stream = Clock(), io.StringIO()
    line = ProgressLine(stream, clock)
    for _ in range(9):
        clock.now += 0.1
        line(Progress(10, 100), 1000)
    line.close()
    assert stream.getvalue() == ""


def test_at_most_five_lines_a_second_are_drawn_and_the_last_is_wiped() -> None:
    clock, stream = Clock(), io.StringIO()
    line = ProgressLine(stream, clock)
    for step in range(300):
        clock.now += 0.01
        line(Progress(step, 300), step)
    assert stream.getvalue().count("packets") <= 5 * 2 + 1
    line.close()
    assert stream.getvalue().endswith("\r")
    assert stream.getvalue().split("\r")[-2].strip() == ""


def test_it_steps_aside_for_results_and_comes_back_below_them() -> None:
    clock, stream = Clock(), io.StringIO()
    line = ProgressLine(stream, clock)
    clock.now += 1
    line(Progress(1, 2), 10)
    drawn = stream.getvalue()
    assert drawn.startswith("\r10 packets")
    line.emit([])
    assert stream.getvalue() == drawn + "\r" + " " * (len(drawn) - 1) + "\r"
    before = len(stream.getvalue())
    clock.now += 0.01
    line(Progress(2, 2), 20)
    assert stream.getvalue()[before:] == drawn  # too early for new numbers
    line.close()
    line.close()
    assert stream.getvalue().count("packets") == 2


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (Progress(25, 100), "1,000 packets, 500/s, 25 %, 6 s left"),
        (Progress(1, 1001), "1,000 packets, 500/s, 0 %, 33 min 20 s left"),
        (Progress(25, None), "1,000 packets, 500/s"),
        (Progress(0, 100), "1,000 packets, 500/s"),
        (Progress(120, 100), "1,000 packets, 500/s"),
    ],
)
def test_what_is_not_known_is_not_said(progress: Progress, line: str) -> None:
    assert describe(progress, 1000, 2.0) == line

"""`lc debug`: a running capture is asked about itself. The options; what is asked and shown is imported when a command runs."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import typer

from lippycat_core.cli.options import with_options


class Asked(NamedTuple):
    """Which run is asked, how often, and how its answer is shown."""

    pid: int | None
    as_json: bool
    watch: float | None


def asked_options(
    pid: Annotated[int | None, typer.Option(metavar="N", min=1, help="Process to ask, where several runs go on.")] = None,
    as_json: Annotated[bool, typer.Option("--json/--no-json", help="The answer as a JSON object.")] = False,
    watch: Annotated[float | None, typer.Option(metavar="S", min=0.1, help="Ask again every S seconds, until Ctrl-C.")] = None,
) -> Asked:
    """Options that all of them take."""
    return Asked(pid, as_json, watch)


@with_options(asked=asked_options)
def health(*, asked: Asked) -> int:
    """Whether a running capture is well: exit code 0 healthy, 1 degraded, 4 nothing runs."""
    from lippycat_core.cli.asking import show

    return show("health", asked)


@with_options(asked=asked_options)
def summary(*, asked: Asked) -> int:
    """All about a running capture in short: packets, tables, buffers, alerts."""
    from lippycat_core.cli.asking import show

    return show("summary", asked)


@with_options(asked=asked_options)
def metrics(*, asked: Asked) -> int:
    """Every metric of a running capture, named as in Prometheus."""
    from lippycat_core.cli.asking import show

    return show("metrics", asked)


@with_options(asked=asked_options)
def streams(*, asked: Asked) -> int:
    """What a running capture follows: conversations, connections, calls and streams."""
    from lippycat_core.cli.asking import show

    return show("streams", asked)


@with_options(asked=asked_options)
def buffers(*, asked: Asked) -> int:
    """What a running capture holds back: TCP segments, fragments, batches; and what it lost."""
    from lippycat_core.cli.asking import show

    return show("buffers", asked)


@with_options(asked=asked_options)
def alerts(
    active_only: Annotated[
        bool, typer.Option("--active-only/--no-active-only", help="Leave out those that were cleared.")
    ] = False,
    *,
    asked: Asked,
) -> int:
    """What is wrong with a running capture, and what was."""
    from lippycat_core.cli.asking import show

    return show("alerts", asked, active_only=active_only)


@with_options(asked=asked_options)
def config(*, asked: Asked) -> int:
    """Every setting of a running capture, and where its value came from."""
    from lippycat_core.cli.asking import show

    return show("config", asked)


@with_options(asked=asked_options)
def stacks(*, asked: Asked) -> int:
    """Where each thread of a running capture is."""
    from lippycat_core.cli.asking import show

    return show("stacks", asked)


@with_options(asked=asked_options)
def heap(*, asked: Asked) -> int:
    """What fills the memory of a running capture: by line where PYTHONTRACEMALLOC is set, else by type."""
    from lippycat_core.cli.asking import show

    return show("heap", asked)

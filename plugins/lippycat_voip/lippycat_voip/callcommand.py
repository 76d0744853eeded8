"""The command that runs for each finished call: what of a call's record it gets, and the sink for runs without files of calls."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from lippycat_core.batch import Batch
from lippycat_core.events import Event
from lippycat_core.writing.commands import Command, Commands
from lippycat_core.writing.files import FileFacts
from lippycat_voip.filing import After

VALUES = ("callid", "caller", "called", "calldate", "state", "code", "method", "pcap", "dirname")
"""What the command line may have between percent signs, and the environment has behind LIPPYCAT_."""


def call_values(record: Mapping[str, object], facts: FileFacts | None) -> dict[str, str]:
    """These values of a call; empty where something was not seen, or the call has no file."""
    return {
        "callid": str(record["call_id"] or ""),
        "caller": _user(record["from"]),
        "called": _user(record["to"]),
        "calldate": str(record["first"]),
        "state": str(record["state"]),
        "code": "" if record["code"] is None else str(record["code"]),
        "method": str(record["method"] or ""),
        "pcap": facts.path if facts is not None else "",
        "dirname": os.path.dirname(facts.path) if facts is not None else "",
    }


def _user(party: object) -> str:
    return str(party.get("user") or party.get("uri") or "") if isinstance(party, Mapping) else ""


def after_call(commands: Commands, command: Command) -> After:
    """Runs `command` for a call."""

    def after(record: Mapping[str, object], facts: FileFacts | None) -> None:
        file = facts.as_json() if facts is not None else None
        commands.run(command, call_values(record, facts), {"record": "call", **record, "pcap": file})

    return after


class CallCommands:
    """A sink that calls `after` for each call that is written."""

    def __init__(self, after: After) -> None:
        self._after = after

    def packets(self, batch: Batch) -> None:
        """See Sink; packets are not looked at."""

    def emit(self, events: Sequence[Event]) -> None:
        """See Sink."""
        for event in events:
            if event.name == "call":
                self._after(event.fields, None)

    def close(self) -> None:
        """See Sink."""

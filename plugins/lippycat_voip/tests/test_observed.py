"""What the dissector says of itself while it runs is what its records say in the end."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from lippycat_core.batch import Batch
from lippycat_core.interfaces.dissect import Observed
from lippycat_core.testing.runs import run
from lippycat_voip.dissector import VoipDissector

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "two-calls.pcap"
HEAD, RECORD = 24, 16


class Asking:
    """A sink that asks the dissector after each batch."""

    def __init__(self, dissector: VoipDissector) -> None:
        self._dissector = dissector
        self.held: list[dict[str, int]] = []

    def packets(self, batch: Batch) -> None:
        self.held.append(dict(self._dissector.held()))

    def emit(self, events: object) -> None: ...

    def close(self) -> None: ...


def twice(path: Path) -> None:
    """Write the example with every packet captured twice."""
    data = EXAMPLE.read_bytes()
    out, at = bytearray(data[:HEAD]), HEAD
    while at < len(data):
        end = at + RECORD + int.from_bytes(data[at + 8 : at + 12], "little")
        out += 2 * data[at:end]
        at = end
    path.write_bytes(out)


def test_it_holds_what_it_follows_and_nothing_in_the_end() -> None:
    dissector = VoipDissector()
    asking = Asking(dissector)
    told = run(EXAMPLE, dissector, batch_packets=64, sinks=[asking])
    assert isinstance(dissector, Observed)
    assert max(held["calls"] for held in asking.held) == len(told.named("call")) == 2
    assert max(held["streams"] for held in asking.held) == len(told.named("stream"))
    assert all(held["dialogs"] == 0 for held in asking.held)
    assert dissector.held() == {"calls": 0, "dialogs": 0, "streams": 0}


def test_what_came_twice_is_what_the_records_count(tmp_path: Path) -> None:
    once, doubled = tmp_path / "once.pcap", tmp_path / "twice.pcap"
    shutil.copy(EXAMPLE, once)
    twice(doubled)
    for path, copies in ((once, False), (doubled, True)):
        dissector = VoipDissector()
        told = run(path, dissector)
        summary: Any = told.summary
        duplicates = sum(int(str(stream["duplicates"])) for stream in told.named("stream"))
        assert dissector.repeated() == {
            "sip_copy": summary["sip"]["copies"],
            "sip_retransmission": summary["sip"]["retransmissions"],
            "rtp_duplicate": duplicates,
        }
        assert (summary["sip"]["copies"] > 0, duplicates > 0) == (copies, copies)

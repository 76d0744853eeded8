"""Calls live: the answer is that of the file with the same packets, a quiet link lets calls end, and losses are told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from lippycat_core.batch import Batch
from lippycat_core.builtin.files import open_source
from lippycat_core.events import Event
from lippycat_core.interfaces.capture import CaptureSource, Fault, Progress
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.testing.runs import run
from lippycat_core.testing.wire import FAR, why_not, wire
from lippycat_voip.dissector import VoipDissector
from lippycat_voip.losses import MOST_SPANS, LossLog
from lippycat_voip.mediafilter import signalling_alone

EXAMPLE = Path(__file__).parents[3] / "examples" / "two-calls.pcap"

_CAPTURE = """
import json, sys, time
from lippycat_core.builtin.afpacket import AfPacketSource
from lippycat_core.builtin.pcapwriter import PcapWriter
from lippycat_core.kernelset import Interpreted
from lippycat_core.testing.runs import run
from lippycat_voip.dissector import VoipDissector
end = time.monotonic() + float(sys.argv[3])
source = AfPacketSource([sys.argv[1]], Interpreted(), stop=lambda: time.monotonic() > end)
print(json.dumps(run(source, VoipDissector(), sinks=[PcapWriter(sys.argv[2])]).records))
"""
"""Analyse and write the same packets."""


def test_live_is_offline(tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    written = tmp_path / "written.pcap"
    with wire() as cable:
        script = cable.command(sys.executable, "-c", _CAPTURE, FAR, written, "4")
        capture = subprocess.Popen(script, stdout=subprocess.PIPE)
        cable.wait_until_captured()
        cable.send(EXAMPLE)
        out, _ = capture.communicate(timeout=60)
    live = json.loads(out)
    offline = json.loads(json.dumps(run(written, VoipDissector()).records))
    assert [record["record"] for record in live].count("call") == 2
    assert {record.pop("capture_loss") for record in live if record["record"] == "stream"} == {"no"}
    assert {record.pop("capture_loss") for record in offline if record["record"] == "stream"} == {"unknown"}
    assert live[-1].pop("capture") == {"interfaces": [FAR], "outages": {}}
    assert live[-1]["accounting"].pop("dropped") == {"kernel": 0}
    assert offline[-1]["accounting"].pop("dropped") == {}
    assert live == offline


class QuietLink:
    """A file's packets, and then nothing for `silence_s`, as a live source tells it; packets were dropped in `lost`."""

    def __init__(self, path: Path, silence_s: int, lost: tuple[int, int]) -> None:
        self._file: CaptureSource = open_source([str(path)], Interpreted())
        self._silence_s = silence_s
        self._lost = lost
        self._now_ns = 0
        self.heard: list[str] = []
        self.heard_in_time: list[str] = []

    def bind(self, kernels: KernelSet) -> None:
        self._file.bind(kernels)

    def fill(self, batch: Batch, timeout_ms: int) -> bool:
        batch.lost = self._lost
        if self._file.fill(batch, timeout_ms):
            self._now_ns = int(batch.frame.ts_ns[: batch.rows].max(initial=self._now_ns))
            return True
        batch.rows = 0
        if self._silence_s < 0:
            self.heard_in_time = list(self.heard)
            return False
        self._silence_s -= 1
        self._now_ns += 1_000_000_000
        batch.clock_ns = self._now_ns
        return True

    def dropped(self) -> Mapping[str, int]:
        return {"kernel": 0}

    def faults(self) -> Sequence[Fault]:
        return ()

    def progress(self) -> Progress:
        return self._file.progress()

    def close(self) -> None:
        self._file.close()

    # -- a sink too: what was written so far
    def packets(self, batch: Batch) -> None:
        """Nothing."""

    def emit(self, events: Sequence[Event]) -> None:
        self.heard += [event.name for event in events]


@pytest.mark.parametrize(("silence_s", "calls"), [(20, 0), (40, 2)])
def test_a_quiet_link_lets_calls_end(silence_s: int, calls: int) -> None:
    link = QuietLink(EXAMPLE, silence_s, (0, 0))
    records = run(link, VoipDissector(), sinks=[link]).records
    assert link.heard_in_time.count("call") == calls
    assert [record["record"] for record in records].count("call") == 2


def test_streams_say_whether_packets_were_dropped_while_they_ran() -> None:
    def losses(lost: tuple[int, int]) -> list[str]:
        records = run(QuietLink(EXAMPLE, 0, lost), VoipDissector()).records
        return [record["capture_loss"] for record in records if record["record"] == "stream"]

    streams: list[dict[str, Any]] = [one for one in run(EXAMPLE, VoipDissector()).records if one["record"] == "stream"]
    assert set(losses((0, 0))) == {"no"}
    first = min(streams, key=lambda one: one["last_ns"])
    said = losses((first["first_ns"], first["first_ns"] + 1))
    touched = [one["first_ns"] <= first["first_ns"] + 1 and one["last_ns"] >= first["first_ns"] for one in streams]
    assert said == ["yes" if touch else "no" for touch in touched]
    assert "yes" in said


def test_a_log_of_losses_is_bounded_and_forgets_none() -> None:
    log = LossLog()
    assert log.during(0, 10) == "unknown"
    step = 10_000_000_000
    for n in range(1, MOST_SPANS + 100):
        log.note(n * step, n * step + 5)
    assert log.during(0, step - 1) == "no"
    assert all(log.during(n * step, n * step) == "yes" for n in range(1, MOST_SPANS + 100))
    assert log.during((MOST_SPANS + 98) * step + 6, (MOST_SPANS + 98) * step + 7) == "no"


@pytest.mark.parametrize(
    ("expression", "alone"),
    [
        ("udp port 5060", True),
        ("udp port 5060 or tcp port 5060 or 5061", True),
        ("host 192.0.2.1 and (port 5060)", True),
        ("udp", False),
        ("udp port 5060 or udp portrange 10000-20000", False),
        ("not port 22", False),
        ("host 192.0.2.1", False),
        ("udp port 5060 or tcp port 5060", True),
        ("vlan and udp port 5060", True),
        ("vlan 5 and (udp port 5060 or tcp port 5060)", True),
        ("udp port 5060 or (vlan and udp port 5060)", True),
        ("udp port 5060 or vlan", False),
        ("(udp or tcp) and port 5060", True),
        ("udp port 5060 || tcp port 5060 && net 192.0.2.0/24", True),
        ("udp port 5060 or ip[6:2] & 0x1fff != 0", True),
        ("udp[2:2] == 5060", True),
        ("portrange 5060-5061", True),
        ("port 5060 or portrange 10000-20000", False),
        ("port 5060 or (udp and portrange 10000-20000)", False),
        ("tcp", True),
        ("tcp port 5060 or vlan 7 and tcp", True),
        ("sctp port 5060", True),
        ("port 5060 and not host 192.0.2.1", True),
        ("! port 22", False),
        ("icmp", False),
        ("port 5060 or (", False),
    ],
)
def test_a_filter_that_cuts_media_off_is_known(expression: str, alone: bool) -> None:
    assert signalling_alone(expression) is alone


@pytest.mark.parametrize("expression", ["udp port 5060", "udp port 5060 or tcp port 5060", "vlan 7 and udp port 5060"])
def test_media_that_is_cut_off_is_told(expression: str) -> None:
    if reason := why_not():
        pytest.skip(reason)
    lc = Path(sys.executable).with_name("lc")
    with wire() as cable:
        args = (lc, "sniff", "voip", "-i", FAR, "-f", expression, "--duration", "1", "--user", "root", "--compiler", "pure")
        done = subprocess.run(cable.command(*args), check=True, capture_output=True, text=True, timeout=60)
    assert done.stderr == f"lc: -f {expression!r} cuts off media, whose ports are others: calls will have no streams\n"

"""Real captures: what tshark decrypted is what we decrypt, with secrets from a key log and from the capture itself."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from lippycat_core.events import Event
from lippycat_core.interfaces.dissect import Segment
from lippycat_core.interfaces.layer import TLS_KEY_LOG
from lippycat_core.testing.quiet import QuietDissector
from lippycat_core.testing.runs import run
from lippycat_tls.layer import Tls

PUBLIC = "wireshark-4.0.17__"


class Listener(QuietDissector):
    """Keeps what TLS carries, by connection and side, and in which packets it came."""

    name = "listener"
    kinds = ("inside",)

    def __init__(self) -> None:
        self.heard: list[list[tuple[int, bytes]]] = []
        self.records: list[tuple[int, ...]] = []
        self._numbers: dict[object, int] = {}

    def claim_stream(self, head: memoryview) -> bool | None:
        return bytes(head[:4]) in (b"GET ", b"HEAD")

    def rows(self, segment: Segment) -> Iterable[Event]:
        for run_ in segment.runs:
            if run_.connection.owner is self:
                assert run_.connection.transport == "tls"
                if run_.connection not in self._numbers:
                    self._numbers[run_.connection] = len(self.heard)
                    self.heard.append([])
                data = bytes(segment.batch.mem[run_.off : run_.off + run_.length])
                self.heard[self._numbers[run_.connection]].append((run_.side, data))
                self.records.append(tuple(run_.records))
        return ()


def as_tshark(heard: list[tuple[int, bytes]]) -> str:
    """What `-z follow,tls,ascii` prints: turns, the server's indented, with the bytes that are no text as dots."""
    turns: list[tuple[int, bytes]] = []
    for side, data in heard:
        if turns and turns[-1][0] == side:
            turns[-1] = (side, turns[-1][1] + data)
        elif data:
            turns.append((side, data))
    return "\n".join(("\t" if side else "") + f"{len(data)}\n" + data.decode("latin-1") for side, data in turns)


def squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("name", ["tls12-dsb.pcapng", "tls13-20-chacha20poly1305.pcap"])
@pytest.mark.parametrize("batch_packets", [1, 3, 4096])
@pytest.mark.parametrize("threads", [1, 2])
def test_decrypted_streams(captures: Path, name: str, batch_packets: int, threads: int) -> None:
    path = captures / f"{PUBLIC}{name}"
    truth = json.loads(path.with_name(path.name + ".truth.json").read_text())["tls_decrypted_streams"]
    layer, listener = Tls(), Listener()
    keys = path.with_name(path.name + ".keys")
    if keys.exists():
        layer.learn(TLS_KEY_LOG, keys.read_bytes())
    summary = run(path, listener, layers=[layer], batch_packets=batch_packets, threads=threads).summary
    assert summary["evicted"] == {}
    assert len(listener.heard) == len(truth) == 2
    for heard, stream in zip(listener.heard, truth, strict=True):
        told = stream["decrypted_text_start"].split("=====")[0]
        assert len(told) > 300
        assert squeezed(as_tshark(heard)).startswith(squeezed(told))


def test_secrets_in_the_capture_do_nothing_without_a_layer(captures: Path) -> None:
    listener = Listener()
    run(captures / f"{PUBLIC}tls12-dsb.pcapng", listener)
    assert listener.heard == []


def test_several_captures_with_secrets_are_merged(captures: Path) -> None:
    path = captures / f"{PUBLIC}tls12-dsb.pcapng"
    for batch_packets in (1, 5, 4096):
        listener = Listener()
        both = [path, captures / f"{PUBLIC}tls13-20-chacha20poly1305.pcap"]
        run(both, listener, layers=[Tls()], batch_packets=batch_packets)
        assert [len(heard) for heard in listener.heard] == [2, 2]

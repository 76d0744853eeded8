"""Live: TLS is read while its key log grows, and WebSocket and SCTP beside it."""

from __future__ import annotations

import json
import signal
import ssl
import sys
import time
from pathlib import Path

import pytest
from peers import contexts, talk

from lippycat_core.testing.packets import write_pcap
from lippycat_core.testing.sctp import data, packet
from lippycat_core.testing.streams import tcp_conversation, upgrade, upgraded
from lippycat_core.testing.wire import FAR, why_not, wire

pytest.importorskip("lippycat_voip", reason="lippycat-voip is not installed: no SIP to read")

from wrapped import call, framed

LC = Path(sys.executable).with_name("lc")


def test_secrets_may_come_behind_their_packets(tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    if not LC.exists():
        pytest.skip("no lc beside the interpreter: install lippycat-core")
    tls = talk(contexts(ssl.TLSVersion.TLSv1_3), call(1))
    records = tcp_conversation(tls.sent)
    first, then = write_pcap(tmp_path / "1.pcap", records), tmp_path / "2.pcap"
    websocket = tcp_conversation([(0, upgrade()), (1, upgraded()), *framed(call(2))], ends=(("192.0.2.7", 1), ("192.0.2.8", 80)))
    ends = ("192.0.2.7", 5060), ("192.0.2.8", 5060)
    tsn, sctp = [1, 1], []
    for side, text in call(3):
        sctp.append(packet(*ends[:: 1 - 2 * side], data(tsn[side], text), tag=7 + side))
        tsn[side] += 1
    write_pcap(then, [*websocket, *(records[0]._replace(data=one) for one in sctp)])
    keys = tmp_path / "keys.log"
    with wire() as cable:
        process = cable.start(LC, "sniff", "voip", "-i", FAR, "--tls-keylog", keys, "-q")
        cable.wait_until_captured()
        cable.send(first)
        time.sleep(1)
        keys.write_bytes(tls.log)  # it was not even there
        cable.send(then)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    said = [json.loads(line) for line in out.splitlines()]
    calls = {record["call_id"]: record["transport"] for record in said if record["record"] == "call"}
    assert calls == {f"call-{n}@example.org": [name] for n, name in ((1, "tls"), (2, "ws"), (3, "sctp"))}, errors
    assert {record["state"] for record in said if record["record"] == "call"} == {"ended"}
    assert said[-1]["evicted"] == {}

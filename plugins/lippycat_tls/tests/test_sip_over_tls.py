"""SIP over TLS, and over WebSocket in TLS, says what the same SIP over TCP says: in the pipeline, and by the command."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from peers import Said, Wire, contexts, talk

from lippycat_core.builtin.pcapwriter import PcapWriter
from lippycat_core.builtin.websocket import WebSocket
from lippycat_core.interfaces.layer import TLS_KEY_LOG
from lippycat_core.testing.packets import Record, pcap, write_pcap
from lippycat_core.testing.pcapng import Blocks
from lippycat_core.testing.runs import run
from lippycat_core.testing.streams import tcp_conversation, upgrade, upgraded
from lippycat_tls.layer import Tls

pytest.importorskip("lippycat_voip", reason="lippycat-voip is not installed: no SIP to read inside TLS")

from wrapped import call, facts, framed, over

from lippycat_voip.dissector import VoipDissector, VoipOptions
from lippycat_voip.selection import Filters

LC = Path(sys.executable).with_name("lc")
CONVERSATION = [*call(1), *call(2)]
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module", params=VERSIONS, ids=["1.2", "1.3"])
def wire(request: pytest.FixtureRequest) -> Wire:
    return talk(contexts(request.param), CONVERSATION)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[Mapping[str, object]]:
    return facts(tmp_path_factory.mktemp("plain") / "x.pcap", tcp_conversation(CONVERSATION))


def layer(wire: Wire) -> Tls:
    made = Tls()
    made.learn(TLS_KEY_LOG, wire.log)
    return made


@pytest.mark.parametrize("batch_packets", [1, 7, 4096])
@pytest.mark.parametrize("segment", [90, 1400])
def test_the_same_calls_as_over_tcp(tmp_path: Path, wire: Wire, plain: Any, segment: int, batch_packets: int) -> None:
    records = tcp_conversation(wire.sent, segment=segment, close=True)
    said = facts(tmp_path / "tls.pcap", records, layer(wire), WebSocket(), batch_packets=batch_packets)
    assert said == over(plain, "tls")


def test_websocket_inside(tmp_path: Path, plain: Any) -> None:
    inside: Sequence[Said] = [(0, upgrade("Cookie: " + "c" * 2000)), (1, upgraded()), *framed(CONVERSATION)]
    wire = talk(contexts(ssl.TLSVersion.TLSv1_3), inside)
    records = tcp_conversation(wire.sent, segment=500)
    for batch_packets in (1, 4096):
        said = facts(tmp_path / "wss.pcap", records, layer(wire), WebSocket(), batch_packets=batch_packets)
        assert said == over(plain, "wss")


def test_web_traffic_inside_is_let_go(tmp_path: Path) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000)
    wire = talk(contexts(ssl.TLSVersion.TLSv1_3), [(0, b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"), (1, page)] * 3)
    said = facts(tmp_path / "web.pcap", tcp_conversation(wire.sent), layer(wire), WebSocket(), batch_packets=20)
    assert said[-1]["evicted"] == {}
    assert len(said) == 1


def test_the_packets_of_a_call_are_those_that_its_messages_came_in(tmp_path: Path, wire: Wire) -> None:
    records = tcp_conversation(wire.sent, segment=300)
    path = write_pcap(tmp_path / "tls.pcap", records)
    last = [record.data for record in tcp_conversation(talk_of_last(wire), segment=300)[2:]]
    dissector = VoipDissector(VoipOptions(packets=True, filters=Filters(call_ids=("call-2@example.org",))))
    sink = dissector.packets(PcapWriter(str(tmp_path / "out.pcap"), [str(path)]))
    run(path, dissector, layers=[layer(wire)], sinks=[sink])
    written = run(tmp_path / "out.pcap").summary
    assert (written["packets"], written["bytes"]) == (len(last), sum(map(len, last)))


@pytest.mark.parametrize("websocket", [False, True], ids=["tls", "wss"])
def test_what_is_written_can_be_read_with_the_same_keys(tmp_path: Path, websocket: bool) -> None:
    inside: Sequence[Said] = [(0, upgrade()), (1, upgraded()), *framed(CONVERSATION)] if websocket else CONVERSATION
    for version in VERSIONS:
        wire = talk(contexts(version), inside)
        records = tcp_conversation(wire.sent, segment=300, close=True)
        path = write_pcap(tmp_path / "in.pcap", records)
        whole = facts(path, records, layer(wire), WebSocket())
        files = []
        for batch_packets in (1, 7, 4096):
            out = tmp_path / f"out{batch_packets}.pcap"
            dissector = VoipDissector(VoipOptions(packets=True))
            sink = dissector.packets(PcapWriter(str(out), [str(path)]))
            run(path, dissector, layers=[layer(wire), WebSocket()], sinks=[sink], batch_packets=batch_packets)
            files.append(out.read_bytes())
            assert [record["state"] for record in run(out, VoipDissector(), layers=[layer(wire), WebSocket()]).named("call")] == [
                record["state"] for record in whole if record.get("record") == "call"
            ]
            again = run(out, VoipDissector(VoipOptions(messages=True)), layers=[layer(wire), WebSocket()])
            assert len(again.named("message")) == len(CONVERSATION)
        assert files[0] == files[1] == files[2]


def talk_of_last(wire: Wire) -> list[Said]:
    """What was sent of the last call: one write a message, so one turn each."""
    return wire.sent[-len(call(2)) :]


def test_secrets_behind_their_packets_open_what_waits_if_more_are_expected(tmp_path: Path, wire: Wire, plain: Any) -> None:
    make = Blocks()
    records = tcp_conversation(wire.sent)
    packets = [make.enhanced(record.ts_ns // 1000, record.data) for record in records]
    path = tmp_path / "late.pcapng"
    path.write_bytes(make.section() + make.interface() + b"".join(packets) + make.secrets(wire.log))
    for batch_packets in (1, 5, 4096):
        result = run(path, VoipDissector(), layers=[expecting()], batch_packets=batch_packets)
        calls = result.named("call")
        assert [record["transport"] for record in calls] == [["tls"], ["tls"]]
        over_tcp = [(record["state"], record["ended_by"]) for record in plain if record.get("record") == "call"]
        assert [(record["state"], record["ended_by"]) for record in calls] == over_tcp
        said = run(path, VoipDissector(VoipOptions(messages=True)), layers=[expecting()], batch_packets=batch_packets)
        order = [(record.get("method"), record.get("code")) for record in said.named("message")]
        assert order == [(record.get("method"), record.get("code")) for record in plain if record.get("record") == "message"]


def expecting() -> Tls:
    made = Tls()
    made.expect(True)
    return made


# -- the command --------------------------------------------------------------------------------------------------------


def lc(*args: str | Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    if not LC.exists():
        pytest.skip("no lc beside the interpreter: install lippycat-core")
    return subprocess.run([str(LC), "sniff", "voip", *map(str, args)], capture_output=True, text=True, timeout=60, env=env)


def calls(done: subprocess.CompletedProcess[str]) -> list[Any]:
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    return [record["transport"] for record in records if record["record"] == "call"]


@pytest.fixture
def capture(tmp_path: Path, wire: Wire) -> tuple[Path, Path]:
    keys = tmp_path / "keys.log"
    keys.write_bytes(b"# made by a test\n" + wire.log.rstrip(b"\n"))
    return write_pcap(tmp_path / "tls.pcap", tcp_conversation(wire.sent)), keys


def test_a_key_log_by_option_variable_and_file(capture: tuple[Path, Path], tmp_path: Path) -> None:
    path, keys = capture
    assert calls(lc(path)) == []
    assert calls(lc(path, "--tls-keylog", keys)) == [["tls"], ["tls"]]
    home = {"HOME": str(tmp_path), "PATH": ""}
    assert calls(lc(path, env={**home, "SSLKEYLOGFILE": str(keys)})) == [["tls"], ["tls"]]
    assert calls(lc(path, env={**home, "LIPPYCAT_TLS__KEYLOG": str(keys), "SSLKEYLOGFILE": "/nowhere"})) == [["tls"], ["tls"]]
    assert calls(lc(path, "--tls-keylog", "", env={**home, "SSLKEYLOGFILE": str(keys)})) == []
    config = tmp_path / "config.yaml"
    config.write_text(f"tls:\n  keylog: {keys}\n")
    assert calls(lc(path, "--config", config)) == [["tls"], ["tls"]]


def test_secrets_of_the_capture(tmp_path: Path, wire: Wire) -> None:
    make = Blocks()
    packets = [make.enhanced(record.ts_ns // 1000, record.data) for record in tcp_conversation(wire.sent)]
    path = tmp_path / "tls.pcapng"
    path.write_bytes(make.section() + make.interface() + make.secrets(wire.log) + b"".join(packets))
    assert calls(lc(path)) == calls(lc(path, "--threads", "2", "--batch-packets", "3")) == [["tls"], ["tls"]]
    listed = subprocess.run([str(LC), "sniff", "-r", str(path)], capture_output=True, text=True, timeout=60)
    assert (listed.returncode, listed.stderr) == (0, "")  # a run that does not look inside has no use for them


def test_a_key_log_without_keys_is_said(capture: tuple[Path, Path], tmp_path: Path) -> None:
    path, _ = capture
    (tmp_path / "empty.log").touch()
    done = lc(path, "--tls-keylog", tmp_path / "empty.log")
    assert calls(done) == []
    assert "option --tls-keylog" in done.stderr
    assert "no keys in it" in done.stderr
    assert done.stderr.count("\n") == 1


def test_files_of_calls_have_the_handshake(capture: tuple[Path, Path], tmp_path: Path) -> None:
    path, keys = capture
    out = tmp_path / "out.pcap"
    assert calls(lc(path, "--tls-keylog", keys, "-w", out, "-q")) == [["tls"], ["tls"]]
    assert calls(lc(out, "--tls-keylog", keys)) == [["tls"], ["tls"]]
    folder = tmp_path / "calls"
    folder.mkdir()
    lc(path, "--tls-keylog", keys, "--per-call-pcap", "--per-call-pcap-dir", folder, "-q")
    read = [calls(lc(file, "--tls-keylog", keys)) for file in sorted(folder.iterdir())]
    assert [["tls"]] in read


def test_a_key_log_that_is_none_is_one_line(capture: tuple[Path, Path], tmp_path: Path) -> None:
    path, _ = capture
    for bad, why in ((path, "no key log"), (tmp_path / "nowhere", "No such file"), (tmp_path, "no regular file")):
        done = lc(path, "--tls-keylog", bad)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert why in done.stderr
        assert "--tls-keylog" in done.stderr


def test_a_key_log_is_read_while_it_grows(tmp_path: Path, wire: Wire) -> None:
    """Packets come by a pipe, their secrets behind them."""
    if not LC.exists():
        pytest.skip("no lc beside the interpreter: install lippycat-core")
    keys = tmp_path / "keys.log"
    keys.touch()
    records = tcp_conversation(wire.sent)
    command = [str(LC), "sniff", "voip", "-r", "-", "--tls-keylog", str(keys), "--messages", "-q"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(pcap(records[:-1]))
        process.stdin.flush()
        time.sleep(1.5)
        keys.write_bytes(wire.log)
        process.stdin.write(pcap([Record(records[-1].ts_ns, records[-1].data)])[24:])
        process.stdin.close()
        said = [json.loads(line) for line in process.stdout]
    assert [record["transport"] for record in said if record["record"] == "call"] == [["tls"], ["tls"]]

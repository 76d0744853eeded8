from __future__ import annotations

import io
import json

import pytest

from lippycat_core.batch import Batch
from lippycat_core.builtin.jsonlines import JsonForm, JsonLines, write_lines
from lippycat_core.builtin.packetlist import PacketLine, PacketList, flag_letters, packet_lines
from lippycat_core.builtin.text import TextForm, TextWriter, accounting_line
from lippycat_core.columns import DECODED, FILTERED, FRAGMENT, OTHER, TRUNCATED_HEADER
from lippycat_core.errors import OutputError
from lippycat_core.events import Event
from lippycat_core.kernelset import Interpreted

SECOND = 1_000_000_000


def batch_of(*rows: dict[str, int], first_record: int = 1) -> Batch:
    """A batch as the pipeline leaves it: from 10.0.0.1 to 10.0.0.2 unless a row says otherwise."""
    batch = Batch(Interpreted())
    batch.clear(first_record)
    batch.rows = len(rows)
    for at, row in enumerate(rows):
        batch.frame.ts_ns[at] = row.get("ts_ns", 1_700_000_000 * SECOND + at * 1000)
        batch.frame.caplen[at] = row.get("caplen", 60)
        batch.frame.wirelen[at] = row.get("wirelen", 60)
        batch.frame.link[at] = row.get("link", 1)
        batch.net.src2[at] = batch.net.dst2[at] = 0xFFFF
        batch.net.src3[at], batch.net.dst3[at] = 0x0A000001, 0x0A000002
        batch.net.proto[at] = row.get("proto", 17)
        batch.transport.sport[at], batch.transport.dport[at] = 5060, 5061
        batch.transport.pay_wire[at] = row.get("length", 18)
        batch.transport.tcp_flags[at] = row.get("flags", 0)
        batch.route.status[at] = row.get("status", DECODED)
    return batch


def one(**row: int) -> PacketLine:
    (line,) = packet_lines(batch_of(row))
    return line


def test_filtered_packets_are_not_listed_and_keep_their_numbers() -> None:
    batch = batch_of({}, {"status": FILTERED}, {}, first_record=100)
    assert [line.frame for line in packet_lines(batch)] == [100, 102]


def test_what_was_not_there_is_null() -> None:
    cut = one(status=TRUNCATED_HEADER, proto=-1)
    assert (cut.src, cut.dst, cut.proto, cut.length, cut.flags) == (None,) * 5
    assert cut.status == "truncated_header"
    arp = one(status=OTHER, proto=-1)
    assert (arp.src, arp.proto, arp.status) == (None, None, "other")


def test_ports_stand_only_where_there_are_some() -> None:
    assert one().src == "10.0.0.1:5060"
    icmp = one(status=OTHER, proto=1)
    assert (icmp.src, icmp.proto, icmp.length) == ("10.0.0.1", "icmp", None)
    assert one(status=FRAGMENT).src == "10.0.0.1"


def test_ipv6_ends_are_bracketed() -> None:
    batch = batch_of({})
    batch.net.src0[0], batch.net.src2[0], batch.net.src3[0] = 0x20010DB8, 0, 1
    (line,) = packet_lines(batch)
    assert line.src == "[2001:db8::1]:5060"


@pytest.mark.parametrize(("flags", "letters"), [(2, "S"), (18, "S."), (24, "P."), (17, "F."), (4, "R"), (0, "")])
def test_tcp_flags_are_tcpdumps_letters(flags: int, letters: str) -> None:
    assert flag_letters(flags) == letters


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({}, "      1 22:13:20.000000 10.0.0.1:5060         > 10.0.0.2:5061         udp length 18"),
        ({"proto": 6, "flags": 18}, "      1 22:13:20.000000 10.0.0.1:5060         > 10.0.0.2:5061         tcp length 18 [S.]"),
        ({"proto": 6}, "      1 22:13:20.000000 10.0.0.1:5060         > 10.0.0.2:5061         tcp length 18 [none]"),
        ({"proto": 1, "status": OTHER}, "      1 22:13:20.000000 10.0.0.1              > 10.0.0.2              icmp, 60 bytes"),
        ({"proto": 250, "status": OTHER}, "      1 22:13:20.000000 10.0.0.1              > 10.0.0.2              250, 60 bytes"),
        ({"status": FRAGMENT}, "      1 22:13:20.000000 10.0.0.1              > 10.0.0.2              udp fragment, 18 bytes"),
        ({"proto": -1, "status": OTHER}, "      1 22:13:20.000000" + " " * 47 + "en10mb, 60 bytes"),
        (
            {"proto": -1, "status": TRUNCATED_HEADER, "caplen": 20, "link": 147},
            "      1 22:13:20.000000" + " " * 47 + "undecodable: truncated_header (link 147, 20 of 60 bytes)",
        ),
    ],
)
def test_lines_for_people(row: dict[str, int], text: str) -> None:
    assert TextForm().packet(one(**row)) == text


def listed(*steps: Batch | list[Event]) -> list[str]:
    """Kinds and numbers of the lines that a list writes for batches and the events in front of them."""
    written: list[str] = []
    sink = PacketList(JsonForm(), written.extend)
    for step in steps:
        if isinstance(step, Batch):
            sink.packets(step)
        else:
            sink.emit(step)
    sink.close()
    return [f"{record['record']} {record.get('frame', record.get('of'))}" for record in map(json.loads, written)]


def said(frame: int) -> Event:
    return Event("said", 0, frame, {"of": frame})


def test_events_follow_the_packets_that_showed_them() -> None:
    assert listed([said(1), said(3)], batch_of({}, {}, {})) == ["packet 1", "said 1", "packet 2", "packet 3", "said 3"]


def test_where_a_batch_ends_makes_no_difference() -> None:
    whole = listed([said(1), said(2), said(3)], batch_of({}, {}, {}))
    cut = listed([said(1)], batch_of({}), [said(2), said(3)], batch_of({}, {}, first_record=2))
    assert whole == cut


def test_an_event_of_a_filtered_packet_is_listed_in_its_place() -> None:
    assert listed([said(2)], batch_of({}, {"status": FILTERED}, {})) == ["packet 1", "said 2", "packet 3"]


def test_what_comes_at_the_end_is_listed_with_the_summary_last() -> None:
    assert listed(batch_of({}), [said(1)], [Event("summary", 0, 1, {"of": 0})]) == ["packet 1", "said 1", "summary 0"]


def test_text_leaves_the_summary_to_standard_error() -> None:
    assert TextForm().event(Event("summary", 0, 1, {})) is None
    assert TextForm().event(Event("x\x1b", 0, 7, {"k": None, "s": ""})) == '      7 00:00:00.000000 x\\x1b: k=null s=""'


def test_json_lines_are_compact_utf8_with_nothing_that_utf8_cannot_hold() -> None:
    stream = io.BytesIO()
    sink = JsonLines(stream)
    sink.emit([Event("said", 0, 1, {"text": "Zoë \ud800 \n"}), Event("said", 0, 2)])
    sink.packets(batch_of({}))
    sink.close()
    assert stream.getvalue().decode() == '{"record":"said","schema":1,"text":"Zoë \ufffd \\n"}\n{"record":"said","schema":1}\n'


class Full(io.BytesIO):
    def write(self, data: object) -> int:
        raise OSError(28, "No space left on device")


class Gone(io.BytesIO):
    def write(self, data: object) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_an_output_that_takes_no_more_is_an_error_and_a_reader_that_left_is_not() -> None:
    with pytest.raises(OutputError, match="No space left on device"):
        write_lines(Full(), ["x"])
    with pytest.raises(BrokenPipeError):
        write_lines(Gone(), ["x"])
    with pytest.raises(OutputError, match="No space left on device"):
        TextWriter(io.TextIOWrapper(Full(), write_through=True))(["x"])


def test_the_accounting_in_one_line() -> None:
    accounting = {"filtered": 2, "dropped": {"kernel": 4}, "undecodable": {"link_type": 1, "bad_header": 2}}
    summary = {"packets": 1234, "accounting": accounting, "evicted": {"flows": 5}, "seconds": 0.1234, "backend": "pure"}
    assert accounting_line(summary) == (
        "1,234 packets, 2 filtered, 4 dropped (kernel 4), 3 undecodable (bad_header 2, link_type 1), "
        "5 evicted (flows 5); 0.12 s, pure"
    )
    assert accounting_line({"packets": 1, "accounting": {}, "seconds": 0.0, "backend": "simd"}) == "1 packet; 0.00 s, simd"


class Sparing(io.RawIOBase):
    """Takes three bytes at a time, as an unbuffered stream may when a signal comes."""

    def __init__(self) -> None:
        self.taken = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.taken += bytes(data)[:3]
        return min(3, len(data))


def test_lines_are_written_whole_to_a_stream_that_takes_them_in_parts() -> None:
    stream = Sparing()
    write_lines(stream, ["one line", "another"])
    assert stream.taken == b"one line\nanother\n"


def test_so_is_text() -> None:
    stream = Sparing()
    TextWriter(io.TextIOWrapper(stream, encoding="utf-8", write_through=True))(["Zoë called", "another"])
    assert bytes(stream.taken).decode() == "Zoë called\nanother\n"

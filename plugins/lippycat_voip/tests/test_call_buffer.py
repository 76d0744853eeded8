"""What `-w` and `--messages` give of calls that a filter wants, as written conversations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from calls_on_the_wire import Wire, written
from conversations import sip

from lippycat_core.kernelset import KernelSet

PAI = "h=P-Asserted-Identity:<sip:carol@example.org>"
LATE_MATCH = f"""
0     A>B INVITE sdp=A:10000
5     B>A 100
100   B:20000>A:10000 rtp=3
200   B>A 180 tag=b
300   A>C noise
400   B>A 200 tag=b sdp=B:20000 {PAI}
410   A>B ACK tag=b
420   A:10000>B:20000 rtp=2
900   A>B BYE cseq=2 tag=b
910   B>A 200 cseq=2 of=BYE tag=b
"""
CAROL: dict[str, Any] = {"sip_users": ["carol"], "messages": True}


@pytest.fixture(params=[1, 3, 4096])
def batch(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def test_a_call_that_matches_at_its_200_has_all_from_its_invite_on(tmp_path: Path, kernels: KernelSet, batch: int) -> None:
    got = written(tmp_path, LATE_MATCH, kernels=kernels, batch=batch, **CAROL)
    assert got.numbers == [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13]
    assert got.frames("call-1") == [1, 2, 6, 8, 9, 12, 13]
    (call,) = got.run.named("call")
    assert (call["state"], call["messages"], got.evicted) == ("ended", 7, 0)


def test_a_call_that_never_matches_gives_nothing(tmp_path: Path, batch: int) -> None:
    got = written(tmp_path, LATE_MATCH, batch=batch, sip_users=["dave"], messages=True)
    assert (got.numbers, got.frames("call-1"), got.run.named("call")) == ([], [], [])
    assert got.run.summary["accounting"] == {
        "captured": 13,
        "delivered": 0,
        "filtered": 13,
        "dropped": {},
        "undecodable": {},
    }


def test_without_a_filter_all_signalling_and_media_is_written_and_nothing_else(tmp_path: Path, batch: int) -> None:
    got = written(tmp_path, LATE_MATCH, batch=batch, out="out.pcapng")
    assert got.numbers == [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13]


def test_a_call_by_its_id(tmp_path: Path, batch: int) -> None:
    text = """
    0     B:20000>A:10000 rtp=2
    1     C>D INVITE cid=other sdp=C:10000
    2     A>B INVITE cid=mine sdp=A:10000
    3     A>B OPTIONS cid=ping
    50    C:10000>D:20000 rtp=2
    60    D>C 200 cid=other tag=d
    70    B>A 200 cid=mine tag=b sdp=B:20000
    """
    got = written(tmp_path, text, batch=batch, call_id="mine", messages=True)
    assert (got.numbers, got.frames("mine"), got.frames("other")) == ([1, 3, 5, 9], [3, 9], [])
    assert written(tmp_path, text, batch=batch, call_id="nobody").numbers == []


def test_interleaved_calls_come_out_in_the_order_of_the_input(tmp_path: Path, kernels: KernelSet, batch: int) -> None:
    text = f"""
    0    A>B INVITE cid=one
    1    C>D INVITE cid=two
    2    A>B INVITE cid=never
    3    D>C 180 cid=two tag=d
    4    B>A 180 cid=one tag=b
    5    D>C 200 cid=two tag=d {PAI}
    6    C>D ACK cid=two tag=d
    7    B>A 486 cid=never tag=n
    8    B>A 200 cid=one tag=b {PAI}
    """
    got = written(tmp_path, text, kernels=kernels, batch=batch, **CAROL)
    assert got.numbers == [1, 2, 4, 5, 6, 7, 9]
    assert [m["frame"] for m in got.run.named("message")] == got.numbers


def test_a_dialog_that_matches_after_it_was_passed_over_is_wanted_from_there_on(tmp_path: Path, batch: int) -> None:
    text = f"""
    0     A>B INVITE sdp=A:10000
    100   B>A 200 tag=b sdp=B:20000
    110   A>B ACK tag=b
    120   A:10000>B:20000 rtp=3
    300   B>A BYE ftag=b tag=a cseq=9 {PAI}
    310   A:10000>B:20000 rtp=2
    400   A>B 200 of=BYE cseq=9 ftag=b tag=a
    """
    got = written(tmp_path, text, batch=batch, **CAROL)
    assert got.numbers == [7, 8, 9, 10]
    assert got.frames("call-1") == [7, 10]
    assert got.run.named("call")[0]["messages"] == 5


def test_a_challenge_decides_nothing(tmp_path: Path, batch: int) -> None:
    text = f"""
    0     A>B INVITE
    10    B>A 407 tag=x
    20    A>B ACK tag=x
    30    A>B INVITE cseq=2
    40    B>A 200 cseq=2 tag=b {PAI}
    0     A>B REGISTER cid=r
    10    B>A 401 cid=r of=REGISTER
    20    A>B REGISTER cid=r cseq=2
    30    B>A 200 cid=r cseq=2 of=REGISTER {PAI}
    """
    assert written(tmp_path, text, batch=batch, **CAROL).numbers == list(range(1, 10))


def test_media_ten_seconds_in_front_of_its_sdp(tmp_path: Path, kernels: KernelSet, batch: int) -> None:
    text = f"""
    0       A:10000>B:20000 rtp=5
    50      A:10001>B:20001 rtcp=1
    10000   A>B INVITE sdp=A:10000 {PAI}
    10100   B>A 200 tag=b sdp=B:20000
    """
    assert written(tmp_path, text, kernels=kernels, batch=batch, **CAROL).numbers == list(range(1, 9))
    assert written(tmp_path, text, kernels=kernels, batch=batch, rtp_heuristic=False).numbers == list(range(1, 9))


def test_media_that_nobody_announces_for_32_seconds_is_wanted_from_its_sdp_on(tmp_path: Path, batch: int) -> None:
    text = f"""
    0       A:10000>B:20000 rtp=2
    20000   A:10000>B:20000 rtp=2
    32030   A>B INVITE sdp=A:10000 {PAI}
    32100   A:10000>B:20000 rtp=2
    """
    got = written(tmp_path, text, batch=batch, **CAROL)
    assert (got.numbers, got.evicted) == ([5, 6, 7], 0)
    assert got.run.named("stream")[0]["packets"] == 6
    in_time = text.replace("32030", "32000")
    assert written(tmp_path, in_time, batch=batch, **CAROL).numbers == [1, 2, 3, 4, 5, 6, 7]


def test_media_that_the_heuristic_finds_goes_with_its_first_packets(tmp_path: Path, batch: int) -> None:
    text = """
    0       A:10000>B:20000 rtp=6
    3       C:10000>D:20000 rtp=3
    500     A>B OPTIONS
    """
    assert written(tmp_path, text, batch=batch).numbers == [1, 3, 5, 7, 8, 9, 10]
    assert written(tmp_path, text, batch=batch, rtp_heuristic=False).numbers == [10]


def test_what_comes_on_media_ports_belongs_to_the_call(tmp_path: Path, batch: int) -> None:
    text = f"""
    0     A:10000>B:20000 stun
    10    A>B INVITE sdp=A:10000 {PAI}
    20    A:10000>B:20000 stun
    30    B:20000>A:10000 dtls
    40    C:10000>D:20000 dtls
    50    B:20001>A:10001 rtcp=5
    60    D:20001>C:10001 rtcp=6
    """
    assert written(tmp_path, text, batch=batch, **CAROL).numbers == [2, 3, 4, 6]
    assert written(tmp_path, text, batch=batch).numbers == [2, 3, 4, 6, 7]


def test_media_that_two_calls_announce_goes_if_one_of_them_is_wanted(tmp_path: Path, batch: int) -> None:
    text = f"""
    0     A>B INVITE cid=one sdp=A:10000
    1     A>C INVITE cid=two sdp=A:10000
    10    B:20000>A:10000 rtp=2
    15    B:20001>A:10001 rtcp=1
    100   B>A 486 cid=one tag=b
    110   B:20000>A:10000 rtp=1
    200   C>A 200 cid=two tag=c {PAI}
    """
    assert written(tmp_path, text, batch=batch, **CAROL).numbers == [2, 3, 4, 5, 7, 8]
    neither = text.replace(PAI, "")
    assert written(tmp_path, neither, batch=batch, **CAROL).numbers == []


def test_a_fragmented_invite_goes_with_all_its_fragments(tmp_path: Path, kernels: KernelSet, batch: int) -> None:
    text = f"""
    0     A>B INVITE sdp=A:10000 frag=96
    1     C>D INVITE cid=other frag=96
    400   B>A 200 tag=b {PAI}
    410   D>C 486 cid=other tag=d
    """
    wire = Wire().say(text)
    first = sum(packet[20:] != b"" and packet[12:16] == bytes((10, 0, 0, 1)) for _, packet in wire.sent)
    total = len(wire.sent)
    wire.sent[1], wire.sent[2] = wire.sent[2], wire.sent[1]
    got = written(tmp_path, wire, kernels=kernels, batch=batch, **CAROL)
    assert first > 2
    assert got.numbers == [*range(1, first + 1), total - 1]
    assert got.frames("call-1") == [first, total - 1]
    assert written(tmp_path, wire, batch=batch).numbers == list(range(1, total + 1))


def message(cid: str, what: str = "INVITE", src: str = "A", dst: str = "B", extra: str = "") -> bytes:
    return sip(what, src, dst, {"cid": cid, "tag": "t"} if what.isdigit() else {"cid": cid}, [extra] if extra else [])


MATCH = "P-Asserted-Identity: <sip:carol@example.org>"


def test_tcp_segments_go_with_each_message_that_they_carry(tmp_path: Path, kernels: KernelSet, batch: int) -> None:
    one, two, three = message("one"), message("two"), message("three")
    wire = Wire()
    wire.segment(0, "A", "B", one[:50])
    wire.segment(1, "A", "B", one[50:] + two[:60])  # two calls in one segment
    wire.segment(2, "A", "B", two[60:100])
    wire.segment(3, "A", "B", two[100:] + three)
    wire.segment(4, "B", "A", message("one", "486", "B", "A"))
    wire.segment(5, "B", "A", message("two", "200", "B", "A", MATCH))
    wire.segment(6, "B", "A", message("three", "486", "B", "A"))
    wire.segment(7, "A", "B", b"\r\n\r\n")
    got = written(tmp_path, wire, kernels=kernels, batch=batch, **CAROL)
    assert got.numbers == [2, 3, 4, 6]
    assert got.frames("two") == [4, 6]
    assert written(tmp_path, wire, batch=batch).numbers == [1, 2, 3, 4, 5, 6, 7]


def test_tcp_segments_out_of_order_and_the_begin_of_a_stream(tmp_path: Path, batch: int) -> None:
    one, two = message("one"), message("two")
    wire = Wire()
    wire.segment(0, "A", "B", b"IN")  # too short to tell whose it is
    wire.segment(1, "A", "B", one[2:50])
    wire.segment(2, "A", "B", one[80:] + two, skip=30)
    wire.back("A", "B", len(one) - 80 + len(two) + 30).segment(3, "A", "B", one[50:80])
    wire.segment(4, "B", "A", message("two", "486", "B", "A"))
    wire.segment(5, "B", "A", message("one", "200", "B", "A", MATCH))
    wire.segment(6, "C", "D", b"GET / HTTP/1.1\r\n\r\n")
    got = written(tmp_path, wire, batch=batch, **CAROL)
    assert got.numbers == [1, 2, 3, 4, 6]
    assert written(tmp_path, wire, batch=batch).numbers == [1, 2, 3, 4, 5, 6]


def test_a_hole_at_the_end_of_the_input_loses_no_segment_behind_it(tmp_path: Path, batch: int) -> None:
    one, two = message("one"), message("two", extra=MATCH)
    wire = Wire().segment(0, "A", "B", one).segment(1, "A", "B", two, skip=100)
    assert written(tmp_path, wire, batch=batch, **CAROL).numbers == [2]


# -- bounds ------------------------------------------------------------------------------------------------------------


def test_too_many_calls_pass_the_oldest_over(tmp_path: Path, kernels: KernelSet, batch: int) -> None:
    text = f"""
    0    A>B INVITE cid=1
    1    B>A 100 cid=1
    2    A>B INVITE cid=2
    3    A>B INVITE cid=3
    4    B>A 200 cid=1 tag=x {PAI}
    5    B>A 200 cid=2 tag=x {PAI}
    6    B>A 200 cid=3 tag=x {PAI}
    """
    got = written(tmp_path, text, kernels=kernels, batch=batch, bounds={"calls": 2}, **CAROL)
    assert got.numbers == [3, 4, 5, 6, 7]
    assert got.evicted == 4  # two packets and two messages
    assert [m["frame"] for m in got.run.named("message")] == got.numbers
    assert written(tmp_path, text, batch=batch, bounds={"calls": 3}, **CAROL).evicted == 0


def test_what_waits_for_too_long_is_passed_over(tmp_path: Path, kernels: KernelSet, batch: int) -> None:
    text = f"""
    0       A>B INVITE cid=1
    5000    A>B INVITE cid=2
    10001   A>C noise
    10002   B>A 200 cid=1 tag=x {PAI}
    12000   B>A 200 cid=2 tag=x {PAI}
    """
    got = written(tmp_path, text, kernels=kernels, batch=batch, bounds={"age_ns": 10_000_000_000}, **CAROL)
    assert (got.numbers, got.evicted) == ([2, 4, 5], 2)


def test_too_many_bytes_pass_the_oldest_over(tmp_path: Path, kernels: KernelSet, batch: int) -> None:
    text = f"""
    0    A:10000>B:20000 rtp=1 ssrc=7
    1    A>B INVITE cid=1
    2    A>B INVITE cid=2
    3    A>B INVITE cid=3
    4    B>A 200 cid=1 tag=x {PAI}
    5    B>A 200 cid=2 tag=x {PAI}
    6    B>A 200 cid=3 tag=x {PAI}
    """
    options = {"sip_users": ["carol"], "batch": batch, "kernels": kernels}
    invite = len(Wire().say("1 A>B INVITE cid=1").records()[0].data) + 32
    got = written(tmp_path, text, bounds={"nbytes": 3 * invite + 60}, **options)
    assert (got.numbers, got.evicted) == ([2, 3, 5, 6, 7], 2)  # the media, and call 3 for what waited behind it
    got = written(tmp_path, text, bounds={"nbytes": invite - 1}, **options)
    assert (got.numbers, got.evicted) == ([5, 6, 7], 4)
    assert written(tmp_path, text, bounds={"nbytes": 4 * invite}, **options).numbers == [2, 3, 4, 5, 6, 7]


def test_too_many_messages_pass_the_oldest_over(tmp_path: Path, batch: int) -> None:
    text = f"""
    0    A>B INVITE cid=1
    1    A>B INVITE cid=2
    2    A>B INVITE cid=3
    4    B>A 200 cid=1 tag=x {PAI}
    5    B>A 200 cid=2 tag=x {PAI}
    """
    got = written(tmp_path, text, batch=batch, bounds={"nbytes": 2048}, **CAROL)
    assert [m["frame"] for m in got.run.named("message")] == [2, 4, 5]

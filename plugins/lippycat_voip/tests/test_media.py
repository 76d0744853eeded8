"""Streams and the calls that own them: docs/output.md, Streams, "Identity" and "Announced", as written conversations."""

from __future__ import annotations

from typing import Any

import pytest
from conversations import PLAIN_CALL, Conversation, ns, one_call, run, streams
from test_dialogs import at

from lippycat_core.addresses import words

ANSWERED = """
0    A>B INVITE sdp=A:10000
2000 B>A 200 tag=b sdp=B:20000
2010 A>B ACK tag=b
"""


def facts(record: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(record[name] for name in names)


# -- whose stream -----------------------------------------------------------------------------------------------------


def test_both_directions_of_a_call() -> None:
    found = run(ANSWERED + "2100 A:10000>B:20000 rtp=50\n2105 B:20000>A:10000 rtp=50 ssrc=2")
    assert [facts(s, "id", "call_id", "found_by", "nat", "srtp") for s in found.records("stream")] == [
        (4, "call-1", "sdp", False, False),
        (54, "call-1", "sdp", False, False),
    ]
    assert facts(found.records("call")[0], "streams", "one_way") == ([4, 54], False)


def test_one_packet_on_an_announced_port_is_enough() -> None:
    (stream,) = streams("0 A>B INVITE sdp=A:10000\n5 C:9>A:10000 rtp=1")
    assert facts(stream, "packets", "found_by", "call_id") == (1, "sdp", "call-1")


def test_rtp_of_nobody_needs_four_packets() -> None:
    assert streams("0 E:7000>F:7000 rtp=3") == []
    (stream,) = streams("0 E:7000>F:7000 rtp=4")
    assert facts(stream, "call_id", "call_ids", "found_by", "nat", "srtp", "continues") == (
        None,
        [],
        "heuristic",
        False,
        None,
        None,
    )
    assert streams("0 E:7000>F:7000 rtp=4", rtp_heuristic=False) == []


def test_the_offer_counts_at_once() -> None:
    (stream,) = streams("0 A>B INVITE sdp=A:10000\n100 B:5>A:10000 rtp=3\n200 B>A 200 tag=b sdp=B:20000")
    assert facts(stream, "call_id", "packets", "nat") == ("call-1", 3, True)


def test_packets_up_to_32_seconds_before_their_sdp() -> None:
    early = "0 B:20000>A:10000 rtp=10\n{} A>B INVITE sdp=A:10000\n33000 B:20000>A:10000 rtp=5"
    (stream,) = streams(early.format(32_180))
    assert facts(stream, "id", "packets", "found_by", "call_id") == (1, 15, "sdp", "call-1")
    before, after = streams(early.format(32_181))[::-1]
    assert facts(before, "id", "packets", "found_by") == (1, 10, "heuristic")
    assert facts(after, "id", "packets", "found_by") == (12, 5, "sdp")


def test_a_heuristic_stream_that_is_announced_keeps_its_numbers() -> None:
    text = "0 B:20000>A:10000 rtp=100 pt=96\n1500 A>B INVITE sdp=A:10000;pt=96/iLBC/8000\n2000 B:20000>A:10000 rtp=100 pt=96"
    (stream,) = streams(text)
    assert facts(stream, "id", "packets", "found_by", "codec", "clock_rate") == (1, 200, "sdp", "iLBC", 8000)


def test_packets_later_than_32_seconds_after_the_end_are_another_stream() -> None:
    text = PLAIN_CALL + "2100 A:10000>B:20000 rtp=9\n40900 A:10000>B:20000 rtp=6\n"
    for tick in (False, True):
        first, second = streams(text + "41001 A:10000>B:20000 rtp=9", tick=tick)
        assert facts(first, "id", "packets", "call_id") == (8, 15, "call-1")
        assert facts(second, "id", "packets", "call_id", "found_by") == (23, 9, None, "heuristic")


def test_two_live_calls_that_announce_one_endpoint() -> None:
    text = at(ANSWERED, 0, "one") + at(ANSWERED, 10, "two") + "3000 E:1>B:20000 rtp=5\n4000 A>B BYE cid=two cseq=2 tag=b"
    found = run(text)
    (stream,) = found.records("stream")
    assert facts(stream, "call_id", "call_ids") == ("one", ["one", "two"])
    assert [call["streams"] for call in found.records("call")] == [[7], [7]]


def test_a_stream_gets_a_second_owner_while_it_runs() -> None:
    text = at(ANSWERED, 0, "one") + "2500 E:1>B:20000 rtp=5\n" + at(ANSWERED, 3000, "two") + "6000 E:1>B:20000 rtp=5\n"
    (stream,) = streams(text)
    assert facts(stream, "call_id", "call_ids", "packets") == ("one", ["one", "two"], 10)


def test_a_shared_stream_is_written_when_its_last_owner_is_due() -> None:
    text = at(ANSWERED, 0, "one") + at(ANSWERED, 10, "two") + "3000 E:1>B:20000 rtp=5\n4000 A>B BYE cid=one cseq=2 tag=b\n"
    talk = Conversation().say(text + "39000 C>D OPTIONS cid=x", tick=True)
    assert talk.order == []
    talk.say("40000 A>B BYE cid=two cseq=2 tag=b\n80000 C>D OPTIONS cid=y", tick=True)
    assert talk.order == [("stream", 7), ("call", "one"), ("call", "two")]


def test_a_later_call_on_the_same_sockets_has_its_own_stream() -> None:
    """Port and SSRC are used again; the earlier call has ended, so its stream does not go on."""
    one = at(PLAIN_CALL, 0, "one") + "8000 A:10000>B:20000 rtp=5\n8000 B:20000>A:10000 rtp=5 ssrc=2\n"
    two = at(PLAIN_CALL, 20_000, "two") + "23000 A:10000>B:20000 rtp=7\n23000 B:20000>A:10000 rtp=7 ssrc=2\n"
    found = run("\n".join(sorted((one + two).strip().splitlines(), key=lambda line: float(line.split()[0]))))
    assert [facts(s, "call_id", "call_ids", "packets", "continues") for s in found.records("stream")] == [
        ("one", ["one"], 5, None),
        ("one", ["one"], 5, None),
        ("two", ["two"], 7, None),
        ("two", ["two"], 7, None),
    ]


def test_a_later_call_while_the_earlier_one_lives_shares_the_stream() -> None:
    text = at(ANSWERED, 0, "one") + "2500 A:10000>B:20000 rtp=5\n" + at(ANSWERED, 5000, "two") + "8000 A:10000>B:20000 rtp=5"
    (stream,) = streams(text)
    assert facts(stream, "call_ids", "packets") == (["one", "two"], 10)


def test_a_refused_call_has_ended() -> None:
    text = at("0 A>B INVITE sdp=A:10000\n5 B>A 183 tag=b sdp=B:20000", 0, "one") + "10 B:20000>A:10000 rtp=5\n"
    text += "200 B>A 486 tag=b cid=one\n" + at(ANSWERED, 1000, "two") + "4000 B:20000>A:10000 rtp=5"
    assert [facts(s, "call_id", "packets") for s in streams(text)] == [("one", 5), ("two", 5)]


# -- what descriptions say --------------------------------------------------------------------------------------------


def test_a_call_whose_answer_was_lost_has_ended_with_its_bye() -> None:
    lost = "\n".join(line for line in ANSWERED.strip().splitlines() if " 200 " not in line)
    talk = Conversation().say(at(lost, 0, "one") + "2100 A:10000>B:20000 rtp=5\n3000 A>B BYE cid=one cseq=2 tag=b", tick=True)
    talk.say(at(ANSWERED, 5000, "two") + "7100 A:10000>B:20000 rtp=7\n35000.001 C>D OPTIONS cid=x", tick=True)
    assert talk.order == [("stream", 3), ("call", "one")]
    talk.finish()
    assert [call["end_ns"] for call in talk.records("call")] == [None, None]
    assert [facts(s, "call_ids", "packets") for s in talk.records("stream")] == [(["one"], 5), (["two"], 7)]


def test_a_2xx_behind_the_bye_of_an_early_dialog_makes_the_call_go_on() -> None:
    found = run("""
        0     A>B INVITE sdp=A:10000
        10    B>A 180 tag=b
        20    A>B BYE cseq=2 tag=b
        30    B>A 200 tag=c sdp=B:20000
        60000 A:10000>B:20000 rtp=5
    """)
    assert [facts(call, "state", "end_ns") for call in found.records("call")] == [("active", None)]
    assert [facts(s, "call_id", "packets") for s in found.records("stream")] == [("call-1", 5)]


def test_media_from_elsewhere_is_nat() -> None:
    text = ANSWERED + "2100 C:40000>B:20000 rtp=5\n2200 B:20000>C:40000 rtp=5 ssrc=2\n2300 A:10000>B:20000 rtp=5 ssrc=3"
    assert [facts(s, "call_id", "nat") for s in streams(text)] == [("call-1", True), ("call-1", True), ("call-1", False)]
    assert one_call(text)["one_way"] is False


def test_the_other_end_is_not_known_before_the_answer() -> None:
    (stream,) = streams("0 A>B INVITE sdp=A:10000\n100 B:20000>A:10000 rtp=5")
    assert stream["nat"] is False


@pytest.mark.parametrize(
    ("offer", "answer", "srtp"),
    [
        ("A:10000", "B:20000", False),
        ("A:10000;SAVP;crypto", "B:20000;SAVP;crypto", True),
        ("A:10000;crypto", "B:20000", False),
        ("A:10000;SAVPF;fingerprint:sha-256_00", "B:20000;SAVPF", True),
    ],
)
def test_srtp_by_sdp(offer: str, answer: str, srtp: bool) -> None:
    (stream,) = streams(f"0 A>B INVITE sdp={offer}\n20 B>A 200 tag=b sdp={answer}\n30 A:10000>B:20000 rtp=5")
    assert stream["srtp"] is srtp


def test_srtp_by_dtls_or_zrtp_between_the_ends() -> None:
    talk = Conversation()
    talk.media.secured((*words("10.0.0.2"), 20000), (*words("10.0.0.1"), 10000))
    (stream,) = talk.say(ANSWERED + "2100 A:10000>B:20000 rtp=5").finish().records("stream")
    assert stream["srtp"] is True


def test_numbers_mean_what_the_receiver_said() -> None:
    """RFC 3264, 5.1: each side names the payload types that it wants to receive."""
    text = """
        0   A>B INVITE sdp=A:10000;pt=97/iLBC/8000
        20  B>A 200 tag=b sdp=B:20000;pt=98/iLBC/8000
        100 A:10000>B:20000 rtp=5 pt=98
        200 B:20000>A:10000 rtp=5 pt=97 ssrc=2
        300 B:20000>A:10000 rtp=5 pt=98 ssrc=3
        400 B:20000>C:999   rtp=5 pt=97 ssrc=4
    """
    assert [facts(s, "codec", "nat") for s in streams(text)] == [("iLBC", False)] * 3 + [("iLBC", True)]


def test_numbers_that_are_not_offered_any_more_keep_their_meaning() -> None:
    (stream,) = streams("""
        0    A>B INVITE sdp=A:10000;pt=96/AMR/8000
        10   B>A 200 tag=b sdp=B:20000;pt=96/AMR/8000
        20   A:10000>B:20000 rtp=60 pt=96
        3000 A>B INVITE cseq=2 tag=b sdp=A:10000;pt=97/AMR-WB/16000
        3010 B>A 200 cseq=2 tag=b sdp=B:20000;pt=97/AMR-WB/16000
        3020 A:10000>B:20000 rtp=20 pt=97
    """)
    assert facts(stream, "codec", "clock_rate", "payload_types", "dtmf") == ("AMR", 8000, [96, 97], None)


def test_media_lines_that_share_one_endpoint() -> None:
    bundle = ";pt=111/opus/48000/2|{0};video;pt=96/VP8/90000"
    found = run(f"""
        0  A>B INVITE sdp=A:10000{bundle.format("A:10000")}
        10 B>A 200 tag=b sdp=B:20000{bundle.format("B:20000")}
        20 A:10000>B:20000 rtp=5 pt=111
        21 A:10000>B:20000 rtp=5 pt=96 ssrc=2
    """)
    assert [facts(s, "codec", "media") for s in found.records("stream")] == [("opus", "audio"), ("VP8", "video")]


def test_several_media_lines() -> None:
    text = """
        0   A>B INVITE sdp=A:10000|A:10002;video;pt=99/H264/90000
        20  B>A 200 tag=b sdp=B:20000|B:20002;video;pt=99/H264/90000
        100 A:10000>B:20000 rtp=5
        100 A:10002>B:20002 rtp=5 pt=99 ssrc=2
    """
    assert [facts(s, "media", "codec") for s in streams(text)] == [("audio", "PCMU"), ("video", "H264")]


# -- offers and answers -----------------------------------------------------------------------------------------------


def announced(talk: Conversation, name: str, port: int) -> bool:
    """Whether a call announces the socket now."""
    socket = talk.media._sockets.get((*words(name), port))
    return socket is not None and bool(socket.announced)


def test_a_reinvite_moves_media() -> None:
    talk = Conversation().say(ANSWERED + "5000 A>B INVITE cseq=2 tag=b sdp=A:11000")
    assert announced(talk, "10.0.0.1", 10000)
    assert announced(talk, "10.0.0.1", 11000)
    talk.say("5010 B>A 200 cseq=2 tag=b sdp=B:20000")
    assert not announced(talk, "10.0.0.1", 10000)
    assert announced(talk, "10.0.0.1", 11000)
    assert announced(talk, "10.0.0.2", 20000)


@pytest.mark.parametrize("code", [401, 488, 491, 503])
def test_a_refused_offer_is_taken_back(code: int) -> None:
    talk = Conversation().say(ANSWERED + f"5000 A>B INVITE cseq=2 tag=b sdp=A:11000\n5010 B>A {code} cseq=2 tag=b")
    assert announced(talk, "10.0.0.1", 10000)
    assert not announced(talk, "10.0.0.1", 11000)
    assert announced(talk, "10.0.0.2", 20000)
    talk.say("5100 B:20000>A:10000 rtp=5\n5200 C:1>A:11000 rtp=5 ssrc=2").finish()
    assert [facts(s, "found_by", "call_id") for s in talk.records("stream")] == [("sdp", "call-1"), ("heuristic", None)]


def test_a_reinvite_of_the_callee_that_is_refused() -> None:
    talk = Conversation().say(ANSWERED + "5000 B>A INVITE cseq=1 ftag=b tag=a sdp=B:21000\n5010 A>B 488 cseq=1 ftag=b tag=a")
    assert announced(talk, "10.0.0.2", 20000)
    assert not announced(talk, "10.0.0.2", 21000)


def test_a_late_offer_is_answered_in_the_ack() -> None:
    text = "0 A>B INVITE\n20 B>A 200 tag=b sdp=B:20000\n30 A>B ACK tag=b sdp=A:10000\n40 A:10000>B:20000 rtp=5"
    (stream,) = streams(text)
    assert facts(stream, "call_id", "nat") == ("call-1", False)
    talk = Conversation().say(text + "\n50 A>B INVITE cseq=2 tag=b sdp=A:11000\n60 B>A 200 cseq=2 tag=b sdp=B:20000")
    assert not announced(talk, "10.0.0.1", 10000)


def test_183_prack_and_update() -> None:
    talk = Conversation().say("""
        0   A>B INVITE
        20  B>A 183 tag=b sdp=B:20000
        30  A>B PRACK cseq=2 tag=b sdp=A:10000
        40  B>A 200 cseq=2 of=PRACK tag=b
        50  A>B UPDATE cseq=3 tag=b sdp=A:11000
        60  B>A 200 cseq=3 of=UPDATE tag=b sdp=B:21000
    """)
    assert announced(talk, "10.0.0.1", 11000)
    assert announced(talk, "10.0.0.2", 21000)
    assert not announced(talk, "10.0.0.1", 10000)
    talk.say("90 B>A 200 tag=b")
    assert announced(talk, "10.0.0.1", 11000), "the 2xx to the INVITE does not bring back what the UPDATE replaced"
    assert announced(talk, "10.0.0.2", 21000)
    assert not announced(talk, "10.0.0.2", 20000)


def test_a_refused_update() -> None:
    talk = Conversation().say(ANSWERED + "50 A>B UPDATE cseq=2 tag=b sdp=A:11000\n60 B>A 491 cseq=2 of=UPDATE tag=b")
    assert announced(talk, "10.0.0.1", 10000)
    assert not announced(talk, "10.0.0.1", 11000)


def test_a_relay_rewrites_sdp_on_each_hop() -> None:
    text = """
        0    A>P INVITE sdp=A:10000
        1    P>B INVITE branch=p sdp=P:30000
        20   B>P 200 branch=p tag=b sdp=B:20000
        21   P>A 200 tag=b sdp=P:30002
        100  A:10000>P:30002 rtp=5
        101  P:30000>B:20000 rtp=5
        102  B:20000>P:30000 rtp=5 ssrc=2
        103  P:30002>A:10000 rtp=5 ssrc=2
    """
    found = run(text)
    assert [facts(s, "call_id", "nat", "continues") for s in found.records("stream")] == [("call-1", False, None)] * 4
    assert found.records("call")[0]["one_way"] is False


def test_one_hop_of_several_refuses() -> None:
    talk = Conversation().say("""
        0    A>P INVITE sdp=A:10000
        1    P>B INVITE branch=p1 sdp=P:30000
        2    P>C INVITE branch=p2 sdp=P:40000
        20   B>P 486 branch=p1 tag=b
    """)
    assert not announced(talk, "10.0.0.16", 30000)
    assert announced(talk, "10.0.0.16", 40000)
    assert announced(talk, "10.0.0.1", 10000)


def test_hold() -> None:
    talk = Conversation().say(ANSWERED + "5000 A>B INVITE cseq=2 tag=b sdp=0:10000\n5010 B>A 200 cseq=2 tag=b sdp=B:20000")
    assert not announced(talk, "10.0.0.1", 10000)
    talk.say("6000 A>B INVITE cseq=3 tag=b sdp=A:10000\n6010 B>A 200 cseq=3 tag=b sdp=B:20000")
    assert announced(talk, "10.0.0.1", 10000)
    (stream,) = talk.say("6100 B:20000>A:10000 rtp=5").finish().records("stream")
    assert stream["call_id"] == "call-1"


def test_a_stream_runs_on_through_a_hold() -> None:
    text = (
        ANSWERED
        + """
        2100 B:20000>A:10000 rtp=5
        5000 A>B INVITE cseq=2 tag=b sdp=A:10000;sendonly
        5010 B>A 200 cseq=2 tag=b sdp=B:20000;recvonly
        5100 B:20000>A:10000 rtp=5
    """
    )
    (stream,) = streams(text)
    assert stream["packets"] == 10
    assert one_call(text)["one_way"] is None


def test_port_0_and_other_transports_announce_nothing() -> None:
    talk = Conversation().say("0 A>B INVITE sdp=A:0|A:10002;video")
    assert announced(talk, "10.0.0.1", 10002)
    assert len(talk.media._sockets) == 1


def test_the_end_of_a_call_takes_its_endpoints_with_it() -> None:
    talk = Conversation().say(PLAIN_CALL + "2100 A:10000>B:20000 rtp=9\n60000 C>D OPTIONS cid=x", tick=True)
    assert talk.media._sockets == {}
    assert talk.media._ties == {}
    assert len(talk.streams) == 0


# -- one way ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("media", "one_way"),
    [
        ("", None),
        ("2100 A:10000>B:20000 rtp=9", True),
        ("2100 B:20000>A:10000 rtp=9", True),
        ("2100 A:10000>B:20000 rtp=9\n2100 B:20000>A:10000 rtp=9 ssrc=2", False),
        ("2100 C:9>B:20000 rtp=9\n2100 B:20000>C:9 rtp=9 ssrc=2", False),
    ],
)
def test_one_way(media: str, one_way: bool | None) -> None:
    assert one_call(ANSWERED + media)["one_way"] is one_way


def test_an_unanswered_call_is_not_one_way() -> None:
    assert one_call("0 A>B INVITE sdp=A:10000\n9 B>A 183 tag=b\n20 B:1>A:10000 rtp=9")["one_way"] is None


# -- moves ------------------------------------------------------------------------------------------------------------


def test_an_ssrc_that_moves_to_another_socket_continues() -> None:
    text = (
        ANSWERED
        + """
        2100 A:10000>B:20000 rtp=9
        2105 B:20000>A:10000 rtp=9 ssrc=1
        5000 A>B INVITE cseq=2 tag=b sdp=A:11000
        5010 B>A 200 cseq=2 tag=b sdp=B:20000
        5100 A:11000>B:20000 rtp=9
    """
    )
    assert [facts(s, "id", "continues") for s in streams(text)] == [(4, None), (13, None), (24, 4)]


def test_behind_a_relay_each_hop_continues_its_own() -> None:
    text = """
        0    A>P INVITE sdp=A:10000
        1    P>B INVITE sdp=P:30000 branch=p
        2000 B>P 200 tag=b sdp=B:20000 branch=p
        2001 P>A 200 tag=b sdp=P:30002
        2100 A:10000>P:30002 rtp=9
        2101 P:30000>B:20000 rtp=9
        5000 A>P INVITE cseq=2 tag=b sdp=A:11000
        5001 P>B INVITE cseq=2 tag=b sdp=P:31000 branch=p2
        5010 B>P 200 cseq=2 tag=b sdp=B:21000 branch=p2
        5011 P>A 200 cseq=2 tag=b sdp=P:31002
        5100 A:11000>P:31002 rtp=9
        5101 P:31000>B:21000 rtp=9
    """
    assert [facts(s, "id", "src", "continues") for s in streams(text)] == [
        (5, "10.0.0.1:10000", None),
        (14, "10.0.0.16:30000", None),
        (27, "10.0.0.1:11000", 5),
        (36, "10.0.0.16:31000", 14),
    ]


def test_the_same_ssrc_in_another_call_does_not_continue() -> None:
    text = (
        at(PLAIN_CALL, 0, "one")
        + "8000 A:10000>B:20000 rtp=5\n"
        + at(PLAIN_CALL, 20_000, "two")
        + "23000 A:10000>B:20000 rtp=7\n"
    )
    assert [stream["continues"] for stream in streams(text)] == [None, None]


# -- bounds -----------------------------------------------------------------------------------------------------------


def test_endless_reinvites_stay_within_bounds() -> None:
    lines = [ANSWERED]
    for number in range(2, 300):
        lines.append(f"{5000 + number} A>B INVITE cseq={number} tag=b sdp=A:{10000 + 2 * number}")
        if number % 2:
            lines.append(f"{5000 + number}.5 B>A 200 cseq={number} tag=b sdp=B:20000")
    talk = Conversation().say("\n".join(lines))
    assert len(talk.media._sockets) <= 64
    talk.finish()
    assert talk.media._sockets == {}


def test_one_endpoint_in_countless_calls() -> None:
    lines = [f"{n} A>B INVITE cid=c{n} sdp=A:10000" for n in range(200)]
    (stream,) = streams("\n".join(lines) + "\n300 B:9>A:10000 rtp=5")
    assert len(stream["call_ids"]) == 64


def test_rtcp_belongs_to_its_call() -> None:
    talk = Conversation(sip_users=("alice",)).say(ANSWERED)
    a, b = (*words("10.0.0.1"), 10001), (*words("10.0.0.2"), 20001)
    talk.table.rtcp(a, b)
    talk.table.rtcp((*words("10.0.0.9"), 1), (*words("10.0.0.2"), 20000))
    talk.table.rtcp((*words("10.0.0.9"), 1), (*words("10.0.0.9"), 2))
    talk.finish()
    assert talk.table.wanted() == 5
    assert talk.table.summary()["rtcp_packets"] == 2


def test_times_of_streams() -> None:
    (stream,) = streams(ANSWERED + "2100 A:10000>B:20000 rtp=5")
    assert facts(stream, "first_ns", "last_ns") == (ns(2100), ns(2180))


def test_media_back_to_the_host_it_came_from_is_no_one_way() -> None:
    """A caller that answers from another socket than it announced, to another than the callee did."""
    text = ANSWERED + "2100 C:9>B:20000 rtp=9\n2100 B:8>C:7 rtp=9 ssrc=2\n2200 B:20000>C:9 rtp=9 ssrc=3"
    assert one_call(text)["one_way"] is False


def test_parties_without_tags_are_told_apart_by_who_asks() -> None:
    """RFC 2543 senders had no tags."""
    text = (
        "0 A>B INVITE ftag= sdp=A:10000\n9 B>A 200 ftag= sdp=B:20000\n20 A:10000>B:20000 rtp=5\n20 B:20000>A:10000 rtp=5 ssrc=2"
    )
    assert one_call(text.replace("20 B:20000>A:10000 rtp=5 ssrc=2", ""))["one_way"] is True
    assert one_call(text)["one_way"] is False
    assert [stream["nat"] for stream in streams(text)] == [False, False]

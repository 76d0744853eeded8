"""The filters of calls, as written conversations: which calls each wants, alone and together."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from conversations import Conversation, run

from lippycat_core.builtin.match import PureProvider
from lippycat_core.errors import FilterError, InputError
from lippycat_core.kernelset import KernelSet
from lippycat_core.testing.packets import Record, ethernet, udp, write_pcap
from lippycat_core.testing.runs import run as whole_run
from lippycat_voip.dissector import VoipDissector, VoipOptions
from lippycat_voip.patterns import Dialling
from lippycat_voip.selection import BY_CODEC, BY_HOST, BY_USER, Filters, Selection

_PAI = "h=P-Asserted-Identity:"
_HIDDEN = "from=<sip:anonymous@anonymous.invalid>"
CALLS = f"""
0   A>B INVITE cid=plain from=<sip:alice@example.org> to=<sip:bob@example.net> uri=sip:bob@pbx.example.net;user=phone sdp=A:10000
1   B>A 200    cid=plain from=<sip:alice@example.org> to=<sip:bob@example.net> tag=b sdp=B:20000
10 A>B INVITE cid=world@h from=<sip:+49301234@Trunk.Example.ORG> to=<tel:+49-(40)-5678> uri=tel:+49405678 sdp=A:1;pt=96/opus/48000
20  C>B INVITE cid=dialled@h from=<sip:030.1234@pbx> to=<sip:0049405678@pbx;user=phone> uri=sip:0049405678@pbx sdp=C:1;pt=18/x
30  D>E INVITE cid=asserted {_HIDDEN} to=<sip:7042@pbx> uri=sip:7042@pbx {_PAI}<sip:carol@x>,_<tel:+15550100>
31  D>E INVITE cid=two-lines {_HIDDEN} to=<sip:7043@pbx> uri=sip:7043@pbx {_PAI}<sip:x@x> {_PAI}<sip:dave@x>
32  E>D 183    cid=two-lines {_HIDDEN} to=<sip:7043@pbx> tag=b sdp=F:4;pt=9/G722/8000
40  D>E REGISTER cid=reg from=<sip:al%69ce@example.org> to=<sip:alice@example.org> uri=sip:example.org
"""
ALL = ["plain", "world@h", "dialled@h", "asserted", "two-lines", "reg"]


def wanted(text: str = CALLS, **options: Any) -> list[object]:
    """Call-IDs of what is written, in the order of the conversation."""
    found = run(text, **options)
    calls = [call_id for name, call_id in found.order if name != "stream"]
    assert len(calls) == len(set(calls))
    sip: Any = found.table.summary()["sip"]
    assert found.table.wanted() in (None, sip["messages"])
    return [call_id for call_id in ALL if call_id in calls]


def test_without_filters_all_calls_are_wanted() -> None:
    assert wanted() == ALL
    assert Conversation().selection is None


@pytest.mark.parametrize(
    ("users", "calls"),
    [
        (["alice"], ["plain", "reg"]),
        (["carol"], ["asserted"]),
        (["+15550100"], ["asserted"]),
        (["dave"], ["two-lines"]),
        (["+49405678"], ["world@h"]),
        (["+49-(40)-5678"], ["world@h"]),
        (["704*"], ["asserted", "two-lines"]),
        (["bob,dave", "carol"], ["plain", "asserted", "two-lines"]),
        (["example.org"], []),
    ],
)
def test_users(users: list[str], calls: list[str]) -> None:
    assert wanted(sip_users=users) == calls


@pytest.mark.parametrize(
    ("numbers", "dialling", "calls"),
    [
        (["+49405678"], Dialling(), ["world@h", "dialled@h"]),
        (["+49301234"], Dialling(), ["world@h"]),
        (["+49301234"], Dialling(("00",), "49", "0"), ["world@h", "dialled@h"]),
        (["+49405678"], Dialling(("011",), "", "0"), ["world@h"]),
        (["5678"], Dialling(), ["world@h", "dialled@h"]),
        (["030 1234"], Dialling(), ["dialled@h"]),
        (["030 1234"], Dialling(("00",), "49", "0"), ["world@h", "dialled@h"]),
        (["7042,7043"], Dialling(), ["asserted", "two-lines"]),
        (["70*"], Dialling(), ["asserted", "two-lines"]),
        (["+1*"], Dialling(), ["asserted"]),
        (["+*"], Dialling(), ["world@h", "dialled@h", "asserted", "two-lines"]),
    ],
)
def test_numbers(numbers: list[str], dialling: Dialling, calls: list[str]) -> None:
    assert wanted(phone_numbers=numbers, dialling=dialling) == calls


@pytest.mark.parametrize(
    ("number", "written"),
    [
        ("+49301234", "sip:+49301234@x"),
        ("+49301234", "sip:+49-30-1234@x"),
        ("+49301234", "sip:0049301234@x"),
        ("+49301234", "sip:49301234@x"),
        ("+49301234", "tel:+49(30)1234"),
        ("+49301234", "tel:301234;phone-context=+49"),
        ("+49301234", "sip:301234;phone-context=+49@x;user=phone"),
        ("+49-30-1234", "sip:%2B49301234@x"),
        ("301234", "sip:0049301234@x"),
        ("1234", "tel:+49-30-12-34"),
        ("+4930*", "sip:004930999@x"),
        ("*1234", "sip:0301234@x"),
    ],
)
def test_a_number_is_found_in_each_of_its_forms(number: str, written: str) -> None:
    text = f"0 A>B INVITE from=<{written}>\n1 A>B INVITE cid=other from=<sip:+49409999@x>"
    assert [call_id for _, call_id in run(text, phone_numbers=[number]).order] == ["call-1"]


@pytest.mark.parametrize(
    ("uris", "calls"),
    [
        (["sip:alice@example.org"], ["plain", "reg"]),
        (["SIP:alice@EXAMPLE.ORG"], ["plain", "reg"]),
        (["sip:Alice@example.org"], []),
        (["sip:bob@pbx.example.net"], ["plain"]),
        (["*@trunk.example.org"], ["world@h"]),
        (["tel:+49405678"], ["world@h"]),
        (["tel:*", "sip:dave@x"], ["world@h", "asserted", "two-lines"]),
        (["sip:example.org"], ["reg"]),
    ],
)
def test_uris(uris: list[str], calls: list[str]) -> None:
    assert wanted(uris=uris) == calls


@pytest.mark.parametrize(
    ("call_ids", "calls"),
    [
        (["plain"], ["plain"]),
        (["Plain"], []),
        (["*@h"], ["world@h", "dialled@h"]),
        (["reg", "world@h"], ["world@h", "reg"]),
        ([r"pl\*"], []),
    ],
)
def test_call_ids(call_ids: list[str], calls: list[str]) -> None:
    assert wanted(call_ids=call_ids) == calls


@pytest.mark.parametrize(
    ("hosts", "calls"),
    [
        (["10.0.0.1"], ["plain", "world@h"]),
        (["10.0.0.3,10.0.0.5"], ["dialled@h", "asserted", "two-lines", "reg"]),
        (["10.0.0.0/29"], ALL),
        (["10.0.0.6"], ["two-lines"]),  # by its SDP alone
        (["10.0.0.0/31"], ["plain", "world@h"]),
        (["2001:db8::/32"], []),
    ],
)
def test_hosts(hosts: list[str], calls: list[str]) -> None:
    assert wanted(hosts=hosts) == calls


def test_hosts_of_ipv6() -> None:
    assert run("0 a>b INVITE cid=six\n1 A>B INVITE cid=four", hosts=["2001:db8::2"]).order == [("call", "six")]


@pytest.mark.parametrize(
    ("codecs", "calls"),
    [
        (["pcmu"], ["plain"]),
        (["PCMA", "g722"], ["plain", "two-lines"]),
        (["OPUS"], ["world@h"]),
        (["telephone-event"], ["plain"]),
        (["G729"], ["dialled@h"]),
        (["opus,G722"], ["world@h", "two-lines"]),
        (["AMR"], []),
    ],
)
def test_codecs(codecs: list[str], calls: list[str]) -> None:
    assert wanted(codecs=codecs) == calls


def test_a_name_of_rtpmap_goes_before_that_of_the_number() -> None:
    text = "0 A>B INVITE cid=mapped sdp=A:1;pt=18/AMR/8000\n1 A>B INVITE cid=static sdp=A:1;pt=18/"
    assert run(text, codecs=["G729"]).order == [("call", "static")]
    assert run(text, codecs=["amr"]).order == [("call", "mapped")]


def test_different_options_must_all_be_satisfied() -> None:
    both = {"sip_users": ["alice"], "codecs": ["PCMU"]}
    assert wanted(**both) == ["plain"]
    assert wanted(**both, hosts=["10.0.0.9"]) == []
    assert wanted(**both, hosts=["10.0.0.2"], uris=["*@pbx.example.net"], call_ids=["p*"], phone_numbers=["1"]) == []
    assert wanted(**both, hosts=["10.0.0.2"], uris=["*@pbx.example.net"], call_ids=["p*"]) == ["plain"]
    assert wanted(**both, call_id="plain") == ["plain"]
    assert wanted(**both, call_id="reg") == []


def test_each_option_by_any_message_of_the_call() -> None:
    """The caller is named by the INVITE, the codec by the answer, the host by neither's source."""
    text = "0 A>B INVITE\n1 B>A 200 tag=b sdp=F:4;pt=9/G722/8000\n2 C>B BYE cseq=2 tag=b\n3 A>B INVITE cid=other\n"
    found = run(text, sip_users=["alice"], codecs=["G722"], hosts=["10.0.0.3"], messages=True)
    assert found.order == [("call", "call-1")]
    assert [message["frame"] for message in found.records("message")] == [3]
    assert found.table.wanted() == 3
    summary: Any = found.table.summary()
    assert (summary["sip"]["messages"], summary["calls"]) == (3, 1)


def test_the_dialog_is_wanted_once_all_is_satisfied() -> None:
    talk = Conversation(sip_users=["alice"], codecs=["G722"], hosts=["10.0.0.2"])
    assert talk.table._complete == BY_USER | BY_HOST | BY_CODEC
    talk.say("0 A>B INVITE")
    (dialog,) = talk.table._writer.dialogs.values()
    assert (dialog.satisfied, dialog.wanted) == (BY_USER | BY_HOST, False)
    talk.say("1 B>A 183 tag=b sdp=B:1;pt=9/G722/8000")
    assert (dialog.satisfied, dialog.wanted) == (BY_USER | BY_HOST | BY_CODEC, True)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"sip_users": ["a,,b"]}, "--sip-user: 'a,,b' has an empty word"),
        ({"phone_numbers": ["alice"]}, "'alice' is no telephone number"),
        ({"uris": ["alice"]}, "'alice' is no URI"),
        ({"uris": [" "]}, "--uri: an empty pattern"),
        ({"call_ids": [""]}, "--call-id: an empty pattern"),
        ({"hosts": ["10.0.0.0/99"]}, "'10.0.0.0/99' is no IP address or network"),
        ({"codecs": ["PCMU/8000"]}, "--codec: 'PCMU/8000' is no encoding name"),
        ({"codecs": ["a b"]}, "is no encoding name"),
        ({"sip_users": ["a"], "algorithm": "fastest"}, "no algorithm 'fastest'; there are auto, linear, aho-corasick"),
        ({"sip_users": ["a"], "dialling": Dialling(("0x",))}, "voip.international_prefixes: '0x' is no prefix"),
        ({"sip_users": ["a"], "dialling": Dialling(country="de")}, "voip.country_code: 'de' is no prefix"),
        ({"sip_users": ["a"], "dialling": Dialling(national="(0)")}, "voip.national_prefix"),
    ],
)
def test_bad_filters(options: dict[str, Any], error: str) -> None:
    with pytest.raises(FilterError) as caught:
        run("", **options)
    assert error in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_country_code_may_have_a_plus() -> None:
    assert wanted(phone_numbers=["+49301234"], dialling=Dialling(country="+49")) == ["world@h", "dialled@h"]


@pytest.mark.parametrize("algorithm", ["auto", "linear", "aho-corasick"])
def test_the_algorithm_shows_nowhere(algorithm: str) -> None:
    assert wanted(sip_users=["alice", "704*"], algorithm=algorithm) == ["plain", "asserted", "two-lines", "reg"]


def test_files(tmp_path: Path) -> None:
    listed = tmp_path / "list"
    listed.write_text("# office\n+49 (40) 5678 # front desk\n7042\n")
    assert wanted(phone_number_file=str(listed)) == ["world@h", "dialled@h", "asserted"]
    assert wanted(phone_number_file=str(listed), phone_numbers=["7043"]) == ["world@h", "dialled@h", "asserted", "two-lines"]
    listed.write_text("alice\n")
    assert wanted(sip_user_file=str(listed), sip_users=["carol"]) == ["plain", "asserted", "reg"]
    with pytest.raises(InputError, match="cannot read the list of telephone numbers"):
        run("", phone_number_file=str(tmp_path / "none"))


def test_a_hundred_thousand_names(tmp_path: Path) -> None:
    listed = tmp_path / "users"
    listed.write_text("".join(f"+4930{n:06}\n" for n in range(100_000)))
    began = time.process_time()
    talk = Conversation(sip_user_file=str(listed), max_calls=2000)
    loaded = time.process_time()
    for number in range(99_500, 100_500):
        talk.say(f"{number} A>B INVITE cid={number} from=<sip:+4930{number:06}@x>")
    talk.finish()
    assert [call_id for _, call_id in talk.order] == [str(number) for number in range(99_500, 100_000)]
    assert loaded - began < 2, "about half a second where nothing else runs"


def capture(path: Path, messages: list[bytes]) -> Path:
    packets = [ethernet(udp("192.0.2.1", 5060, "192.0.2.2", 5060, data)) for data in messages]
    return write_pcap(path, [Record(number * 1_000_000, packet) for number, packet in enumerate(packets)])


def invite(number: int, header: str) -> bytes:
    return (
        f"INVITE sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK{number}\r\nFrom: <sip:u{number}@h>;tag=1\r\n"
        f"To: <sip:x@y>\r\nCall-ID: {number}\r\nCSeq: 1 INVITE\r\n{header}\r\n\r\n"
    ).encode()


def test_more_messages_than_are_parsed_at_once(tmp_path: Path, kernels: KernelSet) -> None:
    path = capture(tmp_path / "many.pcap", [invite(number, "Subject: x") for number in range(1300)])
    filters = Filters(sip_users=["u0,u511,u512,u1299"], call_ids=["*1*", "*"], hosts=["192.0.2.2"])
    found = whole_run(path, VoipDissector(VoipOptions(filters=filters)), kernels=kernels)
    assert [record["call_id"] for record in found.named("call")] == ["0", "511", "512", "1299"]


def test_messages_full_of_long_addresses(tmp_path: Path, kernels: KernelSet) -> None:
    """Their texts do not fit the slab at once; the last address of each is found all the same."""
    identities = "P-Asserted-Identity: " + ",".join(f"<sip:{n}{'%41' * 100}@{'h' * 500}>" for n in range(7))
    messages = [invite(number, f"{identities},<sip:last{number}@h>") for number in range(60)]
    path = capture(tmp_path / "long.pcap", messages)
    filters = Filters(sip_users=["last7,last59,6" + "A" * 100], uris=["*@h"])
    found = whole_run(path, VoipDissector(VoipOptions(filters=filters)), kernels=kernels)
    assert len(found.named("call")) == 60
    filters = Filters(sip_users=["last7,last59"], uris=["sip:6" + "A" * 100 + "@" + "H" * 500])
    found = whole_run(path, VoipDissector(VoipOptions(filters=filters)), kernels=kernels)
    assert [record["call_id"] for record in found.named("call")] == ["7", "59"]


def test_patterns_are_given_back() -> None:
    closed: list[str] = []

    class Backend:
        name, device, memory = "watched", "1 core", None

        def compile(self, patterns: Any) -> Any:
            matcher: Any = PureProvider().open().compile(patterns)
            matcher.close = lambda: closed.append("matcher")
            return matcher

    backend: Any = Backend()
    selection = Selection(Filters(sip_users=["a"], call_ids=["b"]), backend, most_messages=1)
    selection.close()
    assert closed == ["matcher", "matcher"]

"""One file a call: it has what `-w` with that call's filter has, whatever the batches, the threads and the room."""

from __future__ import annotations

import os
import random
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from calls_on_the_wire import Wire, packets_of, write
from conversations import PLAIN_CALL, sip
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.utils import RawPcapNgReader, RawPcapReader

from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.testing.packets import Record, write_pcap
from lippycat_core.testing.runs import Run, run
from lippycat_core.writing.crew import Crew
from lippycat_core.writing.files import FileFacts
from lippycat_core.writing.groups import GroupFiles
from lippycat_core.writing.manyfiles import ManyFiles
from lippycat_core.writing.names import Pattern
from lippycat_core.writing.packing import form_of
from lippycat_voip.dissector import VoipDissector, VoipOptions
from lippycat_voip.filing import FIELDS, Filing, FilingOptions
from lippycat_voip.selection import Filters


class Filed(NamedTuple):
    """What a run left: its records, the file of each call by Call-ID, and what went wrong."""

    run: Run
    all_files: Mapping[str, Sequence[FileFacts | None]]
    failed: Sequence[str]
    groups: GroupFiles
    most_open: int

    @property
    def files(self) -> Mapping[str, FileFacts | None]:
        """The last one where a Call-ID was used for several calls."""
        return {call_id: files[-1] for call_id, files in self.all_files.items()}

    def packets(self, call_id: str) -> list[tuple[int, bytes, int, int]]:
        """Of all calls of that Call-ID."""
        return [packet for facts in self.all_files[call_id] if facts is not None for packet in packets_of(facts.path)]

    def numbers(self, call_id: str) -> list[int]:
        """Record numbers of a call's packets (`calls_on_the_wire`)."""
        return [int.from_bytes(data[:6], "big") for _, data, _, _ in self.packets(call_id)]


def file_calls(
    source: Path | Sequence[Record],
    folder: Path,
    *,
    kernels: KernelSet | None = None,
    pattern: str = "{call_id}.pcapng",
    threads: int = 1,
    batch: int = 4096,
    nbytes: int = 1 << 20,
    open_files: int = 16,
    **options: Any,
) -> Filed:
    if not isinstance(source, Path):
        records, source = source, folder.parent / f"{folder.name}.pcap"
        write_pcap(source, list(records))
    form = form_of(pattern)
    crew, failed, done = Crew(threads), list[str](), dict[str, list[FileFacts | None]]()
    many = ManyFiles(
        crew.lanes, open_files, lambda path, error: failed.append(f"{path}: {error}"), pcapng=form.pcapng, packing=form.packing
    )
    groups = GroupFiles(many, crew, nbytes=nbytes, pcapng=form.pcapng)

    def after(record: Mapping[str, object], facts: FileFacts | None) -> None:
        done.setdefault(str(record["call_id"]), []).append(facts)

    filing = Filing(groups, FilingOptions(str(folder), Pattern(pattern, FIELDS, "--pattern"), after=after))
    filters = Filters(sip_users=options.pop("sip_users", ()))
    dissector = VoipDissector(VoipOptions(packets=True, filing=filing, filters=filters, **options))
    made = run(source, dissector, kernels=kernels, batch_packets=batch, sinks=[dissector.packets(None)])
    crew.close()
    most_open = many.descriptors
    many.close()
    return Filed(made, done, failed, groups, most_open)


def as_filtered(source: Path, out: Path, call_id: str, kernels: KernelSet | None = None) -> list[tuple[int, bytes, int, int]]:
    """What `-w` writes with `--call`: made by other code, for another purpose."""
    write(source, out, call_id=call_id, kernels=kernels)
    return packets_of(out)


@pytest.mark.parametrize("batch", [1, 7, 4096])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_call_with_its_media_from_its_first_packet_to_its_last(
    tmp_path: Path, kernels: KernelSet, batch: int, threads: int
) -> None:
    text = """
    0     A:10000>B:20000 rtp=3
    50    A>C noise
    60    A>B INVITE sdp=A:10000
    70    C>D INVITE cid=other sdp=C:10000
    80    C:10000>D:10000 rtp=2
    100   B>A 200 tag=b sdp=B:20000
    110   A>B ACK tag=b
    120   A:10000>B:20000 rtp=2
    130   A:10001>B:20001 rtcp=1
    140   A:10000>B:20000 stun
    150   D>C 200 cid=other tag=d sdp=D:10000
    200   A>B OPTIONS cid=ping
    900   A>B BYE cseq=2 tag=b
    910   B>A 200 cseq=2 of=BYE tag=b
    """
    got = file_calls(Wire().say(text).records(), tmp_path / "calls", kernels=kernels, batch=batch, threads=threads)
    everything = {"call-1": [1, 2, 3, 5, 9, 10, 11, 12, 13, 14, 17, 18], "other": [6, 7, 8, 15]}
    assert {call: got.numbers(call) for call in got.files} == everything
    assert sorted(os.listdir(tmp_path / "calls")) == ["call-1.pcapng", "other.pcapng"]
    assert not got.failed


@pytest.mark.parametrize("pattern", ["{call_id}.pcap", "{call_id}.pcapng.zst", "{call_id}.pcap.gz"])
def test_late_announcements_leave_files_in_order_in_every_form(tmp_path: Path, pattern: str) -> None:
    """The call's file has been written up to 30 s when media that began at 1 s is announced."""
    text = "0 A>B INVITE\n" + "".join(
        f"{1000 * s} A:10000>B:20000 rtp=20\n{1000 * s + 500} B>A 180 tag=b\n" for s in range(1, 30)
    )
    text += "30000 B>A 200 tag=b sdp=B:20000\n30001 A>B ACK tag=b\n"
    records = Wire().say(text).records()
    got = file_calls(records, tmp_path / "calls", pattern=pattern, batch=20)
    assert got.numbers("call-1") == list(range(1, len(records) + 1))
    facts = got.files["call-1"]
    assert facts is not None
    assert (facts.packets, facts.nbytes) == (len(records), os.stat(facts.path).st_size)
    assert os.listdir(tmp_path / "calls") == [os.path.basename(facts.path)]


def test_media_that_two_calls_announce_is_in_both_files(tmp_path: Path, kernels: KernelSet) -> None:
    text = """
    0   A>B INVITE cid=one sdp=A:10000
    5   B>C INVITE cid=two sdp=A:10000
    10  C:20000>A:10000 rtp=3
    90  C>B 200 cid=two tag=c sdp=C:20000
    95  B>A 200 cid=one tag=b sdp=C:20000
    99  A:10000>C:20000 rtp=2
    120 A:10001>C:20001 rtcp=1
    """
    got = file_calls(Wire().say(text).records(), tmp_path / "calls", kernels=kernels)
    assert {call: got.numbers(call) for call in got.files} == {"one": [1, 3, 4, 5, 7, 8, 9, 10], "two": [2, 3, 4, 5, 6, 8, 9, 10]}


@pytest.mark.parametrize("batch", [1, 2, 4096])
def test_messages_over_tcp_and_in_fragments(tmp_path: Path, batch: int) -> None:
    first, second = (sip("INVITE", "A", "B", {"cid": name, "sdp": "A:10000"}) for name in ("one", "two"))
    wire = Wire().say("0 A>B INVITE cid=frag sdp=A:10000 frag=200\n")
    wire.segment(10, "A", "B", first[:100])
    wire.segment(11, "A", "B", first[100:] + second[:50])
    wire.say("12 A:10000>B:20000 rtp=2")
    wire.segment(60, "A", "B", second[50:])
    records = wire.records()
    got = file_calls(records, tmp_path / "calls", batch=batch)
    pieces = len(records) - 5
    assert pieces > 1
    one, two, three = pieces + 1, pieces + 2, pieces + 5
    assert got.numbers("frag")[:pieces] == list(range(1, pieces + 1))
    assert [n for n in got.numbers("one") if n in (one, two, three)] == [one, two]
    assert [n for n in got.numbers("two") if n in (one, two, three)] == [two, three]


def test_only_calls_that_a_filter_wants_but_those_whole(tmp_path: Path) -> None:
    text = """
    0    B:20000>A:10000 rtp=2
    1    A>B INVITE cid=mine sdp=A:10000
    2    C>D INVITE cid=other sdp=C:10000
    3    C:10000>D:10000 rtp=2
    60   B>A 180 cid=mine tag=b
    70   B>A 200 cid=mine tag=b sdp=B:20000 h=P-Asserted-Identity:<sip:carol@example.org>
    80   D>C 200 cid=other tag=d sdp=D:10000
    90   C:10000>D:10000 rtp=2
    100  A:10000>B:20000 rtp=2
    """
    got = file_calls(Wire().say(text).records(), tmp_path / "calls", sip_users=["carol"])
    assert {call: got.numbers(call) for call in got.files} == {"mine": [1, 2, 5, 7, 8, 11, 13]}
    assert os.listdir(tmp_path / "calls") == ["mine.pcapng"]


@pytest.mark.parametrize("seed", range(60))
def test_files_are_what_a_filter_for_that_call_writes(tmp_path: Path, seed: int) -> None:
    """Against `-w` with `--call`, over random traffic, batches, threads and room. Packets of one nanosecond may change places."""
    chance = random.Random(seed)
    lines = []
    for i in range(chance.randint(2, 40)):
        call = chance.randint(0, 3)
        a, b = "ABCD"[call], "ABCD"[(call + chance.randint(1, 2)) % 4]
        what = chance.choice(
            [
                f"{a}>{b} INVITE cid=c{call} sdp={a}:1{call}000",
                f"{b}>{a} 180 cid=c{call} tag=t",
                f"{b}>{a} 200 cid=c{call} tag=t sdp={b}:2{call}000",
                f"{a}:1{call}000>{b}:2{call}000 rtp=4",
                f"{b}:2{call}000>{a}:1{call}000 rtp=9",
                f"{a}:1{call}001>{b}:2{call}001 rtcp=1",
                f"{a}>{b} BYE cid=c{call} cseq=2 tag=t",
                f"{a}>{b} OPTIONS cid=ping{call}",
            ]
        )
        lines.append(f"{i * chance.choice([10, 500, 3000])} {what}")
    source = tmp_path / "in.pcap"
    write_pcap(source, Wire().say("\n".join(lines)).records())
    sizes = {"batch": chance.choice([1, 5, 4096]), "threads": chance.choice([1, 2]), "open_files": chance.choice([1, 16])}
    got = file_calls(source, tmp_path / "calls", **sizes)
    for call_id in got.files:
        # a Call-ID may be that of two calls, who share what comes while the first one lingers
        assert set(got.packets(call_id)) == set(as_filtered(source, tmp_path / "want.pcapng", call_id))
        for facts in got.all_files[call_id]:
            times = [packet[0] for packet in packets_of(facts.path)] if facts is not None else []
            assert times == sorted(times)
    assert not got.failed
    assert got.groups.evicted == 0


def test_files_of_real_captures_are_what_a_filter_for_that_call_writes(tmp_path: Path, truth_capture: Path) -> None:
    if truth_capture.stat().st_size > 4_000_000:
        pytest.skip("larger than this test has time for")
    kernels = pytest.importorskip("lippycat_simd.kernels", reason="lippycat-simd is not installed: too slow").CompiledKernels()
    got = file_calls(truth_capture, tmp_path / "calls", kernels=kernels, threads=2)
    for call_id in sorted(got.files)[:5]:
        assert got.packets(call_id) == as_filtered(truth_capture, tmp_path / "want.pcapng", call_id, kernels)
    assert sorted(got.files) == sorted({str(call["call_id"]) for call in got.run.named("call")})


HOSTILE = [
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    ".hidden",
    "a/b",
    "a\\b",
    "a:b",
    "-rf",
    "caf\u00e9",
    "\u202egnp.exe",
    "$(reboot)`id`;|&",
    "'\"",
    "x" * 4096,
    "x" * 4095 + "y",
    "%s%n",
    "{call_id}",
]


def test_hostile_call_ids_stay_in_the_folder_and_apart(tmp_path: Path) -> None:
    folder = tmp_path / "calls"
    text = "".join(f"{i} A>B INVITE cid=@{i}@\n" for i in range(len(HOSTILE)))
    records = []
    for i, record in enumerate(Wire().say(text).records()):
        # the identifiers are put in as bytes, for the notation of conversations has no place for them
        message = sip("INVITE", "A", "B", {"cid": "@"}).replace(b"Call-ID: @", b"Call-ID: " + HOSTILE[i].encode())
        records.append(Record(record.ts_ns, frame(message)))
    got = file_calls(records, folder, pattern="{from}-{call_id}.pcapng")
    assert len(got.files) == len(HOSTILE)
    assert {path.name for path in tmp_path.iterdir()} == {"calls", "calls.pcap"}
    names = [path.name for path in folder.iterdir()]
    assert len(names) == len(HOSTILE)
    assert all(re.fullmatch(r"alice-[A-Za-z0-9_.+@=,~-]{1,100}\.pcapng", name) for name in names)
    for facts in got.files.values():
        assert facts is not None
        assert len(packets_of(facts.path)) == 1
        assert stat.S_IMODE(os.stat(facts.path).st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def frame(message: bytes) -> bytes:
    from calls_on_the_wire import datagram
    from conversations import place

    from lippycat_core.testing.packets import ethernet

    return ethernet(datagram(place("A"), place("B"), message))


def test_names_that_differ_in_what_is_not_safe_are_told_apart(tmp_path: Path) -> None:
    text = "0 A>B INVITE cid=a/b\n1 A>B INVITE cid=a:b\n2 A>B INVITE cid=a*b\n"
    got = file_calls(Wire().say(text).records(), tmp_path / "calls")
    assert sorted(os.listdir(tmp_path / "calls")) == ["a_b.pcapng", "a_b_2.pcapng", "a_b_3.pcapng"]
    assert [got.numbers(call) for call in ("a/b", "a:b", "a*b")] == [[1], [2], [3]]


def test_a_file_or_link_that_is_there_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "calls"
    folder.mkdir()
    (folder / "call-1.pcapng").symlink_to(tmp_path / "elsewhere")
    got = file_calls(Wire().say(PLAIN_CALL).records(), folder)
    assert not (tmp_path / "elsewhere").exists()
    facts = got.files["call-1"]
    assert facts is not None
    assert facts.path.endswith("call-1_2.pcapng")


def test_ten_thousand_open_calls_and_few_descriptors(tmp_path: Path) -> None:
    """Each call is written, closed for others, and written again, for there is little room."""
    count = 10_000
    records = []
    for turn in range(3):
        for i in range(count):
            what, keys = (("INVITE", {}), ("180", {"tag": "b"}), ("200", {"tag": "b"}))[turn]
            src, dst = ("A", "B") if turn == 0 else ("B", "A")
            made = sip(what, src, dst, {"cid": f"call-{i}", **keys})
            records.append(Record(1_700_000_000 * 10**9 + (turn * count + i) * 10**5, frame(made)))
    before = len(os.listdir("/proc/self/fd"))
    simd = pytest.importorskip("lippycat_simd.kernels", reason="lippycat-simd is not installed: too slow")
    got = file_calls(records, tmp_path / "calls", kernels=simd.CompiledKernels(), open_files=64, nbytes=4 << 20)
    assert len(got.files) == count
    assert got.most_open <= 64
    assert len(os.listdir("/proc/self/fd")) == before
    assert not got.failed
    assert got.groups.evicted == 0
    facts = [facts for facts in got.files.values() if facts is not None]
    assert len(facts) == count
    assert sum(one.packets for one in facts) == len(records)
    assert all(len(packets_of(one.path)) == 3 for one in facts[:: count // 50])


def test_comments_say_whose_call_it_is_and_how_it_went(tmp_path: Path) -> None:
    text = PLAIN_CALL + "2100 A:10000>B:20000 rtp=50\n2100 B:20000>A:10000 rtp=50\n"
    got = file_calls(Wire().say(text).records(), tmp_path / "calls")
    facts = got.files["call-1"]
    assert facts is not None
    data = Path(facts.path).read_bytes()
    said = [b"Call-ID: call-1", b"From: sip:alice@example.org", b"To: sip:bob@example.org", b"State: ended, 200 OK, 7.0 s"]
    assert all(text in data for text in said)
    assert b"10.0.0.1:10000 to 10.0.0.2:20000: PCMU, 50 packets, 0 lost (0.0 %), jitter 0.000 ms" in data
    with RawPcapNgReader(facts.path) as reader:
        assert len(list(reader)) == 107


def test_pcap_by_the_patterns_ending(tmp_path: Path) -> None:
    got = file_calls(Wire().say(PLAIN_CALL).records(), tmp_path / "calls", pattern="{date}/x/{time}_{from}_{to}_{method}.pcap")
    facts = got.files["call-1"]
    assert facts is not None
    assert re.search(r"/\d{8}/x/\d{6}_alice_bob_INVITE\.pcap$", facts.path)
    folders = [path for path in tmp_path.rglob("*") if path.is_dir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    with RawPcapReader(facts.path) as reader:
        assert len(list(reader)) == 7


def test_little_room_loses_nothing_of_a_call(tmp_path: Path, kernels: KernelSet) -> None:
    text = "".join(
        f"{i} A>B INVITE cid=c{i} sdp=A:{10000 + 2 * i}\n{i + 1} B:{20000 + 2 * i}>A:{10000 + 2 * i} rtp=60 ssrc={i}\n"
        for i in range(60)
    )
    records = Wire().say(text).records()
    got = file_calls(records, tmp_path / "calls", kernels=kernels, nbytes=1 << 18, batch=100)
    assert sum(len(got.numbers(call)) for call in got.files) == len(records)
    assert got.groups.evicted == 0


def test_media_that_finds_no_room_is_counted(tmp_path: Path) -> None:
    """Nobody announces it for long; the packets that went are told, those that are there are written."""
    text = "".join(f"{i} A:{10000 + 2 * i}>B:20000 rtp=60 ssrc={i}\n" for i in range(150))
    text += "9000 B>A INVITE sdp=B:20000\n9001 A>B 200 tag=b\n"
    records = Wire().say(text).records()
    got = file_calls(records, tmp_path / "calls")
    evicted = got.run.summary["evicted"]
    assert isinstance(evicted, Mapping)
    assert evicted["call_files"] == got.groups.evicted > 0
    assert len(got.numbers("call-1")) + got.groups.evicted == len(records)


def test_a_full_disk_is_told_of_each_file_and_keeps_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write

    def full(fd: int, data: bytes | memoryview) -> int:
        if "call-1" in os.readlink(f"/proc/self/fd/{fd}") and os.fstat(fd).st_size > 2000:
            real(fd, data[:700])
            raise OSError(28, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(os, "write", full)
    text = "".join(
        f"{12000 * i} A>B INVITE cid=call-1 cseq={i} sdp=A:10000\n{12000 * i} A>B INVITE cid=fine cseq={i}\n" for i in range(9)
    )
    got = file_calls(Wire().say(text).records(), tmp_path / "calls", batch=2)
    assert [line.endswith("No space left on device") for line in got.failed] == [True]
    (broken,) = [path for path in (tmp_path / "calls").iterdir() if path.name.startswith("call-1")]
    kept = packets_of(broken)
    assert len(kept) >= 3
    assert run(broken).faults == ()
    assert len(got.numbers("fine")) == 9


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{callee}.pcapng", r"no field \{callee\}: there are \{timestamp\}, \{date\}"),
        ("../{call_id}.pcapng", "leaves its folder"),
        ("/tmp/{call_id}", "leaves its folder"),
        ("a//b", "leaves its folder"),
        ("", "leaves its folder"),
        ("{call_id", "a brace without its other"),
        ("a\nb", "a control character"),
        (".", "no name, only dots or an ending"),
        ("{date}/...pcapng", "no name, only dots or an ending"),
        (".pcapng.zst", "no name, only dots or an ending"),
    ],
)
def test_patterns_that_cannot_be(pattern: str, said: str) -> None:
    from lippycat_core.errors import UsageError

    with pytest.raises(UsageError, match=said):
        Pattern(pattern, FIELDS, "--per-call-pcap-pattern")


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_makes_a_safe_name(text: str) -> None:
    name = Pattern("{call_id}.pcapng", FIELDS, "x").fill({"call_id": text})
    assert re.fullmatch(r"[A-Za-z0-9_+@=,][A-Za-z0-9_.+@=,~-]{0,99}\.pcapng", name)
    assert len(name) <= 100


def test_interpreted_kernels_are_bound_too(tmp_path: Path) -> None:
    got = file_calls(Wire().say(PLAIN_CALL).records(), tmp_path / "calls", kernels=Interpreted())
    assert got.numbers("call-1") == [1, 2, 3, 4, 5, 6, 7]

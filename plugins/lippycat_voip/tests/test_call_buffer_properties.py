"""The call buffer against an oracle that knows every decision beforehand, and real captures written and read again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from calls_on_the_wire import Wire, packets_of, write, written
from conversations import sip

from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.testing.runs import run
from lippycat_voip import heldpackets
from lippycat_voip.dissector import VoipDissector, VoipOptions

MATCH = "P-Asserted-Identity: <sip:carol@example.org>"
WAYS = ((1, 1), (7, 2), (4096, 1), (4096, 2))
"""Batch sizes and threads."""


class Plan:
    """Random calls, interleaved, and the records that a filter for carol must give."""

    def __init__(self, random: Random) -> None:
        self.wire = Wire()
        self._random = random
        self._wanted: list[bool] = []
        for number in range(random.randint(1, 6)):
            self._call(number)
        for _ in range(random.randint(0, 4)):
            self._noise()
        order = sorted(range(len(self.wire.sent)), key=lambda n: self.wire.sent[n][0])
        self.expected = [place + 1 for place, n in enumerate(order) if self._wanted[n]]

    def _say(self, text: str, wanted: bool) -> None:
        self.wire.say(text)
        self._wanted += [wanted] * (len(self.wire.sent) - len(self._wanted))

    def _noise(self) -> None:
        at = self._random.randint(0, 3000)
        kind = self._random.choice(("noise", "stun", "dtls", "rtp=1", "rtp=9"))
        self._say(f"{at} X:{9000 + at}>Y:9000 {kind} ssrc={at}" if "rtp" in kind else f"{at} X:9000>Y:9000 {kind}", False)

    def _call(self, n: int) -> None:
        """One call by UDP or TCP; `match` is the message that names carol, none where it is behind the last."""
        random = self._random
        a, b = chr(ord("A") + 2 * n), chr(ord("B") + 2 * n)
        media, other = f"{a}:{10000 + 2 * n}", f"{b}:{20000 + 2 * n}"
        at = random.random() * 1500
        match = random.choice((0, 1, 2, 3, 5, 9))
        answer = random.choice((200, 200, 200, 486))
        kept = match <= 3  # by the final answer at the latest
        late = match == 5 and answer == 200  # by the BYE
        fragments = f" frag={random.choice((96, 200))}" if random.random() < 0.3 else ""
        tcp = random.random() < 0.3

        def send(step: int, what: str, src: str, dst: str, **keys: str) -> None:
            nonlocal at
            at += random.random() * 300
            keys = {"cid": f"call-{n}", "ssrc": "1", **keys}
            wanted = kept or (late and step >= 5)
            pai = [MATCH] if step == match else []
            if tcp:
                data = sip(what, src, dst, {k: v for k, v in keys.items() if k != "ssrc"}, pai)
                cut = random.randint(1, len(data) - 1)
                for part in (data[:cut], data[cut:]) if random.random() < 0.5 else (data,):
                    self.wire.segment(at, src, dst, part)
                    at += 1
                self._wanted += [wanted] * (len(self.wire.sent) - len(self._wanted))
                return
            words = " ".join(f"{key}={value}" for key, value in keys.items() if key != "ssrc")
            header = "h=" + MATCH.replace(" ", "_") if pai else ""
            self._say(f"{at} {src}>{dst} {what} {words} {header}{fragments}", wanted)

        def rtp(src: str, dst: str, step: int) -> None:
            nonlocal at
            count = random.randint(1, 5)
            self._say(f"{at} {src}>{dst} rtp={count} ssrc={n + 1}", kept or (late and step >= 5))
            at += 20 * count
            if random.random() < 0.3:
                ports = [f"{end[0]}:{int(end[2:]) + 1}" for end in (src, dst)]
                self._say(f"{at} {ports[0]}>{ports[1]} rtcp={n + 1}", kept or (late and step >= 5))

        if random.random() < 0.4:
            rtp(media, other, 0)  # in front of everything
        send(0, "INVITE", a, b, sdp=media)
        if match == 1 or random.random() < 0.5:
            send(1, "100", b, a)
        if random.random() < 0.5:
            send(2, "183", b, a, tag="b", sdp=other)
        elif match == 2:
            send(2, "180", b, a, tag="b")
        if random.random() < 0.5:
            rtp(other, media, 2)
        if answer == 200:
            send(3, "200", b, a, tag="b", sdp=other)
            send(4, "ACK", a, b, tag="b")
            rtp(media, other, 4)
            send(5, "BYE", a, b, tag="b", cseq="2")
            rtp(other, media, 5)
            send(6, "200", b, a, tag="b", cseq="2", of="BYE")
        else:
            send(3, "486", b, a, tag="b")
            send(4, "ACK", a, b, tag="b")


def options(random: Random) -> dict[str, Any]:
    return {"sip_users": ["carol"], "messages": random.random() < 0.5}


@pytest.mark.parametrize("seed", range(40))
def test_what_is_written_is_what_was_decided_in_the_end(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    plan = Plan(random)
    chosen = options(random)
    first = None
    for batch, threads in WAYS:
        got = written(tmp_path, plan.wire, batch=batch, threads=threads, **chosen)
        assert got.numbers == plan.expected, (batch, threads)
        assert got.evicted == 0
        first = first or got.run.records
        assert got.run.records == first


def bounds(random: Random) -> dict[str, int]:
    """Bounds that are hit."""
    return random.choice(
        (
            {"calls": random.randint(1, 6)},
            {"nbytes": random.randint(300, 6000)},
            {"age_ns": random.randint(1, 2_000_000_000)},
            {"calls": random.randint(2, 6), "nbytes": random.randint(300, 6000), "age_ns": random.randint(1, 2_000_000_000)},
        )
    )


@pytest.mark.parametrize("seed", range(100))
def test_bounds_cut_the_same_wherever_batches_end(tmp_path: Path, seed: int) -> None:
    random = Random(1000 + seed)
    plan = Plan(random)
    chosen = {**options(random), "bounds": bounds(random)}
    if random.random() < 0.3:
        del chosen["sip_users"]
    first = None
    for batch, threads in WAYS:
        got = written(tmp_path, plan.wire, batch=batch, threads=threads, **chosen)
        assert all(a < b for a, b in zip(got.numbers, got.numbers[1:], strict=False))
        assert "sip_users" not in chosen or set(got.numbers) <= set(plan.expected)
        first = first or got
        assert got.numbers == first.numbers, (batch, threads, chosen)
        assert got.run.records == first.run.records, (batch, threads, chosen)


def test_compiled_kernels_write_the_same(tmp_path: Path, kernels: KernelSet) -> None:
    for seed in range(2000, 2015):
        random = Random(seed)
        plan, chosen = Plan(random), {**options(random), "bounds": bounds(random)}
        expected = written(tmp_path, plan.wire, batch=1, **chosen)
        got = written(tmp_path, plan.wire, kernels=kernels, **chosen)
        assert (got.numbers, got.evicted) == (expected.numbers, expected.evicted)


def test_letting_go_of_what_is_not_wanted_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(3000, 3020):
        random = Random(seed)
        plan, chosen = Plan(random), {**options(random), "bounds": bounds(random)}
        expected = written(tmp_path, plan.wire, batch=7, **chosen)
        with monkeypatch.context() as context:
            context.setattr(heldpackets, "SPARE_BYTES", -(1 << 40))
            got = written(tmp_path, plan.wire, batch=7, **chosen)
        assert (got.numbers, got.evicted) == (expected.numbers, expected.evicted)


# -- real captures ---------------------------------------------------------------------------------------------------

KEPT = ("state", "code", "messages", "copies", "retransmissions", "from", "to", "setup_ms", "duration_ms")


LARGE = 3000
"""Packets above which a capture is left to the compiled kernels: interpreted it takes a minute."""


@pytest.fixture
def fit_capture(truth_capture: Path, kernels: KernelSet) -> Path:
    """A capture that the kernels at hand are up to."""
    packets = json.loads(Path(f"{truth_capture}.truth.json").read_text())["capture"]["packets"]
    if isinstance(kernels, Interpreted) and packets > LARGE:
        pytest.skip(f"{packets} packets are left to the compiled kernels")
    return truth_capture


def shown(record: Mapping[str, object]) -> dict[str, object]:
    """What the call's own packets decide. Without those of others the packet clock may not see that nobody answers."""
    fields = {name: record[name] for name in KEPT if name in record}
    return {**fields, "state": "trying"} if fields["state"] == "unanswered" else fields


def calls_of(records: Any) -> dict[object, tuple[Mapping[str, object], list[object]]]:
    """Each call's fields that its packets alone decide, and its streams' numbers, by Call-ID."""
    streams: dict[object, list[object]] = {}
    for record in records:
        if record["record"] == "stream":
            for call_id in record["call_ids"]:
                streams.setdefault(call_id, []).append((record["ssrc"], record["packets"], record["duplicates"], record["srtp"]))
    return {
        record["call_id"]: (shown(record), streams.get(record["call_id"], []))
        for record in records
        if record["record"] in ("call", "dialog")
    }


def test_a_capture_written_and_read_again_has_the_same_calls(fit_capture: Path, tmp_path: Path, kernels: KernelSet) -> None:
    out = tmp_path / "out.pcapng"
    before = write(fit_capture, out, kernels=kernels)
    after = run(out, VoipDissector(), kernels=kernels)
    assert calls_of(after.records) == calls_of(before.records)
    kept, all_packets = packets_of(out), packets_of(fit_capture)
    rest = iter(all_packets)
    assert all(packet in rest for packet in kept)  # a subsequence


def test_each_call_of_a_capture_written_alone(fit_capture: Path, tmp_path: Path, kernels: KernelSet) -> None:
    whole = calls_of(run(fit_capture, VoipDissector(), kernels=kernels).records)
    for number, call_id in enumerate(list(whole)[:40]):
        out = tmp_path / f"{number}.pcapng"
        write(fit_capture, out, kernels=kernels, call_id=str(call_id))
        alone = run(out, VoipDissector(VoipOptions(call_id=str(call_id))), kernels=kernels).records
        assert calls_of(alone) == {call_id: whole[call_id]}, call_id

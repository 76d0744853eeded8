"""The filters of calls on the real captures: the calls that plain Python finds by the same words, whatever the batch size."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from identity_reference import uri_numbers, uri_text, uri_users, value_addresses
from message_table import Message
from sip_counter import SipCounter

from lippycat_core.batch import Batch
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.testing.runs import Run, run
from lippycat_voip.columns import M_CALL_ID, M_URI, M_WIDTH, SP_WIDTH
from lippycat_voip.dissector import VoipDissector, VoipOptions
from lippycat_voip.kernels.sip import parse
from lippycat_voip.kernels.text import COMMA
from lippycat_voip.patterns import Dialling
from lippycat_voip.selection import Filters, codec_names

LARGE = 3000
"""Records above which a capture is left out: interpreted it takes long."""

GERMANY = Dialling(("00",), "49", "0")
_FIELD = re.compile(rb"(?m)^(From|f|To|t|P-Asserted-Identity|P-Preferred-Identity)[ \t]*:((?:[^\n]|\n[ \t])*)", re.IGNORECASE)


@dataclass
class Seen:
    """What the messages of one Call-ID said."""

    uris: set[bytes] = field(default_factory=set)
    codecs: set[str] = field(default_factory=set)


class Reference(SipCounter):
    """Takes every message apart with regular expressions."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, Seen] = defaultdict(Seen)

    def _count(self, batch: Batch, spans: list[int]) -> None:
        count = len(spans) // SP_WIDTH
        table = np.zeros(count * M_WIDTH, np.int32)
        view = self._kernels.view
        self._kernels[parse](batch.views.slab, view(np.array(spans, np.int32)), count, view(table))
        bodies = self.descriptions.read(batch.views.slab, batch.mem, view(table), count)
        data = bytes(batch.mem)
        for m in range(count):
            message = Message(data, table[m * M_WIDTH : (m + 1) * M_WIDTH].tolist())
            call_id = message.span(M_CALL_ID)
            if not call_id or message.truncated:
                continue
            seen = self.seen[call_id.decode("utf-8", "replace")]
            seen.uris.update(addresses(message))
            for media in bodies[m].media if m in bodies else ():
                seen.codecs |= codec_names(media)


def addresses(message: Message) -> Iterable[bytes]:
    head = re.split(rb"\n\r*\n", message.whole, maxsplit=1)[0]
    if message.method:
        yield message.span(M_URI) or b""
    done = set()
    for found in _FIELD.finditer(head):
        name, value = found[1].lower()[:1], found[2].strip()
        if name != b"p":
            if name not in done:
                yield from value_addresses(value)
            done.add(name)
            continue
        begin, quoted, angle = 0, False, False
        for place, byte in enumerate(value + b","):
            quoted ^= byte == 0x22 and not angle
            angle = byte == 0x3C or (angle and byte != 0x3E)
            if byte == COMMA and not quoted and not angle:
                yield from value_addresses(value[begin:place])
                begin = place + 1


def kept(capture: Path, kernels: KernelSet, batch_packets: int = 4096, **options: Any) -> Run:
    dissector = VoipDissector(VoipOptions(messages=True, filters=Filters(**options)))
    result = run(capture, dissector, kernels=kernels, batch_packets=batch_packets)
    accounting: Any = result.summary["accounting"]
    parts = (
        accounting["delivered"],
        accounting["filtered"],
        *accounting["dropped"].values(),
        *accounting["undecodable"].values(),
    )
    assert min(parts) >= 0
    assert sum(parts) == accounting["captured"] == result.summary["packets"]
    return result


def call_ids(result: Run) -> set[object]:
    return {record["call_id"] for record in result.records if record["record"] in ("call", "dialog")}


def hosts(result: Run) -> dict[Any, set[str]]:
    """The hosts of each Call-ID, by its messages' records."""
    found: dict[Any, set[str]] = defaultdict(set)
    for message in result.named("message"):
        lines: Any = message["sdp"] or []
        ends = [message["src"], message["dst"], *(line["address"] for line in lines)]
        found[message["call_id"]] |= {str(end).rpartition(":")[0].strip("[]") for end in ends if end}
    return found


def escaped(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape").replace("\\", "\\\\").replace("*", "\\*")


def questions(seen: dict[str, Seen]) -> Iterable[tuple[dict[str, Any], set[str]]]:
    """Filters, and the Call-IDs that they should keep: of each kind the rarest word and the commonest."""

    def ask(words: dict[str, set[bytes]] | dict[str, set[str]]) -> list[Any]:
        by_word: dict[Any, int] = defaultdict(int)
        for found in words.values():
            for word in found:
                by_word[word] += 1
        ordered = sorted(by_word, key=lambda word: (by_word[word], word))
        return [*ordered[:1], *ordered[-1:]]

    def having(words: dict[str, set[Any]], word: object) -> set[str]:
        return {call_id for call_id, found in words.items() if word in found}

    users = {call_id: {user for uri in one.uris for user in uri_users(uri) if b"," not in user} for call_id, one in seen.items()}
    for user in ask(users):
        yield {"sip_users": [escaped(user)]}, having(users, user)
        start = {call_id: {found[:2] for found in names} for call_id, names in users.items()}
        yield {"sip_users": [escaped(user[:2]) + "*"]}, having(start, user[:2])
    numbers = {call_id: {form for uri in one.uris for form in uri_numbers(uri, GERMANY)} for call_id, one in seen.items()}
    for number in ask(numbers):
        tail = number[-3:]
        if tail.isdigit():
            wanted = {call_id for call_id, forms in numbers.items() if any(form.endswith(tail) for form in forms)}
            yield {"phone_numbers": [tail.decode()]}, wanted
        if number.isdigit():
            yield {"phone_numbers": ["+" + number.decode()], "dialling": GERMANY}, having(numbers, number)
    uris = {call_id: {text for uri in one.uris if (text := uri_text(uri))} for call_id, one in seen.items()}
    for uri in ask(uris):
        if re.fullmatch(rb"sips?:[^@;?]*@[^;?]*", uri):
            yield {"uris": [escaped(uri).upper().split(":")[0] + ":" + escaped(uri).split(":", 1)[1]]}, having(uris, uri)
            host = uri[uri.index(b"@") :]
            yield (
                {"uris": ["*" + host.decode().upper()]},
                {c for c, texts in uris.items() if any(t.endswith(host) for t in texts)},
            )
    codecs = {call_id: one.codecs for call_id, one in seen.items()}
    for codec in ask(codecs):
        yield {"codecs": [codec.upper()]}, having(codecs, codec)
    for call_id in sorted(seen)[:1]:
        if "\ufffd" not in call_id and call_id.strip() == call_id:
            yield {"call_ids": [escaped(call_id.encode())]}, {call_id}
    if users and codecs:
        (user, *_), (codec, *_) = ask(users) or [b"x"], ask(codecs) or ["x"]
        both = having(users, user) & having(codecs, codec)
        yield {"sip_users": [escaped(user)], "codecs": [codec]}, both


def test_calls_are_those_of_plain_python(truth_capture: Path) -> None:
    truth = json.loads(Path(f"{truth_capture}.truth.json").read_text())
    if truth["capture"]["packets"] > LARGE:
        pytest.skip(f"{truth['capture']['packets']} packets take long without a compiler")
    reference = Reference()
    run(truth_capture, reference)
    everything = kept(truth_capture, Interpreted())
    listed = call_ids(everything)
    assert listed <= set(reference.seen)
    for options, wanted in questions(reference.seen):
        assert call_ids(kept(truth_capture, Interpreted(), **options)) == wanted & listed, options
    said = hosts(everything)
    for host in sorted({host for found in said.values() for host in found})[:3]:
        wanted = {call_id for call_id, found in said.items() if host in found}
        assert call_ids(kept(truth_capture, Interpreted(), hosts=[host])) == wanted & listed, host


OPTIONS: list[dict[str, Any]] = [
    {"sip_users": ["*1*,alice"]},
    {"phone_numbers": ["+*", "1"], "dialling": GERMANY},
    {"uris": ["*:*@*"], "hosts": ["0.0.0.0/1", "::/0"]},
    {"call_ids": ["*1*"], "codecs": ["PCMU,PCMA"]},
]


def test_batches_show_nowhere(truth_capture: Path, kernels: KernelSet) -> None:
    truth = json.loads(Path(f"{truth_capture}.truth.json").read_text())
    if not truth.get("sip") or truth["capture"]["packets"] > LARGE:
        pytest.skip(f"{truth['capture']['packets']} packets: no SIP in them, or many to go through one by one")
    for options in OPTIONS:
        wanted = kept(truth_capture, Interpreted(), **options)
        for batch_packets in (1, 7, 4096):
            assert kept(truth_capture, kernels, batch_packets, **options).records == wanted.records, options

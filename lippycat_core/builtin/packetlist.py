"""Packets one a line: what `lc sniff` shows of each record of a batch. No protocol above the transport is known here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from lippycat_core.addresses import host
from lippycat_core.batch import Batch
from lippycat_core.columns import DECODED, FILTERED, FRAGMENT, OTHER, TCP, UDP, UNDECODABLE_REASONS
from lippycat_core.events import SCHEMA, Event
from lippycat_core.timetext import rfc3339

# IANA protocol numbers that are worth a name in a list
PROTOCOLS = {1: "icmp", 2: "igmp", TCP: "tcp", UDP: "udp", 47: "gre", 50: "esp", 51: "ah", 58: "icmpv6", 89: "ospf", 132: "sctp"}

STATUS_NAMES = {DECODED: "decoded", OTHER: "other", FRAGMENT: "fragment", **UNDECODABLE_REASONS}
"""What became of a record; a fragment is one whatever becomes of its datagram."""

# tcpdump's letters for TCP flags (RFC 9293, section 3.1)
FLAG_LETTERS = ((2, "S"), (1, "F"), (4, "R"), (8, "P"), (16, "."))


class PacketLine(NamedTuple):
    """One captured record as it is listed; None is what was not there to be seen."""

    frame: int
    ts_ns: int
    caplen: int
    wirelen: int
    link: int
    src: str | None
    dst: str | None
    proto: str | None
    length: int | None
    flags: str | None
    status: str

    def as_record(self) -> dict[str, object]:
        """The `packet` object of docs/output.md."""
        fields = self._asdict()
        ts_ns = fields.pop("ts_ns")
        frame = fields.pop("frame")
        return {"record": "packet", "schema": SCHEMA, "frame": frame, "ts": rfc3339(ts_ns), "ts_ns": ts_ns, **fields}


def packet_lines(batch: Batch) -> Iterator[PacketLine]:
    """The batch's records that the capture filter let through, in order."""
    rows = batch.rows
    frame, net, transport = batch.frame, batch.net, batch.transport
    ts_ns, caplen, wirelen, link = (column[:rows].tolist() for column in (frame.ts_ns, frame.caplen, frame.wirelen, frame.link))
    words = [column[:rows].tolist() for column in net[:8]]
    protocol = net.proto[:rows].tolist()
    sport, dport, length, tcp_flags = (
        column[:rows].tolist() for column in (transport.sport, transport.dport, transport.pay_wire, transport.tcp_flags)
    )
    for row, status in enumerate(batch.route.status[:rows].tolist()):
        if status == FILTERED:
            continue
        src = dst = proto = None
        if protocol[row] >= 0 and status not in UNDECODABLE_REASONS:
            src = host(words[0][row], words[1][row], words[2][row], words[3][row])
            dst = host(words[4][row], words[5][row], words[6][row], words[7][row])
            proto = PROTOCOLS.get(protocol[row]) or str(protocol[row])
        decoded = status == DECODED
        yield PacketLine(
            batch.first_record + row,
            ts_ns[row],
            caplen[row],
            wirelen[row],
            link[row],
            _with_port(src, sport[row]) if decoded and src is not None else src,
            _with_port(dst, dport[row]) if decoded and dst is not None else dst,
            proto,
            length[row] if decoded or status == FRAGMENT else None,
            flag_letters(tcp_flags[row]) if decoded and protocol[row] == TCP else None,
            STATUS_NAMES[status],
        )


def flag_letters(flags: int) -> str:
    """TCP flags as tcpdump writes them: `S.` is SYN and ACK."""
    return "".join(letter for bit, letter in FLAG_LETTERS if flags & bit)


def _with_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Form(Protocol):
    """How a list's lines are spelt; None leaves an event out."""

    def packet(self, line: PacketLine) -> str:
        """One packet."""
        ...

    def event(self, event: Event) -> str | None:
        """One event."""
        ...


class PacketList:
    """A sink that lists packets, each followed by the events that it showed, in one write a batch."""

    def __init__(self, form: Form, write: Callable[[Sequence[str]], None]) -> None:
        self._form = form
        self._write = write
        self._waiting: list[Event] = []

    def emit(self, events: Sequence[Event]) -> None:
        """Keep the events until their packets are listed; what comes when the input has ended is written at once."""
        self._waiting.extend(events)
        if any(event.name == "summary" for event in events):
            self._write(self._until(None))

    def packets(self, batch: Batch) -> None:
        """Write the batch's packets and the events that wait for them."""
        lines: list[str] = []
        for packet in packet_lines(batch):
            if self._waiting and self._waiting[0].frame < packet.frame:
                lines += self._until(packet.frame)
            lines.append(self._form.packet(packet))
        lines += self._until(batch.first_record + batch.rows)
        if lines:
            self._write(lines)

    def _until(self, frame: int | None) -> list[str]:
        """Lines of the waiting events in front of the packet `frame` (None: of all)."""
        count = 0
        while count < len(self._waiting) and (frame is None or self._waiting[count].frame < frame):
            count += 1
        due, self._waiting = self._waiting[:count], self._waiting[count:]
        return [line for event in due if (line := self._form.event(event)) is not None]

    def close(self) -> None:
        """Nothing is held back: a run that is cut short loses only events whose packets were never handed over."""
        self._waiting.clear()

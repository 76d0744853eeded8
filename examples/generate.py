"""Write `two-calls.pcap`, the capture that the README looks at. Same bytes every time.

Call one: answered after 1.2 s, 12 s of G.711 both ways, the caller dials 42#, the network loses 6 packets in a row and swaps two,
the caller goes on hold and the callee hangs up. Call two, over TCP: challenged with 407, answered, but nothing comes back from
the callee: one-way audio, from a caller behind NAT.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

from lippycat_core.testing.packets import ACK, PSH, Record, ethernet, rtp, tcp, udp, write_pcap

START_NS = 1_750_000_000_000_000_000
MS = 1_000_000


def sip(start: str, *headers: str, body: str = "") -> bytes:
    kind = ["Content-Type: application/sdp"] if body else []
    return "\r\n".join([start, *headers, *kind, f"Content-Length: {len(body)}", "", body]).encode()


def sdp(host: str, port: int, direction: str = "sendrecv") -> str:
    lines = ["v=0", f"o=- 1 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0", f"m=audio {port} RTP/AVP 0 101"]
    lines += ["a=rtpmap:0 PCMU/8000", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16", "a=ptime:20", f"a={direction}", ""]
    return "\r\n".join(lines)


class Dialog:
    """Writes the messages of one call between two agents with the headers that repeat."""

    def __init__(self, call_id: str, caller: str, callee: str, here: str, transport: str) -> None:
        self.callee = callee
        self.via = f"Via: SIP/2.0/{transport} {here};branch=z9hG4bK"
        self.head = [f'From: "Alice" <{caller}>;tag=a1', f"Call-ID: {call_id}"]

    def request(self, method: str, cseq: int, *extra: str, body: str = "", tagged: bool = True) -> bytes:
        to = f"To: <{self.callee}>" + (";tag=b1" if tagged else "")
        via = f"{self.via}{method.lower()}{cseq}"
        return sip(f"{method} {self.callee} SIP/2.0", via, *self.head, to, f"CSeq: {cseq} {method}", *extra, body=body)

    def response(self, status: str, method: str, cseq: int, *extra: str, body: str = "", tagged: bool = True) -> bytes:
        to = f"To: <{self.callee}>" + (";tag=b1" if tagged else "")
        via = f"{self.via}{method.lower()}{cseq}"
        return sip(f"SIP/2.0 {status}", via, *self.head, to, f"CSeq: {cseq} {method}", *extra, body=body)


def turned(text: bytes) -> bytes:
    """A message inside the dialog that the callee began: From and To change places (RFC 3261, 12.2.1.1)."""
    text = text.replace(b'From: "Alice" <sip:alice@example.com>;tag=a1', b"From: <sip:bob@example.net>;tag=b1", 1)
    return text.replace(b"To: <sip:bob@example.net>;tag=b1", b"To: <sip:alice@example.com>;tag=a1", 1)


def jitter_ms(index: int) -> float:
    """A little unevenness that repeats itself, in milliseconds."""
    return (index * 37 % 11) / 10


def lossy_call() -> list[Record]:
    a, b = "192.0.2.10", "198.51.100.20"
    dialog = Dialog("lossy@192.0.2.10", "sip:alice@example.com", "sip:bob@example.net", f"{a}:5060", "UDP")
    records: list[Record] = []

    def signal(ms: float, up: bool, text: bytes) -> None:
        src, dst = (a, b) if up else (b, a)
        records.append(Record(START_NS + int(ms * MS), ethernet(udp(src, 5060, dst, 5060, text))))

    signal(0, True, dialog.request("INVITE", 1, "User-Agent: Example Phone 1.0", body=sdp(a, 40000), tagged=False))
    signal(3, False, dialog.response("100 Trying", "INVITE", 1, tagged=False))
    signal(180, False, dialog.response("180 Ringing", "INVITE", 1))
    signal(1200, False, dialog.response("200 OK", "INVITE", 1, "Server: Example PBX 2.1", body=sdp(b, 50000)))
    signal(1210, True, dialog.request("ACK", 1))
    lost, digits = range(200, 206), {100: 4, 120: 2, 140: 11}
    event_at = {start + step: (start, digit, step) for start, digit in digits.items() for step in range(5)}
    for index in range(600):
        ms = 1220 + 20 * index
        if index in event_at:
            start, digit, step = event_at[index]
            payload = struct.pack("!BBH", digit, 0x80 if step == 4 else 0, 160 * (step + 1))
            up = rtp(1000 + index, 160 * start, 0xA11CE, payload, payload_type=101, marker=step == 0)
        else:
            up = rtp(1000 + index, 160 * index, 0xA11CE, b"\x7f" * 160, marker=index == 0)
        records.append(Record(START_NS + int((ms + jitter_ms(index)) * MS), ethernet(udp(a, 40000, b, 50000, up))))
        if index not in lost:
            late = 25 if index == 400 else jitter_ms(index + 5)
            down = rtp(65300 + index, 160 * index, 0xB0B, b"\x7e" * 160, marker=index == 0)
            records.append(Record(START_NS + int((ms + 4 + late) * MS), ethernet(udp(b, 50000, a, 40000, down))))
    signal(13_300, True, dialog.request("INVITE", 2, body=sdp(a, 40000, "sendonly")))
    signal(13_320, False, dialog.response("200 OK", "INVITE", 2, body=sdp(b, 50000, "recvonly")))
    signal(13_330, True, dialog.request("ACK", 2))
    signal(15_000, False, turned(dialog.request("BYE", 1).replace(b"BYE sip:bob@example.net", b"BYE sip:alice@192.0.2.10")))
    signal(15_005, True, turned(dialog.response("200 OK", "BYE", 1)))
    return records


def one_way_call() -> list[Record]:
    a, nat, b = "10.0.0.5", "203.0.113.77", "198.51.100.30"
    dialog = Dialog("oneway@10.0.0.5", "sip:+493012345@example.com", "sip:carol@example.org", f"{a}:5060", "TCP")
    records: list[Record] = []
    seq = {True: 1000, False: 9000}

    def signal(ms: float, up: bool, text: bytes, split: int | None = None) -> None:
        src, sport, dst, dport = (nat, 33333, b, 5060) if up else (b, 5060, nat, 33333)
        for part in (text,) if split is None else (text[:split], text[split:]):
            packet = tcp(src, sport, dst, dport, seq[up], part, ack=seq[not up], flags=ACK | PSH)
            records.append(Record(START_NS + int(ms * MS), ethernet(packet)))
            seq[up] += len(part)
            ms += 0.4

    signal(5000, True, dialog.request("INVITE", 1, body=sdp(a, 42000), tagged=False), split=200)
    signal(5010, False, dialog.response("407 Proxy Authentication Required", "INVITE", 1, 'Proxy-Authenticate: Digest realm="x"'))
    signal(5020, True, dialog.request("ACK", 1))
    signal(5030, True, dialog.request("INVITE", 2, 'Proxy-Authorization: Digest username="x"', body=sdp(a, 42000), tagged=False))
    signal(5040, False, dialog.response("100 Trying", "INVITE", 2, tagged=False))
    signal(5400, False, dialog.response("183 Session Progress", "INVITE", 2, body=sdp(b, 51000)))
    signal(7000, False, dialog.response("200 OK", "INVITE", 2, body=sdp(b, 51000)))
    signal(7010, True, dialog.request("ACK", 2))
    for index in range(300):
        packet = rtp(index, 160 * index, 0xCA11E2, b"\x7f" * 160, marker=index == 0)
        ms = 7020 + 20 * index + jitter_ms(index)
        records.append(Record(START_NS + int(ms * MS), ethernet(udp(nat, 42424, b, 51000, packet))))
    signal(13_100, True, dialog.request("BYE", 3))
    signal(13_110, False, dialog.response("200 OK", "BYE", 3))
    return records


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("two-calls.pcap")
    records = sorted(lossy_call() + one_way_call(), key=lambda record: record.ts_ns)
    write_pcap(target, records)
    print(f"{target}: {len(records)} packets")


if __name__ == "__main__":
    main()

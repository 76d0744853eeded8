"""Syslog over UDP (RFC 3164, RFC 5424): an example of a dissector in about twenty lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lippycat_core.interfaces.dissect import Claim, FlowInfo

SEVERITIES = ("emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug")


class Syslog:
    """Says severity, facility and text of each message sent to port 514."""

    name = "syslog"
    claims = (Claim("udp", ports=(514,), prefixes=(b"<",)),)

    def open(self, flow: FlowInfo) -> Syslog:
        """One object serves all flows: a message stands alone."""
        return self

    def feed(self, side: int, data: bytes, ts_ns: int) -> Iterator[tuple[str, Mapping[str, object]]]:
        """A datagram is one message: `<PRI>` and text."""
        number, closed, text = data[1:].partition(b">")
        if closed and number.isdigit() and int(number) < 192:
            facility, severity = divmod(int(number), 8)
            words = {"facility": facility, "severity": SEVERITIES[severity], "text": text.decode("utf-8", "replace")}
            yield "syslog", words

"""Session descriptions as objects (RFC 4566, offer/answer terms of RFC 3264), made from the table of `kernels.sdp`.

What an offer or an answer does to a call is not decided here.
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

import numpy as np

from lippycat_core.columns import I32, I64, U8
from lippycat_core.kernelset import KernelSet
from lippycat_voip.columns import (
    A_CRYPTO,
    A_FINGERPRINT,
    A_MUX,
    D_ADDRESS,
    D_ADDRESS_KNOWN,
    D_DIRECTION,
    D_FLAGS,
    D_FORMATS,
    D_MESSAGE,
    D_PORT,
    D_PORTS,
    D_PROTO,
    D_PTIME,
    D_RTCP_ADDRESS,
    D_RTCP_KNOWN,
    D_RTCP_PORT,
    D_TYPE,
    D_WIDTH,
)
from lippycat_voip.kernels.sdp import describe

MEDIA_TYPES = ("other", "audio", "video", "image", "application", "message", "text")
PROTOCOLS = ("other", "RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "udptl", "TCP")
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")

Address: TypeAlias = tuple[int, int, int, int]
Endpoint: TypeAlias = tuple[int, int, int, int, int]
Codec: TypeAlias = tuple[int, str, int]
"""Payload type, encoding name as written, clock rate in Hz."""

_SECURE: tuple[bool | None, ...] = (None, False, False, True, True, None, None)  # by PROTOCOLS, without other evidence
_UNSPECIFIED: frozenset[Address] = frozenset({(0, 0, 0, 0), (0, 0, 0xFFFF, 0)})
_RTPMAP = re.compile(rb"^a=rtpmap:[ \t]*(\d{1,3})[ \t]+([^/\s]{1,64})/(\d{1,9})", re.MULTILINE | re.IGNORECASE)
_ROWS = 1024
_CACHED_LISTS = 4096
_LONGEST_CACHED = 1024


class Media(NamedTuple):
    """One m= line and what applies to it."""

    type: str  # one of MEDIA_TYPES
    port: int  # 0: refused or switched off
    address: Address | None  # of the c= line that applies; None for a host name or none at all
    proto: str  # one of PROTOCOLS
    direction: str  # one of DIRECTIONS, the session's where the media has none
    rtcp: Endpoint | None  # a=rtcp (RFC 3605), with the media's address where it names none; None without one
    mux: bool  # a=rtcp-mux
    secure: bool | None  # True by SAVP(F), crypto or fingerprint; False for plain RTP; None where it is no RTP
    formats: tuple[int, ...]  # payload types in the order of preference
    codecs: tuple[Codec, ...]  # what a=rtpmap says, nothing else
    ptime: int | None  # milliseconds
    ports: int = 1  # port count, as in m=audio 5000/2

    @property
    def endpoint(self) -> Endpoint | None:
        """Where it wants its packets, None where it wants none or does not say: port 0, host name, 0.0.0.0."""
        address = self.address
        if address is None or self.port == 0 or address in _UNSPECIFIED:
            return None
        return (*address, self.port)

    @property
    def held(self) -> bool:
        """Whether it asks its peer to be silent: by direction (RFC 3264, 8.4), or by the older 0.0.0.0 (RFC 2543)."""
        return self.direction in ("sendonly", "inactive") or self.address in _UNSPECIFIED


class SessionDescription(NamedTuple):
    """What one body offers or answers, m= lines in their order (16 at most)."""

    media: tuple[Media, ...]


class Descriptions:
    """Reads the descriptions of a whole message table; lists of formats and codecs are shared between equal bodies."""

    def __init__(self) -> None:
        self._rows: I64 = np.zeros(_ROWS * D_WIDTH, np.int64)
        self._lists: dict[bytes, tuple[tuple[int, ...], tuple[Codec, ...]]] = {}

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernel."""
        self._describe = kernels[describe]
        self._view = kernels.view(self._rows)

    def read(self, slab: U8, mem: memoryview, messages: I32, count: int) -> dict[int, SessionDescription]:
        """The descriptions of `count` messages by index in the table; a message without any m= line has none.

        `slab` and `messages` are the views that the bound kernels take, `mem` the slab's memory.
        """
        found: dict[int, SessionDescription] = {}
        message = 0
        while message < count:
            message = self._describe(slab, messages, message, count, self._view, _ROWS)
            self._collect(mem, found)
        return found

    def _collect(self, mem: memoryview, found: dict[int, SessionDescription]) -> None:
        used = int(np.argmax(self._rows[D_MESSAGE::D_WIDTH] < 0))
        values = self._rows[: used * D_WIDTH].tolist()
        media: list[Media] = []
        current = -1
        for base in range(0, used * D_WIDTH, D_WIDTH):
            message = values[base + D_MESSAGE]
            if message != current:
                if media:
                    found[current] = SessionDescription(tuple(media))
                    media = []
                current = message
            media.append(self._media(mem, values, base))
        if media:
            found[current] = SessionDescription(tuple(media))

    def _media(self, mem: memoryview, values: list[int], base: int) -> Media:
        address: Address | None = None
        if values[base + D_ADDRESS_KNOWN]:
            a, b, c, d = values[base + D_ADDRESS : base + D_ADDRESS + 4]
            address = (a, b, c, d)
        rtcp: Endpoint | None = None
        if values[base + D_RTCP_PORT] > 0:
            if values[base + D_RTCP_KNOWN]:
                a, b, c, d = values[base + D_RTCP_ADDRESS : base + D_RTCP_ADDRESS + 4]
                rtcp = (a, b, c, d, values[base + D_RTCP_PORT])
            elif address is not None:
                rtcp = (*address, values[base + D_RTCP_PORT])
        off = values[base + D_FORMATS]
        raw = bytes(mem[off : off + values[base + D_FORMATS + 1]])
        lists = self._lists.get(raw) or self._read_lists(raw)
        flags = values[base + D_FLAGS]
        ptime = values[base + D_PTIME]
        return Media(
            MEDIA_TYPES[values[base + D_TYPE]],
            values[base + D_PORT],
            address,
            PROTOCOLS[values[base + D_PROTO]],
            DIRECTIONS[values[base + D_DIRECTION]],
            rtcp,
            bool(flags & A_MUX),
            True if flags & (A_CRYPTO | A_FINGERPRINT) else _SECURE[values[base + D_PROTO]],
            lists[0],
            lists[1],
            ptime if ptime > 0 else None,
            values[base + D_PORTS],
        )

    def _read_lists(self, raw: bytes) -> tuple[tuple[int, ...], tuple[Codec, ...]]:
        words = raw.partition(b"\n")[0].split()
        formats = dict.fromkeys(int(word) for word in words if word.isdigit() and len(word) <= 3)
        codecs = {int(pt): (int(pt), name.decode("utf-8", "replace"), int(clock)) for pt, name, clock in _RTPMAP.findall(raw)}
        lists = (
            tuple(pt for pt in formats if pt < 128),
            tuple(codec for pt, codec in codecs.items() if pt < 128),
        )
        if len(raw) <= _LONGEST_CACHED:
            if len(self._lists) >= _CACHED_LISTS:
                self._lists.clear()
            self._lists[raw] = lists
        return lists

"""Every column of a batch, once: its name, dtype, unit and writer. Array types for kernel signatures live here too.

A batch has one row a captured record. Columns are grouped in NamedTuples by the stage that writes them; each group has
one writer and is read-only after it. Columns are one-dimensional, C-contiguous and as long as the batch's row capacity.
Offsets are byte offsets into the batch's slab. Addresses are four uint32 words in network order, IPv4 as the mapped
address ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2): words 0, 0, 0x0000FFFF, a.b.c.d.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

U8: TypeAlias = NDArray[np.uint8]
I32: TypeAlias = NDArray[np.int32]
U32: TypeAlias = NDArray[np.uint32]
I64: TypeAlias = NDArray[np.int64]
F64: TypeAlias = NDArray[np.float64]


class Frame(NamedTuple):
    """Written by the capture source: where each record lies and what the file or interface said of it."""

    ts_ns: I64  # capture time, nanoseconds since the epoch
    off: I32  # first captured byte in the slab
    caplen: I32  # bytes captured
    wirelen: I32  # bytes on the wire
    link: I32  # link type (LINKTYPE_ number)


class Net(NamedTuple):
    """Written by decode: the innermost IP header."""

    src0: U32
    src1: U32
    src2: U32
    src3: U32
    dst0: U32
    dst1: U32
    dst2: U32
    dst3: U32
    proto: I32  # IP protocol of what follows the last IP header (IANA number), -1 where there is no IP


class Transport(NamedTuple):
    """Written by decode: the innermost transport header and its payload.

    In a row whose status is `FRAGMENT` the same columns describe the fragment instead: `seq` is the identification,
    `ack` the fragment's offset in bytes, `tcp_flags` 1 where more fragments follow, `pay_off`/`pay_len` its data.
    """

    sport: I32
    dport: I32
    pay_off: I32  # first payload byte in the slab
    pay_len: I32  # payload bytes that were captured
    pay_wire: I32  # payload bytes by the UDP or IP length, whatever the snap length
    seq: U32  # TCP sequence number, SCTP verification tag
    ack: U32  # TCP acknowledgement number
    tcp_flags: I32  # FIN 1, SYN 2, RST 4, PSH 8, ACK 16


class Route(NamedTuple):
    """Written by the pipeline's stages from decode to route."""

    status: I32  # one of the codes below
    flow: I32  # slot in the flow table, -1 where there is no UDP or TCP, or nobody asked for UDP flows
    kind: I32  # what the row carries: 0 for nobody's, else a number that the router gave to a dissector's kind
    now_ns: I64  # highest capture time up to and with this row (packet time: the only clock of an offline run)


# Status of a row. Below LINK_TYPE the packet is delivered (or, FILTERED, was not asked for); from there on it is undecodable.
FRESH = 0  # read, not yet decoded
DECODED = 1  # UDP, TCP or SCTP payload found
OTHER = 2  # a packet of another protocol (ARP, ICMP, ...): delivered, nothing more to decode
FRAGMENT = 3  # an IP fragment; its datagram goes on in the row that completes it
FILTERED = 4  # the capture filter said no
LINK_TYPE = 16
TRUNCATED_HEADER = 17
BAD_HEADER = 18
TUNNEL_DEPTH = 19
FRAGMENT_INCOMPLETE = 20

UNDECODABLE_REASONS: dict[int, str] = {
    LINK_TYPE: "link_type",
    TRUNCATED_HEADER: "truncated_header",
    BAD_HEADER: "bad_header",
    TUNNEL_DEPTH: "tunnel_depth",
    FRAGMENT_INCOMPLETE: "fragment_incomplete",
}

# TCP flag bits (RFC 9293, section 3.1)
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

# IP protocol numbers that the core itself looks at (IANA)
TCP, UDP, SCTP = 6, 17, 132

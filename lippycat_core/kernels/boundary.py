"""Where a capture file ends and the next begins: by packets, bytes or time, row by row, so that it never depends on batches."""

from __future__ import annotations

from lippycat_core.columns import FILTERED, I32, I64, Frame
from lippycat_core.kernels.pack import EPB_HEADER, EPB_TRAILER, PCAP_HEADER

# -- state: int64 ----------------------------------------------------------------------------------------------------
B_OPEN = 0  # 0 where the next packet begins a file
B_PACKETS = 1  # in the file at hand
B_BYTES = 2  # of its records, and its header
B_UNTIL_NS = 3  # the first time that belongs to another file
B_STOP = 4  # 1 where it stopped at a packet of another file
B_LAST_NS = 5  # highest time in the file
B_WIDTH = 6


def file_end(frame: Frame, status: I32, pcapng: bool, most_packets: int, most_bytes: int, state: I64, row: int, end: int) -> int:
    """Count rows from `row` up to `end` that are not FILTERED into the file at hand, and return the row that it stopped at: the
    first that belongs to another file (`state[B_STOP]`), or `end`. A file holds one packet at least; bounds of 0 are none."""
    state[B_STOP] = 0
    while row < end:
        if status[row] == FILTERED:
            row += 1
            continue
        caplen = int(frame.caplen[row])
        size = EPB_HEADER + (caplen + 3) // 4 * 4 + EPB_TRAILER if pcapng else PCAP_HEADER + caplen
        ts_ns = int(frame.ts_ns[row])
        full = state[B_PACKETS] > 0 and (
            (most_packets > 0 and state[B_PACKETS] >= most_packets)
            or (most_bytes > 0 and state[B_BYTES] + size > most_bytes)
            or ts_ns >= state[B_UNTIL_NS]
        )
        if state[B_OPEN] == 0 or full:
            state[B_STOP] = 1
            break
        state[B_PACKETS] += 1
        state[B_BYTES] += size
        state[B_LAST_NS] = max(int(state[B_LAST_NS]), ts_ns)
        row += 1
    return row

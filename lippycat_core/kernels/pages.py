"""Packets sorted into groups, as records of capture files in chains of pages: what waits in memory to be written to many files.

A row has one tag. A tag names a group (`goal`), and perhaps another tag behind it (`then`): packets that belong to several.
"""

from __future__ import annotations

from lippycat_core.columns import I32, I64, U8, Frame
from lippycat_core.kernels.copy import copy_bytes
from lippycat_core.kernels.pack import EPB_HEADER, EPB_TRAILER, PCAP_HEADER, put_le32
from lippycat_core.kernels.walk import ENHANCED_PACKET_BLOCK

PAGE = 4096

# -- groups: int64, `groups[group * G_WIDTH + FIELD]` ------------------------------------------------------------------
G_FIRST = 0  # first page of the chain, -1 without one
G_LAST = 1
G_USED = 2  # bytes of the last page
G_BYTES = 3  # in the chain
G_HELD = 4  # packets in the chain
G_PACKETS = 5  # packets so far, those that were taken out included
G_FIRST_NS = 6  # time of the first packet
G_LAST_NS = 7  # highest time of a packet
G_SINCE_NS = 8  # time of the first packet in the chain
G_LINKS = 9  # link types met
G_LINK = 10  # the first of them
MOST_LINKS = 8
G_WIDTH = G_LINK + MOST_LINKS

# -- state: int64 ----------------------------------------------------------------------------------------------------
S_FREE = 0  # first free page
S_FREES = 1  # how many there are
S_STOP = 2  # why it ended
S_GROUP = 3  # group that it stopped at
S_LINK = 4  # link type that it stopped at
S_TAG = 5  # tag of the row to go on with, 0 for its first
S_WIDTH = 6

DONE = 0
FULL = 1  # no room for the next record
NEW_LINK = 2  # the group has not met this link type


def append(pages: U8, page_next: I32, groups: I64, group: int, source: U8, begin: int, count: int, state: I64) -> int:
    """Copy bytes behind a group's chain. There must be free pages enough."""
    base = group * G_WIDTH
    left = count
    at = begin
    while left > 0:
        used = int(groups[base + G_USED])
        last = int(groups[base + G_LAST])
        if last < 0 or used == PAGE:
            page = int(state[S_FREE])
            if page < 0:
                return left
            state[S_FREE] = page_next[page]
            state[S_FREES] -= 1
            page_next[page] = -1
            if last < 0:
                groups[base + G_FIRST] = page
            else:
                page_next[last] = page
            groups[base + G_LAST] = page
            last = page
            used = 0
        part = min(left, PAGE - used)
        copy_bytes(pages, last * PAGE + used, source, at, part)
        groups[base + G_USED] = used + part
        at += part
        left -= part
    groups[base + G_BYTES] += count
    return 0


def take(pages: U8, page_next: I32, groups: I64, group: int, out: U8, state: I64) -> int:
    """Copy a group's chain to `out`, which has room for it, free its pages, and return how many bytes there were."""
    base = group * G_WIDTH
    left = int(groups[base + G_BYTES])
    page = int(groups[base + G_FIRST])
    pos = 0
    while page >= 0:
        part = min(left - pos, PAGE)
        if part > 0:
            copy_bytes(out, pos, pages, page * PAGE, part)
            pos += part
        behind = int(page_next[page])
        page_next[page] = state[S_FREE]
        state[S_FREE] = page
        state[S_FREES] += 1
        page = behind
    groups[base + G_FIRST] = -1
    groups[base + G_LAST] = -1
    groups[base + G_USED] = 0
    groups[base + G_BYTES] = 0
    groups[base + G_HELD] = 0
    return pos


def put_rows(
    slab: U8,
    frame: Frame,
    tags: I32,
    goal: I32,
    then: I32,
    groups: I64,
    pages: U8,
    page_next: I32,
    head: U8,
    state: I64,
    pcapng: bool,
    row: int,
    end: int,
) -> int:
    """Append rows from `row` up to `end` to the groups of their tags (0: nobody's) as records of capture files, and return the
    row that it stopped at; `state[S_STOP]` says why. `head` is scratch."""
    state[S_STOP] = DONE
    while row < end:
        tag = int(state[S_TAG])
        if tag == 0:
            tag = int(tags[row])
        while tag > 0:
            group = int(goal[tag])
            if group > 0:
                base = group * G_WIDTH
                caplen = int(frame.caplen[row])
                link = int(frame.link[row])
                interface = -1
                for i in range(int(groups[base + G_LINKS])):
                    if groups[base + G_LINK + i] == link:
                        interface = i
                        break
                if interface < 0:
                    state[S_STOP] = NEW_LINK
                    state[S_GROUP] = group
                    state[S_LINK] = link
                    state[S_TAG] = tag
                    return row
                if (int(state[S_FREES]) - 2) * PAGE < caplen + EPB_HEADER + EPB_TRAILER + 4:
                    state[S_STOP] = FULL
                    state[S_GROUP] = group
                    state[S_TAG] = tag
                    return row
                ts_ns = max(int(frame.ts_ns[row]), 0)
                off = int(frame.off[row])
                if pcapng:
                    padded = (caplen + 3) // 4 * 4
                    total = EPB_HEADER + padded + EPB_TRAILER
                    put_le32(head, 0, ENHANCED_PACKET_BLOCK)
                    put_le32(head, 4, total)
                    put_le32(head, 8, interface)
                    put_le32(head, 12, ts_ns >> 32)
                    put_le32(head, 16, ts_ns & 0xFFFFFFFF)
                    put_le32(head, 20, caplen)
                    put_le32(head, 24, int(frame.wirelen[row]))
                    append(pages, page_next, groups, group, head, 0, EPB_HEADER, state)
                    append(pages, page_next, groups, group, slab, off, caplen, state)
                    put_le32(head, 0, 0)
                    put_le32(head, 4, total)
                    append(pages, page_next, groups, group, head, 4 - (padded - caplen), padded - caplen + EPB_TRAILER, state)
                else:
                    seconds = ts_ns // 1000000000
                    put_le32(head, 0, seconds)
                    put_le32(head, 4, ts_ns - seconds * 1000000000)
                    put_le32(head, 8, caplen)
                    put_le32(head, 12, int(frame.wirelen[row]))
                    append(pages, page_next, groups, group, head, 0, PCAP_HEADER, state)
                    append(pages, page_next, groups, group, slab, off, caplen, state)
                if groups[base + G_PACKETS] == 0:
                    groups[base + G_FIRST_NS] = ts_ns
                    groups[base + G_LAST_NS] = ts_ns
                if groups[base + G_HELD] == 0:
                    groups[base + G_SINCE_NS] = ts_ns
                groups[base + G_HELD] += 1
                groups[base + G_PACKETS] += 1
                groups[base + G_LAST_NS] = max(int(groups[base + G_LAST_NS]), ts_ns)
            tag = int(then[tag])
        state[S_TAG] = 0
        row += 1
    return row

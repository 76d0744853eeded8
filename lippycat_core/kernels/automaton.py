"""One automaton for all needles (Aho, Corasick: Efficient string matching, CACM 1975), its transitions in one table with a
column a class of bytes: bytes that no needle has are one class.

A node's row begins at node * classes. An entry is the next row, times two, plus one where needles end there.
"""

from __future__ import annotations

from lippycat_core.columns import I32, U8
from lippycat_core.kernels.compare import OFFSETS
from lippycat_core.kernels.hit import offset_of
from lippycat_core.kernels.needles import BEGIN, END, Found, Needles, Programs


def count_nodes(text: U8, off: I32, length: I32) -> int:
    """Nodes of the automaton of needles that are in lexical order, the root included."""
    nodes = 1
    for c in range(len(off)):
        m = int(length[c])
        shared = 0
        if c > 0:
            a = int(off[c - 1])
            b = int(off[c])
            most = min(m, int(length[c - 1]))
            while shared < most and text[a + shared] == text[b + shared]:
                shared += 1
        nodes += m - shared
    return nodes


def build(
    text: U8, off: I32, length: I32, classes: U8, columns: int, table: I32, own: I32, same: I32, link: I32, queue: I32
) -> int:
    """Fill the automaton of needles (in any order, none empty) and return its number of nodes.

    `table` has nodes * `columns` entries, all 0; `own`, `link` and `queue` have one a node, `same` one a needle. own[node]
    is the first needle that ends there, same[needle] the next that is equal to it, link[node] the node of the longest proper
    suffix at which a needle ends; -1 for none.
    """
    nodes = 1
    own[0] = -1
    link[0] = -1
    for c in range(len(off) - 1, -1, -1):  # backwards: of equal needles the first comes first
        node = 0
        for i in range(int(length[c])):
            entry = node * columns + int(classes[text[int(off[c]) + i]])
            after = int(table[entry])
            if after == 0:
                after = nodes
                table[entry] = after
                own[after] = -1
                link[after] = -1
                nodes += 1
            node = after
        same[c] = own[node]
        own[node] = c

    # Breadth first: a node's suffix node is done before it. `link` holds suffix nodes until a node's row is complete.
    head = 0
    tail = 0
    for k in range(columns):
        child = int(table[k])
        if child != 0:
            link[child] = 0
            queue[tail] = child
            tail += 1
    while head < tail:
        node = int(queue[head])
        head += 1
        suffix = int(link[node])
        for k in range(columns):
            child = int(table[node * columns + k])
            if child != 0:
                link[child] = table[suffix * columns + k]
                queue[tail] = child
                tail += 1
            else:
                table[node * columns + k] = table[suffix * columns + k]

    # From suffixes to suffixes at which a needle ends, again breadth first.
    for q in range(tail):
        node = int(queue[q])
        suffix = int(link[node])
        link[node] = suffix if own[suffix] >= 0 else link[suffix]
    for entry in range(nodes * columns):
        node = int(table[entry])
        ends = 1 if own[node] >= 0 or link[node] >= 0 else 0
        table[entry] = node * columns * 2 + ends
    return nodes


def match_automaton(
    slab: U8,
    off: I32,
    length: I32,
    begin: int,
    end: int,
    fold: U8,
    classes: U8,
    columns: int,
    table: I32,
    own: I32,
    same: I32,
    link: I32,
    needles: Needles,
    programs: Programs,
    stamps: I32,
    serial: int,
    out: Found,
) -> tuple[int, int, int]:
    """Run the automaton over rows [begin, end) and write (row, pattern, offset) of each hit, in the order of rows.
    `classes` folds where case is ignored. Returns as `match_each`."""
    count = 0
    room = len(out.row)
    ordered = 1
    for row in range(begin, end):
        n = int(length[row])
        o = int(off[row]) & OFFSETS
        before = count
        last_pattern = -1
        last_offset = -1
        state = 0
        for i in range(n):
            entry = int(table[state + int(classes[slab[(o + i) & OFFSETS]])])
            state = entry >> 1
            if entry & 1 == 0:
                continue
            node = state // columns
            while node >= 0:
                c = int(own[node])
                while c >= 0:
                    m = int(needles.length[c])
                    place = o + i + 1 - m
                    kind = int(needles.kind[c])
                    if (kind & BEGIN == 0 or place == o) and (kind & END == 0 or i + 1 == n):
                        offset = offset_of(
                            slab,
                            fold,
                            o,
                            n,
                            place,
                            serial + row,
                            int(needles.pattern[c]),
                            kind,
                            int(needles.program[c]),
                            programs,
                            stamps,
                        )
                        if offset >= 0:
                            if count >= room:
                                return row, before, ordered
                            pattern = int(needles.pattern[c])
                            if pattern < last_pattern or (pattern == last_pattern and offset < last_offset):
                                ordered = 0
                            last_pattern = pattern
                            last_offset = offset
                            out.row[count] = row
                            out.pattern[count] = pattern
                            out.offset[count] = offset
                            count += 1
                    c = int(same[c])
                node = int(link[node])
    return end, count, ordered

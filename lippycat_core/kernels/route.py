"""Claims as data: which UDP rows belong to a dissector that named ports and first bytes; and picking rows by kind."""

from __future__ import annotations

from lippycat_core.columns import DECODED, I32, U8, UDP, Net, Route, Transport

# -- one claim on one port: int32 each, in a flat table -------------------------------------------------------------------
CLAIM_WIDTH = 4
C_KIND = 0  # which of the dissectors, from 0
C_PREFIX = 1  # where its first bytes lie in the prefix pool, and how many
C_LENGTH = 2
C_NEXT = 3  # next claim on the same port, -1 at the end

ANY_PORT = 65536  # entry of the port table that holds claims on all ports
PORTS = 65537


def matching(slab: U8, off: int, length: int, heads: I32, claims: I32, pool: U8, port: int, best: int) -> int:
    """The lowest-numbered claim of a port's chain, below `best`, that the payload begins as; `best` where none does."""
    claim = int(heads[port]) + 0
    total = len(claims) // CLAIM_WIDTH
    for _ in range(total):
        if claim < 0 or claim >= best:
            break  # chains are in the order of declaration
        cell = claim * CLAIM_WIDTH
        count = int(claims[cell + C_LENGTH]) + 0
        if count <= length:
            prefix = int(claims[cell + C_PREFIX]) + 0
            same = True
            for i in range(count):
                if slab[off + i] != pool[prefix + i]:
                    same = False
                    break
            if same:
                return claim
        claim = int(claims[cell + C_NEXT]) + 0
    return best


def claim(
    slab: U8,
    net: Net,
    transport: Transport,
    route: Route,
    heads: I32,
    claims: I32,
    pool: U8,
    base: int,
    begin: int,
    end: int,
) -> int:
    """Write `base + kind` into UDP rows that are nobody's yet and that a claim matches; the first declared claim wins.

    Returns how many rows were claimed. `heads` has `PORTS` entries: the first claim on that port, -1 for none.
    """
    total = len(claims) // CLAIM_WIDTH
    count = 0
    for row in range(begin, end):
        if route.kind[row] != 0 or route.status[row] != DECODED or net.proto[row] != UDP:
            continue
        off = int(transport.pay_off[row]) + 0
        length = int(transport.pay_len[row]) + 0
        if off < 0 or length < 0 or off + length > len(slab):
            continue
        best = matching(slab, off, length, heads, claims, pool, int(transport.dport[row]) & 0xFFFF, total)
        best = matching(slab, off, length, heads, claims, pool, int(transport.sport[row]) & 0xFFFF, best)
        best = matching(slab, off, length, heads, claims, pool, ANY_PORT, best)
        if best < total:
            route.kind[row] = base + claims[best * CLAIM_WIDTH + C_KIND]
            count += 1
    return count


def select(route: Route, low: int, high: int, rows: I32, begin: int, end: int) -> int:
    """Put the rows of kinds `low` up to (not with) `high` into `rows`, in order, and return how many there are."""
    count = 0
    for row in range(begin, end):
        kind = int(route.kind[row]) + 0
        if low <= kind < high:
            rows[count] = row
            count += 1
    return count

"""Routing: which dissector a row is for. Content decides before ports; a row is never anybody's second choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np

from lippycat_core.batch import Batch
from lippycat_core.columns import I32, U8
from lippycat_core.errors import PluginError
from lippycat_core.interfaces.dissect import BulkDissector, Claim
from lippycat_core.kernels import route as k
from lippycat_core.kernelset import Kernel, KernelSet


class Claimant(Protocol):
    """Who may own TCP connections: a bulk dissector, or a layer (layers.py)."""

    def claim_stream(self, head: memoryview) -> bool | None:
        """Whether a direction that begins so is ours; None while `head` is too short to tell."""
        ...


D = TypeVar("D", bound=Claimant)


@runtime_checkable
class ClaimsConnections(Protocol):
    """A bulk dissector that looks at ports too, so it is asked after all that look at content alone."""

    def claim_connection(self, head: memoryview, sport: int, dport: int) -> object:
        """What to note on a TCP connection that is ours (anything true), False for one that is not, None when `head`,
        the first bytes of one direction, is too short to tell."""
        ...


def content_first(dissectors: Sequence[D]) -> list[D]:
    """The dissectors in the order in which they are asked."""
    return sorted(dissectors, key=lambda dissector: isinstance(dissector, ClaimsConnections))


class Router:
    """Gives each dissector's kinds their numbers, and each UDP row its kind (0 stays nobody's)."""

    def __init__(self, dissectors: Sequence[BulkDissector]) -> None:
        self._bases: list[tuple[BulkDissector, int]] = []
        self.kinds: list[str] = [""]
        for dissector in content_first(dissectors):
            self._bases.append((dissector, len(self.kinds)))
            self.kinds += [f"{dissector.name}.{kind}" for kind in dissector.kinds]

    def base(self, dissector: BulkDissector) -> int:
        """The number of the dissector's first kind."""
        for known, base in self._bases:
            if known is dissector:
                return base
        raise PluginError(f"dissector {dissector.name!r} is not part of this run")

    def route(self, batch: Batch, begin: int, end: int) -> None:
        """Let each dissector mark its rows of [begin, end), each only those that are still nobody's."""
        for dissector, base in self._bases:
            dissector.route(batch, begin, end, base)


class ClaimTable:
    """Declared claims of several dissectors: for UDP as tables that a kernel reads, for TCP as a question to answer."""

    kernels: ClassVar[tuple[Kernel, ...]] = (k.claim,)

    def __init__(self, claims: Sequence[Sequence[Claim]]) -> None:
        """`claims[kind]` are those of dissector number `kind`; earlier dissectors win."""
        self._tcp = [(kind, claim) for kind, group in enumerate(claims) for claim in group if claim.transport == "tcp"]
        pool = bytearray()
        entries: list[list[int]] = []
        heads = [-1] * k.PORTS
        tails: dict[int, int] = {}
        for kind, group in enumerate(claims):
            for claim in group:
                for port in (claim.ports or (k.ANY_PORT,)) if claim.transport == "udp" else ():
                    for prefix in claim.prefixes or (b"",):
                        if port in tails:
                            entries[tails[port]][k.C_NEXT] = len(entries)
                        else:
                            heads[port] = len(entries)
                        tails[port] = len(entries)
                        entries.append([kind, len(pool), len(prefix), -1])
                        pool += prefix
        self._empty = not entries
        self._heads: I32 = np.array(heads, np.int32)
        self._entries: I32 = np.array(entries, np.int32).reshape(-1)
        self._pool: U8 = np.frombuffer(bytes(pool) or b"\0", np.uint8).copy()

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernels."""
        self._claim = kernels[k.claim]
        self._views = kernels.view(self._heads), kernels.view(self._entries), kernels.view(self._pool)

    def mark(self, batch: Batch, begin: int, end: int, base: int) -> int:
        """Write `base + kind` into UDP rows of [begin, end) that a claim matches and nobody has; how many there were."""
        if self._empty:
            return 0
        views = batch.views
        heads, entries, pool = self._views
        return self._claim(views.slab, views.net, views.transport, views.route, heads, entries, pool, base, begin, end)

    def connection(self, head: memoryview, sport: int, dport: int) -> int | None:
        """The number of the dissector whose TCP claim matches a stream that begins with `head`; -1 where none does; None
        while a claim might, once more bytes are there."""
        undecided = False
        for kind, claim in self._tcp:
            if claim.ports and sport not in claim.ports and dport not in claim.ports:
                continue
            if not claim.prefixes:
                return None if undecided else kind
            for prefix in claim.prefixes:
                shown = head[: len(prefix)]
                if shown == prefix:
                    return None if undecided else kind
                if prefix.startswith(bytes(shown)):
                    undecided = True
        return None if undecided else -1

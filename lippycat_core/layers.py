"""Reads through what carries other streams (TLS, WebSocket): runs of a layer's connection become runs of what is inside it.

Stands between reassembly and the dissectors. A connection in which nobody finds anything is given back to the kernels, and a
layer that raises is out of the run, never the run.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lippycat_core.batch import Batch
from lippycat_core.connections import Connection
from lippycat_core.interfaces.dissect import Run
from lippycat_core.interfaces.layer import LayerSession, NeedsSecrets, StreamLayer, Unreadable, Unwanted
from lippycat_core.reassembly import RECORD_BYTES, TcpReassembly
from lippycat_core.runs import RunTable
from lippycat_core.stream_claims import HEAD_LIMIT

DEEPEST = 3
"""Layers inside each other, at most."""

IN_VAIN = 4
"""Pieces of an inner stream that are shown to everybody; what nobody wanted by then is let go."""

UNDECIDED_PIECES = 256
"""Pieces that are kept until somebody can tell whose they are."""

EARLY_RECORDS = 256
"""Packets of a direction in front of the first message in it that are told with that: handshakes and upgrades."""

CONNECTION_BYTES = 2048
"""What a connection is counted as beside what its session says."""

GONE = "gone"
"""State of a connection that was let go: what reassembly still gives of it in this segment is passed over."""


class Layer:
    """A layer as an owner of connections."""

    def __init__(self, layer: StreamLayer) -> None:
        self.layer = layer
        self.head_limit = int(getattr(layer, "head_limit", HEAD_LIMIT))
        self.off = False

    def claim_stream(self, head: memoryview) -> bool | None:
        """See StreamLayer; nothing is claimed any more once it is off."""
        return False if self.off else self.layer.claim_stream(head)


@dataclass(slots=True)
class _Piece:
    """Bytes that a layer gave, and what they came in."""

    side: int
    data: bytes
    flow: int
    segments: int
    records: Sequence[int]
    gap: int = 0


@dataclass(slots=True)
class _Side:
    """What lies behind bytes of one direction that the session holds."""

    records: list[int] = field(default_factory=list)
    segments: int = 0
    gap: int = 0
    flow: int = -1
    early: list[int] = field(default_factory=list)  # records whose bytes the layer took for itself, until something is given
    told: bool = False  # whether somebody was given bytes of this direction


@dataclass(slots=True, eq=False)
class _Wrapped:
    """A connection that a layer reads. `inner` is the one inside; where that is a layer's too, `inside` reads it."""

    owner: Layer
    session: LayerSession
    inner: Connection
    depth: int
    inside: _Wrapped | None = None
    sides: tuple[_Side, _Side] = field(default_factory=lambda: (_Side(), _Side()))
    undecided: list[_Piece] = field(default_factory=list)
    in_vain: int = 0

    def cost(self) -> int:
        """Bytes that are counted for it and what is inside it."""
        own = CONNECTION_BYTES + self.session.cost()
        own += sum(len(piece.data) + RECORD_BYTES * (1 + len(piece.records)) for piece in self.undecided)
        own += RECORD_BYTES * sum(len(side.records) + len(side.early) for side in self.sides)
        return own if self.inside is None else own + self.inside.cost()


class Layers:
    """The connections of all layers, at most `max_bytes` held by them; beyond, those silent longest are let go, those in which
    nobody has found anything yet first.

    `on_error(name, exception)` is called once for a layer that raised, `on_unread()` once where the input brings secrets that no
    layer takes. `more()` gives what secrets have come beside the input's since it was asked last.
    """

    def __init__(
        self,
        layers: Sequence[StreamLayer],
        on_error: Callable[[str, BaseException], None],
        *,
        max_bytes: int = 16 << 20,
        on_unread: Callable[[], None] = lambda: None,
        more: Callable[[], Iterable[tuple[int, bytes]]] = tuple,
    ) -> None:
        self.owners = [Layer(layer) for layer in layers]
        self.kept: list[int] = []
        """Records of the segment at hand whose bytes wait in a layer (see `Segment.kept`)."""
        self._on_error = on_error
        self._more = more
        self._on_unread: Callable[[], None] | None = on_unread
        self.max_bytes = max_bytes
        self._open: OrderedDict[Connection, _Wrapped] = OrderedDict()  # longest silent first
        self._unclaimed: OrderedDict[Connection, None] = OrderedDict()  # of these, those in which nobody has found anything yet
        self._gone: list[Connection] = []  # let go, and not given back yet
        self._cost: dict[Connection, int] = {}
        self.held_bytes = 0
        self.peak_bytes = 0
        self._given_up: Counter[str] = Counter()
        self._learned = False
        self._runs: list[Run] = []

    def attach(self, tcp: TcpReassembly) -> None:
        """Whose connections these are; asked before the first segment."""
        self._tcp = tcp
        self._claims = tcp.claims

    def begin(self, batch: Batch) -> None:
        """A batch is next: take the secrets that it, or a key log, has brought."""
        secrets = [*self._more(), *batch.secrets]
        if secrets:
            self._learn(secrets)

    def _learn(self, secrets: Iterable[tuple[int, bytes]]) -> None:
        takers = [(owner, owner.layer) for owner in self.owners if isinstance(owner.layer, NeedsSecrets)]
        for kind, data in secrets:
            if not takers and self._on_unread is not None:
                self._on_unread()
                self._on_unread = None
            for owner, layer in takers:
                self._learned = True
                try:
                    layer.learn(kind, data)
                except (Exception, SystemExit) as error:
                    self._switch_off(owner, error)

    def segment(self, batch: Batch, begin: int, runs: RunTable) -> RunTable:
        """The runs of a segment that begins at row `begin`, those of layers replaced by what is inside them."""
        self.kept = []
        if not self._learned and not runs.has(self.owners):
            return runs
        self._batch = batch
        first: list[Run] = []
        self._runs = first
        if self._learned:
            self._learned = False
            self._resume(begin)
        runs.replace(self.owners, self._read, first)
        return runs

    def _read(self, run: Run) -> list[Run]:
        """What is inside a run of a layer's connection."""
        given: list[Run] = []
        self._runs = given
        connection = run.connection
        if isinstance(connection, Connection) and isinstance(connection.owner, Layer) and connection.state[0] is not GONE:
            self._outer(run, connection, connection.owner)
        return given

    def tick(self) -> None:
        """Give back what was let go. Not before: rows of the segment at hand were put in order already, so what reassembly counts
        of them would depend on where it ended."""
        gone, self._gone = self._gone, []
        for connection in gone:
            self._tcp.let_go(connection)

    def evicted(self) -> Mapping[str, int]:
        """Connections let go: `layer_bytes` for want of room, `layer_unreadable` because their layer could not read on."""
        return dict(self._given_up)

    def __len__(self) -> int:
        """Connections that a layer reads now."""
        return len(self._open)

    # -- connections -----------------------------------------------------------------------------------------------------

    def _outer(self, run: Run, connection: Connection, owner: Layer) -> None:
        """A run of a connection that a layer has claimed."""
        wrapped = self._open.get(connection)
        try:
            if wrapped is None:
                if run.last:
                    return
                if owner.off:
                    raise Unwanted
                wrapped = self._wrap(owner, connection, 1)
                self._open[connection] = wrapped
                self._unclaimed[connection] = None
            self._open.move_to_end(connection)
            if run.gap:
                self._gap(wrapped, run.side, run.gap)
            if run.length:
                data = bytes(self._batch.mem[run.off : run.off + run.length])
                self._feed(wrapped, _Piece(run.side, data, run.flow, run.segments, run.records), run.row)
        except Exception as error:
            self._stopped(connection, run, error)
            return
        if run.last:
            self._close(connection, run)
            connection.state[0] = GONE
            return
        self._weigh(connection, wrapped.cost())
        if connection in self._unclaimed:
            self._unclaimed.move_to_end(connection)
            if _innermost(wrapped).owner is not None:
                del self._unclaimed[connection]
        while self.held_bytes > self.max_bytes:  # what may be anything goes before what is known to be of use
            self._given_up["layer_bytes"] += 1
            self._let_go(next(iter(self._unclaimed or self._open)), run)

    def _wrap(self, owner: Layer, connection: Connection, depth: int) -> _Wrapped:
        transport = owner.layer.over.get(connection.transport, owner.layer.name)
        inner = Connection(ends=connection.ends, transport=transport)
        try:
            return _Wrapped(owner, owner.layer.open(), inner, depth)
        except Exception as error:
            raise _Raised(owner, error) from error

    def _weigh(self, connection: Connection, cost: int) -> None:
        self.held_bytes += cost - self._cost.get(connection, 0)
        self.peak_bytes = max(self.peak_bytes, self.held_bytes)
        self._cost[connection] = cost

    def _stopped(self, connection: Connection, run: Run, error: Exception) -> None:
        """Something in the layers of a connection does not go on."""
        if isinstance(error, Unreadable):
            self._given_up["layer_unreadable"] += 1
        elif isinstance(error, _Raised):
            self._switch_off(error.owner, error.error)
        elif not isinstance(error, Unwanted):
            raise error
        self._let_go(connection, run)

    def _switch_off(self, owner: Layer, error: BaseException) -> None:
        """A layer that raised is out of the run; its other connections end with their next bytes."""
        if not owner.off:
            owner.off = True
            self._on_error(owner.layer.name, error)

    def _let_go(self, connection: Connection, run: Run) -> None:
        """Read no more of a connection: who has what is inside learns that it is over, and kernels soon pass over the rest."""
        self._close(connection, run)
        connection.state[0] = GONE
        self._gone.append(connection)

    def _close(self, connection: Connection, run: Run) -> None:
        """The innermost stream is over."""
        self.held_bytes -= self._cost.pop(connection, 0)
        self._unclaimed.pop(connection, None)
        wrapped = self._open.pop(connection, None)
        if wrapped is None:
            return
        inner = _innermost(wrapped)
        if inner.owner is not None:
            flow = wrapped.sides[run.side].flow
            self._runs.append(Run(run.row, run.flow if flow < 0 else flow, inner, run.side, 0, 0, 0, last=True))

    # -- bytes -----------------------------------------------------------------------------------------------------------

    def _gap(self, wrapped: _Wrapped, side: int, missing: int) -> None:
        wrapped.sides[side].gap += missing
        try:
            wrapped.session.gap(side, missing)
        except (Unreadable, Unwanted):
            raise
        except (Exception, SystemExit) as error:
            raise _Raised(wrapped.owner, error) from error

    def _feed(self, wrapped: _Wrapped, piece: _Piece, row: int) -> None:
        """Let a session have bytes, and hand on what it gives."""
        if wrapped.owner.off:
            raise Unwanted
        ts_ns = int(self._batch.frame.ts_ns[row])
        given, trouble = _collect(wrapped, lambda: wrapped.session.feed(piece.side, piece.data, ts_ns))
        wrapped.sides[piece.side].flow = piece.flow
        gave = self._give(wrapped, given, row, piece)
        if trouble is not None:
            raise trouble
        side = wrapped.sides[piece.side]
        if piece.side not in gave and not side.told:
            self._keep_early(side, piece)
        if not wrapped.session.held(piece.side):
            side.records, side.segments = [], 0
            return
        if piece.side in gave:
            side.records, side.segments = [], 0
        side.records += piece.records
        side.segments += piece.segments
        self._keep(piece.records)

    def _keep(self, records: Iterable[int]) -> None:
        """These wait, those of batches before since then."""
        first = self._batch.first_record
        self.kept += [record for record in records if record >= first]

    def _keep_early(self, side: _Side, piece: _Piece) -> None:
        """The layer took bytes in front of all that it gives: who writes a message's packets needs them to read these."""
        known = set(side.early)
        new = [record for record in dict.fromkeys(piece.records) if record not in known]
        new = new[: EARLY_RECORDS - len(side.early)]
        side.early += new
        self._keep(new)

    def _give(self, wrapped: _Wrapped, given: list[tuple[int, bytes]], row: int, piece: _Piece | None) -> set[int]:
        """Hand on what a session gave, bytes side by side as one where there are no messages; the sides that it gave."""
        if not wrapped.owner.layer.messages:
            given = _joined(given)
        gave: set[int] = set()
        for side, data in given:
            if not data:
                continue
            behind = wrapped.sides[side]
            mine = piece is not None and piece.side == side
            records, segments = (piece.records, piece.segments) if piece is not None and mine else ((), 0)
            if side not in gave:
                records, segments = (*behind.records, *records), behind.segments + segments
                gave.add(side)
            inner = _Piece(side, data, behind.flow, max(segments, 1), tuple(dict.fromkeys(records)), behind.gap)
            behind.gap = 0
            self._deliver(wrapped, inner, row)
        for side in gave:
            if (piece is None or side != piece.side) and not wrapped.session.held(side):
                wrapped.sides[side].records, wrapped.sides[side].segments = [], 0
        return gave

    def _deliver(self, wrapped: _Wrapped, piece: _Piece, row: int) -> None:
        """Bytes of an inner stream: to who has it, or one more thing to decide by."""
        inner = wrapped.inner
        if inner.owner is None:
            self._decide(wrapped, piece, row)
            return
        side = wrapped.sides[piece.side]
        if not side.told:
            piece.records = tuple(dict.fromkeys((*side.early, *piece.records)))
            side.early, side.told = [], True
        if wrapped.inside is not None:
            if piece.gap:
                self._gap(wrapped.inside, piece.side, piece.gap)
            self._feed(wrapped.inside, piece, row)
        else:
            off = self._batch.append(piece.data)
            run = Run(row, piece.flow, inner, piece.side, off, len(piece.data), piece.segments, piece.gap)
            run.records, run.whole = piece.records, wrapped.owner.layer.messages
            self._runs.append(run)

    def _decide(self, wrapped: _Wrapped, piece: _Piece, row: int) -> None:
        """Ask whose the inner stream is, as reassembly does of connections."""
        if piece.gap:
            wrapped.undecided = [kept for kept in wrapped.undecided if kept.side != piece.side]
            piece.gap = 0
        wrapped.undecided.append(piece)
        head = b"".join(kept.data for kept in wrapped.undecided if kept.side == piece.side)
        answer = self._claims.ask(piece.flow, memoryview(head))
        if isinstance(answer, tuple) and not (isinstance(answer[0], Layer) and wrapped.depth >= DEEPEST):
            inner = wrapped.inner
            inner.owner, inner.claim = answer
            if isinstance(answer[0], Layer):
                wrapped.inside = self._wrap(answer[0], inner, wrapped.depth + 1)
            undecided, wrapped.undecided = wrapped.undecided, []
            early = sorted({record for side in wrapped.sides for record in side.early})  # of both: neither is read alone
            undecided[0].records = tuple(dict.fromkeys((*early, *undecided[0].records)))
            for side in wrapped.sides:
                side.early = []
            for kept in undecided:
                self._deliver(wrapped, kept, row)
        elif answer is True and len(wrapped.undecided) < UNDECIDED_PIECES:
            self._keep(piece.records)
        else:
            wrapped.undecided = [kept for kept in wrapped.undecided if kept.side != piece.side]
            wrapped.in_vain += 1
            if wrapped.in_vain >= IN_VAIN:
                raise Unwanted

    def _resume(self, row: int) -> None:
        """Secrets have come: what waited for them."""
        for connection, wrapped in list(self._open.items()):
            at: _Wrapped | None = wrapped
            run = Run(row, wrapped.sides[0].flow, connection, 0, 0, 0, 0)
            try:
                while at is not None:
                    resume = getattr(at.session, "resume", None)
                    if resume is not None:
                        given, trouble = _collect(at, resume)
                        self._give(at, given, row, None)
                        if trouble is not None:
                            raise trouble
                    at = at.inside
            except Exception as error:
                self._stopped(connection, run, error)
            else:
                self._weigh(connection, wrapped.cost())


def _innermost(wrapped: _Wrapped) -> Connection:
    """The connection inside all layers."""
    while wrapped.inside is not None:
        wrapped = wrapped.inside
    return wrapped.inner


class _Raised(Exception):
    """A layer raised what it may not."""

    def __init__(self, owner: Layer, error: BaseException) -> None:
        super().__init__(str(error))
        self.owner, self.error = owner, error


def _collect(
    wrapped: _Wrapped, call: Callable[[], Iterable[tuple[int, bytes]]]
) -> tuple[list[tuple[int, bytes]], Exception | None]:
    """What a session gives, and why it gives no more: beside its own two exceptions that is the layer's fault."""
    given: list[tuple[int, bytes]] = []
    try:
        for side, data in call():
            given.append((side, data))
    except (Unreadable, Unwanted) as error:
        return given, error
    except (Exception, SystemExit) as error:
        return given, _Raised(wrapped.owner, error)
    return given, None


def _joined(given: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """The same bytes in as few pieces as there can be."""
    joined: list[tuple[int, list[bytes]]] = []
    for side, data in given:
        if joined and joined[-1][0] == side:
            joined[-1][1].append(data)
        else:
            joined.append((side, [data]))
    return [(side, b"".join(parts)) for side, parts in joined]

"""From options and settings to a run: the shared way from a command's arguments to its exit code, for plugins' commands too.

A command makes a `Setup`, its dissectors and its sinks, and calls `analyse`; what the result was is said by `Result.report`.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial

from lippycat_core.batchqueue import QueueRules
from lippycat_core.builtin.files import expand, open_source
from lippycat_core.builtin.keylogfile import KeyLogFile
from lippycat_core.builtin.vif import VirtualInterface
from lippycat_core.cli.kernels import compiler_for, input_bytes, needed
from lippycat_core.cli.keylog import key_log, no_keys
from lippycat_core.cli.live import (
    give_up_powers,
    idle_options,
    in_turns,
    never,
    open_live,
    own_endpoints,
    queue_rules,
    settled_input,
)
from lippycat_core.cli.matching import Matching
from lippycat_core.cli.options import Input, Run
from lippycat_core.cli.progress import ProgressLine
from lippycat_core.cli.signals import StopRequest
from lippycat_core.cli.telling import say
from lippycat_core.cli.vif import greeting, open_interface
from lippycat_core.cli.watching import watched
from lippycat_core.errors import DriverUnfit
from lippycat_core.filters import CaptureFilter
from lippycat_core.flows import FlowTable
from lippycat_core.fragments import FragmentTable
from lippycat_core.hookspecs import RunInfo
from lippycat_core.host.discovery import Host
from lippycat_core.host.settings import Settings, load_settings
from lippycat_core.interfaces.capture import KnowsLink, OwnEndpoint, Progress
from lippycat_core.interfaces.dissect import BulkDissector, Dissector
from lippycat_core.interfaces.layer import NeedsSecrets
from lippycat_core.interfaces.match import MatchBackend
from lippycat_core.interfaces.sink import Sink
from lippycat_core.kernelset import Interpreted
from lippycat_core.layers import Layers
from lippycat_core.pipeline import Outcome, Pace, Parts, Pipeline, Speed
from lippycat_core.reassembly import TcpReassembly
from lippycat_core.sctp import SctpAssociations
from lippycat_core.sessions import Sessions
from lippycat_core.streambuffers import StreamBuffers
from lippycat_core.writing.figures import Figures


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended, and what it means for the process."""

    outcome: Outcome
    stop_code: int
    tolerant: bool
    plugin_failed: bool

    def report(self) -> int:
        """Name what was wrong with the input on standard error and return the exit code (docs/output.md)."""
        for fault in self.outcome.faults:
            accept = "" if self.tolerant else "; --tolerate-truncation takes that for a success"
            say(f"{fault.source}: {fault.what}: {fault.detail}; what came before it is reported{accept}")
        if self.stop_code:
            return self.stop_code
        return 1 if self.plugin_failed or (self.outcome.faults and not self.tolerant) else 0


class Setup:
    """What a command and its plugins share: the settings, the host of plugins, and the input that was asked for.

    `flags` are the command's own options by setting (`voip.max_calls`), None where one was not given. `own` is where the run is
    to be reached over the network: who opens more adds it before `analyse`, and a live capture leaves it out. Where no input is
    named it is all interfaces. UsageError for inputs that do not go together, SettingError where a setting is wrong, InputError
    where an input cannot be read.
    """

    def __init__(self, command: str, source: Input, run: Run, flags: Mapping[str, object] | None = None) -> None:
        source = settled_input(command, source, quiet=run.quiet)
        self._command = command
        self._source = source
        self._run = run
        self._plugin_failed = False
        self._line: ProgressLine | None = None
        self.written: Callable[[], Figures] = Figures  # what the run has written, for whoever asks
        self.on_open: list[Callable[[int | None], None]] = []  # told of a live capture's link type before its first packet
        self.made: list[str] = []  # folders that were made for the run
        self.must_write: list[str] = []  # folders in which the run makes files while it goes
        own = {"threads": run.threads, "batch.packets": run.batch_packets, "compiler": run.compiler}
        own |= {"control.socket": run.control, "metrics.listen": run.metrics_listen}
        self.settings: Settings = load_settings({**own, **source.flags(), **(flags or {})}, config=run.config, on_problem=say)
        if idle := idle_options(self.settings, live=bool(source.interfaces)):
            say(idle)
        self.own: list[OwnEndpoint] = own_endpoints(self.settings)
        self.host = Host(self.settings, self.tell)
        self._key_log: KeyLogFile | None = None
        self._matching: Matching | None = None
        if self.settings.origin("match").startswith("option"):
            self.host.choose("match")  # a wish that cannot be had is an error, whether something is matched or not

    @property
    def live(self) -> bool:
        """Whether packets come from interfaces."""
        return bool(self._source.interfaces)

    @cached_property
    def files(self) -> list[str]:
        """The input files that the options mean."""
        return expand(self._source.read_file) if self._source.read_file else []

    @cached_property
    def virtual_interface(self) -> VirtualInterface | None:
        """Where packets are injected, where that is asked for: up once this is read. See `open_interface` for what it raises."""
        return open_interface(self.settings, self._source, self.tell)

    def match_backend(self, what: str) -> MatchBackend:
        """Who looks for patterns in this run (`what`, as in "users"), for as long as it lasts; opened when it is first used.
        DriverUnfit where a driver was named and does not fit."""
        if self._matching is None:
            size = None if self._source.interfaces else input_bytes(self.files)
            self._matching = Matching(self.host, what, input_bytes=size, quiet=self._run.quiet, tell=self.tell)
        return self._matching.backend

    def stream_buffers(self) -> StreamBuffers:
        """What TCP streams of this run lie in while they wait for a whole message: the driver and the bounds that the
        settings name. DriverUnfit where that driver is not there. It has half of the memory of TCP streams, reassembly and
        layers the other: so neither starves the other, and what is given up does not depend on where a batch ends."""
        settings = self.settings
        provider = self.host.choose("buffer")
        if provider is None:
            raise DriverUnfit("no buffer driver fits here; `lc plugins buffer` says why")
        limit = settings["tcp.memory_limit"]
        return StreamBuffers(
            provider.open(),
            max_buffers=settings["tcp.max_buffers"],
            max_bytes=limit - limit // 2,
            max_age_ns=settings["tcp.buffer_max_age"],
            cleanup_ns=settings["tcp.cleanup_interval"],
            pool_size=settings["tcp.buffer_pool_size"],
            shrink=settings["tcp.memory_optimization"],
        )

    def tell(self, message: str) -> None:
        """One line on standard error, in the place of the progress line."""
        if self._line is not None:
            self._line.close()
        say(message)

    def _raised(self, kind: str, name: str, error: BaseException) -> None:
        """The run goes on without a plugin, but what it would have said is missing."""
        self._plugin_failed = True
        reason = " ".join(str(error).split())
        self.tell(f"{kind} {name} raised {type(error).__name__}: {reason}; it is switched off for the rest of the run")

    def _layers(self, dissectors: Sequence[BulkDissector]) -> Layers:
        """What reads through TLS and WebSocket; nobody where no dissector looks at what is inside. It has a quarter of the
        memory of TCP streams."""
        plugins = self.host.layers() if dissectors else []
        growing = bool(self._source.interfaces) or input_bytes(self.files) is None
        readers = [layer for layer in plugins if isinstance(layer, NeedsSecrets)]
        log = key_log(self.settings, readers=bool(readers), growing=growing) if dissectors else None
        self._key_log = log
        if log is not None and not growing and (notice := no_keys(self.settings, log)):
            self.tell(notice)
        for reader in readers:
            reader.expect(growing and log is not None)

        def unread() -> None:
            if readers or not dissectors:  # nobody would look at what is inside
                return
            self.tell("the input has secrets of TLS connections, which lippycat-tls would read; pip install lippycat-tls")

        limit = self.settings["tcp.memory_limit"] // 4
        more = tuple if log is None else partial(log.read, last=not growing)
        return Layers(plugins, partial(self._raised, "layer"), max_bytes=limit, on_unread=unread, more=more)

    def analyse(
        self, dissectors: Sequence[BulkDissector | Dissector], sinks: Sequence[Sink], *, packet_limit: int | None = None
    ) -> Result:
        """Read the input through `dissectors` into `sinks`. The first SIGINT or SIGTERM ends the input early."""
        live = bool(self._source.interfaces)
        inputs = self._source.interfaces or tuple(self._source.read_file)
        info = RunInfo(inputs, self._command, tuple(dissector.name for dissector in dissectors))
        kernels = Interpreted()
        expression = self._source.capture_filter
        capture_filter = None if expression is None or live else CaptureFilter(expression)
        stop = StopRequest()
        settings = self.settings
        bulk = [dissector for dissector in dissectors if isinstance(dissector, BulkDissector)]
        simple = [dissector for dissector in dissectors if isinstance(dissector, Dissector)]
        flows = FlowTable(kernels, settings["limits.flows"], udp=bool(simple))
        if simple:
            bulk.append(Sessions(simple, flows, partial(self._raised, "dissector")))
        layers = self._layers(bulk)
        tcp = TcpReassembly(
            flows,
            [*layers.owners, *bulk],
            max_connections=settings["limits.tcp_connections"],
            max_bytes=settings["tcp.memory_limit"] // 2 - settings["tcp.memory_limit"] // 32 - layers.max_bytes,
            max_pages=settings["tcp.assembler_max_pages"],
            timeout_ns=settings["tcp.stream_timeout"],
        )
        layers.attach(tcp)
        line = self._line = ProgressLine(sys.stderr) if sys.stderr.isatty() and not self._run.quiet else None
        in_the_way = [line] if line is not None and sys.stdout.isatty() else []
        vif = self.virtual_interface
        parts = Parts(
            open_live(self.host, self._source, kernels, stop, self.tell, self.own, 0 if vif is None else vif.index)
            if live
            else open_source(self.files, kernels),
            bulk,
            [*in_the_way, *sinks, *self.host.hooks.sinks(info)],
            flows,
            FragmentTable(settings["limits.fragment_bytes"], timeout_ns=settings["limits.fragment_timeout"]),
            tcp,
            capture_filter,
            self.host.hooks.for_run(info),
            layers,
            SctpAssociations(bulk, max_bytes=settings["tcp.memory_limit"] // 32),
            vif,
        )
        if vif is not None and not self._run.quiet:
            self.tell(greeting(settings))
        wanted = needed([parts.source, *bulk, *parts.sinks], filtered=capture_filter is not None)
        loaded = give_up_powers(self.host, wanted, self.must_write, self.made, self.tell) if live or vif is not None else None
        compiler = compiler_for(self.host, self.files, live=live) if loaded is None else None
        if live:
            link = parts.source.link_type if isinstance(parts.source, KnowsLink) else None
            for opened in self.on_open:
                opened(link)

        def progress(done: Progress, packets: int) -> None:
            if compiler is not None:
                compiler.note(done.bytes_done)
            if line is not None:
                line(done, packets)
            if vif is not None:
                vif.drain()

        if vif is not None:
            vif.stop = stop
        with stop, _rare_collections():
            # A live source ends by itself when asked to, after what was captured until then.
            now = never if live else stop
            threads = settings["threads"] if not live or in_turns(settings) else 2
            sizes = (threads, settings["batch.bytes"], settings["batch.packets"], packet_limit)
            queue = queue_rules(settings) if live else QueueRules()
            pace = Pace(*sizes, queue=queue, at_once=settings["tcp.latency_optimization"], stop=now, on_progress=progress)
            pipeline = Pipeline(parts, pace, Speed(loaded or kernels, compiler, wanted, not_compiled))
            try:
                with watched(pipeline, pace, info, self.host, self.tell, self._matching, vif, self.written):
                    try:
                        outcome = pipeline.run()
                    finally:
                        if vif is not None:
                            vif.take_away()
            finally:
                if line is not None:
                    line.close()
                if self._matching is not None:
                    self._matching.close()
                if self._key_log is not None:
                    self._key_log.close()
                if compiler is not None:
                    compiler.close()
                    if compiler.problem():
                        not_compiled(compiler.problem())
        if vif is not None and (not self._run.quiet or vif.lost):
            say(vif.account())
        stopped = live or outcome.stopped
        return Result(outcome, stop.exit_code if stopped else 0, self._source.tolerate_truncation, self._plugin_failed)


COLLECT_AFTER = 50_000
"""Objects made before Python looks for garbage in cycles; its own 700 suits programs that make fewer that stay."""


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Calls live for minutes and are freed by reference counts; looking through all of them for cycles again and again
    costs a fifth of a run with 20,000 of them."""
    before = gc.get_threshold()
    gc.set_threshold(COLLECT_AFTER, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def not_compiled(reason: str) -> None:
    """Why the kernels stay as they are."""
    say(f"{reason}; the run is interpreted, which is slower")

"""Options that commands share: each group is a function whose parameters are the options and whose result is a record.

`@with_options(source=input_options)` gives a command the group's options and, as `source`, what they came to. Plugins'
commands use the same groups, so that `-r` means the same everywhere.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, NamedTuple, TypeVar

import typer

R = TypeVar("R")


class Input(NamedTuple):
    """Which packets a run reads, of files or live; None leaves a setting to environment, file and default."""

    read_file: list[str]
    capture_filter: str | None
    tolerate_truncation: bool
    interfaces: tuple[str, ...] = ()
    duration: str | None = None
    buffer_bytes: str | None = None
    buffer_packets: int | None = None
    snaplen: int | None = None
    promisc: bool | None = None
    user: str | None = None
    threads: int | None = None
    driver: str | None = None
    timestamps: str | None = None

    def flags(self) -> dict[str, object]:
        """The settings that these options override."""
        return {
            "capture.buffer_bytes": self.buffer_bytes,
            "capture.buffer_packets": self.buffer_packets,
            "capture.snaplen": self.snaplen,
            "capture.promisc": self.promisc,
            "capture.user": self.user,
            "capture.threads": self.threads,
            "capture.driver": self.driver,
            "capture.timestamps": self.timestamps,
        }


class Run(NamedTuple):
    """How a run goes; None leaves the setting to environment, file and default."""

    threads: int | None
    batch_packets: int | None
    compiler: str | None
    config: str | None
    quiet: bool
    control: bool | None = None
    metrics_listen: str | None = None


class Match(NamedTuple):
    """Who looks for patterns, and with how much of a device; None leaves the setting to environment, file and default."""

    backend: str | None
    batch_size: int | None
    max_memory: str | None
    device: str | None

    def flags(self) -> dict[str, object]:
        """The settings that these options override."""
        return {
            "match": self.backend,
            "gpu.batch_size": self.batch_size,
            "gpu.max_memory": self.max_memory,
            "gpu.device": self.device,
        }


class Tcp(NamedTuple):
    """What TCP streams may hold and for how long; None leaves the setting to environment, file, profile and default."""

    performance_mode: str | None
    batch_size: int | None
    max_buffers: int | None
    buffer_strategy: str | None
    memory_limit: str | None
    stream_queue_buffer: int | None
    stream_max_queue_time: str | None
    buffer_max_age: str | None
    cleanup_interval: str | None
    memory_optimization: bool | None
    auto_tuning: bool | None
    enable_backpressure: bool | None
    stream_timeout: str | None
    assembler_max_pages: int | None
    buffer_pool_size: int | None
    latency_optimization: bool | None

    def flags(self) -> dict[str, object]:
        """The settings that these options override."""
        return {f"tcp.{name}": value for name, value in self._asdict().items()}


class Vif(NamedTuple):
    """Whether packets go to a virtual interface, and how; None leaves the setting to environment, file and default."""

    enabled: bool | None
    name: str | None
    netns: str | None
    type: str | None
    replay_timing: bool | None
    speed: str | None
    startup_delay: str | None
    linger: str | None

    def flags(self) -> dict[str, object]:
        """The settings that these options override."""
        return {f"vif.{name}": value for name, value in self._asdict().items()}


class Tls(NamedTuple):
    """What opens TLS; None leaves it to environment, file and default."""

    keylog: str | None

    def flags(self) -> dict[str, object]:
        """The settings that these options override."""
        return {"tls.keylog": self.keylog}


class Writers(NamedTuple):
    """Who writes files and how hard they are packed; None leaves the setting to environment, file, profile and default."""

    io_threads: int | None
    compression_level: int | None

    def flags(self) -> dict[str, object]:
        """The settings that these options override."""
        return {f"tcp.{name}": value for name, value in self._asdict().items()}


class Write(NamedTuple):
    """Where packets are written, and when a new file begins; None leaves a setting to environment, file and default."""

    file: str | None
    rotate_size: str | None = None
    rotate_time: str | None = None
    rotate_count: int | None = None
    rotate_keep: int | None = None
    rotate_total: str | None = None
    encrypt_key_file: str | None = None
    pcap_command: str | None = None
    command_concurrency: int | None = None
    command_timeout: str | None = None

    def flags(self) -> dict[str, object]:
        """The settings that these options override."""
        return {f"write.{name}": value for name, value in self._asdict().items() if name != "file"}


class Output(NamedTuple):
    """How results are written; `format` is None where nothing was said."""

    format: str | None

    def chosen(self, terminal: bool) -> str:
        """`json` or `text`: what was asked for, else text on a terminal and JSON lines elsewhere."""
        return self.format or ("text" if terminal else "json")


def input_options(
    read_file: Annotated[
        list[str] | None,
        typer.Option(
            "-r",
            "--read-file",
            metavar="FILE",
            help="Capture file, directory or quoted glob; - is standard input. May be repeated: packets are merged by time.",
        ),
    ] = None,
    capture_filter: Annotated[
        str | None, typer.Option("-f", "--filter", metavar="BPF", help="Keep packets that match this pcap filter expression.")
    ] = None,
    tolerate_truncation: Annotated[
        bool,
        typer.Option("--tolerate-truncation/--no-tolerate-truncation", help="End with 0 though a capture is cut or corrupt."),
    ] = False,
    interface: Annotated[
        list[str] | None,
        typer.Option(
            "-i",
            "--interface",
            metavar="NAME",
            help="Capture live from these interfaces (commas separate), or any, until Ctrl-C.",
        ),
    ] = None,
    duration: Annotated[str | None, typer.Option(metavar="TIME", help="End a live capture after this time, as in 30s.")] = None,
    pcap_buffer_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="The kernel's ring for live packets: bytes, or 64MiB.")
    ] = None,
    buffer_size: Annotated[int | None, typer.Option(metavar="N", help="Room in that ring for N packets at least.")] = None,
    snaplen: Annotated[int | None, typer.Option(metavar="N", help="Most bytes to capture live of a packet.")] = None,
    promisc: Annotated[bool | None, typer.Option("-p/--no-promisc", "--promisc", help="Capture packets for others too.")] = None,
    user: Annotated[
        str | None, typer.Option(metavar="NAME", help="Go on as this user after root has opened the capture; root keeps root.")
    ] = None,
    capture_threads: Annotated[
        int | None, typer.Option(metavar="N", help="Threads that take live packets out of the kernel, a ring each.")
    ] = None,
    capture_driver: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who captures live: auto, afpacket, pcap, or another of `lc plugins capture`."),
    ] = None,
    timestamps: Annotated[
        str | None, typer.Option(metavar="kernel|hardware", help="Whose clock gives live packets their time.")
    ] = None,
) -> Input:
    """Options that say what is read."""
    names = tuple(name.strip() for word in interface or () for name in word.split(","))
    live = (duration, pcap_buffer_size, buffer_size, snaplen, promisc, user, capture_threads, capture_driver, timestamps)
    return Input(read_file or [], capture_filter, tolerate_truncation, names, *live)


def run_options(
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="1, or 2 to read in a thread of its own, as live runs do.")
    ] = None,
    batch_packets: Annotated[
        int | None, typer.Option(metavar="N", help="Most packets in a batch; results do not depend on it.")
    ] = None,
    compiler: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who compiles the kernels: auto, pure (nobody), or a driver of `lc plugins compiler`."),
    ] = None,
    config: Annotated[str | None, typer.Option(metavar="PATH", help="Settings file, instead of the usual places.")] = None,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet/--no-quiet", help="No progress and no summary on standard error.")
    ] = False,
    control: Annotated[
        bool | None, typer.Option("--control/--no-control", help="Whether `lc debug` can ask this run (by default it can).")
    ] = None,
    metrics_listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Serve metrics over HTTP for Prometheus, as on 127.0.0.1:9464.")
    ] = None,
) -> Run:
    """Options that say how the run goes."""
    return Run(threads, batch_packets, compiler, config, quiet, control, metrics_listen)


def match_options(
    gpu_backend: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Who looks for patterns: auto, cuda, opencl, cpu-simd, disabled (plain Python), or another of `lc backends`.",
        ),
    ] = None,
    gpu_batch_size: Annotated[int | None, typer.Option(metavar="N", help="Spans handed to a device at once.")] = None,
    gpu_max_memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Memory to use on a device: bytes, or 2GiB; 0 is what is free.")
    ] = None,
    gpu_device: Annotated[str | None, typer.Option(metavar="N|NAME", help="Which device, where there are several.")] = None,
) -> Match:
    """Options that say who looks for patterns."""
    return Match(gpu_backend, gpu_batch_size, gpu_max_memory, gpu_device)


def tcp_options(
    tcp_performance_mode: Annotated[
        str | None,
        typer.Option(
            "-M",
            "--tcp-performance-mode",
            metavar="PROFILE",
            help="How TCP streams are kept: minimal, balanced, high_performance or low_latency; the options below go first.",
        ),
    ] = None,
    tcp_batch_size: Annotated[
        int | None, typer.Option(metavar="N", help="Messages over TCP that are looked at together; results do not depend on it.")
    ] = None,
    max_tcp_buffers: Annotated[int | None, typer.Option(metavar="N", help="TCP streams that have a buffer at once.")] = None,
    tcp_buffer_strategy: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What a stream's bytes lie in: fixed, adaptive, ring; `lc plugins buffer` lists more."),
    ] = None,
    tcp_memory_limit: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Bytes that all TCP streams together may hold: 25MB, 2GiB.")
    ] = None,
    stream_queue_buffer: Annotated[
        int | None, typer.Option(metavar="N", help="Batches of live packets that may wait for the analysis.")
    ] = None,
    tcp_stream_max_queue_time: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Live packets that waited longer for the analysis are dropped: 30s.")
    ] = None,
    tcp_buffer_max_age: Annotated[
        str | None, typer.Option(metavar="DURATION", help="A stream buffer untouched for so long is released: 300s, 2m.")
    ] = None,
    tcp_cleanup_interval: Annotated[str | None, typer.Option(metavar="DURATION", help="How often ages are looked at.")] = None,
    memory_optimization: Annotated[
        bool | None,
        typer.Option("--memory-optimization/--no-memory-optimization", help="Buffers give memory back after each message."),
    ] = None,
    enable_auto_tuning: Annotated[
        bool | None,
        typer.Option("--enable-auto-tuning/--no-enable-auto-tuning", help="Let batches and the queue follow what comes."),
    ] = None,
    enable_backpressure: Annotated[
        bool | None,
        typer.Option(
            "--enable-backpressure/--no-enable-backpressure",
            help="Live: let the capture wait for the analysis, instead of dropping what finds no room in the queue.",
        ),
    ] = None,
    tcp_stream_timeout: Annotated[
        str | None, typer.Option(metavar="DURATION", help="How long a stream waits for a missing segment: 300s, 2m.")
    ] = None,
    tcp_assembler_max_pages: Annotated[
        int | None, typer.Option(metavar="N", help="Pages of 4 KiB out of order that one stream may hold.")
    ] = None,
    tcp_buffer_pool_size: Annotated[int | None, typer.Option(metavar="N", help="Released buffers kept for reuse.")] = None,
    tcp_latency_optimization: Annotated[
        bool | None,
        typer.Option(
            "--tcp-latency-optimization/--no-tcp-latency-optimization", help="Write each message's records at once, not by batch."
        ),
    ] = None,
) -> Tcp:
    """Options that say how TCP streams are kept."""
    return Tcp(
        tcp_performance_mode,
        tcp_batch_size,
        max_tcp_buffers,
        tcp_buffer_strategy,
        tcp_memory_limit,
        stream_queue_buffer,
        tcp_stream_max_queue_time,
        tcp_buffer_max_age,
        tcp_cleanup_interval,
        memory_optimization,
        enable_auto_tuning,
        enable_backpressure,
        tcp_stream_timeout,
        tcp_assembler_max_pages,
        tcp_buffer_pool_size,
        tcp_latency_optimization,
    )


def vif_options(
    virtual_interface: Annotated[
        bool | None,
        typer.Option(
            "--virtual-interface/--no-virtual-interface",
            "-V",
            help="Inject the packets that the run keeps into a virtual interface, for Wireshark, tcpdump or Snort to read.",
        ),
    ] = None,
    vif_name: Annotated[str | None, typer.Option(metavar="NAME", help="What that interface is called: lc0.")] = None,
    vif_netns: Annotated[
        str | None, typer.Option(metavar="NAME", help="Make it in this network namespace, which exists.")
    ] = None,
    vif_type: Annotated[
        str | None, typer.Option(metavar="tap|tun", help="tap takes Ethernet frames, tun bare IP packets.")
    ] = None,
    vif_replay_timing: Annotated[
        bool | None,
        typer.Option("--vif-replay-timing/--no-vif-replay-timing", help="Packets of files as far apart as they were captured."),
    ] = None,
    vif_speed: Annotated[
        str | None, typer.Option(metavar="FACTOR", help="With that so many times faster, 0.5 for half as fast.")
    ] = None,
    vif_startup_delay: Annotated[
        str | None, typer.Option(metavar="TIME", help="How long after the interface is up the first packet comes: 3s.")
    ] = None,
    vif_linger: Annotated[
        str | None, typer.Option(metavar="TIME", help="How long the interface stays after the last packet, for readers: 2s.")
    ] = None,
) -> Vif:
    """Options that say whether packets go to a virtual interface, and when."""
    return Vif(virtual_interface, vif_name, vif_netns, vif_type, vif_replay_timing, vif_speed, vif_startup_delay, vif_linger)


def tls_options(
    tls_keylog: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Read TLS with the keys of this log (SSLKEYLOGFILE's format), also while it grows."),
    ] = None,
) -> Tls:
    """Options that say what opens TLS."""
    return Tls(tls_keylog)


def writer_options(
    tcp_io_threads: Annotated[
        int | None, typer.Option(metavar="N", help="Threads that write files; packets of one file keep their order.")
    ] = None,
    tcp_compression_level: Annotated[
        int | None, typer.Option(metavar="N", help="How hard files with a packed ending are packed: 1 to 19, 0 only stores.")
    ] = None,
) -> Writers:
    """Options that say who writes files."""
    return Writers(tcp_io_threads, tcp_compression_level)


def write_options(
    write_file: Annotated[
        str | None,
        typer.Option(
            "-w",
            "--write-file",
            metavar="FILE",
            help="Write the packets to a capture file (.pcap or .pcapng, and .zst or .gz behind it); - is standard output.",
        ),
    ] = None,
    rotate_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Begin a new file before one grows beyond this: 100MB, 1GiB.")
    ] = None,
    rotate_time: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Begin a new file with each such span of packet time: 5m, 1h.")
    ] = None,
    rotate_count: Annotated[int | None, typer.Option(metavar="N", help="Begin a new file after so many packets.")] = None,
    rotate_keep: Annotated[int | None, typer.Option(metavar="N", help="Keep so many files of this run; the oldest go.")] = None,
    rotate_total: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Keep the files of this run below this size; the oldest go.")
    ] = None,
    encrypt_key_file: Annotated[
        str | None, typer.Option(metavar="PATH", help="Encrypt what is written with this key or passphrase (`lc decrypt`).")
    ] = None,
    pcap_command: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help="Run this for each finished file, without a shell: %pcap% is its path."),
    ] = None,
    command_concurrency: Annotated[int | None, typer.Option(metavar="N", help="Commands that run at once.")] = None,
    command_timeout: Annotated[str | None, typer.Option(metavar="DURATION", help="How long a command may take: 30s.")] = None,
) -> Write:
    """Options that say what is kept on disk."""
    rotate = (rotate_size, rotate_time, rotate_count, rotate_keep, rotate_total)
    return Write(write_file, *rotate, encrypt_key_file, pcap_command, command_concurrency, command_timeout)


def output_options(
    format: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="json|text", help="JSON lines or text for people; by default text on a terminal, else JSON."
        ),
    ] = None,
) -> Output:
    """Options that say how results are written."""
    if format not in (None, "json", "text"):
        raise typer.BadParameter(f"{format!r} is no format: write json or text", param_hint="--format")
    return Output(format)


def with_options(**groups: Callable[..., Any]) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Give a command the options of `groups`; it takes each group's record as the keyword of that name.

    The command's own parameters come first in its help, the groups' in the order given.
    """

    def decorate(command: Callable[..., R]) -> Callable[..., R]:
        own = {n: p for n, p in inspect.signature(command, eval_str=True).parameters.items() if n not in groups}
        shared = {name: inspect.signature(group, eval_str=True).parameters for name, group in groups.items()}
        merged = dict(own)
        for name, parameters in shared.items():
            doubled = merged.keys() & parameters.keys()
            if doubled:
                raise TypeError(f"{command.__qualname__}: {', '.join(sorted(doubled))} of group {name!r} is there already")
            merged.update(parameters)

        @wraps(command)
        def wrapper(**values: Any) -> R:
            records = {name: groups[name](**{p: values.pop(p) for p in shared[name]}) for name in groups}
            return command(**values, **records)

        options = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in merged.values()]
        typing.cast(Any, wrapper).__signature__ = inspect.Signature(options)
        wrapper.__annotations__ = {p.name: p.annotation for p in options}
        return wrapper

    return decorate

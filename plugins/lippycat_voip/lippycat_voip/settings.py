"""The settings section `voip`: which there are, their defaults and ranges. Imported whenever settings are read: nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class VoipSettings:
    """What holds for every run; options of `lc sniff voip` go first."""

    sip_user: tuple[str, ...] = ()  # users whose calls are wanted; none: all
    sip_user_file: str = ""
    phone_number: tuple[str, ...] = ()
    phone_number_file: str = ""
    uri: tuple[str, ...] = ()
    call_id: tuple[str, ...] = ()
    ip: tuple[str, ...] = ()
    codec: tuple[str, ...] = ()
    pattern_algorithm: str = "auto"  # interfaces/match.py, Algorithm
    international_prefixes: tuple[str, ...] = ("00",)  # what is dialled for +
    country_code: str = ""  # of national numbers; none: they mean nothing elsewhere
    national_prefix: str = "0"
    rtp_heuristic: bool = True  # list streams that no SDP announced
    max_calls: int = field(default=100_000, metadata={"low": 1, "high": 10_000_000, "profiles": {"minimal": 4000}})
    max_streams: int = field(default=200_000, metadata={"low": 1, "high": 10_000_000, "profiles": {"minimal": 8000}})
    call_buffer_calls: int = field(  # dialogs and streams
        default=10_000, metadata={"low": 1, "high": 10_000_000, "profiles": {"minimal": 2000}}
    )
    call_buffer_bytes: int = field(
        default=64 << 20, metadata={"low": 64 << 10, "high": 8 << 30, "unit": "size", "profiles": {"minimal": "8MiB"}}
    )
    call_buffer_age: int = field(default=60_000_000_000, metadata={"low": 10**9, "high": 3600 * 10**9, "unit": "duration"})
    per_call_pcap: bool = False  # a file for each call
    per_call_pcap_dir: str = "pcaps"
    per_call_pcap_pattern: str = "{timestamp}_{from}_{to}_{call_id}.pcapng"
    voip_command: str = ""  # runs for each finished call

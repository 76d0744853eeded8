"""Events: what dissectors say and sinks write. One flat record each; no packet object anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SCHEMA = 1
"""Version of the output contract (docs/output.md); fields may be added within one, meanings never change."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something a dissector found. `name` becomes `"record"` in JSON, `fields` follow as they stand (JSON types only)."""

    name: str
    ts_ns: int
    frame: int  # 1-based record number of the packet that showed it
    fields: Mapping[str, object] = field(default_factory=dict)

    def as_record(self) -> dict[str, object]:
        """The JSON object of the output contract."""
        return {"record": self.name, "schema": SCHEMA, **self.fields}

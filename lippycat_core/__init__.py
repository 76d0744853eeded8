"""lippycat's core: the batch, the flow, the interfaces, the host of plugins and the `lc` command.

What plugin authors need most can be imported from here; a name is looked up when it is first asked for (PEP 562), so that
importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lippycat_core.events import Event
    from lippycat_core.hookspecs import hookimpl
    from lippycat_core.interfaces.dissect import Claim, FlowInfo
    from lippycat_core.interfaces.provider import Fitness

__all__ = ["Claim", "Event", "Fitness", "FlowInfo", "hookimpl"]

_MODULES = {
    "Claim": "lippycat_core.interfaces.dissect",
    "Event": "lippycat_core.events",
    "Fitness": "lippycat_core.interfaces.provider",
    "FlowInfo": "lippycat_core.interfaces.dissect",
    "hookimpl": "lippycat_core.hookspecs",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)

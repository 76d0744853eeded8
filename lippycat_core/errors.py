"""The error tree. What went wrong is told apart by whose fault it is; nothing else lives here.

Every message is one line that names the thing, the reason and the way out. `main()` turns an error into that line on
standard error and the exit code that its class carries (design/output.md, "Exit codes and faults").
"""

from __future__ import annotations


class LippycatError(Exception):
    """Anything that lippycat itself raises on purpose; `exit_code` is what the process ends with."""

    exit_code = 1


class InputError(LippycatError):
    """Their bad input: a file, an address or a capture that cannot be used."""

    exit_code = 2


class UsageError(LippycatError):
    """A wrong option, argument or combination of them."""

    exit_code = 2


class SettingError(UsageError):
    """A setting that is unknown or out of range; the message names the key, the value and the range or nearest key."""


class FilterError(UsageError):
    """A filter expression (BPF, user list) that does not compile."""


class PermissionRefused(LippycatError):
    """The system does not allow what was asked for; the message says what to grant."""

    exit_code = 3


class OutputError(LippycatError):
    """Something that should be written cannot be."""


class DriverUnfit(UsageError):
    """A driver was asked for by name and does not fit here; the message holds the reason of its probe."""


class PluginError(LippycatError):
    """A plugin broke its contract or raised."""


class DeviceFailed(LippycatError):
    """A device that fitted failed while it worked (lost, out of memory, reset): its work can be done by another."""


class ContractError(LippycatError):
    """Our own misuse of an interface: a bug, never the user's doing."""

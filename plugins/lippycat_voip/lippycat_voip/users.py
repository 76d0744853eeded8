"""The user filter: which users' calls are wanted (--sip-user, --sip-user-file).

Names are compared with the user part of header values, byte by byte (RFC 3261, 19.1.4: case counts there). Exact names
are looked up in a set; those with wildcards go through a match backend. Nothing here knows messages or calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from lippycat_core.errors import FilterError, InputError
from lippycat_core.interfaces.match import MatchBackend, Matcher, Pattern, PatternSet, Spans
from lippycat_voip.sip import address, uri_user

MAX_REMEMBERED = 65_536
"""Header values whose answer is remembered: those of a call's messages repeat."""

_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_WILDCARD = re.compile(r"(?<!\\)(?:\\\\)*\*")
_QUESTION = re.compile(r"(?<!\\)((?:\\\\)*)\?")
_NAME_ADDR = re.compile(rb"<[^<>]*>")


class UserFilter:
    """Says which header values name a wanted user.

    `names` are users as typed, without commas: exact, or with `*` for any characters; a backslash makes the next
    character an ordinary one. Raises FilterError where there is none, or one is empty.
    """

    def __init__(self, names: Sequence[str], backend: MatchBackend) -> None:
        if not names:
            raise FilterError("the list of SIP users is empty: name at least one user, such as alice or +4930*")
        if not all(names):
            raise FilterError("an empty SIP user name: separate names by single commas")
        wild = [name for name in names if _WILDCARD.search(name)]
        self._exact = frozenset(_ESCAPED.sub(r"\1", name).encode() for name in names if not _WILDCARD.search(name))
        self._matcher: Matcher | None = None
        if wild:
            patterns = [Pattern(_QUESTION.sub(r"\1\\?", name).encode(), wildcards=True) for name in wild]
            self._matcher = backend.compile(PatternSet(patterns))
        self._known: dict[bytes, bool] = {}

    def wants(self, value: bytes) -> bool:
        """Whether a From, To, P-Asserted-Identity or P-Preferred-Identity value, or a Request-URI, names a wanted user."""
        known = self._known.get(value)
        if known is None:
            known = any(user in self._exact or self._matches(user) for user in users_of(value))
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            self._known[value] = known
        return known

    def _matches(self, user: bytes) -> bool:
        if self._matcher is None:
            return False
        slab = np.frombuffer(user, np.uint8)
        self._matcher.submit(Spans(slab, np.zeros(1, np.int32), np.array([len(user)], np.int32)), first_only=True)
        return len(self._matcher.collect().row) > 0


def users_of(value: bytes) -> list[bytes]:
    """The user parts in a header value or a bare URI: of each `<…>` in a list, else of the one address. The number of a
    `tel:` URI is one too; it also counts without its visual separators (RFC 3966, 5.1.1)."""
    uris = [found[1:-1].strip() for found in _NAME_ADDR.findall(value)] or [value.partition(b";")[0].strip()]
    users = []
    for uri in uris:
        user = uri_user(uri)
        if user is None:
            user = address(value).user if len(uris) == 1 else None
        if user is None:
            continue
        users.append(user.encode())
        if uri[:4].lower() == b"tel:":
            users.append(user.encode().translate(None, b"-.()"))
    return users


def read_names(given: Iterable[str], path: str | None) -> list[str]:
    """The names of `--sip-user` values (comma lists) and of a file: one or more a line, `#` begins a comment.

    Raises InputError for a file that cannot be read or has no names, FilterError for an empty name in a comma list.
    """
    names: dict[str, None] = {}
    for value in given:
        for name in value.split(","):
            if not name.strip():
                raise FilterError(f"an empty name in --sip-user {value!r}: separate names by single commas")
            names[name.strip()] = None
    if path is not None:
        found = list(_file_names(path))
        if not found:
            raise InputError(f"{path} has no SIP users in it: write one a line")
        names.update(dict.fromkeys(found))
    return list(names)


def _file_names(path: str) -> Iterable[str]:
    try:
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                for name in line.partition("#")[0].split(","):
                    if name.strip():
                        yield name.strip()
    except OSError as error:
        raise InputError(f"cannot read the list of SIP users {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no list of SIP users: it is not UTF-8 text (byte {error.start})") from error

from __future__ import annotations

from lippycat_core.testing.dissector import DissectorSuite
from lippycat_syslog import Syslog


class TestSyslog(DissectorSuite):
    dissector = Syslog
    conversation = (
        (0, b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed"),
        (0, b"<165>1 2003-08-24T05:14:15Z host app - - -"),
    )
    port = 514
    expected = (
        ("syslog", {"facility": 4, "severity": "critical", "text": "Oct 11 22:14:15 mymachine su: 'su root' failed"}),
        ("syslog", {"facility": 20, "severity": "notice", "text": "1 2003-08-24T05:14:15Z host app - - -"}),
    )

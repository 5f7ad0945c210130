# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users of other modules have run into, one test for each, on every server.

Each test names the module and, where there is one, the open issue. win_dns_record manages a Windows server itself; what
it gets wrong about record sets is shown here by dynamic updates.
"""

from __future__ import annotations

import socket
from typing import Any

import pytest

from ansible_collections.winops.kms.plugins.module_utils._dns.credentials import TsigCredential
from ansible_collections.winops.kms.plugins.module_utils._dns.errors import DnsError
from ansible_collections.winops.kms.plugins.module_utils._dns.update import Host

from .client import by_password, concurrently, credential, hosts, lines, run
from .servers import KEYS, DnsServer, Knot

KMS1 = "3600 0 0 1688 kms01.lab.test."
KMS2 = "3600 0 0 1688 kms02.lab.test."


@pytest.fixture
def server(every_server: DnsServer) -> DnsServer:
    every_server.clear()
    return every_server


class TestNsupdate:
    """community.general.nsupdate."""

    def test_a_second_task_leaves_the_record_of_the_first(self, server: DnsServer) -> None:
        """community.general#3630, ansible#28993: the whole set is replaced, so that the last task wins."""
        run(server)
        run(server, "kms02.lab.test")
        assert lines(server) == [KMS1, KMS2]

    def test_absent_is_about_the_host_that_is_named(self, server: DnsServer) -> None:
        """absent does not look at the value, and deletes the whole set."""
        run(server, hosts("kms01.lab.test", "kms02.lab.test"))
        assert not run(server, "kms03.lab.test", present=False).changed
        assert run(server, present=False).changed
        assert lines(server) == [KMS2]

    def test_a_change_between_reading_and_writing_is_noticed(self, server: DnsServer) -> None:
        """The set is compared in one message and changed in another, so that updates are lost."""
        run(server)
        first = [lambda barrier: run(server, "kms02.lab.test", barrier=barrier)]
        second = [lambda barrier: run(server, "kms01.lab.test", barrier=barrier, priority=3)]
        concurrently(first + second)
        assert lines(server) == [KMS2, "3600 3 0 1688 kms01.lab.test."]

    def test_a_part_of_the_set_is_not_taken_for_the_set(self, server: DnsServer) -> None:
        """A prerequisite {A} holds on Samba when the set is {A, B}, so that it looks right with B in it."""
        run(server, hosts("kms01.lab.test", "kms02.lab.test"))
        assert run(server, "kms01.lab.test", exclusive=True).changed
        assert lines(server) == [KMS1]

    def test_there_is_a_diff(self, server: DnsServer) -> None:
        outcome = run(server, priority=1, check=True)
        assert (outcome.before, outcome.after.lower()) == (
            "",
            "_vlmcs._tcp.lab.test. 3600 in srv 1 0 1688 kms01.lab.test.\n",
        )

    def test_every_kind_of_refusal_is_an_error_with_a_next_step(self, server: DnsServer) -> None:
        """Some end in a traceback: with PowerDNS and a wrong key, "response requires a TSIG but does not have one"."""
        wrong = TsigCredential("kms-key", KEYS["other-key"])
        with pytest.raises(DnsError) as caught:
            run(server, signed_by=wrong)
        assert caught.value.remedy

    def test_kerberos_needs_no_ticket_no_dns_name_and_no_patience(
        self, server: DnsServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Only the ticket of the default cache is used, the server must be in DNS (not only in the hosts file), and the
        name of the session shares its end with the zone, which Samba's signatures do not survive."""
        if server.kerberos is None:
            return
        hostname = server.kerberos.hostname
        real = socket.getaddrinfo

        def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
            return real("127.0.0.1" if host == hostname else host, *arguments, **options)

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        identity = by_password(server, server.kerberos.publisher, hostname=None)
        assert run(server, signed_by=identity, host=hostname).changed
        assert lines(server) == [KMS1]


class TestWinDnsRecord:
    """ansible.windows.win_dns_record."""

    def test_hosts_have_their_own_port_priority_and_weight(self, server: DnsServer) -> None:
        """community.windows#225: one port, priority and weight for all; any other record of the name is removed."""
        run(server, "kms09.lab.test")
        run(server, (Host("kms01.lab.test", 1688, 0, 10), Host("kms02.lab.test", 1700, 10, 0)))
        assert lines(server) == [
            "3600 0 0 1688 kms09.lab.test.",
            "3600 0 10 1688 kms01.lab.test.",
            "3600 10 0 1700 kms02.lab.test.",
        ]

    def test_the_time_to_live_is_that_of_the_first_run(self, server: DnsServer) -> None:
        """community.windows#356: SRV records are made without it, so that the second run changes them."""
        run(server, ttl=900)
        assert lines(server) == ["900 0 0 1688 kms01.lab.test."]
        assert not run(server, ttl=900).changed

    def test_absent_takes_one_host(self, server: DnsServer) -> None:
        """absent forbids values and removes all."""
        run(server, hosts("kms01.lab.test", "kms02.lab.test"))
        run(server, present=False)
        assert lines(server) == [KMS2]

    def test_the_record_that_a_host_made_itself_is_left_as_it_is(self, server: DnsServer) -> None:
        """A dynamic record is removed and made again as a static one, although it says what is wanted."""
        server.nsupdate("lab.test", "add _vlmcs._tcp.lab.test. 3600 SRV 0 0 1688 kms01.lab.test.")
        sent = server.updates
        assert not run(server).changed
        assert server.updates == sent

    def test_the_diff_shows_all_of_a_record(self, server: DnsServer) -> None:
        """After a real run it shows the target alone, so that a new priority looks like no change."""
        run(server)
        outcome = run(server, priority=5, weight=6, port=1700)
        (before,), (after,) = outcome.before.splitlines(), outcome.after.splitlines()
        assert "0 0 1688 kms01.lab.test." in before
        assert "5 6 1700 kms01.lab.test." in after

    def test_changed_means_that_something_has_changed(self, server: DnsServer) -> None:
        """community.windows#564: changed, but nothing was done."""
        for goal in ({}, {}, {"weight": 1}, {"weight": 1}, {"ttl": 60, "weight": 1}, {"refresh": True, "weight": 1}):
            options: dict[str, Any] = dict(goal)
            before = lines(server)
            assert run(server, **options).changed == (lines(server) != before)

    def test_a_name_in_another_case_is_the_same_host(self, server: DnsServer) -> None:
        """community.windows#594 asks for the record of a KMS host; names come from inventories in every case."""
        run(server, "KMS01.lab.test")
        assert not run(server, "kms01.LAB.test").changed
        assert len(lines(server)) == 1
        if server.name != Knot.name:  # which keeps names in lower case
            assert run(server, signed_by=credential(server)).records[0].target.to_text() == "KMS01.lab.test."

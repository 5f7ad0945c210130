# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole loop against a server that misbehaves in every way that matters."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import dns.flags
import dns.message
import pytest

from ansible_collections.winops.kms.plugins.module_utils._dns import update
from ansible_collections.winops.kms.plugins.module_utils._dns.credentials import TsigCredential
from ansible_collections.winops.kms.plugins.module_utils._dns.errors import (
    ConvergenceError,
    DnsError,
    NoAnswerError,
    ServerError,
    SignatureError,
    UnreachableError,
    ZoneError,
)
from ansible_collections.winops.kms.plugins.module_utils._dns.exchange import Server
from ansible_collections.winops.kms.plugins.module_utils._dns.update import Goal, Host, Outcome, ensure

from .fake_server import KEY_NAME, SECRET, ZONE, FakeServer, Play, Sent

KMS1 = "3600 0 0 1688 kms01.lab.test."
KMS2 = "3600 0 0 1688 kms02.lab.test."
KMS3 = "3600 0 0 1688 kms03.lab.test."


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    with FakeServer(KMS2) as server:
        yield server


class Run:
    """One run of the loop; `pauses` holds how long it would have waited, and what `meanwhile` does happens then."""

    def __init__(self, fake: FakeServer, *, timeout: float = 5.0, secret: str | None = SECRET, **goal: Any) -> None:
        values = {name: goal.pop(name) for name in ("port", "priority", "weight") if name in goal}
        hosts = goal.pop("hosts", (Host("kms01.lab.test", **values),))
        self.pauses: list[float] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.fake = fake
        self.goal = Goal(ZONE, hosts, **goal)
        self.server = Server("127.0.0.1", fake.port, timeout)
        if secret is not None:
            self.server.credential = TsigCredential(KEY_NAME, secret)

    def __call__(self, *, check: bool = False, probe: bool = False) -> Outcome:
        return ensure(self.server, self.goal, check=check, probe=probe, pause=self._pause, jitter=lambda: 0.5)

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.meanwhile()


def test_one_update_adds_the_record_and_a_second_run_sends_none(fake: FakeServer) -> None:
    run = Run(fake)
    outcome = run()
    assert (outcome.changed, outcome.attempts, run.pauses) == (True, 1, [])
    assert fake.updates == [
        [Sent("require", "0 0 0 1688 kms02.lab.test."), Sent("add", KMS1)],
    ]
    assert sorted(fake.records) == [KMS1, KMS2]
    assert outcome.before == "_vlmcs._tcp.lab.test. 3600 IN SRV 0 0 1688 kms02.lab.test.\n"
    assert outcome.after == (
        "_vlmcs._tcp.lab.test. 3600 IN SRV 0 0 1688 kms01.lab.test.\n"
        "_vlmcs._tcp.lab.test. 3600 IN SRV 0 0 1688 kms02.lab.test.\n"
    )
    assert [record.as_result()["target"] for record in outcome.records] == ["kms01.lab.test", "kms02.lab.test"]

    again = Run(fake)()
    assert (again.changed, again.attempts, again.before) == (False, 0, again.after)
    assert again.records == outcome.records
    assert len(fake.updates) == 1


def test_a_run_costs_a_look_at_the_zone_and_one_reading_before_and_after(fake: FakeServer) -> None:
    Run(fake)()
    owner = "_vlmcs._tcp.lab.test."
    assert fake.queries == [f"{owner} SOA", f"{owner} SRV", f"{owner} SRV"]


@pytest.mark.parametrize("goal", [{}, {"ttl": 60}, {"present": False}, {"priority": 3, "port": 1700}])
@pytest.mark.parametrize("records", [[], [KMS1], [KMS2], [KMS1, KMS2]])
def test_check_mode_predicts_exactly_what_the_run_then_does(goal: dict[str, Any], records: list[str]) -> None:
    with FakeServer(*records) as fake:
        run = Run(fake, **goal)
        predicted = run(check=True)
        assert fake.updates == []
        real = run()
        assert (predicted.changed, predicted.before, predicted.after) == (real.changed, real.before, real.after)
        assert predicted.records == real.records
        assert predicted.attempts == 0
        assert len(fake.updates) == real.attempts == int(real.changed)


def test_the_last_record_goes_and_the_first_one_comes_by_prerequisites_too() -> None:
    with FakeServer(KMS1) as fake:
        assert Run(fake, present=False)().changed
        assert fake.records == []
        assert Run(fake)().changed
        assert fake.updates == [
            [Sent("require", "0 0 0 1688 kms01.lab.test."), Sent("delete", "0 0 0 1688 kms01.lab.test.")],
            [Sent("require", "nothing"), Sent("add", KMS1)],
        ]


def test_a_new_ttl_rewrites_the_neighbours_in_the_same_update(fake: FakeServer) -> None:
    fake.records.append(KMS1)
    outcome = Run(fake, ttl=60)()
    assert (outcome.changed, outcome.attempts) == (True, 1)
    assert sorted(fake.records) == ["60 0 0 1688 kms01.lab.test.", "60 0 0 1688 kms02.lab.test."]


def test_a_server_that_compares_to_the_letter_deletes_what_was_read() -> None:
    with FakeServer("3600 0 0 1688 KMS01.Lab.TEST.", KMS2, to_the_letter=True) as fake:
        assert Run(fake, present=False)().changed
        assert fake.records == [KMS2]


def test_another_writer_is_first_and_nothing_of_his_is_lost(fake: FakeServer) -> None:
    fake.on_update.append(Play(before=lambda: fake.records.append(KMS3)))
    run = Run(fake)
    outcome = run()
    assert sorted(fake.records) == [KMS1, KMS2, KMS3]
    assert (outcome.changed, outcome.attempts, run.pauses) == (True, 2, [0.02])
    assert "kms03" in outcome.before and "kms03" in outcome.after


@pytest.mark.parametrize(
    ("start", "meanwhile"), [([KMS2], []), ([], [KMS2])], ids=["the set vanishes: NXRRSET", "a set appears: YXRRSET"]
)
def test_every_kind_of_lost_race_is_followed_by_another_round(start: list[str], meanwhile: list[str]) -> None:
    with FakeServer(*start) as fake:
        fake.on_update.append(Play(before=lambda: setattr(fake, "records", list(meanwhile))))
        outcome = Run(fake)()
        assert (outcome.changed, outcome.attempts) == (True, 2)
        assert sorted(fake.records) == sorted([KMS1, *meanwhile])


def test_a_race_lost_to_somebody_who_wanted_the_same_is_no_change_of_ours(fake: FakeServer) -> None:
    fake.on_update.append(Play(before=lambda: fake.records.append(KMS1)))
    outcome = Run(fake)()
    assert (outcome.changed, outcome.attempts) == (False, 1)
    assert outcome.before == outcome.after


def test_pauses_grow_and_are_bounded_and_a_race_that_is_never_won_ends() -> None:
    with FakeServer(KMS2) as fake:
        fake.on_update.extend([Play(apply=False, rcode=8)] * update.MOST_UPDATES)
        run = Run(fake)
        with pytest.raises(ConvergenceError) as caught:
            run()
        assert caught.value.name == "LOST_RACE"
        assert len(fake.updates) == update.MOST_UPDATES
        assert run.pauses == sorted(run.pauses)
        assert run.pauses[0] < run.pauses[3] < run.pauses[-1] == 0.5
        assert fake.records == [KMS2]


def close(stream: bytes) -> bytes:
    return b""


def cut(stream: bytes) -> bytes:
    return stream[:-7]


def cut_in_the_length(stream: bytes) -> bytes:
    return stream[:1]


def wrong_id(stream: bytes) -> bytes:
    return stream[:2] + bytes([stream[2] ^ 0xFF]) + stream[3:]


def request_back(stream: bytes) -> bytes:
    return stream[:4] + bytes([stream[4] & 0x7F]) + stream[5:]


def too_short(stream: bytes) -> bytes:
    return b"\x00\x03" + stream[2:5]


BROKEN = pytest.mark.parametrize("stream", [close, cut, cut_in_the_length, wrong_id, request_back, too_short])


@BROKEN
@pytest.mark.parametrize("applied", [True, False])
def test_a_lost_answer_is_followed_by_a_look_and_not_by_a_guess(
    fake: FakeServer, stream: Callable[[bytes], bytes], applied: bool
) -> None:
    fake.on_update.append(Play(apply=applied, stream=stream))
    outcome = Run(fake)()
    assert (outcome.changed, outcome.attempts) == (True, 1 if applied else 2)
    assert sorted(fake.records) == [KMS1, KMS2]
    assert outcome.before != outcome.after


def test_an_answer_that_takes_too_long_counts_as_lost(fake: FakeServer) -> None:
    never = threading.Event()
    fake.on_update.append(Play(hold=never, stream=close))
    run = Run(fake, timeout=0.2)
    run.meanwhile = never.set
    outcome = run()
    assert (outcome.changed, outcome.attempts) == (True, 1)


def test_a_late_update_of_ours_is_recognised(fake: FakeServer) -> None:
    """The answer is lost, the server carries the update out only after it was read again."""
    fake.on_update.append(Play(apply=False, stream=close))
    fake.on_update.append(Play(before=lambda: fake.records.append(KMS1)))
    outcome = Run(fake)()
    assert (outcome.changed, outcome.attempts) == (True, 2)
    assert sorted(fake.records) == [KMS1, KMS2]


def test_after_a_lost_answer_a_lost_reading_is_repeated(fake: FakeServer) -> None:
    fake.on_query.extend([Play(), Play(), Play(stream=close), Play(stream=cut)])
    fake.on_update.append(Play(stream=close))
    run = Run(fake)
    assert run().changed
    assert len(run.pauses) == 3


def test_answers_that_stay_lost_end_in_an_error_that_says_so(fake: FakeServer) -> None:
    fake.on_update.extend([Play(apply=False, stream=close)] * 4)
    with pytest.raises(NoAnswerError, match="may have been carried out") as caught:
        Run(fake)()
    assert caught.value.name == "CONNECTION_CLOSED"


@BROKEN
def test_before_any_update_a_lost_answer_ends_the_run_at_once(
    fake: FakeServer, stream: Callable[[bytes], bytes]
) -> None:
    fake.on_query.append(Play(stream=stream))
    with pytest.raises(NoAnswerError):
        Run(fake)()
    assert fake.updates == []


def test_an_unsigned_success_is_not_believed_but_looked_after(fake: FakeServer) -> None:
    fake.on_update.append(Play(signed=False))
    assert Run(fake)().changed


@pytest.mark.parametrize("at", [0, 1])
def test_an_unsigned_reading_is_not_believed(fake: FakeServer, at: int) -> None:
    """Every server that was tried signs what it answers to a signed query."""
    fake.records.append(KMS1)
    fake.on_query.extend([Play()] * at + [Play(signed=False)])
    with pytest.raises(SignatureError, match="not signed") as caught:
        Run(fake)()
    assert caught.value.name == "UNSIGNED"


def test_a_forged_success_is_found_out(fake: FakeServer) -> None:
    fake.on_update.extend([Play(apply=False, rcode=0, signed=False)] * update.MOST_UNHEEDED)
    run = Run(fake)
    with pytest.raises(ConvergenceError) as caught:
        run()
    assert caught.value.name == "NOT_APPLIED"
    assert len(run.pauses) == update.MOST_UNHEEDED - 1
    assert fake.records == [KMS2]


def test_an_update_that_takes_effect_late_is_waited_for(fake: FakeServer) -> None:
    fake.on_update.append(Play(apply=False, rcode=0))
    outcome = Run(fake)()
    assert (outcome.changed, outcome.attempts) == (True, 2)


def test_an_answer_with_a_wrong_signature_is_no_proof_of_success(fake: FakeServer) -> None:
    def tamper(stream: bytes) -> bytes:
        # The time of the signature lies after its algorithm's name; changing it breaks the signature alone.
        at = stream.index(b"\x0bhmac-sha256\x00") + 13
        return stream[: at + 5] + bytes([stream[at + 5] ^ 1]) + stream[at + 6 :]

    fake.on_update.append(Play(stream=tamper))
    assert Run(fake)().changed

    fake.on_query.append(Play(stream=tamper))
    with pytest.raises(SignatureError) as caught:
        Run(fake)()
    assert caught.value.name == "BAD_SIGNATURE"


def test_an_unsigned_error_is_an_error(fake: FakeServer) -> None:
    fake.on_update.append(Play(apply=False, rcode=5, signed=False))
    with pytest.raises(ServerError) as caught:
        Run(fake)()
    assert (caught.value.name, caught.value.code) == ("REFUSED", "5")
    assert len(fake.updates) == 1


def test_an_unsigned_lost_race_is_a_lost_race(fake: FakeServer) -> None:
    fake.on_update.append(Play(apply=False, rcode=8, signed=False))
    assert Run(fake)().attempts == 2


@pytest.mark.parametrize(
    ("rcode", "name"),
    [(1, "FORMERR"), (2, "SERVFAIL"), (4, "NOTIMP"), (5, "REFUSED"), (6, "YXDOMAIN"), (9, "NOTAUTH"), (10, "NOTZONE")],
)
def test_result_codes_of_updates_become_sentences(fake: FakeServer, rcode: int, name: str) -> None:
    fake.on_update.append(Play(apply=False, rcode=rcode))
    run = Run(fake)
    with pytest.raises(ServerError) as caught:
        run()
    error = caught.value.as_result()
    assert (error["code"], error["name"]) == (str(rcode), name)
    assert f"127.0.0.1 at port {fake.port}" in error["message"]
    assert "lab.test" in error["message"]
    assert error["remedy"] and "{" not in error["remedy"]
    assert len(fake.updates) == 1


@pytest.mark.parametrize(
    ("number", "name", "word"),
    [
        (16, "BADSIG", "tsig_key_secret"),
        (17, "BADKEY", "tsig_key_name"),
        (18, "BADTIME", "clocks"),
        (22, "BADTRUNC", "tsig_algorithm"),
    ],
)
@pytest.mark.parametrize("reading", [True, False])
def test_what_the_server_says_of_our_signature_is_told(
    fake: FakeServer, number: int, name: str, word: str, reading: bool
) -> None:
    (fake.on_query if reading else fake.on_update).append(Play(apply=False, rcode=9, tsig_error=number))
    with pytest.raises(ServerError) as caught:
        Run(fake)()
    error = caught.value
    assert (error.code, error.name) == (str(number), name)
    assert word in error.remedy


def test_an_alias_at_the_name_is_refused_before_anything_is_sent(fake: FakeServer) -> None:
    fake.alias = "elsewhere.lab.test."
    with pytest.raises(ZoneError, match=r"elsewhere\.lab\.test") as caught:
        Run(fake)()
    assert caught.value.name == "ALIAS"
    assert fake.updates == []
    assert not Run(fake, present=False)().changed


def test_an_alias_that_appears_meanwhile_is_found_when_reading_again() -> None:
    with FakeServer() as fake:
        fake.on_update.append(Play(before=lambda: setattr(fake, "alias", "elsewhere.lab.test.")))
        with pytest.raises(ZoneError) as caught:
            Run(fake)()
        assert caught.value.name == "ALIAS"


def test_a_cut_answer_over_tcp_is_not_taken_for_the_whole_set(fake: FakeServer) -> None:
    def truncated(answer: dns.message.Message) -> None:
        answer.flags |= dns.flags.TC

    fake.on_query.extend([Play(), Play(message=truncated)])
    with pytest.raises(NoAnswerError):
        Run(fake)()
    assert fake.updates == []


class Lenient(TsigCredential):
    """Like a session with a server of Active Directory, by means that the fake server understands."""

    lenient = True


def test_with_a_lenient_credential_unsigned_readings_are_accepted_and_counted(fake: FakeServer) -> None:
    fake.on_query.extend([Play(signed=False)] * 3)
    run = Run(fake)
    run.server.credential = Lenient(KEY_NAME, SECRET)
    assert run().changed
    # The answer to the update was signed: that says nothing of answers to queries.
    assert (run.server.proven, run.server.unproven) == (False, 3)


def test_a_server_that_signs_at_all_is_held_to_it(fake: FakeServer) -> None:
    fake.on_query.extend([Play(), Play(signed=False)])
    run = Run(fake)
    run.server.credential = Lenient(KEY_NAME, SECRET)
    with pytest.raises(SignatureError) as caught:
        run()
    assert caught.value.name == "UNSIGNED"
    assert fake.updates == []


class Forgotten(TsigCredential):
    """The server has forgotten its key, and does not know it the next time either."""

    renewals = 0

    def renew(self) -> bool:
        self.renewals += 1
        return True


@pytest.mark.parametrize("reading", [True, False])
def test_a_key_that_the_server_has_forgotten_is_made_anew_once(fake: FakeServer, reading: bool) -> None:
    script = fake.on_query if reading else fake.on_update
    script.append(Play(apply=False, rcode=9, tsig_error=17))
    run = Run(fake)
    run.server.credential = credential = Forgotten(KEY_NAME, SECRET)
    outcome = run()
    assert (outcome.changed, outcome.attempts, credential.renewals) == (True, 1, 1)

    script.extend([Play(apply=False, rcode=9, tsig_error=17)] * 2)
    run = Run(fake, present=False)
    run.server.credential = Forgotten(KEY_NAME, SECRET)
    with pytest.raises(ServerError) as caught:
        run()
    assert caught.value.name == "BADKEY"


def test_refreshing_sends_what_is_there_and_changes_nothing(fake: FakeServer) -> None:
    fake.records.append(KMS1)
    outcome = Run(fake, refresh=True)()
    both = [Sent("require", "0 0 0 1688 kms01.lab.test."), Sent("require", "0 0 0 1688 kms02.lab.test.")]
    assert fake.updates == [[*both, Sent("add", KMS1)]]
    assert (outcome.changed, outcome.refreshed, outcome.attempts) == (False, True, 1)
    assert outcome.before == outcome.after


def test_what_was_just_added_needs_no_refreshing(fake: FakeServer) -> None:
    fake.records.append(KMS3)
    outcome = Run(fake, refresh=True)()
    assert (outcome.changed, outcome.refreshed, outcome.attempts) == (True, False, 1)
    hosts = (Host("kms01.lab.test"), Host("kms03.lab.test", weight=1))
    outcome = Run(fake, refresh=True, hosts=hosts)()
    assert (outcome.changed, outcome.refreshed, outcome.attempts) == (True, True, 2)
    assert fake.updates[-1][-1:] == [Sent("add", KMS1)], "only the one that stayed as it was"


@pytest.mark.parametrize("goal", [{"refresh": True, "present": False}, {}])
def test_only_wanted_records_are_refreshed(fake: FakeServer, goal: dict[str, Any]) -> None:
    fake.records.extend([] if goal else [KMS1])
    assert Run(fake, **goal)().attempts == 0


def test_check_mode_refreshes_nothing(fake: FakeServer) -> None:
    fake.records.append(KMS1)
    outcome = Run(fake, refresh=True)(check=True, probe=True)
    assert (outcome.changed, outcome.refreshed, outcome.may_update) == (False, False, None)
    assert fake.updates == []


@pytest.mark.parametrize("lost", [Play(stream=close), Play(apply=False, rcode=8)])
def test_a_refreshing_that_was_lost_is_repeated(fake: FakeServer, lost: Play) -> None:
    fake.records.append(KMS1)
    fake.on_update.append(lost)
    outcome = Run(fake, refresh=True)()
    assert (outcome.changed, outcome.refreshed, outcome.attempts) == (False, True, 2)


def test_a_record_that_vanishes_while_it_is_refreshed_is_put_back(fake: FakeServer) -> None:
    fake.records.append(KMS1)
    fake.on_update.append(Play(before=lambda: fake.records.remove(KMS1)))
    outcome = Run(fake, refresh=True)()
    assert (outcome.changed, outcome.refreshed, outcome.attempts) == (True, False, 2)
    assert sorted(fake.records) == [KMS1, KMS2]


def test_an_exclusive_set_is_exactly_the_list_and_the_diff_names_who_goes(fake: FakeServer) -> None:
    hosts = (Host("kms01.lab.test"), Host("kms03.lab.test"))
    outcome = Run(fake, hosts=hosts, exclusive=True)()
    assert (outcome.changed, outcome.attempts) == (True, 1)
    assert sorted(fake.records) == [KMS1, KMS3]
    assert "kms02" in outcome.before and "kms02" not in outcome.after
    assert not Run(fake, hosts=hosts, exclusive=True)().changed
    # One that comes while the set is made exclusive goes as well.
    fake.on_update.append(Play(before=lambda: fake.records.append(KMS2)))
    assert Run(fake, hosts=hosts[:1], exclusive=True)().attempts == 2
    assert fake.records == [KMS1]


def test_a_probe_can_change_nothing_and_is_no_attempt(fake: FakeServer) -> None:
    outcome = Run(fake)(check=True, probe=True)
    assert (outcome.changed, outcome.attempts, outcome.may_update, outcome.refusal) == (True, 0, None, None)
    assert fake.records == [KMS2]
    ((require, add), (again, control)) = fake.updates
    assert require.text.endswith(".invalid.") and again.text.endswith(".invalid.")
    assert (add, control.action) == (Sent("add", KMS1), "add TXT")


@pytest.mark.parametrize(
    ("play", "name"),
    [(Play(apply=False, rcode=5), "REFUSED"), (Play(apply=False, rcode=9, tsig_error=17), "BADKEY")],
)
def test_a_refused_probe_is_told(fake: FakeServer, play: Play, name: str) -> None:
    fake.on_update.append(play)
    outcome = Run(fake)(check=True, probe=True)
    assert (outcome.changed, outcome.may_update) == (True, False)
    assert outcome.refusal is not None and outcome.refusal.name == name
    assert "without changing anything" in outcome.refusal.message


@pytest.mark.parametrize("play", [Play(apply=False, rcode=2), Play(apply=False, stream=close)])
def test_a_probe_that_tells_nothing_is_no_failure(fake: FakeServer, play: Play) -> None:
    fake.on_update.append(play)
    assert Run(fake)(check=True, probe=True).may_update is None


@pytest.mark.parametrize(("control", "allowed"), [(5, True), (8, None)])
def test_whether_rights_are_looked_at_first_shows_by_what_nobody_may_do(
    fake: FakeServer, control: int, allowed: bool | None
) -> None:
    fake.on_update.extend([Play(apply=False, rcode=8), Play(apply=False, rcode=control)])
    assert Run(fake)(check=True, probe=True).may_update is allowed


def test_without_a_key_there_is_nothing_to_probe(fake: FakeServer) -> None:
    outcome = Run(fake, secret=None)(check=True, probe=True)
    assert (outcome.changed, outcome.may_update) == (True, None)
    assert fake.updates == []


def test_without_a_key_requests_are_not_signed(fake: FakeServer) -> None:
    assert Run(fake, secret=None)().changed


def test_nothing_listens(fake: FakeServer) -> None:
    run = Run(fake)
    run.server.port = 1
    with pytest.raises(UnreachableError) as caught:
        run()
    assert caught.value.name == "CONNECTION_REFUSED"
    assert "TCP port 1," in caught.value.message


def test_no_error_shows_the_secret(fake: FakeServer) -> None:
    fake.on_update.append(Play(apply=False, rcode=9, tsig_error=16))
    run = Run(fake)
    with pytest.raises(DnsError) as caught:
        run()
    texts = [repr(run.server), str(caught.value), repr(caught.value), repr(run.server.credential)]
    error: BaseException | None = caught.value
    while error is not None:
        texts += [repr(error.args), str(error)]
        error = error.__cause__ or error.__context__
    assert not [text for text in texts if SECRET in text or "a secret of the tests" in text]

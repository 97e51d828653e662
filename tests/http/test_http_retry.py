"""When a peer is asked again, when it is left alone, and that one host's trouble stays its own."""

from __future__ import annotations

import email.utils
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from imagebot.errors import PeerError
from imagebot.http import HttpClient, MemoryDeferrals
from imagebot.http.gate import BREAK_AFTER, COOLING
from tests.support.misbehaving import Misbehaving, Seen, Wire, ok, script, status
from tests.support.skipclock import SkipClock


def client(clock: SkipClock, **options: object) -> HttpClient:
    return HttpClient(user_agent="imagebot-tests", clock=clock, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("code", [408, 429, 499, 500, 502, 503, 504, 520, 522])
def test_a_passing_status_is_tried_again(code: int) -> None:
    """R09: a GET comes through after passing failures, with growing waits."""
    clock = SkipClock()
    with Misbehaving(script(status(code), status(code), ok([1]))) as server, client(clock) as http:
        assert http.request("GET", server.url).json() == [1]
        assert len(server.seen) == 3
        assert 0.5 <= clock.naps[0] <= 1.0
        assert 1.5 <= clock.naps[1] <= 3.0


@pytest.mark.parametrize("code", [200, 204, 301, 304, 400, 401, 403, 404, 405, 409, 422, 501])
def test_a_lasting_status_is_given_at_once(code: int) -> None:
    """A status that repetition does not change is the answer; it never raises."""
    clock = SkipClock()
    with Misbehaving(status(code)) as server, client(clock) as http:
        assert http.request("GET", server.url).status == code
        assert (len(server.seen), clock.naps) == (1, [])


def test_the_last_passing_status_is_given() -> None:
    """A host that stays broken is asked four times; the caller sees its status."""
    clock = SkipClock()
    with Misbehaving(status(503)) as server, client(clock) as http:
        assert http.request("HEAD", server.url).status == 503
        assert len(server.seen) == 4


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_changes_things_is_never_repeated(method: str) -> None:
    """Only GET and HEAD are asked again."""
    clock = SkipClock()
    with Misbehaving(status(503)) as server, client(clock) as http:
        assert http.request(method, server.url).status == 503
        assert len(server.seen) == 1


def test_waits_never_reach_beyond_the_deadline() -> None:
    """Backoff that would end after the deadline is not begun."""
    clock = SkipClock()
    with Misbehaving(status(503)) as server, client(clock) as http:
        assert http.request("GET", server.url, deadline=2.5).status == 503
        assert sum(clock.naps) < 2.5
        assert len(server.seen) < 4


def test_retry_after_is_honoured_to_the_second() -> None:
    """R07: a short wait is slept, in full, by whoever asks that host next."""
    clock = SkipClock()
    answers = script(status(429, Retry_After="7"), ok([1]))
    with Misbehaving(answers) as server, client(clock) as http:
        assert http.request("GET", server.url).json() == [1]
        assert clock.naps == [pytest.approx(7, abs=0.5)]


def test_retry_after_may_be_a_date() -> None:
    """R07: an HTTP date is turned into a wait by the clock that was handed in."""
    clock = SkipClock(now=1_700_000_000.0)
    date = email.utils.formatdate(1_700_000_010, usegmt=True)
    with (
        Misbehaving(script(status(503, Retry_After=date), ok([1]))) as server,
        client(clock) as http,
    ):
        http.request("GET", server.url)
        assert clock.naps == [pytest.approx(10, abs=1.5)]


@pytest.mark.parametrize(
    "value", ["-5", "0", "soon", "", "Wed, 21 Oct 2015 07:28:00 GMT", "9e9", "٣"]
)
def test_a_retry_after_without_meaning_falls_back_to_backoff(value: str) -> None:
    """R07: negative, zero, past and unreadable waits are as if absent."""
    clock = SkipClock()
    header = value.encode().decode("latin-1")
    answers = script(status(429, Retry_After=header), ok([1]))
    with Misbehaving(answers) as server, client(clock) as http:
        assert http.request("GET", server.url).json() == [1]
        assert len(clock.naps) == 1
        assert clock.naps[0] <= 1.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("31", 31), ("3600", 3600), ("315360000", 86_400), ("9" * 400, 86_400)],
)
def test_a_long_wait_is_not_slept_but_defers_the_host(value: str, seconds: float) -> None:
    """R07: more than the cap raises with the time, at most a day away; the host is left alone."""
    clock = SkipClock()
    deferrals = MemoryDeferrals()
    with (
        Misbehaving(status(429, Retry_After=value)) as server,
        Misbehaving(ok([1])) as other,
        client(clock, deferrals=deferrals) as http,
    ):
        with pytest.raises(PeerError, match="asks for a pause") as caught:
            http.request("GET", server.url)
        assert caught.value.not_before == pytest.approx(clock.now() + seconds, abs=1)
        assert (caught.value.status, caught.value.retryable) == (429, True)
        assert deferrals.until(server.netloc) == caught.value.not_before
        with pytest.raises(PeerError, match="left alone") as again:
            http.request("GET", server.url + "/else")
        assert again.value.not_before == caught.value.not_before
        assert len(server.seen) == 1
        assert clock.naps == []
        assert http.request("GET", other.url).json() == [1]
        clock.advance(seconds + 1)
        with pytest.raises(PeerError, match="asks for a pause"):
            http.request("GET", server.url)
        assert len(server.seen) == 2


def test_a_wait_longer_than_the_deadline_defers_too() -> None:
    """A wait below the cap that this call has no time for is not slept either."""
    clock = SkipClock()
    with Misbehaving(status(429, Retry_After="20")) as server, client(clock) as http:
        with pytest.raises(PeerError, match="pause of 20 s"):
            http.request("GET", server.url, deadline=5)
        assert clock.naps == []


def test_a_deferral_of_an_earlier_run_is_kept() -> None:
    """R07: a host that an earlier run deferred is not even connected to."""
    clock, deferrals = SkipClock(), MemoryDeferrals()
    with Misbehaving(ok([])) as server, client(clock, deferrals=deferrals) as http:
        deferrals.defer(server.netloc, clock.now() + 100)
        with pytest.raises(PeerError, match="left alone"):
            http.request("GET", server.url)
        assert server.seen == []


def test_a_caller_can_defer_a_host() -> None:
    """A forge's own rate-limit header becomes a deferral."""
    clock = SkipClock()
    with Misbehaving(ok([])) as server, client(clock) as http:
        until = http.defer(server.url + "/x", 60)
        assert until == pytest.approx(clock.now() + 60, abs=1)
        with pytest.raises(PeerError):
            http.request("GET", server.url)


def test_the_breaker_opens_and_lets_one_trial_through() -> None:
    """R08: a host that keeps failing is left alone, tried once after a while, and comes back."""
    clock = SkipClock()
    broken = [True]

    def handle(seen: Seen, wire: Wire) -> None:
        if broken[0]:
            wire.json({}, 503)
        else:
            wire.json([1])

    with (
        Misbehaving(handle) as server,
        Misbehaving(ok([1])) as other,
        client(clock) as http,
    ):
        for _ in range(BREAK_AFTER):
            http.request("GET", server.url, retries=0)
        with pytest.raises(PeerError, match="in a row failed") as caught:
            http.request("GET", server.url)
        assert caught.value.not_before == pytest.approx(clock.now() + COOLING, abs=1)
        assert len(server.seen) == BREAK_AFTER
        assert http.request("GET", other.url).status == 200
        clock.advance(COOLING + 1)
        assert http.request("GET", server.url, retries=0).status == 503
        with pytest.raises(PeerError, match="in a row failed"):
            http.request("GET", server.url)
        clock.advance(COOLING + 1)
        broken[0] = False
        assert [http.request("GET", server.url).status for _ in range(3)] == [200] * 3


def test_connection_failures_open_the_breaker() -> None:
    """A host that is down costs a few attempts in all, not a few an image."""
    clock = SkipClock()
    with (
        Misbehaving(lambda seen, wire: wire.reset()) as server,
        client(clock) as http,
    ):
        for _ in range(50):
            with pytest.raises(PeerError):
                http.request("GET", server.url)
        assert len(server.seen) == BREAK_AFTER


@pytest.mark.parametrize("code", [404, 401, 500, 200])
def test_one_broken_resource_is_no_broken_host(code: int) -> None:
    """R22: answers about one resource, and a 500, never open the breaker."""
    clock = SkipClock()
    with Misbehaving(status(code)) as server, client(clock) as http:
        for _ in range(BREAK_AFTER + 3):
            assert http.request("GET", server.url, retries=0).status == code


def test_the_budget_of_a_host_is_a_hard_end() -> None:
    """No peer behaviour makes more requests than the budget, retries included."""
    clock = SkipClock()
    with (
        Misbehaving(script(status(500))) as server,
        Misbehaving(ok([])) as other,
        client(clock, budget=6) as http,
    ):
        http.request("GET", server.url)
        with pytest.raises(PeerError, match="budget of 6"):
            http.request("GET", server.url)
        assert len(server.seen) == 6
        assert http.request("GET", other.url).status == 200


def test_one_host_gets_no_more_requests_at_once_than_allowed() -> None:
    """The number of requests in flight to a host is bounded, and all of them finish."""
    flying, most, lock = [0], [0], threading.Lock()

    def handle(seen: Seen, wire: Wire) -> None:
        with lock:
            flying[0] += 1
            most[0] = max(most[0], flying[0])
        wire.hang(0.02)
        with lock:
            flying[0] -= 1
        wire.json([])

    with Misbehaving(handle) as server, client(SkipClock(), max_workers=3) as http:
        with ThreadPoolExecutor(12) as threads:
            answers = list(threads.map(lambda _: http.request("GET", server.url).status, range(24)))
        assert answers == [200] * 24
        assert most[0] == 3
        assert len({seen.connection for seen in server.seen}) <= 3


def test_a_request_that_waits_too_long_for_its_turn_fails() -> None:
    """Waiting for a busy host counts towards the deadline."""
    started = threading.Event()

    def handle(seen: Seen, wire: Wire) -> None:
        started.set()
        wire.hang(0.6)
        wire.json([])

    with (
        Misbehaving(handle) as server,
        client(SkipClock(), max_workers=1) as http,
        ThreadPoolExecutor(1) as threads,
    ):
        first = threads.submit(http.request, "GET", server.url)
        started.wait(5)
        with pytest.raises(PeerError, match="too many requests"):
            http.request("GET", server.url, deadline=0.1)
        assert first.result().status == 200


def test_a_storm_ends_within_the_budgeted_requests() -> None:
    """R08: 200 requests from 16 threads to a host that always says 429 make few requests."""
    clock = SkipClock()
    with Misbehaving(status(429)) as server, client(clock) as http:

        def ask(number: int) -> int:
            try:
                return http.request("GET", f"{server.url}/{number}").status
            except PeerError as error:
                return 0 if error.retryable else -1

        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(ask, range(200)))
        assert set(answers) <= {0, 429}
        # Each skipped nap lets the breaker cool a little; without it there would be 800 requests.
        assert len(server.seen) < 200

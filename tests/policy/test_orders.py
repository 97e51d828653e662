"""Each policy's own order: numbers, names, dates, creation times, digests, groups."""

from __future__ import annotations

from typing import Any

import pytest

from imagebot.model import ImageDetails
from imagebot.policy import compile_filter, compile_policy, select
from imagebot.policy.calendar import calendar_key
from imagebot.policy.newest import created_at
from imagebot.policy.numerical import number
from imagebot.policy.regex import natural_key


def best_first(spec: dict[str, object], tags: list[str]) -> tuple[str, ...]:
    return select(compile_policy(spec), tags, current=None).order


@pytest.mark.parametrize(
    "ascending",
    [
        [
            "-1e3",
            "-2",
            "-.5",
            "0",
            ".5",
            "1.",
            "1.10",
            "1.9",
            "+5",
            "9",
            "10",
            "999",
            "1e3",
            "1_001",
        ],
        ["9007199254740992", "9007199254740993", "20260528153652123456", "20260528153652123457"],
        ["1e-400", "0.1", "0.10000000000000000000001", "1e308"],
    ],
)
def test_exact_numbers(ascending: list[str]) -> None:
    """Numbers order by exact value, where floating point would tie."""
    assert best_first({"numerical": "asc"}, ascending) == tuple(ascending[::-1])
    assert best_first({"numerical": "desc"}, ascending) == tuple(ascending)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        *(
            (text, "not a number")
            for text in (
                "",
                "x",
                "0x10",
                " 1",
                "1 ",
                "\uff11",
                "1__0",
                "_1",
                "1_",
                ".",
                "-",
                "1e",
                "²",
                "1\n",
                "1" * 600,
                "1e1000000000000",
            )
        ),
        *((text, "not a finite number") for text in ("inf", "-Inf", "nan", "Infinity")),
        *((text, "a number out of range (10^308)") for text in ("1e400", "1e309", "9" * 310)),
    ],
)
def test_no_numbers(text: str, reason: str) -> None:
    """What is no usable number is dropped by name and decides nothing."""
    assert number(text) == reason
    selection = select(compile_policy({"numeric": "asc"}), [text, "1"], current=None)
    assert (selection.chosen, dict(selection.dropped)) == ("1", {text: reason})


def test_bytes_order() -> None:
    """Names order by their bytes, as UTF-8 does, also beyond the first plane."""
    names = ["", "10", "9", "Z", "a", "é", "\uffff", "\U0001f600"]
    assert sorted(names, key=str.encode) == names
    assert best_first({"alphabetical": "asc"}, names) == tuple(names[::-1])
    assert best_first({"alphabetical": "desc"}, names) == tuple(names)


@pytest.mark.parametrize(
    "ascending",
    [
        [
            "20231231",
            "20240101",
            "20240115",
            "20240115-1",
            "20240115-2",
            "20240115-10",
            "20240115120000",
            "20240116",
        ],
        ["2023.12.31", "2024.1.1", "2024.01.15", "2024-02-01", "2024_03_01", "v2024.03.02"],
        ["22.04", "22.04.3", "22.10", "24.04", "v24.10"],
        ["2024.1", "2024.1.0", "2024.1.5", "2024.1.10", "2024.12"],
        ["2024-01-15T12-00-00Z", "2024-01-15T12-00-01Z", "2024-01-16"],
    ],
)
def test_calendar(ascending: list[str]) -> None:
    """Dates order by the day, then by time or build counter, however they are written."""
    assert best_first({"calendar": {}}, ascending) == tuple(ascending[::-1])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        *(
            (text, "not a calendar version")
            for text in (
                "latest",
                "1.2.3",
                "2024",
                "2024.01.15-rc1",
                "2024.01.15-alpine",
                "2024.1.0b3",
                "24.4",
                "202401",
                "x20240115",
                "1700000",
                "2024.001",
                "2024.01." + "1" * 200,
            )
        ),
        *(
            (text, "not a date of the calendar")
            for text in (
                "20241301",
                "20240230",
                "2023-02-29",
                "2024-13",
                "1700000000",
                "12345678",
                "24.13",
                "2024-00-01",
            )
        ),
    ],
)
def test_no_dates(text: str, reason: str) -> None:
    """What is no date is dropped, and the reason tells bad dates from other tags."""
    assert calendar_key(text) == reason


def test_calendar_ties() -> None:
    """One day in two spellings ties: the last by bytes wins, and a running one stays."""
    policy = compile_policy({"calendar": {}})
    tags = ["20240115", "2024.01.15", "v2024.1.15"]
    assert select(policy, tags, current=None).chosen == "v2024.1.15"
    assert select(policy, tags, current="2024.01.15").chosen == "2024.01.15"


def made(**created: str) -> dict[str, ImageDetails]:
    return {tag: ImageDetails("sha256:" + "0" * 64, created=time) for tag, time in created.items()}


def test_newest_waits_for_evidence() -> None:
    """Without the details of every candidate nothing is elected: they are asked for."""
    policy = compile_policy({"newest": {}})
    waiting = select(policy, ["a", "b", "c"], current="c", evidence=made(a="2024-01-01T00:00:00Z"))
    assert (waiting.chosen, waiting.error, waiting.wants) == (None, None, ("b", "c"))
    chosen_filter = compile_filter(allow=["^[ab]$"])
    filtered = select(policy, ["a", "b", "c", "d"], current="c", tag_filter=chosen_filter)
    assert filtered.wants == ("a", "b", "c")


def test_newest_elects_by_time() -> None:
    """The image created last wins, to the nanosecond and across time zones; never an older one."""
    policy = compile_policy({"newest": {}})
    evidence = made(
        a="2024-01-01T12:00:00.000000001Z", b="2024-01-01T13:00:00+01:00", c="2024-01-01T11:00:00Z"
    )
    assert select(policy, ["a", "b", "c"], current="c", evidence=evidence).order == ("a", "b", "c")
    running = select(policy, ["b", "c"], current="a", evidence=evidence)
    assert running.chosen == "a"


@pytest.mark.parametrize(
    "created",
    ["", "yesterday", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1980-01-01T00:00:01Z"],
)
def test_unknown_age_cannot_win(created: str) -> None:
    """An image of unknown age, or with a placeholder, loses to any other and never wins alone."""
    policy = compile_policy({"newest": {}})
    evidence = made(odd=created, old="2001-01-01T00:00:00Z")
    selection = select(policy, ["odd", "old"], current=None, evidence=evidence)
    assert selection.chosen == "old"
    assert "creation time" in selection.dropped["odd"]
    alone = select(policy, ["odd"], current=None, evidence=evidence)
    assert (alone.chosen, alone.error) == (None, "no tag satisfies the policy newest")


def test_future_counts_as_now() -> None:
    """A creation time in the future gains nothing over one of this moment."""
    policy = compile_policy({"newest": {}})
    evidence = made(a="2999-01-01T00:00:00Z", b="2024-06-01T00:00:00Z", c="2024-01-01T00:00:00Z")
    moment = created_at("2024-06-01T00:00:00Z")
    assert moment is not None
    selection = select(policy, ["a", "b", "c"], current=None, evidence=evidence, now=moment[0])
    assert selection.order == ("b", "a", "c")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", (0, 0)),
        ("2024-02-29t00:00:00.5z", (1709164800, 500_000_000)),
        ("2024-01-01T00:00:00.1234567891Z", (1704067200, 123_456_789)),
        ("2024-01-01T00:00:00-05:30", (1704087000, 0)),
        ("2016-12-31T23:59:60Z", (1483228800, 0)),
        ("2023-02-29T00:00:00Z", None),
        ("2024-01-01T00:00:61Z", None),
        ("2024-01-01T00:00:00", None),
        ("2024-01-01", None),
        ("9999-12-31T23:59:59-23:59", (253402387139, 0)),
    ],
)
def test_times(text: str, expected: tuple[int, int] | None) -> None:
    """RFC 3339 times are read exactly; anything else is no time."""
    assert created_at(text) == expected


def test_digest_follows_one_tag() -> None:
    """The followed tag is chosen when the registry has it, and its details are wanted."""
    policy = compile_policy({"digest": "latest"})
    selection = select(policy, ["1.0", "latest"], current="latest")
    assert (selection.chosen, selection.size, selection.wants) == ("latest", "digest", ("latest",))
    assert selection.dropped["1.0"] == "not the followed tag latest"
    known = select(policy, ["latest"], current="1.0", evidence=made(latest=""))
    assert (known.chosen, known.size, known.wants) == ("latest", "", ())
    gone = select(policy, ["1.0"], current="latest")
    assert (gone.chosen, gone.error) == (None, "no tag satisfies the policy digest of latest")


@pytest.mark.parametrize(
    ("options", "tags", "expected"),
    [
        ({"pattern": r"^b(?P<n>\d+)$", "sort": ["n"]}, ["b2", "b10", "c11"], ("b10", "b2")),
        (
            {
                "pattern": r"^(?P<v>[\d.]+)-b(?P<n>\d+)$",
                "sort": [
                    {"group": "v", "as": "version"},
                    {"group": "n", "as": "number", "order": "desc"},
                ],
            },
            ["1.2-b1", "1.2-b2", "1.10-b9", "1-b1"],
            ("1.10-b9", "1.2-b1", "1.2-b2", "1-b1"),
        ),
        (
            {"pattern": r"^(?P<a>\d+)_(?P<b>\d+)$", "template": "$a.$b", "as": "version"},
            ["1_9", "1_10", "01_2"],
            ("1_10", "1_9", "01_2"),
        ),
        (
            {"pattern": r"^(?P<d>.*)-nightly$", "sort": [{"group": "d", "as": "date"}]},
            ["20240101-nightly", "2024.02.01-nightly", "x-nightly"],
            ("2024.02.01-nightly", "20240101-nightly"),
        ),
        (
            {"pattern": r"^(?P<t>.*)$", "sort": [{"group": "t", "as": "text", "order": "desc"}]},
            ["b", "a"],
            ("a", "b"),
        ),
        (
            {"pattern": r"^(?P<t>.*)$", "sort": ["t"]},
            ["x9y", "x10y", "x09y"],
            ("x10y", "x9y", "x09y"),
        ),
    ],
)
def test_regex(options: dict[str, object], tags: list[str], expected: tuple[str, ...]) -> None:
    """Groups order tags by their types, key after key, each in its direction."""
    selection = select(compile_policy({"regex": options}), tags, current=None)
    assert selection.order == expected
    assert set(selection.dropped) == set(tags) - set(expected)


def test_natural_order_is_total() -> None:
    """Different texts never tie, and digits of any length compare by value."""
    texts = ["", "0", "00", "1", "01", "a1", "a01", "a2", "a" + "9" * 5000, "b", "é"]
    keys = {text: natural_key(text) for text in texts}
    assert len(set(keys.values())) == len(texts)
    assert keys["a2"] < keys["a" + "9" * 5000]


@pytest.mark.parametrize(
    ("spec", "current", "tags", "chosen", "size"),
    [
        ({"semver": ">=1"}, "1.2.3", ["1.2.4"], "1.2.4", "patch"),
        ({"semver": ">=1"}, "1.2.3", ["1.3.0"], "1.3.0", "minor"),
        ({"semver": ">=1"}, "v1.2.3", ["2.0"], "2.0", "major"),
        ({"semver": ">=1"}, "1.2.3-rc.1", ["1.2.3"], "1.2.3", "patch"),
        ({"semver": ">=1"}, "1.2.3", ["1.2.3"], "1.2.3", ""),
        ({"semver": ">=1"}, "latest", ["1.2.3"], "1.2.3", ""),
        ({"numerical": "asc"}, "1", ["2"], "2", ""),
        ({"calendar": {}}, "20240101", ["20240102"], "20240102", ""),
    ],
)
def test_size(spec: dict[str, Any], current: str, tags: list[str], chosen: str, size: str) -> None:
    """The size of a step is told where versions tell it, and left empty elsewhere."""
    selection = select(compile_policy(spec), tags, current=current)
    assert (selection.chosen, selection.size) == (chosen, size)

"""An election told: every tag once, with the rule that dropped or chose it."""

from __future__ import annotations

from imagebot.policy import compile_policy, select
from imagebot.policy.explain import rows, sentence

TAGS = ["1.0.0", "1.1.0", "1.2.0", "2.0.0", "latest"]


def test_rows() -> None:
    """The chosen tag comes first, then what else remained, then the dropped; each with words."""
    selection = select(compile_policy({"semver": "^1"}), TAGS, current="1.0.0")
    told = [(row.tag, row.verdict, row.rank, row.reason) for row in rows(selection, "1.0.0")]
    assert told == [
        ("1.2.0", "chosen", 1, "1.2.0 is the highest version in the range ^1"),
        ("1.1.0", "candidate", 2, "admitted, but not the best"),
        ("1.0.0", "current", 3, "admitted, but not the best"),
        ("2.0.0", "dropped", 0, "above the range"),
        ("latest", "dropped", 0, "not a semantic version"),
    ]


def test_rows_of_a_running_tag() -> None:
    """The running tag always has a row: chosen again, dropped, or gone from the registry."""
    policy = compile_policy({"semver": "^1"})
    again = rows(select(policy, TAGS, current="1.2.0"), "1.2.0")
    assert (again[0].tag, again[0].verdict, again[0].rank) == ("1.2.0", "chosen", 1)
    dropped = rows(select(policy, TAGS, current="latest"), "latest")
    assert [(row.verdict, row.reason) for row in dropped if row.tag == "latest"] == [
        ("current", "not a semantic version")
    ]
    gone = rows(select(policy, TAGS, current="1.1.5"), "1.1.5")
    assert [(row.verdict, row.rank) for row in gone if row.tag == "1.1.5"] == [("current", 0)]
    stays = rows(select(policy, ["1.0.0"], current="1.9.0"), "1.9.0")
    assert (stays[0].tag, stays[0].verdict) == ("1.9.0", "chosen")


def test_rows_of_a_tie() -> None:
    """What equals the running tag is told so."""
    policy = compile_policy({"semver": "^1"})
    told = rows(select(policy, ["1.0.0", "v1.0.0"], current="1.0.0"), "1.0.0")
    assert [(row.tag, row.verdict, row.rank) for row in told] == [
        ("1.0.0", "chosen", 2),
        ("v1.0.0", "candidate", 1),
    ]
    assert told[1].reason == "equal to the running tag, which stays"


def test_sentences() -> None:
    """One sentence tells an update, a standstill and an open question."""
    policy = compile_policy({"semver": "^1"})
    assert sentence(select(policy, TAGS, current="1.0.0"), "1.0.0") == (
        "From 1.0.0 to 1.2.0 (minor): 1.2.0 is the highest version in the range ^1."
    )
    assert sentence(select(policy, TAGS, current=None), None) == (
        "To 1.2.0: 1.2.0 is the highest version in the range ^1."
    )
    assert sentence(select(policy, TAGS, current="1.2.0"), "1.2.0") == (
        "Up to date: the running 1.2.0 is the highest version in the range ^1."
    )
    assert sentence(select(policy, ["x"], current=None), None) == (
        "Undecided: no tag satisfies the policy semver ^1."
    )
    waiting = select(compile_policy({"newest": {}}), ["x"], current=None)
    assert sentence(waiting, None).startswith("Undecided: newest cannot decide before")


def test_sentences_are_safe() -> None:
    """A string that is no tag is quoted, escaped and cut: it cannot break a line or a table."""
    odd = "z\n| [x](http://evil) \x1b[31m" + "z" * 500
    selection = select(compile_policy({"alphabetical": "asc"}), ["a", odd], current="a")
    text = sentence(selection, "a")
    assert selection.chosen == odd
    assert "\n" not in text
    assert "\x1b" not in text
    assert len(text) < 400

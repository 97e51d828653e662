"""The election: candidates through filter, policy and the rule against downgrades, to one tag.

Knows the rules that hold for every policy: signatures never run, ties have one answer, nothing
goes back unless allowed. Refuses to know any policy's order, and where tags come from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from imagebot.imageref import is_tag
from imagebot.model import ImageDetails
from imagebot.policy.base import (
    Key,
    Order,
    Policy,
    Selection,
    Situation,
    UndecidedError,
    quoted,
)
from imagebot.policy.filters import Filtered, TagFilter
from imagebot.policy.guards import MAX_JUDGED, Guard, first_passing
from imagebot.policy.standing import Standing, standing

SIGNATURE = "a signature, attestation or SBOM, not an image"

_SIGNATURE = re.compile(r"sha256-[0-9a-f]{64}(?:\.(?:sig|att|sbom))?")
_NO_EVIDENCE: Mapping[str, ImageDetails] = MappingProxyType({})


def select(
    policy: Policy,
    tags: Sequence[str],
    *,
    current: str | None,
    tag_filter: TagFilter | None = None,
    allow_downgrade: bool = False,
    evidence: Mapping[str, ImageDetails] = _NO_EVIDENCE,
    now: float | None = None,
    guards: Sequence[Guard] = (),
    separate: Sequence[str] = (),
    lane: str = "",
) -> Selection:
    """Choose the tag that `policy` wants of a complete list of tags. Never raises for a tag.

    `current` is the running tag; None or empty when there is none, as for an image that runs by
    digest alone. `evidence` gives the details known so far, by tag;
    `now` (seconds since 1970, UTC) is the ceiling of creation times. The outcome depends on the
    set of tags, never on their order: equals rank by the bytes of their names, last first, and
    a running tag that equals the best stays. `guards` judge the candidates from the best on until
    one passes; the running tag, which runs anyway, is not judged. Of the steps in `separate` each
    is a choice of its own, made with that step as `lane`; without a lane they are left out.
    """
    current = current or None
    listed = dict.fromkeys(tags)
    filtered = _filtered(listed, tag_filter)
    text = current if current is None or tag_filter is None else tag_filter.text(current)
    situation = Situation(current, text, current in listed, evidence, now)
    wants = policy.wants(tuple(filtered.texts), situation)
    if wants and policy.waits:
        return Selection(
            None,
            dropped=filtered.dropped,
            wants=tuple(sorted(wants)),
            why=f"{policy} cannot decide before the details of {len(wants)} tags are known",
        )
    try:
        order = policy.order(situation)
    except UndecidedError as undecided:
        return Selection(None, dropped=filtered.dropped, error=str(undecided), why=str(undecided))
    ballot = _ranked(filtered, order)
    stands = standing(order, situation, tag_filter)
    if stands and allow_downgrade and not stands.whole:
        # A near place refuses what is below it: nothing to do where going back is allowed.
        stands = None
    if stands:
        situation = replace(situation, text=stands.text)
    running = stands.key if stands else None
    if running is not None and not allow_downgrade:
        _drop_older(ballot, order, running, current)
    if separate:
        sized = _sizes(policy, order, ballot, situation, running)
        _keep_lane(ballot, sized, current, separate, lane)
    stopped = _guard(ballot, order, running, situation, guards) if guards else None
    return stopped or _outcome(policy, ballot, order, situation, stands)


@dataclass(frozen=True, slots=True)
class _Ballot:
    """The ranked candidates, best first, with their keys and texts; and who was dropped.

    `held` are those of the dropped that would have been better than the winner, `apart` those
    that another lane offers.
    """

    names: list[str]
    keys: dict[str, Key]
    texts: dict[str, str]
    dropped: dict[str, str]
    held: dict[str, str] = field(default_factory=dict)
    apart: dict[str, str] = field(default_factory=dict)


def _filtered(listed: Iterable[str], tag_filter: TagFilter | None) -> Filtered:
    signatures = {
        tag: SIGNATURE for tag in listed if tag.startswith("sha256-") and _SIGNATURE.fullmatch(tag)
    }
    images = [tag for tag in listed if tag not in signatures] if signatures else listed
    if tag_filter is None:
        return Filtered({tag: tag for tag in images}, signatures)
    filtered = tag_filter.apply(images)
    return Filtered(filtered.texts, signatures | filtered.dropped)


def _ranked(filtered: Filtered, order: Order) -> _Ballot:
    rank = order.rank
    keys: dict[str, Key] = {}
    dropped = filtered.dropped
    for tag, text in filtered.texts.items():
        place = rank(text, tag)
        if isinstance(place, str):
            dropped[tag] = place
        else:
            keys[tag] = place
    names = sorted(keys, reverse=True)
    # The second sort is stable, reversed or not: equals keep the order of the first.
    names.sort(key=keys.__getitem__, reverse=not order.descending)
    return _Ballot(names, keys, filtered.texts, dropped)


def _drop_older(ballot: _Ballot, order: Order, running: Key, current: str | None) -> None:
    """Take off the tail of the ballot: what ranks behind the running tag."""
    names, keys = ballot.names, ballot.keys
    if order.descending:
        kept = sum(1 for name in names if not running < keys[name])
    else:
        kept = sum(1 for name in names if not keys[name] < running)
    reason = f"older than the running {shown(current)}"
    for name in names[kept:]:
        ballot.dropped[name] = reason
    del names[kept:]


def _sizes(
    policy: Policy, order: Order, ballot: _Ballot, situation: Situation, running: Key | None
) -> Callable[[str], str]:
    """The step from the running tag to a candidate: from their places, where those tell it."""
    between, keys = order.step, ballot.keys
    if between is None or running is None:
        return lambda name: _size(policy, ballot, situation, name)

    def sized(name: str) -> str:
        key = keys[name]
        # Equal places may be spelled differently: only the texts tell.
        same = key == running
        return _size(policy, ballot, situation, name) if same else between(running, key)

    return sized


def _keep_lane(
    ballot: _Ballot,
    sized: Callable[[str], str],
    current: str | None,
    separate: Sequence[str],
    lane: str,
) -> None:
    """Leave only the steps of the lane, or, without one, those that have none."""
    kept: list[str] = []
    for name in ballot.names:
        size = sized(name)
        if name != current and (size != lane if lane else size in separate):
            ballot.apart[name] = f"no {lane} step" if lane else f"a {size} step, offered on its own"
        else:
            kept.append(name)
    ballot.dropped.update(ballot.apart)
    ballot.names[:] = kept


def _guard(
    ballot: _Ballot,
    order: Order,
    running: Key | None,
    situation: Situation,
    guards: Sequence[Guard],
) -> Selection | None:
    """Drop the best candidates until one passes the guards. A Selection ends the election.

    When all that would be better than the running tag is dropped, the running tag stays: a guard
    holds an image back, and never sends it back.
    """
    names, current = ballot.names, situation.current
    if names and running is not None and not _beats(ballot.keys[names[0]], running, order):
        # The best is the running tag's equal, or a downgrade that is wanted.
        better = [] if ballot.keys[names[0]] == running else [n for n in names if n != current]
    else:
        better = [
            name
            for name in names
            if name != current and (running is None or _beats(ballot.keys[name], running, order))
        ]
    passage = first_passing(better, guards, situation.evidence)
    ballot.held.update(passage.dropped)
    ballot.dropped.update(passage.dropped)
    names[:] = [name for name in names if name not in passage.dropped]
    if passage.tired:
        said = _best_of(ballot.held)
        error = f"none of the {MAX_JUDGED} best tags may run: {said}; narrow the filter"
        return Selection(None, dropped=ballot.dropped, error=error, why=error, held=True)
    if passage.wants:
        why = f"the details of {shown(passage.wants[0])} are needed to judge it"
        return Selection(None, dropped=ballot.dropped, wants=passage.wants, why=why)
    if better and passage.passed is None and running is not None:
        _drop_older(ballot, order, running, current)
    return None


def _beats(key: Key, running: Key, order: Order) -> bool:
    return key < running if order.descending else running < key


def _best_of(kept_out: Mapping[str, str]) -> str:
    """The best of those that were kept out, with the reason, for the end of a sentence."""
    (tag, reason), *rest = kept_out.items()
    more = f" (and {len(rest)} more are)" if rest else ""
    return f"{shown(tag)} is left out{more}, {reason}"


def _outcome(
    policy: Policy, ballot: _Ballot, order: Order, situation: Situation, stands: Standing | None
) -> Selection:
    names, dropped, current = ballot.names, ballot.dropped, situation.current
    if not names and (ballot.held or ballot.apart):
        return _nobody_passed(ballot, current)
    if not names and not (stands and ballot.keys):
        error = _nobody(policy, ballot)
        return Selection(None, dropped=dropped, error=error, why=error)
    if not names:
        why = f"every tag that {policy} admits is older than the running {shown(current)}"
        return Selection(current, dropped=dropped, why=why + _compared(current, stands))
    best = names[0]
    # What moves says nothing of who was kept out: its sentence goes into a request, which would
    # be written anew with each nightly tag that waits.
    kept_out: Mapping[str, str] = {}
    if current is not None and (best == current or (stands and stands.key == ballot.keys[best])):
        best, kept_out = current, ballot.held or ballot.apart
        stays = kept_out or not (stands is None or stands.whole)
        why = f"the running {shown(current)} " + ("stays" if stays else f"is {order.said}")
    else:
        why = f"{shown(best)} is {order.said}"
    why += (
        _compared(current, stands)
        + _ties(ballot, best)
        + (f"; {_best_of(kept_out)}" if kept_out else "")
    )
    return Selection(
        best,
        tuple(names),
        dropped,
        why,
        wants=policy.wants(tuple(names), situation),
        size=_size(policy, ballot, situation, best),
    )


def _nobody_passed(ballot: _Ballot, current: str | None) -> Selection:
    """Everything better was kept out: what runs stays, where something runs."""
    said = _best_of(ballot.held or ballot.apart)
    if current is None:
        error = f"no tag may run: {said}"
        held = bool(ballot.held)
        return Selection(None, dropped=ballot.dropped, error=error, why=error, held=held)
    why = f"the running {shown(current)} stays; {said}"
    return Selection(current, dropped=ballot.dropped, why=why)


def _size(policy: Policy, ballot: _Ballot, situation: Situation, best: str) -> str:
    if situation.text is None:
        return ""
    return policy.step(situation.text, ballot.texts.get(best, best))


def _compared(current: str | None, stands: Standing | None) -> str:
    """What a reader must know of a running tag that was not compared as it is."""
    if current is None or (stands and stands.whole):
        return ""
    if stands and stands.text == current:
        return "; nothing is extracted from the running tag, so it was compared as it is"
    if stands:
        return f"; the running tag was compared as {shown(stands.text)}"
    return f"; the running {shown(current)} has no place in that order and was not compared"


def _ties(ballot: _Ballot, best: str) -> str:
    """Name the candidates that equal the winner: none of them is lost silently."""
    key = ballot.keys.get(best)
    equals: list[str] = []
    for name in ballot.names:
        if ballot.keys[name] != (ballot.keys[ballot.names[0]] if key is None else key):
            break
        if name != best:
            equals.append(name)
    if not equals:
        return ""
    more = f" and {len(equals) - 3} more" if len(equals) > 3 else ""  # noqa: PLR2004  # names shown
    names = ", ".join(shown(name) for name in equals[:3])
    return f"; {names}{more} equal{'s' if len(equals) == 1 else ''} it"


def _nobody(policy: Policy, ballot: _Ballot) -> str:
    if not ballot.texts and not ballot.dropped:
        return "the list of tags is empty"
    if not ballot.texts:
        return "no tag passes the filter"
    return f"no tag satisfies the policy {policy}"


def shown(tag: str | None) -> str:
    """A tag for a sentence: as it is when it is a tag, quoted and escaped when it is not."""
    return tag if tag is not None and is_tag(tag) else quoted(tag or "")

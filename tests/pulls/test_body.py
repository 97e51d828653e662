"""What reviewers read, and that nothing from outside can act in it."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from imagebot.errors import Where
from imagebot.forge.port import Limits
from imagebot.imageref import parse
from imagebot.pulls.body import Context, desired_state, render_body, text_digest
from imagebot.pulls.layout import Section, fit
from imagebot.pulls.markdown import cell, clean, code, link, plain_message, prose
from imagebot.pulls.marker import Marker, decode
from tests.pulls.samples import (
    AZURE,
    BITBUCKET,
    GITHUB,
    NEW_DIGEST,
    NOW,
    details,
    file_url,
    group,
    update,
)

MARKER = Marker("production/my-app", "a" * 32)
SHA = "abc123def4567890"
OLD = details(
    platforms=("linux/amd64", "linux/arm64", "linux/s390x"),
    labels={
        "org.opencontainers.image.source": "https://github.com/acme/my-app.git",
        "org.opencontainers.image.revision": "a" * 40,
    },
)
RUNNING = {parse("ghcr.io/acme/my-app:1.4.2"): OLD}
CONTEXT = Context("main", GITHUB, file_url, NOW)


def render(*updates: object, context: Context = CONTEXT, **changes: object) -> str:
    existing = str(changes.pop("existing", ""))
    marker = changes.pop("marker", MARKER)
    wanted = group(*updates, **changes)  # type: ignore[arg-type]
    return render_body(wanted, marker, context, commit=SHA, existing=existing)  # type: ignore[arg-type]


def test_one_change_is_told_whole() -> None:
    """Verdict, table, reason, facts, links, what was left out, what was superseded, what to do."""
    body = render(
        update(details=details()),
        context=replace(CONTEXT, running=RUNNING),
        notes=("redis in staging: the registry did not answer",),
        marker=replace(MARKER, history=("1.4.8", "1.4.9")),
    )
    for wanted in (
        "**`ghcr.io/acme/my-app` `1.4.2` → `1.5.0`**: a **minor** step in 1 place of `production`, the image is 3 days old. **⚠ The new image lacks a platform that the current one has.**",
        "| `ghcr.io/acme/my-app` | `1.4.2` | `1.5.0` | minor | [`kustomize/overlays/production/",
        "- **Why this tag:** newest tag in &gt;=1.4 &lt;3",
        "- **Created:** 2026-08-20 12:00 UTC, 3 days old when this was written",
        f"- **Digest:** `{NEW_DIGEST}`",
        "- **Platforms:** linux/amd64, linux/arm64\n",
        "- **Platforms lost:** linux/s390x",
        "[github.com/acme/my-app](https://github.com/acme/my-app) at [`bbbbbbbbbb`]",
        f"[what changed](https://github.com/acme/my-app/compare/{'a' * 40}...{'b' * 40})",
        "- redis in staging: the registry did not answer",
        "**Superseded while this request was open:** `1.4.9`, `1.4.8`",
        "**Merge** to roll it out; a revert pauses this version. **Close** to refuse",
        "onto `main` at `abc123def456`",
    ):
        assert wanted in body
    assert decode(body) == replace(MARKER, commit=SHA, history=("1.4.8", "1.4.9"))


def test_many_places_are_one_row() -> None:
    """The same change in 300 overlays is one row, and a list that opens on a click."""
    many = [update(path=f"overlays/{n:03}/kustomization.yaml") for n in range(300)]
    major = update("redis:7.4.1", "redis:8.0.0", size="major", path="redis.yaml")
    body = render(*many, major, key="production/platform")
    rows = [line for line in body.split("\n") if line.startswith("| `")]
    assert len(rows) == 2
    assert rows[0].startswith("| `redis` | `7.4.1` | `8.0.0` | major | [`redis.yaml:12`]")
    assert rows[1].endswith("| minor | 300 places, listed below |")
    assert "**2 images** in 301 places of `production`: **1 major**, 1 minor." in body
    assert "<summary>All 300 places</summary>" in body
    assert body.count("\n- `ghcr.io/acme/my-app` `1.5.0`: [") == 300


def test_a_forge_without_html_gets_none() -> None:
    """Where HTML is shown as text, there is none: plain lists and link definitions."""
    many = [update(path=f"o/{n}.yaml", details=details()) for n in range(9)]
    two = update("redis:7.4.1", "redis:8.0.0")
    body = render(*many, two, context=replace(CONTEXT, limits=BITBUCKET))
    assert not re.search(r"<[a-z!/]", body)
    assert "**All 9 places**" in body
    assert decode(body) is not None


@pytest.mark.parametrize("limits", [GITHUB, AZURE, BITBUCKET, Limits(255, 1500), Limits(50, 700)])
@pytest.mark.parametrize("count", [1, 40, 900])
def test_every_limit_is_kept(limits: Limits, count: int) -> None:
    """However much there is to say: inside the limit, with the marker, and counting what is left."""
    updates = [
        update(
            f"ghcr.io/acme/app-{n}:1.0.0",
            f"ghcr.io/acme/app-{n}:1.1.0",
            path=f"kustomize/overlays/tenant-{n}/kustomization.yaml",
            details=details(),
        )
        for n in range(count)
    ]
    marker = replace(MARKER, history=tuple(f"1.{n}.0-{'x' * 60}" for n in range(20)))
    body = render(*updates, context=replace(CONTEXT, limits=limits), marker=marker)
    assert len(body) <= limits.body
    read = decode(body)
    assert read is not None
    assert (read.key, read.fingerprint, read.commit) == (MARKER.key, MARKER.fingerprint, SHA)
    if count == 900 and limits.body > 1000:
        assert re.search(r"\.\.\. and \d+ more", body)
        assert "**900 images** in 900 places" in body
    assert body.count("<details>") == body.count("</details>")


def test_what_people_wrote_counts_and_stays() -> None:
    """Their text around the block stays and takes its room; only an overlong one is cut."""
    notes = "Ann: " + "wait " * 300
    body = render(
        *[update(path=f"o/{n}") for n in range(200)],
        context=replace(CONTEXT, limits=AZURE),
        existing=notes,
    )
    assert body.startswith(notes.strip())
    assert len(body) <= AZURE.body
    overlong = render(context=replace(CONTEXT, limits=AZURE), existing="x" * 3990)
    assert len(overlong) <= AZURE.body
    assert overlong.startswith("xxx")
    assert decode(overlong) is not None


def test_a_thousand_rows_are_quick() -> None:
    """A large body is laid out in well under two seconds."""
    updates = [update(f"a/x{n}:1.0", f"a/x{n}:1.1", details=details()) for n in range(2000)]
    start = time.perf_counter()
    assert len(render(*updates)) <= GITHUB.body
    assert time.perf_counter() - start < 2


HTML = re.compile(
    r"<summary>[A-Z][a-z0-9, ()]*</summary>|</?(?:details|sub)>|<br>|<!-- imagebot:[^<>]*-->"
)
ALLOWED = ("https://forge.example/", "https://github.com/acme/")


def tokens(markdown: str) -> list[Token]:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    flat: list[Token] = []
    for token in parser.parse(markdown):
        flat += [token, *(token.children or [])]
    return flat


def assert_harmless(body: str) -> None:
    """Nothing but the bot's own HTML and links; no mention, issue or command outside of code."""
    for token in tokens(body):
        assert token.type not in {"image", "s_open", "fence", "code_block", "heading_open"}
        if token.type.startswith("html"):
            assert HTML.sub("", token.content).strip() == ""
        if token.type == "link_open":
            assert str(token.attrs["href"]).startswith(ALLOWED)
        if token.type == "text":
            assert not re.search(r"(?:^|\s)@\w|(?<![\w&])[#!]\d|://|www\.", token.content), (
                token.content
            )
    assert not re.search(r"^/\w", body, re.MULTILINE)
    hidden = re.findall(r"^(?:<!-- |\[//\]: # \()imagebot:(\w+)", body, re.MULTILINE)
    assert hidden == ["begin", "marker", "end"]
    assert body.count("<!--") + body.count("[//]") == 3


HOSTILE = [
    "@octocat please",
    "closes #12 and GH-12 and !3",
    "/merge\n/approve",
    "<script>alert(1)</script><img src=x onerror=y>",
    "![x](https://evil.example/t.png) [y](javascript:alert(1))",
    "--> <!-- imagebot:end -->",
    "[//]: # (imagebot:end)",
    "a | b || c\n| d |",
    "`` ` ``` code",
    "# heading\n\n---\n\n- list",
    "https://evil.example www.evil.example",
    "\u202edesrever\x1b[31m\u2028x",
    "~~gone~~ **bold** __under__ $1 %2 ^3",
    "</details></summary>",
    "\\",
    "&lt;b&gt; &#64;octocat",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("limits", [GITHUB, BITBUCKET, Limits(255, 1800)])
def test_hostile_text_is_only_text(text: str, limits: Limits) -> None:
    """From any place of a repository or registry: shown, never obeyed."""
    base = update(environment=text, label=text, why=text, size=text, path=f"o/{text}.yaml")
    evil = details(
        created=text,
        digest=text,
        platforms=(text, text),
        labels={
            "org.opencontainers.image.source": f"https://github.com/acme/{text}",
            "org.opencontainers.image.revision": text,
        },
    )
    hostile = replace(base, details=evil)
    odd = replace(base.new, tag=text)
    updates = [hostile, replace(hostile, new=odd), update(why=text, path="b.yaml")]
    for chosen in (updates[:1], updates):
        body = render(
            *chosen,
            context=replace(CONTEXT, limits=limits, base=text or "x"),
            notes=(text, text),
            key=text,
            marker=replace(MARKER, history=(clean(text),)),
        )
        assert_harmless(body)
        assert len(body) <= limits.body


@given(st.text(max_size=80))
@settings(max_examples=150, deadline=None)
def test_any_text_is_only_text(text: str) -> None:
    """The same for text that nobody thought of."""
    chosen = update(environment=text, label=text, why=text, size=text, path=f"o/{text}")
    assert_harmless(render(chosen, notes=(text,), marker=replace(MARKER, history=(clean(text),))))


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_text_is_shown_as_it_is(text: str) -> None:
    """Escaping is invisible: rendered, the text is what it was, but for blanks and controls."""
    expected = clean(text)
    shown = [t.content for t in tokens(f"x {prose(text)}") if t.type in {"text", "text_special"}]
    assert "".join(shown).replace("\u200b", "").removeprefix("x").strip() == expected
    if expected:
        (span,) = [t.content for t in tokens(f"x {code(text)}") if t.type == "code_inline"]
        assert span == expected
        row = f"| a | b |\n|---|---|\n| {cell(code(text))} | {cell(prose(text))} |"
        spans = [t.content for t in tokens(row) if t.type == "code_inline"]
        assert spans == [expected]
        assert sum(t.type == "td_open" for t in tokens(row)) == 2


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://a.example/x y", "https://a.example/x%20y"),
        ("http://a.example/(x)", "http://a.example/%28x%29"),
        ("https://a.example/%20", "https://a.example/%20"),
        ('https://a.example/"|<>`\\\n', "https://a.example/%22%7C%3C%3E%60%5C%0A"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("//evil.example", None),
        ("https://", None),
        (" https://a.example", None),
        ("", None),
    ],
)
def test_link_targets(url: str, target: str | None) -> None:
    """Only http and https are links, and no character leaves the parentheses."""
    assert link("t", url) == ("t" if target is None else f"[t]({target})")


def test_a_compare_link_needs_the_same_source() -> None:
    """Two revisions of different repositories are not compared."""
    moved = replace(
        OLD, labels={**OLD.labels, "org.opencontainers.image.source": "https://github.com/b/b"}
    )
    running = {parse("ghcr.io/acme/my-app:1.4.2"): moved}
    body = render(update(details=details()), context=replace(CONTEXT, running=running))
    assert "what changed" not in body
    assert "/commit/" + "b" * 40 in body


def test_the_text_digest_ignores_time_and_commit() -> None:
    """A body is rewritten for news, not for another day; any news changes the digest."""
    wanted = group(update(details=details()))
    digest = text_digest(wanted, CONTEXT)
    later = replace(CONTEXT, now=NOW + timedelta(days=9), file_url=lambda _path, _line: "")
    assert text_digest(wanted, later) == digest
    for news in (
        replace(wanted, notes=("x",)),
        group(update(details=details(), why="another")),
        group(update(details=details(), line=13)),
        group(update(details=details(platforms=("linux/amd64",)))),
        group(update(details=details()), update(path="b.yaml")),
    ):
        assert text_digest(news, CONTEXT) != digest
    assert text_digest(wanted, replace(CONTEXT, running=RUNNING)) != digest


def test_the_text_digest_has_what_runs_as_its_second_half() -> None:
    """What a failed look-up leaves out takes the half away, and changes nothing in the other."""
    wanted = group(update(details=details()))
    full = text_digest(wanted, replace(CONTEXT, running=RUNNING))
    missing = text_digest(wanted, replace(CONTEXT, running={}))
    assert len(full) == 2 * len(missing)
    assert full.startswith(missing)
    assert text_digest(wanted, CONTEXT) == missing
    other = {image: replace(OLD, platforms=("linux/amd64",)) for image in RUNNING}
    news = text_digest(wanted, replace(CONTEXT, running=other))
    assert news != full
    assert news.startswith(missing)
    two = group(update(details=details()), update("ghcr.io/acme/api:1.0", "ghcr.io/acme/api:1.1"))
    assert text_digest(two, replace(CONTEXT, running=RUNNING)) == text_digest(two, CONTEXT)


def test_a_look_up_that_failed_is_told_where_lost_platforms_stand() -> None:
    """Who sees no warning knows when nobody could look; and is not told when nobody asked."""
    body = render(update(details=details()), context=replace(CONTEXT, running={}))
    assert "- **Platforms lost:** not known, as the registry told nothing of `1.4.2`" in body
    assert "Platforms lost" not in render(update(details=details()))


def test_a_group_becomes_a_wish() -> None:
    """What decide needs: fingerprint of the edits, short title, versions, digest of the text."""
    wanted = group(update())
    desired = desired_state(wanted, replace(CONTEXT, limits=replace(GITHUB, title=20)))
    assert desired.title == "production: my-app…"
    assert desired.version == "1.5.0"
    assert len(desired.fingerprint) == 32
    newer = group(update(new="ghcr.io/acme/my-app:1.6.0"))
    assert desired_state(newer, CONTEXT).fingerprint != desired.fingerprint


def test_a_place_without_a_line_or_link_is_still_named() -> None:
    """A forge without web pages, or a file as a whole: the path as text."""
    one = update()
    use = replace(one.use, where=Where("a.yaml"))
    body = render(replace(one, use=use), context=replace(CONTEXT, file_url=lambda _p, _l: ""))
    assert "| `a.yaml` images" in body


def test_layout_gives_way_by_weight() -> None:
    """Light sections lose items first, then vanish; heavy ones stay to the end."""
    light = Section("light", tuple(f"- {n}" for n in range(50)), weight=1)
    heavy = Section("heavy", tuple(f"- {n}" for n in range(5)), "end", weight=2)
    whole = fit([light, heavy], 10_000)
    assert whole.endswith("heavy\n- 0\n- 1\n- 2\n- 3\n- 4\nend")
    for limit in range(len(whole) + 5):
        text = fit([light, heavy], limit)
        assert len(text) <= limit
        assert "light" not in text or "- 4\nend" in text or "... and" in text
    assert fit([light, heavy], 60).count("- ") > 5
    assert fit([light, heavy], 30) == "heavy\n\n... and 5 more\nend"


def test_a_message_line_is_plain() -> None:
    """Commit messages keep ordinary text as it is."""
    assert (
        plain_message("newest tag in >=1.4 <3, by ^v(.*)$") == "newest tag in >=1.4 <3, by ^v(.*)$"
    )

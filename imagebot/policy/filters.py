"""Tag filters: RE2 patterns that allow and deny, and a template that extracts what to compare.

Knows patterns and captures. Refuses to know policies, and any pattern language but RE2: its
time is linear in the text, whoever wrote the pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from imagebot.errors import PolicyError
from imagebot.policy.expand import Template, compile_template

MAX_PATTERN = 2_000
_SET_MEMORY = 64 << 20
_NO_LOOKAROUND = "RE2 has no lookahead or lookbehind: use tags.deny for what must not match"
_NO_BACKREFERENCE = "RE2 has no backreferences; \\d, \\w, \\s and \\b are fine"
_NO_BYTES = "\\C is one byte, which may be half a character: write . for a character"
# What a backslash starts; between \Q and \E all is literal.
_ESCAPE = re.compile(r"\\Q.*?(?:\\E|\Z)|\\.", re.DOTALL)
_GROUP_NAME = re.compile(r"[0-9A-Za-z_]+")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One compiled RE2 pattern: an unanchored search over the UTF-8 bytes of a tag."""

    text: str
    compiled: Any = field(repr=False, compare=False)

    @property
    def names(self) -> dict[str, int]:
        """Its named groups and their numbers."""
        return dict(self.compiled.groupindex)

    @property
    def groups(self) -> int:
        """How many groups it has."""
        return int(self.compiled.groups)

    def expand(self, text: str, templates: Sequence[Template]) -> list[str] | None:
        """Each template filled from the first match; None when the pattern is not found."""
        match = self.compiled.search(encoded(text))
        if match is None:
            return None
        return [_filled(template, match) for template in templates]


def compile_pattern(text: str) -> Pattern:
    r"""Compile an RE2 pattern as Go reads it. Raises PolicyError with a hint at what is lacking.

    Go refuses `\C` and names of groups beyond ASCII, which the library takes.
    """
    import re2  # a C++ extension: paid for by those who filter

    if len(text) > MAX_PATTERN:
        raise PolicyError(f"pattern {text[:40]!r}... is over {MAX_PATTERN} characters")
    options = re2.Options()
    options.log_errors = False
    try:
        pattern = Pattern(text, re2.compile(text, options))
    except re2.error as error:
        problem = error.args[0] if error.args else ""
        said = problem.decode("utf-8", "replace") if isinstance(problem, bytes) else str(problem)
        raise PolicyError(f"pattern {text!r}: {said}", hint=_hint(said)) from None
    except UnicodeEncodeError:
        raise PolicyError(f"pattern {text!r} is no Unicode text") from None
    if "\\C" in _ESCAPE.findall(text):
        raise PolicyError(f"pattern {text!r}: invalid escape sequence: \\C", hint=_NO_BYTES)
    for name in pattern.names:
        if _GROUP_NAME.fullmatch(name) is None:
            raise PolicyError(
                f"pattern {text!r}: invalid named capture group: {name!r}",
                hint="names of groups are of A-Z, a-z, 0-9 and _",
            )
    return pattern


@dataclass(frozen=True, slots=True)
class Filtered:
    """What a filter leaves: each tag with the text to compare, and each other with its reason."""

    texts: dict[str, str]
    dropped: dict[str, str]


class TagFilter:
    """Allow patterns (any may match), deny patterns (none may), and what a policy is to read."""

    def __init__(self, allow: Sequence[str], deny: Sequence[str], extract: str) -> None:
        """Compile. Raises PolicyError. See `compile_filter`."""
        self.extract = extract
        self._allow = tuple(compile_pattern(pattern) for pattern in allow)
        self._deny = tuple(compile_pattern(pattern) for pattern in deny)
        if extract and not self._allow:
            raise PolicyError(
                f"extract {extract!r} has no pattern to take groups from",
                hint="give an allow pattern with groups, such as '^v(?P<version>.*)$'",
            )
        self._allow_set = _PatternSet(self._allow)
        self._deny_set = _PatternSet(self._deny)
        self._templates = tuple(
            (pattern.compiled.search, compile_template(extract, pattern.names, pattern.groups))
            for pattern in self._allow
        )
        self._refused = f"matches no allow pattern: {' '.join(p.text for p in self._allow)}"
        self._denied = tuple(f"matches the deny pattern {p.text}" for p in self._deny)

    def __repr__(self) -> str:
        """Its patterns and template, as they were written."""
        allow = [pattern.text for pattern in self._allow]
        deny = [pattern.text for pattern in self._deny]
        return f"TagFilter(allow={allow}, deny={deny}, extract={self.extract!r})"

    def apply(self, tags: Iterable[str]) -> Filtered:
        """Filter a list of tags. Deny is looked at first, as it is the stronger word."""
        texts: dict[str, str] = {}
        dropped: dict[str, str] = {}
        allow, deny = self._allow_set, self._deny_set
        for tag in tags:
            if deny and (hit := deny.first(encoded(tag))) is not None:
                dropped[tag] = self._denied[hit]
            elif self.extract:
                text = self._extracted(tag)
                if text is None:
                    dropped[tag] = self._refused
                else:
                    texts[tag] = text
            elif not allow or allow.first(encoded(tag)) is not None:
                texts[tag] = tag
            else:
                dropped[tag] = self._refused
        return Filtered(texts, dropped)

    def text(self, tag: str) -> str | None:
        """What a policy reads of one tag: its extract, None where no allow pattern matches.

        Without an extract every tag, allowed or not, reads as itself.
        """
        return self._extracted(tag) if self.extract else tag

    def _extracted(self, tag: str) -> str | None:
        text = encoded(tag)
        for search, template in self._templates:
            match = search(text)
            if match is not None:
                return _filled(template, match)
        return None


class _PatternSet:
    """Several patterns matched in one call. False when there is none."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._size = len(patterns)
        if not patterns:
            return
        import re2  # a C++ extension: paid for by those who filter

        options = re2.Options()
        options.log_errors = False
        # A set gives up silently when its automaton outgrows its memory, where a single pattern
        # would take a slower road; the larger budget is out of reach for patterns of MAX_PATTERN.
        options.max_mem = _SET_MEMORY
        self._set = re2.Set.SearchSet(options)
        for pattern in patterns:
            self._set.Add(pattern.text)
        self._set.Compile()

    def __bool__(self) -> bool:
        return self._size > 0

    def first(self, text: bytes) -> int | None:
        """The first pattern, by position, that matches."""
        hits = self._set.Match(text)
        return min(hits) if hits else None


def compile_filter(
    allow: Sequence[str] = (), deny: Sequence[str] = (), extract: str = ""
) -> TagFilter:
    """Compile a filter. Raises PolicyError.

    A tag passes when any `allow` pattern is found in it (all pass when there is none) and no
    `deny` pattern is. Patterns are searched for: anchor them with ^ and $. `extract` is a
    template of the groups of the first allow pattern that matches: what the policy compares.
    """
    return TagFilter(allow, deny, extract)


def encoded(text: str) -> bytes:
    """Text as the bytes that RE2 reads; a lone surrogate passes, as no valid text equals it."""
    return text.encode("utf-8", "surrogatepass")


def _filled(template: Template, match: Any) -> str:
    if len(template) == 1 and isinstance(template[0], int):
        return _decoded(match[template[0]] or b"")
    parts = [match[piece] or b"" if isinstance(piece, int) else piece for piece in template]
    return _decoded(b"".join(parts))


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        # No tag may raise, whatever a pattern cuts out of it.
        return text.decode("utf-8", "replace")


def _hint(said: str) -> str:
    if "perl operator" in said:
        return _NO_LOOKAROUND
    if "escape sequence" in said:
        return _NO_BACKREFERENCE
    return "patterns are RE2: https://github.com/google/re2/wiki/Syntax"

"""The one error tree. It knows messages, hints, places and exit codes; it refuses to know I/O.

ImagebotError                    70  a bug, unless a subclass says otherwise
├── UsageError                    2  the command line asks for something impossible
├── ConfigError                   2  a configuration file is wrong; carries every problem at once
├── PolicyError                   2  a tag policy or filter cannot be compiled
├── StartError                    4  git, forge or state is out of reach: nothing could start
│   └── BusyError                 0  another run holds this repository: nothing to do
├── InvalidReference              2  a string is no image reference
├── EditRefused                   3  a file cannot be edited safely; the others go on
└── PeerError                     3  the other side of a wire failed; the rest goes on
    ├── RegistryError             3
    ├── ForgeError                3
    │   ├── DuplicatePullRequest  3  the forge says that the request exists already
    │   └── NoCommits             3  the forge says that base has every commit of head
    └── GitError                  3

A room may refine one of these for its own callers; nobody else needs to know the refinement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

EXIT_OK = 0
EXIT_DIFFERENCES = 1
EXIT_USAGE = 2
EXIT_PARTIAL = 3
EXIT_START = 4
EXIT_BUG = 70
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a text file. Line and column count from 1; the column counts characters."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Give `path:line:column`, leaving out what is unknown."""
        parts = [self.path, *(str(n) for n in (self.line, self.column) if n)]
        return ":".join(parts)


class ImagebotError(Exception):
    """Anything imagebot raises on purpose.

    `message` says what is wrong, `hint` what to do, `where` the place in a file. `retryable`
    means that the same call may succeed later without anyone changing anything.
    """

    exit_code = EXIT_BUG

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        where: Where | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where
        self.retryable = retryable

    def __str__(self) -> str:
        """One line: place, message, hint."""
        place = f"{self.where}: " if self.where else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.message}{hint}"


class UsageError(ImagebotError):
    """The command line asks for something impossible."""

    exit_code = EXIT_USAGE


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a configuration file: where it is, what it is, what to do."""

    where: Where
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """One line: place, message, hint."""
        return f"{self.where}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class ConfigError(ImagebotError):
    """A configuration file is wrong. `problems` holds every one of its problems."""

    exit_code = EXIT_USAGE

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PolicyError(ImagebotError):
    """A tag policy or filter cannot be compiled: an invalid range, pattern, template or name."""

    exit_code = EXIT_USAGE


class StartError(ImagebotError):
    """Git, forge or state is out of reach, so that nothing could start."""

    exit_code = EXIT_START


class BusyError(StartError):
    """Another run holds this repository. Nothing is wrong; there is nothing to do."""

    exit_code = EXIT_OK


class InvalidReference(ImagebotError):
    """A string is no image reference."""

    exit_code = EXIT_USAGE


class EditRefused(ImagebotError):
    """A file cannot be read or edited safely. It is left alone and reported."""

    exit_code = EXIT_PARTIAL


class PeerError(ImagebotError):
    """The other side of a wire failed. `not_before` (epoch seconds) says when it may be asked."""

    exit_code = EXIT_PARTIAL

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        where: Where | None = None,
        retryable: bool = False,
        status: int = 0,
        not_before: float = 0.0,
    ) -> None:
        super().__init__(message, hint=hint, where=where, retryable=retryable)
        self.status = status
        self.not_before = not_before


class RegistryError(PeerError):
    """A container registry or Docker Engine failed, or gave evidence that cannot be trusted."""


class ForgeError(PeerError):
    """A forge's API failed or refused."""


class DuplicatePullRequest(ForgeError):
    """The forge says that a pull request for this branch exists already (HTTP 409 or 422)."""


class NoCommits(ForgeError):
    """The base branch has every commit of the head branch, so there is nothing to request."""


class GitError(PeerError):
    """A git command failed. Its output is in the message, secrets removed."""

"""Secrets: read from the environment or a file, shown to nobody.

A secret is named in a configuration, never written there: `{env: NAME}` or `{file: PATH}`. It
refuses to know what a secret is for.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from imagebot.errors import StartError

MAX_BYTES = 64 * 1024
_WIDE = stat.S_IROTH | stat.S_IWOTH


class Secret:
    """A text that no log, traceback or repr shows. `reveal` gives it to who must send it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself. For the wire and for redaction, never for a message."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(...)"

    __str__ = __repr__

    def __format__(self, _: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> str:
        """Refuse to be pickled: a copy on disk would be a leak."""
        raise TypeError("a secret is never serialised")


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where a secret is found: the name of an environment variable, or the path of a file."""

    env: str = ""
    file: str = ""

    def __str__(self) -> str:
        return f"environment variable {self.env}" if self.env else f"file {self.file}"

    def read(self) -> Secret:
        """The secret, without one newline at its end. Raises StartError when there is none."""
        text = self._read_env() if self.env else self._read_file()
        text = text.removesuffix("\n").removesuffix("\r")
        if not text.strip():
            raise StartError(f"{self} holds an empty secret")
        return Secret(text)

    def warning(self) -> str:
        """What is careless about the place, in words; empty when nothing is."""
        if self.env:
            return ""
        try:
            mode = Path(self.file).stat().st_mode
        except OSError:
            return ""
        if not mode & _WIDE:
            return ""
        return f"{self} can be read by every user of this machine (mode {stat.S_IMODE(mode):04o})"

    def _read_env(self) -> str:
        found = os.environ.get(self.env)
        if found is None:
            raise StartError(f"{self} is not set", hint="set it, or correct its name")
        return found

    def _read_file(self) -> str:
        try:
            data = Path(self.file).read_bytes()
        except OSError as error:
            raise StartError(f"{self}: {error.strerror}", hint="mount it, or correct it") from error
        if len(data) > MAX_BYTES:
            raise StartError(f"{self} has {len(data)} bytes: no secret is that long")
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise StartError(f"{self} is no UTF-8 text") from None

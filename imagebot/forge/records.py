"""The files of a local pull request: a JSON record and a Markdown body, read and written whole.

Knows their format and how to write without ever showing half a file. Refuses to know git and
what a state means.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast, get_args

from imagebot.errors import ForgeError, Where
from imagebot.forge.fields import names, number, text
from imagebot.forge.port import State

MAX_BYTES = 8 * 1024 * 1024
PENDING = ".pending"
_HINT = "repair this file, or move it away"


@dataclass(frozen=True, slots=True)
class Record:
    """One request as it is stored, without its body. `head_sha` is the head last seen."""

    number: int
    state: State
    head: str
    base: str
    title: str
    head_sha: str = ""
    labels: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()


def read_record(path: Path) -> Record:
    """The record in a file. Raises ForgeError that names the file, and OSError."""
    data = _parse(path, _read(path))
    state = text(data, "state")
    record = Record(
        number=number(data, "number"),
        state=cast("State", state),
        head=text(data, "head"),
        base=text(data, "base"),
        title=text(data, "title"),
        head_sha=text(data, "head_sha"),
        labels=names(data, "labels"),
        comments=names(data, "comments"),
    )
    if str(record.number) != path.stem:
        raise _broken(path, f"its number is {record.number}")
    if state not in get_args(State):
        raise _broken(path, f"its state is {state[:20]!r}, not one of open, closed, merged")
    if not record.head or not record.base:
        raise _broken(path, "it names no head or no base branch")
    return record


def write_record(path: Path, record: Record) -> None:
    """Put a record in place of what is there."""
    _replace(path, json.dumps(asdict(record), indent=2, ensure_ascii=False) + "\n")


def read_body(path: Path) -> str:
    """The Markdown body of the record at `path`, '' when it has none."""
    body = path.with_suffix(".md")
    return _read(body) if body.exists() else ""


def write_body(path: Path, body: str) -> None:
    """Put a body beside the record at `path`."""
    _replace(path.with_suffix(".md"), body)


def write_both(path: Path, record: Record, body: str) -> None:
    """Put a record and its body in place together: killed anywhere, `finish` does the rest."""
    both = {"record": asdict(record), "body": body}
    _replace(path.with_suffix(PENDING), json.dumps(both, ensure_ascii=False))
    finish(path)


def finish(path: Path) -> None:
    """Do again what was begun by `write_both` and not finished. Doing it twice does no harm."""
    pending = path.with_suffix(PENDING)
    if not pending.exists():
        return
    both = _parse(pending, _read(pending))
    record = both.get("record")
    if not isinstance(record, dict):
        raise _broken(pending, "it holds no record")
    write_body(path, text(both, "body"))
    _replace(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    pending.unlink()


def _read(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise _broken(path, f"it is larger than {MAX_BYTES} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise _broken(path, "it is not UTF-8") from None


def _parse(path: Path, content: str) -> dict[str, Any]:
    try:
        data = json.loads(content)
    except json.JSONDecodeError as error:
        raise _broken(path, error.msg, error.lineno, error.colno) from None
    except (ValueError, RecursionError):
        raise _broken(path, "it is no sane JSON") from None
    if not isinstance(data, dict):
        raise _broken(path, "it is no JSON object")
    return data


def _broken(path: Path, why: str, line: int = 0, column: int = 0) -> ForgeError:
    where = Where(str(path), line, column)
    return ForgeError(f"the record of a pull request is broken: {why}", hint=_HINT, where=where)


def _replace(path: Path, content: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        # What mkstemp makes is private; people and the web server read this folder.
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise

"""The state in a SQL database: SQLite in a file by default, PostgreSQL by URL.

Knows tables, transactions and how a broken file is begun anew. It refuses to know what the
remembered texts mean.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    Engine,
    Executable,
    Row,
    Table,
    bindparam,
    create_engine,
    delete,
    event,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.schema import CreateTable, DropTable

from imagebot.errors import StartError
from imagebot.state import file, tables
from imagebot.state.damage import cause, is_damage, sqlite_code
from imagebot.state.port import Listing, Scan, Sighted, State

BUSY_SECONDS = 10.0
"""How long a writer waits for another one. A write takes well under a second."""

FORGET_SECONDS = 90 * 86_400.0
"""How old the sighting of a tag must be to be dropped, once no list has the tag any more."""

MOST_NAMES = 500
"""How many names one query holds: databases cap the parameters of a statement."""

T = TypeVar("T")


class SqlState(State):
    """A state in one SQL database. Threads take turns."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._warnings: list[str] = []
        self._turn = threading.Lock()
        self._engine = self._connect()
        try:
            self._prepare_tables()
        except _Busy as error:
            self._begin_anew(error.__cause__ or error, self._create_tables)

    @property
    def warnings(self) -> Sequence[str]:
        """What went wrong with the memory so far, in words."""
        return tuple(self._warnings)

    def recall_scans(self, repo_key: str, version: int) -> dict[str, Scan]:
        """The scans of one repo by path, when this version of the scanner wrote them."""
        scans = tables.scans.c
        query = select(scans.path, scans.blob_sha, scans.payload).where(
            scans.repo_key == repo_key, scans.version == version
        )
        rows = self._run(lambda connection: connection.execute(query).all())
        return {path: (blob_sha, payload) for path, blob_sha, payload in rows}

    def remember_scans(self, repo_key: str, version: int, rows: Mapping[str, Scan]) -> None:
        """Replace every scan of one repo, at once or not at all.

        A path that is no Unicode text (git allows any bytes) is left out: it is scanned again.
        """
        new = [
            {
                "repo_key": repo_key,
                "version": version,
                "path": path,
                "blob_sha": sha,
                "payload": payload,
            }
            for path, (sha, payload) in rows.items()
            if _is_text(path) and _is_text(payload)
        ]

        insert = self._insert(tables.scans)
        insert = insert.on_conflict_do_update(
            index_elements=["repo_key", "path"],
            set_={name: insert.excluded[name] for name in ("version", "blob_sha", "payload")},
        )

        def replace(connection: Connection) -> None:
            connection.execute(delete(tables.scans).where(tables.scans.c.repo_key == repo_key))
            if new:
                connection.execute(insert, new)

        self._run(replace)

    def until(self, host: str) -> float:
        """Epoch seconds before which the host must not be asked; 0.0 when it may be."""
        query = select(tables.deferrals.c.until).where(tables.deferrals.c.host == host)
        found = self._run(lambda connection: connection.execute(query).scalar())
        return 0.0 if found is None else float(found)

    def defer(self, host: str, until: float) -> None:
        """Leave a host alone until then (epoch seconds). An earlier time never shortens it."""
        statement = self._insert(tables.deferrals)
        statement = statement.on_conflict_do_update(
            index_elements=["host"],
            set_={"until": statement.excluded.until},
            where=statement.excluded.until > tables.deferrals.c.until,
        )
        self._write(statement, {"host": host, "until": until})

    def pull_number(self, repo_key: str, branch: str) -> int | None:
        """The number of the pull request last known for a branch."""
        pulls = tables.pulls.c
        query = select(pulls.number).where(pulls.repo_key == repo_key, pulls.branch == branch)
        return self._run(lambda connection: connection.execute(query).scalar())

    def remember_pull(self, repo_key: str, branch: str, number: int) -> None:
        """Remember the pull request of a branch."""
        row = {"repo_key": repo_key, "branch": branch, "number": number}
        self._upsert(tables.pulls, ("repo_key", "branch"), [row])

    def recall_image(self, repository: str, digest: str) -> str | None:
        """What was remembered of an image. Kept by repository: credentials are not crossed."""
        images = tables.images.c
        query = select(images.payload).where(
            images.repository == repository, images.digest == digest
        )
        found = self._run(lambda connection: connection.execute(query).scalar())
        return None if found is None else str(found)

    def remember_image(self, repository: str, digest: str, payload: str) -> None:
        """Remember an image by its digest."""
        statement = self._insert(tables.images).on_conflict_do_nothing()
        row = {"repository": repository, "digest": digest, "payload": payload}
        self._write(statement, row)

    def sightings(self, lists: Mapping[str, Sequence[str]], now: float) -> dict[str, Sighted]:
        """Look up all lists at once, and remember what is new."""
        known = self._sightings(list(lists))
        new: list[dict[str, Any]] = [
            {"repository": repository, "tag": tag, "at": now}
            for repository, tags in lists.items()
            for tag in dict.fromkeys(tags)
            if tag not in known.get(repository, ())
        ]
        self._forget_gone(known, lists, now)
        if new:
            self._write(self._insert(tables.sightings).on_conflict_do_nothing(), *new)
            # Read again: another process may have been earlier by a moment.
            known.update(self._sightings(list(dict.fromkeys(row["repository"] for row in new))))
        return {
            repository: (
                min(known.get(repository, {}).values(), default=now),
                {tag: known[repository][tag] for tag in tags},
            )
            for repository, tags in lists.items()
        }

    def _forget_gone(
        self,
        known: Mapping[str, Mapping[str, float]],
        lists: Mapping[str, Sequence[str]],
        now: float,
    ) -> None:
        """Drop tags that are long gone from their lists; each repository keeps its first look."""
        gone = [
            {"gone_repository": repository, "gone_tag": tag}
            for repository, seen in known.items()
            for tag in seen.keys() - set(lists[repository])
            if min(seen.values()) < seen[tag] < now - FORGET_SECONDS
        ]
        kept = tables.sightings.c
        statement = delete(tables.sightings).where(
            kept.repository == bindparam("gone_repository"), kept.tag == bindparam("gone_tag")
        )
        if gone:
            self._write(statement, *gone)

    def recall_listings(self, repo_key: str) -> dict[str, Listing]:
        """Sizes and doubts, as they were remembered."""
        kept = tables.listings.c
        query = select(kept.repository, kept.size, kept.doubts).where(kept.repo_key == repo_key)
        rows = self._run(lambda connection: connection.execute(query).all())
        return {row.repository: (int(row.size), int(row.doubts)) for row in rows}

    def remember_listings(self, repo_key: str, rows: Mapping[str, Listing]) -> None:
        """The last word wins."""
        new = [
            {"repo_key": repo_key, "repository": repository, "size": size, "doubts": doubts}
            for repository, (size, doubts) in rows.items()
        ]
        self._upsert(tables.listings, ("repo_key", "repository"), new)

    def digest_moves(
        self, digests: Mapping[tuple[str, str], str], now: float
    ) -> dict[tuple[str, str], tuple[str, float]]:
        """Compare with what is remembered, and remember what is new."""
        rows = self._rows_of(tables.digests, sorted({repository for repository, _ in digests}))
        known = {(row.repository, row.tag): row for row in rows}
        moves: dict[tuple[str, str], tuple[str, float]] = {}
        new: list[dict[str, Any]] = []
        for (repository, tag), digest in digests.items():
            row = known.get((repository, tag))
            if row is not None and row.digest == digest:
                moves[repository, tag] = (row.previous, float(row.since))
                continue
            previous = row.digest if row is not None else ""
            moves[repository, tag] = (previous, now)
            place = {"repository": repository, "tag": tag}
            new.append({**place, "digest": digest, "previous": previous, "since": now})
        self._upsert(tables.digests, ("repository", "tag"), new)
        return {place: move for place, move in moves.items() if move[0]}

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def _rows_of(self, table: Table, repositories: Sequence[str]) -> list[Row[Any]]:
        """Every row of these repositories, in as many queries as their number needs."""

        def read(connection: Connection) -> list[Row[Any]]:
            found: list[Row[Any]] = []
            for start in range(0, len(repositories), MOST_NAMES):
                part = repositories[start : start + MOST_NAMES]
                query = select(table).where(table.c.repository.in_(part))
                found += connection.execute(query).all()
            return found

        return self._run(read)

    def _upsert(self, table: Table, key: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows; one whose key exists replaces the other."""
        if not rows:
            return
        insert = self._insert(table)
        rest = [column.name for column in table.columns if column.name not in key]
        insert = insert.on_conflict_do_update(
            index_elements=list(key), set_={name: insert.excluded[name] for name in rest}
        )
        self._write(insert, *rows)

    def _sightings(self, repositories: Sequence[str]) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {}
        for row in self._rows_of(tables.sightings, repositories):
            found.setdefault(row.repository, {})[row.tag] = float(row.at)
        return found

    def _insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An insert that can say what happens to a row whose key exists already."""
        return sqlite.insert(table) if self._is_file else postgresql.insert(table)

    def _write(self, statement: Executable, *rows: Mapping[str, Any]) -> None:
        self._run(lambda connection: connection.execute(statement, rows))

    @property
    def _is_file(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    def _connect(self) -> Engine:
        if not self._is_file:
            return create_engine(self._url, pool_pre_ping=True)
        warning = file.prepare(Path(self._url.database or ""))
        if warning:
            self._warnings.append(warning)
        engine = create_engine(self._url, connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine, "connect", _configure_sqlite)
        return engine

    def _prepare_tables(self) -> None:
        """Make what is missing; throw away what is older, refuse what is newer."""
        version = self._run(self._create_tables)
        if version > tables.SCHEMA_VERSION:
            raise StartError(
                f"state {self._url.render_as_string()} was written by a newer imagebot "
                f"(schema {version}, this one knows {tables.SCHEMA_VERSION})",
                hint="run that version, or give this one another state URL",
            )
        if version < tables.SCHEMA_VERSION:
            self._run(_drop_tables)
            self._run(self._create_tables)

    def _create_tables(self, connection: Connection) -> int:
        for table in tables.metadata.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))
        about = {"name": "schema", "number": tables.SCHEMA_VERSION}
        connection.execute(self._insert(tables.about).on_conflict_do_nothing(), about)
        query = select(tables.about.c.number).where(tables.about.c.name == "schema")
        return int(connection.execute(query).scalar_one())

    def _run(self, work: Callable[[Connection], T]) -> T:
        """Do the work in one transaction; mend a damaged file and do it again, once.

        One thread at a time: SQLite has one writer anyway, and a file must not be moved aside
        under a connection that is in use.
        """
        with self._turn:
            try:
                return self._transact(work)
            except SQLAlchemyError as error:
                if not is_damage(error):
                    raise self._lost(error) from error
                return self._begin_anew(error, work)

    def _transact(self, work: Callable[[Connection], T]) -> T:
        with self._engine.begin() as connection:
            return work(connection)

    def _begin_anew(self, error: BaseException, work: Callable[[Connection], T]) -> T:
        """Move the file aside, start with an empty one, and do the work there."""
        path = Path(self._url.database or "")
        self._engine.dispose()
        try:
            aside = file.move_aside(path)
            self._warnings.append(
                f"state file {path}: {cause(error)}; moved to {aside.name}, begun anew"
            )
            self._engine = self._connect()
            self._transact(self._create_tables)
            return self._transact(work)
        except (OSError, SQLAlchemyError) as again:
            raise self._lost(again) from again

    def _lost(self, error: Exception) -> StartError:
        """The same failure in words, without statements, parameters or a password."""
        kind = _Busy if sqlite_code(error) == sqlite3.SQLITE_BUSY else StartError
        return kind(
            f"state {self._url.render_as_string()}: {cause(error)}",
            hint="check the disk or the database; the state is a cache and may be deleted",
        )


class _Busy(StartError):
    """Somebody holds the file for longer than any write takes."""


def open_state(url: str) -> SqlState:
    """Open the state at a URL. Raises StartError."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StartError("the state URL is no URL", hint="sqlite:///imagebot.db") from error
    backend = parsed.get_backend_name()
    if backend not in {"sqlite", "postgresql"}:
        raise StartError(f"state URL: {backend!r} is not supported", hint="sqlite or postgresql")
    if backend == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise StartError(
            "state URL: SQLite needs a file", hint="sqlite:////var/lib/imagebot/state.db"
        )
    try:
        return SqlState(parsed)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise StartError(
            f"state {parsed.render_as_string()}: its database driver is not installed",
            hint="pip install 'psycopg[binary]' and write postgresql+psycopg://",
        ) from error


def _configure_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """WAL lets readers read while one writes; a lost last write after a power cut is no harm.

    The switch to WAL stays in the file. SQLite does not wait for it when somebody else is using
    the new file at that moment: then that one switches, or the next to connect.
    """
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _drop_tables(connection: Connection) -> None:
    for table in tables.metadata.sorted_tables:
        connection.execute(DropTable(table, if_exists=True))


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

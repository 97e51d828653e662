"""What a database's error means: a file that is no database any more, or something passing.

Knows SQLAlchemy's and SQLite's errors. It refuses to know what is done about them.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

SQLITE_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def is_damage(error: SQLAlchemyError) -> bool:
    """Whether the file is no (whole) database. Tables that are gone went with the file."""
    code = sqlite_code(error)
    gone = code == sqlite3.SQLITE_ERROR and "no such table" in str(cause(error))
    return gone or code in SQLITE_DAMAGE


def cause(error: BaseException) -> object:
    """What the database said, without SQLAlchemy's copy of statement and parameters."""
    return error.orig if isinstance(error, DBAPIError) else error


def sqlite_code(error: Exception) -> int:
    """SQLite's primary result code, or 0."""
    return int(getattr(cause(error), "sqlite_errorcode", 0)) & 0xFF

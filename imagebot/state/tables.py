"""The tables of the state, and the number that says which imagebot wrote them.

Raise SCHEMA_VERSION with any change here: an older state is thrown away, a newer one is refused.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Integer, MetaData, Table, Text

SCHEMA_VERSION = 2

metadata = MetaData()

about = Table(
    "imagebot_about",
    metadata,
    Column("name", Text, primary_key=True),
    Column("number", Integer, nullable=False),
)
scans = Table(
    "imagebot_scans",
    metadata,
    Column("repo_key", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("blob_sha", Text, nullable=False),
    Column("payload", Text, nullable=False),
)
deferrals = Table(
    "imagebot_deferrals",
    metadata,
    Column("host", Text, primary_key=True),
    Column("until", Double, nullable=False),
)
pulls = Table(
    "imagebot_pulls",
    metadata,
    Column("repo_key", Text, primary_key=True),
    Column("branch", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
)
images = Table(
    "imagebot_images",
    metadata,
    Column("repository", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("payload", Text, nullable=False),
)
sightings = Table(
    "imagebot_sightings",
    metadata,
    Column("repository", Text, primary_key=True),
    Column("tag", Text, primary_key=True),
    Column("at", Double, nullable=False),
)
listings = Table(
    "imagebot_listings",
    metadata,
    Column("repo_key", Text, primary_key=True),
    Column("repository", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("doubts", Integer, nullable=False),
)
digests = Table(
    "imagebot_digests",
    metadata,
    Column("repository", Text, primary_key=True),
    Column("tag", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("since", Double, nullable=False),
)

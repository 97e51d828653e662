"""The shape of `.imagebot.yaml`: its keys, their types, defaults and meaning.

The one place where keys are named: loading, the JSON Schema and the reference follow it. It
refuses to know places in a text and what the values do.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from imagebot.config.glob import Glob
from imagebot.config.policyschema import POLICY_SCHEMA
from imagebot.config.settings import DEFAULT_LABELS, DEFAULT_LIMIT, Pin, Source, Step
from imagebot.config.shape import NOT_EMPTY, OneOrMany, Shape, checked, refusal, written
from imagebot.errors import PolicyError
from imagebot.policy import compile_filter, compile_policy
from imagebot.policy.guards import parse_age, parse_platform

MAX_LIMIT = 500

GlobText = Annotated[str, AfterValidator(checked(Glob))]
PatternText = Annotated[str, AfterValidator(checked(lambda text: compile_filter((text,), (), "")))]
Globs = Annotated[tuple[GlobText, ...], NOT_EMPTY, Field(json_schema_extra={"minItems": 1})]
Name = Annotated[
    str,
    written(r"\A[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?\Z", "lower case letters, digits and dashes"),
]
Label = Annotated[
    str, written(r"\A[^,\x00-\x1f]{1,50}\Z", "at most 50 characters, without a comma")
]
AgeText = Annotated[str, AfterValidator(checked(parse_age))]
PlatformText = Annotated[str, AfterValidator(checked(parse_platform))]
TagText = Annotated[str, written(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z", "a tag")]
PolicyMapping = Annotated[
    dict[str, Any], AfterValidator(checked(compile_policy)), WithJsonSchema(POLICY_SCHEMA)
]


class TagsShape(Shape):
    """Which tags take part. Patterns are RE2, searched anywhere in the tag unless anchored."""

    allow: Annotated[tuple[PatternText, ...], OneOrMany] = Field(
        default=(), description="A tag must match one of these patterns. Empty: every tag."
    )
    deny: Annotated[tuple[PatternText, ...], OneOrMany] = Field(
        default=(), description="A tag must match none of these patterns. Stronger than `allow`."
    )
    extract: str = Field(
        default="",
        description=(
            "What the policy reads of a tag: a template of groups of the allow pattern, such as "
            "`$version`. Empty: the whole tag."
        ),
    )

    @model_validator(mode="after")
    def _compile(self) -> Self:
        try:
            compile_filter(self.allow, self.deny, self.extract)
        except PolicyError as error:
            raise refusal(error) from error
        return self


class ImageShape(Shape):
    """One rule for images. For every key, the first rule that matches and sets it wins."""

    match: GlobText = Field(
        description=(
            "A glob on the image's repository, in full (`docker.io/library/nginx`) or as people "
            "write it (`nginx`)."
        )
    )
    policy: PolicyMapping | None = Field(
        default=None,
        description=(
            "Which tag wins: one policy and its option, such as `{semver: '>=1.4 <3'}`. Left "
            "out: inferred from the tag that runs now."
        ),
    )
    tags: TagsShape | None = Field(default=None, description="Which tags take part.")
    allow_downgrade: bool | None = Field(
        default=None,
        description="Whether the policy's choice may be older than what runs now. Default: false.",
    )
    enabled: bool | None = Field(
        default=None, description="Whether the image is kept current at all. Default: true."
    )
    minimum_age: AgeText | None = Field(
        default=None,
        description=(
            "How old an image must be, such as `90m`, `12h`, `3d` or `2w`. Default: of any age."
        ),
    )
    platforms: Annotated[tuple[PlatformText, ...] | None, OneOrMany] = Field(
        default=None,
        description=(
            "Platforms that an image must be built for, all of them, such as `linux/arm64`."
        ),
    )
    pin: Pin | None = Field(
        default=None,
        description=(
            "Which parts of the reference are written: `tag`, `digest` or `tag@digest`. Left out: "
            "those that are written now."
        ),
    )
    separate: Annotated[tuple[Step, ...] | None, OneOrMany] = Field(
        default=None,
        description=(
            "Steps that get a pull request of their own, beside the one for the smaller steps."
        ),
    )
    tag_list_shrink: Annotated[int, Field(ge=0, le=100)] | None = Field(
        default=None,
        description=(
            "By how many percent the list of tags may shrink between two runs before it is "
            "doubted. Default: 50; 100 never doubts."
        ),
    )
    source: Source | None = Field(
        default=None,
        description=(
            "Who knows its tags: `registry`, or `docker-daemon` for images that are built on "
            "this machine and that no registry serves. Default: registry."
        ),
    )
    release: Annotated[tuple[TagText, ...] | None, OneOrMany] = Field(
        default=None, description="Tags that were taken back and may come again."
    )


class EnvironmentShape(Shape):
    """One environment: a name for a set of paths."""

    name: Name = Field(description="Its name: lower case letters, digits and dashes.")
    paths: Globs = Field(description="Globs on the files that belong to it.")


class GroupShape(Shape):
    """Images that travel together, in one pull request for each environment."""

    name: Name = Field(description="Its name: part of the branch, so changing it opens anew.")
    match: Globs = Field(description="Globs on image repositories, in full or as people write it.")


class PullRequestsShape(Shape):
    """What pull requests look like and how many there may be."""

    labels: tuple[Label, ...] = Field(
        default=DEFAULT_LABELS, description="Labels that every new pull request gets."
    )
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = Field(
        default=DEFAULT_LIMIT,
        description="How many of the bot's pull requests may be open at once.",
    )


class FileShape(Shape):
    """Configuration of imagebot for one git repository, read from its default branch."""

    version: Literal[1] = Field(description="The version of this format.")
    paths: Globs = Field(
        default=("**",),
        description="Globs on the files to look at. No other file is read or changed.",
    )
    images: tuple[ImageShape, ...] = Field(
        default=(), description="Rules for images, first match first."
    )
    environments: tuple[EnvironmentShape, ...] = Field(
        default=(),
        description="Environments in the order of promotion. A file is in the first it matches.",
    )
    groups: tuple[GroupShape, ...] = Field(default=(), description="Images that travel together.")
    pull_requests: PullRequestsShape = Field(
        default=PullRequestsShape(),
        description="What pull requests look like and how many there may be.",
    )

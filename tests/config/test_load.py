"""Reading `.imagebot.yaml`: what is understood, and how every mistake is told."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebot.config import Config, find_config, load
from imagebot.errors import ConfigError, Problem

FULL = b"""# yaml-language-server: $schema=docs/imagebot.schema.json
version: 1
paths: ["kustomize/**", "clusters/**"]
images:
  - match: "ghcr.io/acme/*"
    policy: {semver: ">=1.4 <3"}
    tags: {allow: '^v?\\d+\\.\\d+\\.\\d+$', deny: ['-rc'], extract: ''}
  - match: nginx
    allowDowngrade: true
    enabled: false
    minimumAge: 3d
    platforms: [linux/amd64, linux/arm/v7]
    pin: tag@digest
    separate: [major, digest]
    tagListShrink: 30
environments:
  - {name: dev, paths: ["kustomize/overlays/dev/**"]}
  - name: production
    paths:
      - kustomize/overlays/production/**
groups: [{name: platform, match: ["ghcr.io/acme/platform-*"]}]
pullRequests:
  labels: [images, bot]
  limit: 3
"""


def problems(text: str | bytes) -> list[Problem]:
    data = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(ConfigError) as raised:
        load("conf.yaml", data)
    return list(raised.value.problems)


def load_or_problems(data: bytes) -> Config | list[Problem]:
    try:
        return load("conf.yaml", data)
    except ConfigError as error:
        return list(error.problems)


def test_a_whole_file_is_read() -> None:
    """Every key that is documented arrives in the configuration."""
    config = load(".imagebot.yaml", FULL)
    assert [str(glob) for glob in config.paths] == ["kustomize/**", "clusters/**"]
    assert [str(rule.match) for rule in config.rules] == ["ghcr.io/acme/*", "nginx"]
    assert str(config.rules[0].policy).startswith("semver")
    assert config.rules[0].tag_filter is not None
    assert set(config.rules[0].tag_filter.apply(["v1.2.3", "1.2.3-rc", "x"]).texts) == {"v1.2.3"}
    assert (config.rules[1].allow_downgrade, config.rules[1].enabled) == (True, False)
    guarded = config.rules[1]
    assert (guarded.minimum_age, guarded.platforms) == (259_200, ("linux/amd64", "linux/arm/v7"))
    assert (guarded.pin, guarded.separate) == ("tag@digest", ("major", "digest"))
    assert guarded.tag_list_shrink == 30
    assert [(e.name, [str(g) for g in e.paths]) for e in config.environments] == [
        ("dev", ["kustomize/overlays/dev/**"]),
        ("production", ["kustomize/overlays/production/**"]),
    ]
    assert config.groups[0].name == "platform"
    assert (config.pull_requests.labels, config.pull_requests.limit) == (("images", "bot"), 3)


@pytest.mark.parametrize(
    "text",
    [
        "version: 1",
        "version: 1\nimages:\npaths: ~\ngroups: null\npullRequests:\n",
        "version: 1\nimages: []\npullRequests: {}\n",
        "\ufeffversion: 1\r\nimages: []\r\n",
    ],
)
def test_what_is_left_out_is_the_default(text: str) -> None:
    """A missing key and a key without a value mean the default."""
    assert load("conf.yaml", text.encode()) == Config.default()


MISTAKES = [
    ("", "conf.yaml:1:1: 'version' is missing"),
    ("version: 2", "conf.yaml:1:10: version: must be 1"),
    ("version: '1'", "conf.yaml:1:10: version: must be 1"),
    ("version: 1\npath: [a]", "conf.yaml:2:1: unknown key 'path' (did you mean 'paths'?)"),
    (
        "version: 1\npull_requests: {}",
        "2:1: unknown key 'pull_requests' (did you mean 'pullRequests'?)",
    ),
    (
        "version: 1\nzzz:\n  a: 1",
        "2:1: unknown key 'zzz' (known: version, paths, images, environments, groups, pullRequests)",
    ),
    ("version: 1\nfoo:", "2:1: unknown key 'foo'"),
    ("version: 1\npaths: []", "2:8: paths: must not be an empty list"),
    ("version: 1\npaths: a", "2:8: paths: must be a list"),
    ("version: 1\npaths: [1.20]", "2:9: paths[0]: must be text (put it in quotes)"),
    ("version: 1\npaths: ['/a']", "2:9: paths[0]: patterns have no leading '/' (write 'a')"),
    ("version: 1\npaths: ['a', 'b/**c']", "2:14: paths[1]: `**` stands for whole parts"),
    ("version: 1\nimages: {}", "2:9: images: must be a list"),
    ("version: 1\nimages: [nginx]", "2:10: images[0]: must be a mapping"),
    ("version: 1\nimages: [{}]", "2:10: images[0]: 'match' is missing"),
    (
        "version: 1\nimages:\n  - match: a\n    polcy: {}",
        "4:5: images[0]: unknown key 'polcy' (did you mean 'policy'?)",
    ),
    (
        "version: 1\nimages:\n  - match: a\n    policy: {}",
        "4:13: images[0].policy: a policy is a mapping of exactly one name",
    ),
    (
        "version: 1\nimages:\n  - match: a\n    policy: semver",
        "4:13: images[0].policy: must be a mapping",
    ),
    (
        "version: 1\nimages:\n  - match: a\n    policy: {semverr: '*'}",
        "4:13: images[0].policy: there is no policy 'semverr' (did you mean semver?)",
    ),
    ("version: 1\nimages:\n  - match: a\n    policy: {semver: '>=q'}", "4:13: images[0].policy: "),
    (
        "version: 1\nimages:\n  - match: a\n    tags: {allow: ['a', '(b']}",
        "4:25: images[0].tags.allow[1]: pattern '(b'",
    ),
    (
        "version: 1\nimages:\n  - match: a\n    tags: {deny: 'a(?!b)'}",
        "4:18: images[0].tags.deny[0]: pattern",
    ),
    (
        "version: 1\nimages:\n  - match: a\n    tags: {extract: '$v'}",
        "4:11: images[0].tags: extract '$v' has no pattern",
    ),
    (
        "version: 1\nimages:\n  - match: a\n    tags: {alow: a}",
        "4:12: images[0].tags: unknown key 'alow' (did you mean 'allow'?)",
    ),
    (
        "version: 1\nimages:\n  - match: a\n    enabled: yes",
        "4:14: images[0].enabled: must be true or false (without quotes)",
    ),
    (
        "version: 1\nimages:\n  - match: a\n    enabled: 'true'",
        "4:14: images[0].enabled: must be true or false",
    ),
    (
        "version: 1\nimages:\n  - match: a\n    minimumAge: 3y",
        "4:17: images[0].minimumAge: '3y' is no age (a number and m, h, d or w, such as 3d)",
    ),
    (
        "version: 1\nimages:\n  - match: a\n    minimumAge: 3",
        "4:17: images[0].minimumAge: must be text (put it in quotes)",
    ),
    (
        "version: 1\nimages:\n  - match: a\n    platforms: [linux/amd64, arm64]",
        "4:30: images[0].platforms[1]: 'arm64' is no platform (os/architecture[/variant]",
    ),
    (
        "version: 1\nimages:\n  - match: a\n    pin: digests",
        "4:10: images[0].pin: must be 'tag', 'digest' or 'tag@digest' (did you mean 'digest'?)",
    ),
    (
        "version: 1\nimages:\n  - match: a\n    separate: [majr]",
        "4:16: images[0].separate[0]: must be 'major', 'minor', 'patch' or 'digest' (did you mean 'major'?)",
    ),
    (
        "version: 1\nimages:\n  - match: a\n    tagListShrink: 101",
        "4:20: images[0].tagListShrink: must be at most 100",
    ),
    (
        "version: 1\nimages:\n  - match: a\n    minimumage: 3d",
        "4:5: images[0]: unknown key 'minimumage' (did you mean 'minimumAge'?)",
    ),
    ("version: 1\nenvironments: [{name: dev}]", "2:16: environments[0]: 'paths' is missing"),
    (
        "version: 1\nenvironments: [{name: a/b, paths: [x]}]",
        "2:23: environments[0].name: 'a/b' is not allowed here (lower case letters, digits and dashes)",
    ),
    (
        "version: 1\ngroups: [{name: a, match: [x]}, {name: a, match: [y]}]",
        "2:40: groups[1]: groups[0] has the name 'a' too",
    ),
    ("version: 1\npullRequests: {limit: 0}", "2:23: pullRequests.limit: must be at least 1"),
    ("version: 1\npullRequests: {limit: 1.5}", "2:23: pullRequests.limit: must be a whole number"),
    (
        "version: 1\npullRequests: {limit: '5'}",
        "2:23: pullRequests.limit: must be a whole number (without quotes)",
    ),
    ("version: 1\npullRequests: {limit: true}", "2:23: pullRequests.limit: must be a whole number"),
    (
        "version: 1\npullRequests: {labels: ['a,b']}",
        "2:25: pullRequests.labels[0]: 'a,b' is not allowed here (at most 50 characters, without a comma)",
    ),
    (
        "version: 1\nimages:\n  - {match: a, enabled: true}\n  - {match: a, enabled: false}",
        "4:16: images[1].enabled never counts: images[0] has the same match and sets 'enabled' already",
    ),
    ("version: 1\nversion: 1", "2:1: 'version' is written twice (first on line 1)"),
    ("version: !!int 1", "1:10: YAML tags such as 'tag:yaml.org,2002:int' are not supported"),
    ("version: 1\nimages: !!python/object:os.system []", "2:9: YAML tags such as"),
    ("version: 1\n<<: {paths: [a]}", "2:1: merge keys are not supported"),
    ("version: 1\n---\nversion: 1", "3:1: a second document (remove '---' and what follows)"),
    ("- version: 1", "1:1: the file must be a mapping"),
    ("just text", "1:1: the file must be a mapping"),
    ("version: 1\npaths: [a", "not valid YAML"),
    ("version: {{ .Values.v }}", "conf.yaml:1"),
    ("version: 1\n\tpaths: []", "not valid YAML"),
]


@pytest.mark.parametrize(("text", "said"), MISTAKES)
def test_a_mistake_is_told_with_its_place(text: str, said: str) -> None:
    """Each mistake gives one problem: file, line and column, plain words, and what to do."""
    found = problems(text)
    assert len(found) == 1
    assert said in str(found[0])


def test_every_mistake_is_told_at_once() -> None:
    """Mistakes of every kind come together, in the order of the file."""
    found = problems(
        "version: 3\n"
        "pathes: [a]\n"
        "images:\n"
        "  - {match: a, policy: {semver: '>='}, enabled: no}\n"
        "  - {policy: {digest: latest}}\n"
        "groups:\n"
        "  - {name: x, match: []}\n"
        "  - {name: x, match: ['a**']}\n"
    )
    assert [(p.where.line, p.where.column) for p in found] == [
        (1, 10),
        (2, 1),
        (4, 24),
        (4, 49),
        (5, 5),
        (7, 22),
        (8, 12),
        (8, 23),
    ]


@pytest.mark.parametrize(
    "data", [b"\x00", b"\xff\xfev\x00", b"version: \xff", b"<<<<<<< HEAD\nversion: 1\n"]
)
def test_what_is_no_text_is_refused(data: bytes) -> None:
    """Binary files, other encodings and leftovers of a merge are named, never guessed."""
    assert len(problems(data)) == 1


def test_an_alias_is_what_it_stands_for() -> None:
    """Plain anchors and aliases are allowed, and a mistake in one is told where it is used."""
    config = load(
        "c", b"version: 1\npaths: &all ['a/**']\nenvironments: [{name: dev, paths: *all}]\n"
    )
    assert str(config.environments[0].paths[0]) == "a/**"
    found = problems("version: 1\npaths: ['a']\ngroups: [{name: &n a, match: *n}]")
    assert str(found[0]).startswith("conf.yaml:3:30: groups[0].match: must be a list")


def test_a_bomb_of_aliases_is_refused() -> None:
    """Aliases that multiply end in a refusal within a second, not in memory."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for previous, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{previous}'] * 10)}]")
    start = time.process_time()
    assert problems("version: 1\n" + "\n".join(lines))
    assert time.process_time() - start < 5


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.sampled_from(["a", "**", "", "1.20", "[", "$x"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "version",
                        "paths",
                        "images",
                        "match",
                        "policy",
                        "semver",
                        "tags",
                        "allow",
                        "groups",
                        "name",
                        "limit",
                        "pullRequests",
                        "x",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_yaml_gives_a_configuration_or_problems(value: object) -> None:
    """Whatever the file holds, the answer is a configuration or a list of places: no crash."""
    answer = load_or_problems(json.dumps(value).encode())
    assert isinstance(answer, Config) or all(problem.where.line for problem in answer)


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        ([], None),
        (["README.md"], None),
        ([".imagebot.yaml", "a"], ".imagebot.yaml"),
        ([".github/imagebot.yaml"], ".github/imagebot.yaml"),
        (["deep/.imagebot.yaml"], None),
    ],
)
def test_the_configuration_is_found_by_name(paths: list[str], found: str | None) -> None:
    """Two names are known; a repo without either uses the defaults."""
    assert find_config(paths) == found


@pytest.mark.parametrize(
    "paths",
    [
        [".imagebot.yaml", ".github/imagebot.yaml"],
        [".imagebot.yml"],
        [".imagebot.yaml", ".github/imagebot.yml"],
    ],
)
def test_two_or_misspelt_configurations_are_refused(paths: list[str]) -> None:
    """A file that would be silently ignored is an error that names it."""
    with pytest.raises(ConfigError) as raised:
        find_config(paths)
    assert raised.value.problems[0].hint


def test_starting_up_is_cheap() -> None:
    """Importing the configuration costs at most 150 ms of CPU and loads no pydantic."""
    code = (
        "import sys, time; start = time.process_time(); import imagebot.config;"
        "print(time.process_time() - start, *sorted({'pydantic', 'requests', 'sqlalchemy', 're2'} & set(sys.modules)))"
    )
    costs = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        cost, *heavy = done.stdout.split()
        assert heavy == []
        costs.append(float(cost))
    assert min(costs) < 0.15

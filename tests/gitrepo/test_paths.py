from __future__ import annotations

import pytest

from imagebot.errors import EditRefused
from imagebot.gitrepo.paths import check_editable

REFUSED = [
    "",
    "/etc/passwd",
    "a//b",
    "a/",
    "./a",
    "a/../b",
    "..",
    ".",
    "a\0b",
    "x" * 5000,
    ".git/config",
    "a/.git/config",
    ".GIT/config",
    ".git /config",
    ".git./config",
    ".g\u200cit/config",
    "git~1/config",
    ".gitattributes",
    "a/.gitmodules",
    ".gitignore",
    ".github/workflows/ci.yaml",
    ".GitHub/workflows/ci.yaml",
    ".gitlab-ci.yml",
    ".gitlab/ci/x.yml",
    ".circleci/config.yml",
    "Jenkinsfile",
    "ci/Jenkinsfile.prod",
    "azure-pipelines.yml",
    "azure-pipelines/build.yml",
    ".travis.yml",
    ".drone.yml",
    "bitbucket-pipelines.yml",
    ".forgejo/workflows/x.yaml",
    ".gitea/workflows/x.yaml",
    "sub/.woodpecker/x.yaml",
    ".woodpecker.yaml",
    ".buildkite/pipeline.yml",
    ".tekton/push.yaml",
    "cloudbuild.yaml",
    "buildspec.yml",
    "appveyor.yml",
]


@pytest.mark.parametrize("path", REFUSED)
def test_git_and_ci_files_are_never_changed(path: str) -> None:
    """Files of git, of forges and of CI systems, and paths that are not plain, are refused."""
    with pytest.raises(EditRefused):
        check_editable(path)


@pytest.mark.parametrize(
    "path",
    [
        "kustomization.yaml",
        "clusters/production/apps.yaml",
        "a/git/b.yaml",
        "gitops/x.yaml",
        "-x.yaml",
        "a b.yaml",
        "ü/ß.yaml",
        ".imagebot.yaml",
        "jenkins/values.yaml",
        "..a/b",
    ],
)
def test_ordinary_files_may_be_changed(path: str) -> None:
    """A plain relative path is accepted, odd characters or not."""
    check_editable(path)

"""imagebot: pull requests for new image tags in GitOps repositories. Knows its version only."""

__version__ = "0.1.0"

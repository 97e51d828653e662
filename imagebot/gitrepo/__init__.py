"""Git repositories: read and write commits without a working tree; edit a directory in place."""

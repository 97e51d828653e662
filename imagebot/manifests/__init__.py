"""Where image references are written in a GitOps repository, and how to change them there.

Knows kinds of files and the fields that decide what runs. It refuses to know registries, tag
policies, git and disks: a scan depends on a path and bytes only.
"""

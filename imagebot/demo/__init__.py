"""A whole cycle on this machine: an embedded registry, a bare repository, real pull requests.

It only sets the stage. What runs on it is the same path that `imagebot run` takes.
"""

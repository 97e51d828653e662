"""Forges: where pull requests live. One port, one adapter a forge."""

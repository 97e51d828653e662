"""YAML as text with places in it: where each scalar stands, and how to change one alone.

Knows YAML's syntax only. It refuses to know what a scalar means to Kubernetes or to this bot.
"""

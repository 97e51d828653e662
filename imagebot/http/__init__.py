"""The one HTTP layer. It knows deadlines, caps, retries, redirects and which secret goes where.

It refuses to know what is asked or answered: registries, forges and Prometheus are its callers.
"""

from __future__ import annotations

from imagebot.http.client import HttpClient
from imagebot.http.clock import Clock, SystemClock
from imagebot.http.gate import Deferrals, MemoryDeferrals
from imagebot.http.response import Headers, Response
from imagebot.http.strictjson import NotJson, parse_json
from imagebot.http.urls import Origin, Url, is_internal, is_loopback, parse_url, redact

__all__ = [
    "Clock",
    "Deferrals",
    "Headers",
    "HttpClient",
    "MemoryDeferrals",
    "NotJson",
    "Origin",
    "Response",
    "SystemClock",
    "Url",
    "is_internal",
    "is_loopback",
    "parse_json",
    "parse_url",
    "redact",
]

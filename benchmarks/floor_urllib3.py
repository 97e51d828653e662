"""The same floor over urllib3, which requests, and so imagebot, stands on."""

from __future__ import annotations

import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import urllib3

POOL = urllib3.PoolManager(maxsize=16)


def tags(name: str) -> list[str]:
    host, _, path = name.partition("/")
    found, url = [], f"/v2/{path}/tags/list?n=1000"
    while url:
        answer = POOL.request("GET", f"http://{host}{url}")
        found += json.loads(answer.data)["tags"]
        url = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
    return found


if __name__ == "__main__":
    names = {
        match[1]
        for file in Path().rglob("*.yaml")
        for match in re.finditer(r"newName: (\S+)", file.read_text("utf-8"))
    }
    with ThreadPoolExecutor(16) as pool:
        sys.stdout.write(f"{sum(map(len, pool.map(tags, names)))}\n")

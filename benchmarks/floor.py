"""The floor for `imagebot plan`: the least Python that walks the tree and reads the same lists."""

from __future__ import annotations

import http.client
import json
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

LOCAL = threading.local()


def tags(name: str) -> list[str]:
    host, _, path = name.partition("/")
    if not hasattr(LOCAL, "connection"):
        LOCAL.connection = http.client.HTTPConnection(host)
    found, url = [], f"/v2/{path}/tags/list?n=1000"
    while url:
        LOCAL.connection.request("GET", url)
        answer = LOCAL.connection.getresponse()
        found += json.loads(answer.read())["tags"]
        url = (answer.getheader("Link") or "").partition(">")[0].removeprefix("<")
    return found


if __name__ == "__main__":
    names = {
        match[1]
        for file in Path().rglob("*.yaml")
        for match in re.finditer(r"newName: (\S+)", file.read_text("utf-8"))
    }
    with ThreadPoolExecutor(16) as pool:
        sys.stdout.write(f"{sum(map(len, pool.map(tags, names)))}\n")

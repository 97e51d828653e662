"""YAML texts in many styles, made by an emitter of its own that writes down where it put what."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

KeyPath = tuple[str | int, ...]
_PLAIN = re.compile(r"[A-Za-z0-9_./@é😀][A-Za-z0-9_./@:é😀+-]*", re.ASCII)

TEXTS = st.sampled_from(
    [
        "1.2.3", "1.10", "v1", "latest", "nginx:1.2", "ghcr.io/acme/web:1.2", "localhost:5000/a@sha256:ab", "true", "null",
        "it's", 'say "x"', "# no comment", "a: b", "", "é😀", "a b  c", "back\\slash", "--- x", "{{ .x }}", "0755", "x" * 90,
    ]
)  # fmt: skip
_BLOCKS = st.sampled_from(["a\nb", "--- x\n...\n# y", "image: x:1\n\n  deep", "{{ x }}", "'\"\\"])
_KEYS = [
    "image",
    "images",
    "newTag",
    "containers",
    "name",
    "a b",
    "é",
    "it's",
    "x: y",
    "kind",
    "sopsy",
    "items",
]
_COMMENTS = st.sampled_from(
    ["", "", "", " # c", '  # it\'s "x" # y', " # --- {{ x }}", " #é😀", " # image: x:1", " #"]
)
TREES = st.recursive(
    TEXTS | _BLOCKS,
    lambda below: (
        st.lists(below, max_size=4) | st.dictionaries(st.sampled_from(_KEYS), below, max_size=4)
    ),
    max_leaves=14,
)


@dataclass(frozen=True)
class Put:
    """A scalar the emitter wrote: where, what, and whether one line of flow style holds it."""

    document: int
    keys: KeyPath
    text: str
    start: int
    end: int
    block: bool = False
    alias: str = ""


@dataclass
class Texts:
    """An emitted file: its text, its scalars, and its documents as strings, lists and dicts."""

    text: str = ""
    puts: list[Put] = field(default_factory=list)
    trees: list[Any] = field(default_factory=list)
    bom: bool = False

    @property
    def data(self) -> bytes:
        return (b"\xef\xbb\xbf" if self.bom else b"") + self.text.encode()


class _Emitter:
    def __init__(self, draw: Any, out: Texts, newline: str) -> None:
        self.draw, self.out, self.newline = draw, out, newline
        self.document = -1
        self.step = draw(st.sampled_from([2, 4]))
        self.anchors: dict[str, str] = {}

    def write(self, text: str) -> None:
        self.out.text += text

    def line_end(self) -> None:
        self.write(self.draw(_COMMENTS) + self.newline)

    def chance(self, of: int) -> bool:
        return self.draw(st.integers(0, of)) == 0

    def scalar(self, keys: KeyPath, text: str, *, flow: bool) -> None:
        if not flow and self.anchors and self.chance(4):
            known = [name for name, held in self.anchors.items() if held == text]
            if known:
                self.write(f"*{known[-1]}")
                self.out.puts.append(Put(self.document, keys, text, 0, 0, alias=known[-1]))
                return
        if self.chance(8):
            name = f"x{len(self.anchors)}"
            self.anchors[name] = text
            self.write(f"&{name} ")
        if self.chance(8):
            self.write("!!str ")
        styles = ["double"]
        if _PLAIN.fullmatch(text):
            styles += ["plain", "plain"]
        if "\n" not in text:
            styles += ["single"]
        written = self.flow_style(text, self.draw(st.sampled_from(styles)))
        start = len(self.out.text)
        self.write(written)
        self.out.puts.append(Put(self.document, keys, text, start, len(self.out.text)))

    def flow_style(self, text: str, style: str) -> str:
        if style == "plain":
            return text
        if style == "single":
            return "'" + text.replace("'", "''") + "'"
        return json.dumps(text, ensure_ascii=self.chance(1) and "😀" not in text)

    def literal(self, keys: KeyPath, text: str, indent: int) -> None:
        start = len(self.out.text)
        self.write("|-")
        self.line_end()
        for line in text.split("\n"):
            self.write((" " * indent + line if line else "") + self.newline)
        self.out.puts.append(Put(self.document, keys, text, start, len(self.out.text), block=True))

    def key(self, key: str) -> str:
        plain = re.fullmatch(r"[a-zA-Zé ]+", key)
        styles = ["double", "single", *(["plain"] * 4 if plain else [])]
        return self.flow_style(key, self.draw(st.sampled_from(styles)))

    def flow(self, keys: KeyPath, node: Any) -> None:
        if isinstance(node, str):
            self.scalar(keys, node, flow=True)
            return
        mapping = isinstance(node, dict)
        self.write("{" if mapping else "[")
        items = node.items() if mapping else enumerate(node)
        for position, (key, value) in enumerate(items):
            self.write(self.draw(st.sampled_from([", ", " , "])) if position else "")
            if mapping:
                self.write(self.key(key) + ": ")
            self.flow((*keys, key), value)
        self.write(" }" if mapping else " ]")

    def value(self, keys: KeyPath, node: Any, indent: int, *, compact: bool) -> None:
        """What stands behind `key:` or `-`, and the end of its line."""
        if isinstance(node, str) and "\n" in node and not re.search(r"^ ", node) and self.chance(1):
            self.write(" ")
            self.literal(keys, node, indent)
        elif isinstance(node, str) or not node or self.chance(3):
            self.write(" ")
            self.flow(keys, node) if not isinstance(node, str) else self.scalar(
                keys, node, flow=False
            )
            self.line_end()
        elif compact and self.chance(1):
            self.write(" ")
            self.block(keys, node, indent, inline=True)
        else:
            self.line_end()
            self.block(keys, node, indent)

    def block(self, keys: KeyPath, node: Any, indent: int, *, inline: bool = False) -> None:
        mapping = isinstance(node, dict)
        for position, (key, value) in enumerate(node.items() if mapping else enumerate(node)):
            if not (inline and position == 0):
                if self.chance(8):
                    self.write(" " * indent + "# own line: image" + self.newline)
                self.write(" " * indent)
            self.write(self.key(key) + ":" if mapping else "-")
            below = indent + (self.step if mapping else 2)
            self.value((*keys, key), value, below, compact=not mapping)

    def root(self, node: Any) -> None:
        self.document += 1
        self.anchors = {}
        self.out.trees.append(node)
        explicit = self.document > 0 or self.chance(1)
        if explicit:
            self.write("---")
            self.line_end()
        if self.chance(3):
            self.write(f"# head {{{{ x }}}}{self.newline}{self.newline}")
        if isinstance(node, str) or not node:
            self.flow((), node)
            self.line_end()
        else:
            self.block((), node, 0)


@st.composite
def yaml_texts(draw: Any, trees: Any = TREES, documents: int = 3) -> Texts:
    """Files of one or more documents, with LF or CRLF, with or without a byte order mark."""
    out = Texts(bom=draw(st.booleans()))
    emitter = _Emitter(draw, out, draw(st.sampled_from(["\n", "\n", "\r\n"])))
    for tree in draw(st.lists(trees, min_size=1, max_size=documents)):
        emitter.root(tree)
    if draw(st.booleans()) and not (out.puts and out.puts[-1].block):
        out.text = out.text.removesuffix("\n").removesuffix("\r")
    return out

"""A reader for the PowerShell text that ``render`` makes, after PowerShell's own scanner.

It is written from the tokenizer's rules, not from ``render``: any of five characters opens and closes a single-quoted
literal; two of them in a row, in any mixture, are one character, the second.
"""

from __future__ import annotations

import base64
import re

SINGLE = frozenset("\u0027\u2018\u2019\u201a\u201b")
DASH = frozenset("-\u2013\u2014\u2015")


def scan_single_quoted(text: str, at: int) -> tuple[str, int]:
    """Give the literal that begins at ``at`` and where the text goes on (ScanStringLiteral)."""
    assert text[at] in SINGLE
    value, at = [], at + 1
    while at < len(text):
        character = text[at]
        at += 1
        if character in SINGLE:
            if at < len(text) and text[at] in SINGLE:
                value.append(text[at])
                at += 1
                continue
            return "".join(value), at
        value.append(character)
    raise SyntaxError("the literal is not closed")


class Reader:
    """Reads commands of the subset: a name, then parameters with one literal each."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def commands(self) -> list[tuple[str, list[tuple[str, object]]]]:
        found = [self.command()]
        while self.take(" | "):
            found.append(self.command())
        if self.at != len(self.text):
            raise SyntaxError(f"something follows the command: {self.text[self.at :]!r}")
        return found

    def command(self) -> tuple[str, list[tuple[str, object]]]:
        name = self.match(r"[A-Za-z]+-[A-Za-z]+")
        parameters: list[tuple[str, object]] = []
        while self.text.startswith(" -", self.at):
            self.take(" -")
            parameter = self.match(r"[A-Za-z][A-Za-z0-9]*")
            if not self.take(":"):
                self.need(" ")
            parameters.append((parameter, self.value()))
        return name, parameters

    def value(self) -> object:
        for word, value in (("$true", True), ("$false", False), ("$null", None)):
            if self.take(word):
                return value
        if self.text[self.at] in SINGLE:
            literal, self.at = scan_single_quoted(self.text, self.at)
            return literal
        if self.take("@("):
            return self.array()
        if self.take("([Convert]::FromBase64String("):
            return base64.b64decode(self.closed("))"), validate=True)
        if self.take("([Text.Encoding]::Unicode.GetString([Convert]::FromBase64String("):
            return base64.b64decode(self.closed(")))"), validate=True).decode("utf-16-le")
        if self.take("("):
            number = int(self.match(r"-\d+"))
            self.need(")")
            return number
        return int(self.match(r"\d+"))

    def array(self) -> tuple[object, ...]:
        items: list[object] = []
        while not self.take(")"):
            if items:
                self.need(",")
            items.append(self.value())
        return tuple(items)

    def closed(self, end: str) -> str:
        literal, self.at = scan_single_quoted(self.text, self.at)
        self.need(end)
        return literal

    def take(self, word: str) -> bool:
        if self.text.startswith(word, self.at):
            self.at += len(word)
            return True
        return False

    def need(self, word: str) -> None:
        if not self.take(word):
            raise SyntaxError(f"{word!r} is missing before {self.text[self.at :]!r}")

    def match(self, pattern: str) -> str:
        match = re.compile(pattern).match(self.text, self.at)
        if not match:
            raise SyntaxError(f"unreadable: {self.text[self.at :]!r}")
        self.at = match.end()
        return match[0]

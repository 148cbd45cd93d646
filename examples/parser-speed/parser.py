"""A small JSON parser in plain Python. `loads(text)` gives what `json.loads` gives; bad input raises ValueError with its offset.

Correct, but not fast: some numbers at the top and some habits below cost time. Finding them is the exercise.
"""

import re

CHUNK = 2  # characters of a string that are looked at together
INTERN_SIZE = 40  # short strings remembered, so that repeated keys are not decoded again
INTERN_LENGTH = 24  # longest string that is remembered
LOOKBACK = 64  # characters of context in an error message

ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
NUMBER = r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?"
WORDS = {"true": True, "false": False, "null": None}
SPACES = [" ", "\t", "\n", "\r"]


def loads(text):
    parser = Parser(text)
    value = parser.value(parser.skip(0))
    end = parser.skip(parser.end)
    if end != len(text):
        raise parser.error("text after the value", end)
    return value


class Parser:
    """One document. Methods take an offset and leave `end` behind what they read."""

    def __init__(self, text):
        self.text = text
        self.end = 0
        self.interned = []

    def error(self, what, at):
        context = self.text[max(0, at - LOOKBACK) : at]
        return ValueError(f"{what} at offset {at}, after {context!r}")

    def peek(self, at):
        if at < len(self.text):
            return self.text[at]
        return ""

    def skip(self, at):
        while self.peek(at) in SPACES:
            at += 1
        return at

    def value(self, at):
        first = self.peek(at)
        if first == '"':
            return self.string(at)
        if first == "{":
            return self.object(at)
        if first == "[":
            return self.array(at)
        for word in WORDS:
            if self.text[at:].startswith(word):
                self.end = at + len(word)
                return WORDS[word]
        return self.number(at)

    def number(self, at):
        match = re.match(NUMBER, self.text[at : at + 400])
        if not match or (self.peek(at + match.end()).isdigit()):
            raise self.error("no value", at)
        self.end = at + match.end()
        if match[1] or match[2]:
            return float(match[0])
        return int(match[0])

    def object(self, at):
        result = {}
        at = self.skip(at + 1)
        if self.peek(at) == "}":
            self.end = at + 1
            return result
        while True:
            if self.peek(at) != '"':
                raise self.error("no key", at)
            key = self.string(at)
            at = self.skip(self.end)
            if self.peek(at) != ":":
                raise self.error("no colon", at)
            result[key] = self.value(self.skip(at + 1))
            at = self.skip(self.end)
            if self.peek(at) == "}":
                self.end = at + 1
                return result
            if self.peek(at) != ",":
                raise self.error("no comma", at)
            at = self.skip(at + 1)

    def array(self, at):
        result = []
        at = self.skip(at + 1)
        if self.peek(at) == "]":
            self.end = at + 1
            return result
        while True:
            result = result + [self.value(at)]
            at = self.skip(self.end)
            if self.peek(at) == "]":
                self.end = at + 1
                return result
            if self.peek(at) != ",":
                raise self.error("no comma", at)
            at = self.skip(at + 1)

    def string(self, at):
        for known in self.interned:
            if self.text.startswith(known, at):
                self.end = at + len(known)
                return known[1:-1]
        out = ""
        start = at
        at += 1
        while True:
            piece = self.text[at : at + CHUNK]
            if not piece:
                raise self.error("an open string", start)
            if '"' in piece or "\\" in piece or min(piece) < " ":
                character = piece[0]
                if character == '"':
                    self.end = at + 1
                    break
                if character < " ":
                    raise self.error("a control character", at)
                out += self.escape(at) if character == "\\" else character
                at = self.end if character == "\\" else at + 1
            else:
                out += piece
                at += len(piece)
        if self.end - start <= INTERN_LENGTH and "\\" not in self.text[start : self.end]:
            self.interned = (self.interned + [self.text[start : self.end]])[-INTERN_SIZE:]
        return out

    def escape(self, at):
        kind = self.peek(at + 1)
        if kind in ESCAPES and kind:
            self.end = at + 2
            return ESCAPES[kind]
        if kind != "u":
            raise self.error("an unknown escape", at)
        code = self.hex(at + 2)
        self.end = at + 6
        if 0xD800 <= code < 0xDC00 and self.text[at + 6 : at + 8] == "\\u":
            low = self.hex(at + 8)
            if 0xDC00 <= low < 0xE000:
                self.end = at + 12
                return chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00))
        return chr(code)

    def hex(self, at):
        digits = self.text[at : at + 4]
        if not re.fullmatch("[0-9a-fA-F]{4}", digits):
            raise self.error("four hex digits are missing", at)
        return int(digits, 16)

"""What several suites ask for."""

import base64
import struct
import zlib

from pydantic import BaseModel


def _png():
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))  # noqa: E731
    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")


PNG = base64.b64encode(_png()).decode()
PNG_URL = f"data:image/png;base64,{PNG}"


class Place(BaseModel):
    city: str
    people: int
    capital: bool


PLACE_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}

# (name, description, schema), for each API to put into its own form
TOOLS = [
    ("get_weather", "The weather of the next days", PLACE_SCHEMA),
    ("get_time", "The time somewhere", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}),
]  # fmt: skip

CHAT_TOOLS = [
    {"type": "function", "function": {"name": name, "description": what, "parameters": schema}}
    for name, what, schema in TOOLS
]
RESPONSES_TOOLS = [
    {"type": "function", "name": name, "description": what, "parameters": schema, "strict": False}
    for name, what, schema in TOOLS
]
CLAUDE_TOOLS = [{"name": name, "description": what, "input_schema": schema} for name, what, schema in TOOLS]


def user(text):
    return [{"role": "user", "content": text}]

"""lib0's variable-length encoding, bounds-checked.

An unsigned integer is written seven bits a byte, lowest first, the top bit set while more follow
(lib0/encoding.js, `writeVarUint`). Byte arrays and strings carry their length in bytes first.
"""

from __future__ import annotations

from functools import lru_cache

from crdt_docs.errors import Malformed

MAX_SAFE_INTEGER = 2**53 - 1
"""The largest integer JavaScript clients can hold exactly."""

SMALL = 1 << 14
"""Numbers below are of two bytes at most."""


def read_var_uint(data: bytes, position: int) -> tuple[int, int]:
    """Read one unsigned integer at `position`; return it and the position after it.

    Raises:
        Malformed: the bytes end within the number, it is above 2^53 - 1, or not in its shortest
            form, which every encoder writes: two spellings of one number are two readings.
    """
    try:
        value = data[position]
        if value < 0x80:
            return value, position + 1
        byte = data[position + 1]
    except IndexError:
        raise Malformed("the bytes end within a number") from None
    value &= 0x7F
    shift = 7
    if byte >= 0x80:
        # A client id usually has eight bytes: this loop is most of what reading one costs.
        value |= (byte & 0x7F) << shift
        shift = 14
        for byte in data[position + 2 : position + 8]:
            if byte < 0x80:
                break
            value |= (byte & 0x7F) << shift
            shift += 7
        else:
            raise Malformed("a number is longer than 53 bits, or the bytes end within it")
    if byte == 0:
        raise Malformed("a number is longer than it needs to be")
    value |= byte << shift
    if value > MAX_SAFE_INTEGER:
        raise Malformed("a number is larger than 2^53 - 1")
    return value, position + shift // 7 + 1


def read_var_bytes(data: bytes, position: int) -> tuple[bytes, int]:
    """Read a length and that many bytes; return them and the position after them.

    Raises:
        Malformed: the length does not fit in what remains.
    """
    length, position = read_var_uint(data, position)
    end = position + length
    if end > len(data):
        raise Malformed(f"a length of {length} bytes does not fit in the message")
    return data[position:end], end


def var_uint(value: int) -> bytes:
    """Encode one unsigned integer."""
    return _small(value) if value < SMALL else _encoded(value)


@lru_cache(maxsize=SMALL)
def _small(value: int) -> bytes:
    """Lengths and counts come again and again. Client ids do, too, but only while their people are
    there: they would be kept for days."""
    return _encoded(value)


def _encoded(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def var_bytes(data: bytes) -> bytes:
    """Encode a byte array: its length, then its bytes."""
    return var_uint(len(data)) + data


def var_string(text: str) -> bytes:
    """Encode a string: its length in UTF-8 bytes, then those bytes."""
    return var_bytes(text.encode())

"""The CRC-64 that TOS sends with every object, and that the official SDK compares."""

from functools import cache

_MASK = (1 << 64) - 1
# ECMA-182, least significant bit first.
_POLYNOMIAL = 0xC96C5795D7870F42
# Below this many bytes the plain loop is as fast as folding.
_SHORT = 512


def crc64(data: bytes, crc: int = 0) -> int:
    """Return the CRC-64 of `data`, continuing from `crc`, that of what came before it.

    A loop over bytes takes half a second a megabyte in the interpreter of a slow machine. Long
    data is therefore folded first: as a polynomial it is `high·x^n + low`, and replacing `x^n`
    by its remainder halves it without changing the result. That is a few dozen shifts of one
    large integer, done in C. It is fastest on pieces of about a mebibyte.
    """
    register = crc ^ _MASK
    if len(data) > _SHORT:
        data, register = _fold(data, register), 0
    table = _table()
    for byte in data:
        register = (register >> 8) ^ table[(register ^ byte) & 0xFF]
    return register ^ _MASK


def _fold(data: bytes, register: int) -> bytes:
    """Return a few bytes whose remainder is that of `data` with `register` as its beginning."""
    # The first byte holds the highest powers, and its lowest bit the highest of them: read as a
    # little-endian integer of n bits, bit i is the power n - 1 - i.
    size = len(data)
    number = int.from_bytes(data, "little") ^ register
    while size > _SHORT:
        keep = 1 << (size.bit_length() - 2)
        high = size - keep
        # The remainder of x^n has up to 64 terms, so the product is 8 bytes longer than `high`.
        width = max(keep, high + 8)
        head = number & ((1 << 8 * high) - 1)
        number = (number >> 8 * high) << 8 * (width - keep)
        for power in _powers(8 * keep):
            number ^= head << (8 * (width - high) - power)
        size = width
    return number.to_bytes(size, "little")


@cache
def _table() -> tuple[int, ...]:
    return tuple(_times_x(byte, 8) for byte in range(256))


@cache
def _powers(exponent: int) -> tuple[int, ...]:
    """Return the powers in the remainder of `x^exponent`; `exponent` is a power of two."""
    remainder = _remainder(exponent)
    return tuple(power for power in range(64) if remainder >> (63 - power) & 1)


@cache
def _remainder(exponent: int) -> int:
    if exponent == 1:
        return 1 << 62
    root = _remainder(exponent // 2)
    square = 0
    for power in range(64):
        if root >> (63 - power) & 1:
            square ^= _times_x(root, power)
    return square


def _times_x(value: int, times: int) -> int:
    for _ in range(times):
        value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
    return value

"""MurmurHash2 of 32 bits with the seed 0, by which nginx splits clients (Appleby, 2008)."""

_MASK = 0xFFFFFFFF
_FACTOR = 0x5BD1E995


def murmur_hash(data: bytes) -> int:
    """Return the hash of a text."""
    found = len(data)
    whole = len(data) & ~3
    for i in range(0, whole, 4):
        piece = int.from_bytes(data[i : i + 4], "little") * _FACTOR & _MASK
        piece = (piece ^ piece >> 24) * _FACTOR & _MASK
        found = found * _FACTOR & _MASK ^ piece
    if rest := data[whole:]:
        found = (found ^ int.from_bytes(rest, "little")) * _FACTOR & _MASK
    found = (found ^ found >> 13) * _FACTOR & _MASK
    return found ^ found >> 15

"""Colour profiles as scanners' makers build them, written by hand: ICC.1:2001-04 (version 2).

One by matrix and curves, as Aperio's are, and one by a table to Lab, as Hamamatsu's are.
"""

import struct

import numpy as np

D50 = np.array([0.9642, 1.0, 0.8249])

PRIMARIES = np.array([[0.482, 0.257, 0.031], [0.330, 0.632, 0.089], [0.1522, 0.111, 0.7049]])
"""XYZ of red, green and blue: together white, and wider than those of sRGB."""


def matrix_profile(*, intent=0, space=b"RGB ", kind=b"scnr"):
    """A scanner of gamma 1.8, with the first steps lifted a little as sensors do."""
    steps = (np.linspace(0, 1, 256) * 0.98 + 0.02) ** 1.8
    curve = struct.pack(">4sxxxxI", b"curv", 256) + shorts(steps / steps[-1])
    tags = {
        name: xyz(row) for name, row in zip([b"rXYZ", b"gXYZ", b"bXYZ"], PRIMARIES, strict=True)
    }
    tags |= dict.fromkeys([b"rTRC", b"gTRC", b"bTRC"], curve)
    return profile(tags, space, b"XYZ ", kind, intent)


def table_profile(*, intent=0, grid=17):
    """A scanner whose reds and violets lean where no matrix can put them."""
    axis = np.linspace(0, 1, grid)
    rgb = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    lab = to_lab((rgb**2.1) @ PRIMARIES)
    lean = rgb[..., 0] * (1 - rgb[..., 1]) * 9
    lab += np.stack([np.zeros_like(lean), -lean, lean * rgb[..., 2]], axis=-1)
    clut = np.stack(
        [lab[..., 0] / 100 * 0xFF00, *(lab[..., 1:] * 256 + 0x8000).transpose(3, 0, 1, 2)]
    )
    ramp = shorts(np.linspace(0, 1, 2)) * 3
    identity = struct.pack(">9i", *(np.eye(3) * 65536).astype(int).ravel())
    lut = struct.pack(">4sxxxxBBBx", b"mft2", 3, 3, grid) + identity + struct.pack(">HH", 2, 2)
    table = clut.transpose(1, 2, 3, 0).round().clip(0, 65535).astype(">u2").tobytes()
    return profile({b"A2B0": lut + ramp + table + ramp}, b"RGB ", b"Lab ", b"scnr", intent)


def profile(tags, space, connection, kind, intent):
    """A profile of these tags, its description and its white."""
    text = b"A scanner for tests\0"
    desc = struct.pack(">4sxxxxI", b"desc", len(text)) + text + bytes(78)
    tags = {b"desc": desc, b"cprt": b"text" + bytes(4) + b"CC0\0", b"wtpt": xyz(D50), **tags}
    start, rows, body = 132 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        rows += struct.pack(">4sII", name, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = (
        struct.pack(">I4sI", start + len(body), b"none", 0x02400000) + kind + space + connection
    )
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(24)
    header += struct.pack(">I", intent) + fixed(D50) + bytes(48)
    return header + struct.pack(">I", len(tags)) + rows + body


def to_lab(colours):
    t = colours / D50
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def xyz(values):
    return b"XYZ " + bytes(4) + fixed(values)


def fixed(values):
    return struct.pack(">3i", *(round(value * 65536) for value in values))


def shorts(values):
    return (np.asarray(values) * 65535).round().astype(">u2").tobytes()

"""A film that takes long to read and little to keep: only its first frame is a key frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np

_RATE = 25


def long_film(path: Path, seconds: int, *, base: tuple[int, int], scale: int, crf: int,
              preset: str) -> Path:  # fmt: skip
    """Write one second of coloured blocks over and over, without encoding it again.

    ``base`` are the blocks of a frame (rows, columns), each of ``scale`` pixels a side.
    """
    import av

    blocks = np.random.default_rng(0).integers(0, 256, (*base, 3), np.uint8)
    large = blocks.repeat(scale, axis=0).repeat(scale, axis=1)
    options = {"crf": str(crf), "preset": preset, "g": "100000", "bf": "0"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=_RATE, options=options)
        stream.width, stream.height = large.shape[1], large.shape[0]
        stream.pix_fmt = "yuv420p"
        packets = []
        for number in range(_RATE):
            frame = av.VideoFrame.from_ndarray(np.roll(large, 8 * number, axis=1), format="rgb24")
            frame.pts = number
            packets += stream.encode(frame)
        packets += stream.encode(None)
        step = packets[1].pts - packets[0].pts
        for number in range(_RATE * seconds):
            packet = av.Packet(bytes(packets[number % _RATE]))
            packet.pts = packet.dts = number * step
            packet.time_base, packet.stream = packets[0].time_base, stream
            packet.is_keyframe = number == 0
            container.mux(packet)
    return path

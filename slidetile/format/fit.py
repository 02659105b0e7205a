"""Whether a codec stores what a slide has.

Knows codecs and the sizes of chunks. Does not know slides.
"""

from slidetile.choices import UnfitChoiceError
from slidetile.counts import how_many
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.codecs.named import holds
from slidetile.format.layout import SHARD_PX
from slidetile.format.metadata.array import LARGEST_CHUNK_BYTES


def check_holds(codec: ChunkCodec, *, channels: int, bits: int, is_plain: bool = True) -> None:
    """Check that a codec stores so many channels of so many bits.

    Raises
    ------
    UnfitChoiceError
        It does not, or a chunk of them would be larger than stores have.
    """
    what = f"{how_many(channels, 'channels')} of {bits} bits"
    mixes = codec.name == "jpeg" and not is_plain  # it makes luma and chroma of three channels
    if mixes or not holds(codec.name, channels=channels, bits=bits):
        stored = "grey or colour" if codec.name == "jxl" else "grey or colour of 8 bits"
        raise UnfitChoiceError(
            f"The codec {codec.name} stores {stored}, but the slide has {what}: use the codec zstd."
        )
    pixel_bytes = channels * (1 if bits == 8 else 2)
    if codec.name == "raw" and SHARD_PX * SHARD_PX * pixel_bytes > LARGEST_CHUNK_BYTES:
        raise UnfitChoiceError(
            f"A chunk of the codec raw would have {SHARD_PX}×{SHARD_PX} pixels of {what}, more "
            f"than {LARGEST_CHUNK_BYTES >> 20} MiB: use the codec zstd, or choose fewer channels."
        )

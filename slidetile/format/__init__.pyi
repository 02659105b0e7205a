from .codecs.jpeg import JpegCodec as JpegCodec
from .codecs.jxl import JxlCodec as JxlCodec
from .codecs.native import NativeCodec as NativeCodec
from .codecs.planar import RawCodec as RawCodec
from .codecs.planar import ZstdCodec as ZstdCodec
from .metadata.store import StoreMetadata as StoreMetadata

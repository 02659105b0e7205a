"""Tissue by a segmentation network of the user's own, in ONNX format.

Knows slides, and how a network wants its pixels. Does not know which network it is.
"""

import hashlib
import importlib.util
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import MissingResolutionError
from slidetile.raster.masks import Mask
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.slides.frame import Frame, read_frame
from slidetile.slides.overview import Overview
from slidetile.slides.slide import Slide

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Probabilities = NDArray[np.float32]
"""How sure a network is of tissue, as [row, column]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkTiles:
    """Square tiles that overlap, each judging as many whole overview pixels as it can.

    Raises
    ------
    ValueError
        What is taken from a tile is less than one overview pixel.
    """

    tile_px: int
    """Side of a tile, in its own pixels."""

    overlap_px: int
    """How far it reaches beyond what is taken from it, on every side."""

    mpp: float
    """Micrometres per pixel of a tile."""

    overview_mpp: tuple[float, float]
    """Micrometres per overview pixel as (x, y)."""

    def __post_init__(self) -> None:
        if min(self._pixels_per_tile) < 1:
            inner = self.tile_px - 2 * self.overlap_px
            raise ValueError(
                f"What is taken from a tile of the network, {inner} pixels of {self.mpp:g} µm, is "
                f"less than one overview pixel of {max(self.overview_mpp):g} µm. Give larger "
                "tiles (tile_px), or a finer overview (mpp of find_tissue)."
            )

    @property
    def _pixels_per_tile(self) -> tuple[int, int]:
        inner_um = (self.tile_px - 2 * self.overlap_px) * self.mpp
        return int(inner_um / self.overview_mpp[0]), int(inner_um / self.overview_mpp[1])

    def parts(self, shape: tuple[int, ...]) -> Iterator[Region]:
        """Cut an overview of this shape into what one tile can judge, in overview pixels."""
        width, height = self._pixels_per_tile
        for y in range(0, shape[0], height):
            for x in range(0, shape[1], width):
                yield Region.from_edges(x, y, min(x + width, shape[1]), min(y + height, shape[0]))

    def frame(self, part: Region) -> Frame:
        """Return where on the slide the tile for a part lies."""
        return Frame(
            x_um=part.x * self.overview_mpp[0] - self.overlap_px * self.mpp,
            y_um=part.y * self.overview_mpp[1] - self.overlap_px * self.mpp,
            mpp=self.mpp,
            width=self.tile_px,
            height=self.tile_px,
        )

    def means(self, answer: Probabilities, part: Region) -> Probabilities:
        """Return the mean of a tile's answer over each overview pixel of a part.

        The answer covers the whole tile, at whatever resolution.
        """
        across, down = (each / self.mpp for each in self.overview_mpp)
        for axis, (count, side) in enumerate(((part.height, down), (part.width, across))):
            scale = answer.shape[axis] / self.tile_px
            edges = (self.overlap_px + np.arange(count + 1) * side) * scale
            answer = _mean_between(answer, edges, axis)
        return answer


def _mean_between(values: Probabilities, edges: NDArray[np.float64], axis: int) -> Probabilities:
    """Return the means along an axis between neighbouring, fractional edges."""
    values = np.moveaxis(values, axis, 0)
    cumulated = np.zeros((len(values) + 1, values.shape[1]))
    np.cumsum(values, axis=0, dtype=np.float64, out=cumulated[1:])
    below = np.minimum(edges.astype(np.intp), len(values) - 1)
    share = (edges - below)[:, np.newaxis]
    at_edges = cumulated[below] * (1 - share) + cumulated[below + 1] * share
    means = np.diff(at_edges, axis=0) / np.diff(edges)[:, np.newaxis]
    return np.asarray(np.moveaxis(means, 0, axis), np.float32)


_INPUT_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
LARGEST_TILE_PX = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxDetector:
    """Whatever a segmentation network says is tissue: a `SlideDetector`.

    The slide is read at the network's own resolution in tiles, which overlap so that each part
    of the slide is judged with its surroundings. An overview pixel is tissue where the mean
    answer over its area reaches the threshold. Memory holds one tile, and what the network needs.
    Needs onnxruntime: ``pip install 'slidetile[onnx]'``.

    Raises
    ------
    TypeError
        ``model`` is no path.
    ValueError
        A value is out of its range or contradicts another.
    FileNotFoundError
        There is no such model.
    ImportError
        onnxruntime is not installed.
    """

    model: str | os.PathLike[str]
    """Path of the .onnx file. A store records its SHA-256, not the path."""

    mpp: float
    """Micrometres per pixel the network was trained at."""

    tile_px: int = 512
    """Side of the tiles the network is given, in pixels."""

    overlap_px: int = 64
    """How far a tile reaches beyond what is taken from it, on every side; less than half of it."""

    layout: Literal["NCHW", "NHWC"] = "NCHW"
    """Order of the axes of the network's input and output."""

    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    """Taken from red, green and blue after they are scaled to 0–1."""

    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    """What the difference is divided by. Networks that take uint8 are given the pixels as read."""

    output: str | None = None
    """Name of the output to use; the first unless given."""

    channel: int = 0
    """The output's channel that stands for tissue."""

    activation: Literal["none", "sigmoid", "softmax"] = "none"
    """What turns the network's output into probabilities."""

    threshold: float = 0.5
    """Mean probability from which on an overview pixel is tissue."""

    threads: int = 1
    """Threads of the network. With more than one, some networks differ in the last bit."""

    def __post_init__(self) -> None:
        if importlib.util.find_spec("onnxruntime") is None:
            raise ImportError("OnnxDetector needs onnxruntime: pip install 'slidetile[onnx]'.")
        if not isinstance(self.model, str | os.PathLike):
            raise TypeError(f"model is a path, but it is a {type(self.model).__name__}.")
        if not Path(self.model).is_file():
            raise FileNotFoundError(f"There is no model {os.fspath(self.model)}.")
        _check_range("mpp", self.mpp, 0.05, 500)
        _check_range("tile_px", self.tile_px, 16, LARGEST_TILE_PX)
        _check_range("overlap_px", self.overlap_px, 0, (self.tile_px - 1) // 2)
        _check_range("channel", self.channel, 0, 10_000)
        _check_range("threads", self.threads, 1, 1024)
        for name, choices in (
            ("layout", ("NCHW", "NHWC")),
            ("activation", ("none", "sigmoid", "softmax")),
        ):
            if (chosen := getattr(self, name)) not in choices:
                raise ValueError(f"{name} is one of {', '.join(choices)}, but it is {chosen!r}.")
        if not math.isfinite(self.threshold):
            raise ValueError(f"threshold is a number, but it is {self.threshold}.")
        if len(self.mean) != 3 or len(self.std) != 3 or not all(self.std):
            raise ValueError(
                "mean and std have a number for each of red, green and blue, and no std is 0, but "
                f"they are {self.mean} and {self.std}."
            )

    @property
    def parameters(self) -> dict[str, Any]:
        """All that shapes the mask, fit for JSON: the options, and what the model is."""
        options = {f.name: getattr(self, f.name) for f in fields(self)}
        del options["model"], options["threads"]
        with Path(self.model).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"model_sha256": digest, **options, "mean": list(self.mean), "std": list(self.std)}

    def detect_slide(self, slide: Slide, overview: Overview) -> Mask:
        """Return the tissue on the overview's grid; see `SlideDetector.detect_slide`.

        Raises
        ------
        MissingResolutionError
            The slide's mpp is unknown.
        ValueError
            The network's input or output is not as the options say, or its tiles are too small
            for a single overview pixel.
        """
        if overview.mpp is None or slide.mpp is None:
            raise MissingResolutionError(
                f"The network works at {self.mpp:g} µm per pixel, but this slide does not say its "
                "resolution: give it (slide_mpp, or mpp of open_slide)."
            )
        tiles = NetworkTiles(
            tile_px=self.tile_px,
            overlap_px=self.overlap_px,
            mpp=self.mpp,
            overview_mpp=overview.mpp,
        )
        network = _Network.load(self)
        mask = np.zeros(overview.image.shape[:2], np.bool_)
        for part in tiles.parts(mask.shape):
            answer = network.answer(read_frame(slide, tiles.frame(part)))
            mask[part.slices] = tiles.means(answer, part) >= self.threshold
        return mask


def _check_range(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} is from {least:g} to {most:g}, but it is {value}.")


class _Network(NamedTuple):
    """A loaded network and how to talk to it."""

    session: "InferenceSession"
    options: OnnxDetector
    input_name: str
    input_type: Any
    output_name: str

    @classmethod
    def load(cls, options: OnnxDetector) -> "_Network":
        """Load the network, made sure that it is as the options say."""
        import onnxruntime

        how = onnxruntime.SessionOptions()
        how.intra_op_num_threads = options.threads
        how.inter_op_num_threads = 1
        how.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(
                os.fspath(options.model), how, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime has no common error of its own
            raise ValueError(f"{options.model} is no model that can be run: {error}") from error
        inputs = session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in _INPUT_TYPES:
            told = ", ".join(f"{each.name}: {each.type}" for each in inputs)
            raise ValueError(f"The network must take one image, but its inputs are {told}.")
        outputs = [each.name for each in session.get_outputs()]
        output = outputs[0] if options.output is None else options.output
        if output not in outputs:
            raise ValueError(f"The network's outputs are {', '.join(outputs)}, not {output!r}.")
        _check_input_shape(inputs[0].shape, options)
        return cls(session, options, inputs[0].name, _INPUT_TYPES[inputs[0].type], output)

    def answer(self, pixels: Pixels) -> Probabilities:
        """Return the probabilities of tissue for one tile."""
        image = self._prepared(pixels)
        (result,) = self.session.run([self.output_name], {self.input_name: image[np.newaxis]})
        planes = _planes(np.asarray(result), self.options)
        if self.options.activation == "sigmoid":
            return np.asarray(1 / (1 + np.exp(-planes[self.options.channel])), np.float32)
        if self.options.activation == "softmax":
            powers = np.exp(planes - planes.max(axis=0))
            planes = powers / powers.sum(axis=0)
        return np.asarray(planes[self.options.channel], np.float32)

    def _prepared(self, pixels: Pixels) -> NDArray[Any]:
        if pixels.shape[2] == 1:
            pixels = pixels.repeat(3, axis=2)
        image: NDArray[Any] = pixels
        if self.input_type is not np.uint8:
            mean, std = (np.array(v, np.float32) for v in (self.options.mean, self.options.std))
            image = ((pixels.astype(np.float32) / 255 - mean) / std).astype(self.input_type)
        if self.options.layout == "NCHW":
            image = image.transpose(2, 0, 1)
        return np.ascontiguousarray(image)


def _check_input_shape(shape: list[Any], options: OnnxDetector) -> None:
    side = options.tile_px
    wanted = (1, 3, side, side) if options.layout == "NCHW" else (1, side, side, 3)
    fits = len(shape) == 4 and all(
        not isinstance(length, int) or length == want
        for length, want in zip(shape, wanted, strict=True)
    )
    if not fits:
        raise ValueError(
            f"With tile_px {side} and layout {options.layout} the network is given {wanted}, but "
            f"it takes {tuple(shape)}."
        )


def _planes(result: NDArray[Any], options: OnnxDetector) -> NDArray[np.float32]:
    """Return the output for one tile as [channel, row, column]."""
    if result.ndim == 4 and options.layout == "NHWC":
        result = result.transpose(0, 3, 1, 2)
    planes = result[:, np.newaxis] if result.ndim == 3 else result
    if planes.ndim != 4 or len(planes) != 1 or not planes.shape[1] > options.channel:
        raise ValueError(
            f"The network's output must be one map per channel and have channel "
            f"{options.channel}, but its shape is {result.shape} ({options.layout})."
        )
    return np.asarray(planes[0], np.float32)

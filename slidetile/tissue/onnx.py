"""Tissue detection by your own segmentation network, in ONNX format.

Knows slides, and what a network's input and output look like. Does not know which network it is.
"""

import hashlib
import importlib.util
import math
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import UnfitChoiceError
from slidetile.counts import how_many
from slidetile.errors import MissingResolutionError
from slidetile.raster.masks import Mask
from slidetile.raster.pixels import Pixels
from slidetile.slides.frame import read_frame
from slidetile.slides.overview import Overview
from slidetile.slides.slide import Slide
from slidetile.tissue._network_tiles import NetworkTiles, Probabilities

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_INPUT_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
LARGEST_TILE_PX = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxDetector:
    """A segmentation network that decides what is tissue: a `SlideDetector`.

    The slide is read at the network's own resolution in tiles, which overlap so that the network
    sees the surroundings of each part of the slide. An overview pixel is tissue where the mean
    probability over its area reaches the threshold. Memory holds one tile, and what the network
    needs. This detector needs onnxruntime: ``pip install 'slidetile[onnx]'``.

    Raises
    ------
    TypeError
        ``model`` is not a path.
    ValueError
        A value is out of its range or contradicts another.
    FileNotFoundError
        The model file does not exist.
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
    """How far a tile reaches beyond its inner part on every side; less than half a tile."""

    layout: Literal["NCHW", "NHWC"] = "NCHW"
    """Order of the axes of the network's input and output."""

    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    """Subtracted from red, green and blue after they are scaled to 0–1."""

    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    """Divides the difference. A network that takes uint8 gets the pixels without mean and std."""

    output: str | None = None
    """Name of the output to use; None is the first."""

    channel: int = 0
    """The output's channel for tissue."""

    activation: Literal["none", "sigmoid", "softmax"] = "none"
    """The function that turns the network's output into probabilities."""

    threshold: float = 0.5
    """An overview pixel is tissue where its mean probability is at least this."""

    threads: int = 1
    """Threads that run the network. With more than one, some networks differ in the last bit."""

    def __post_init__(self) -> None:
        if importlib.util.find_spec("onnxruntime") is None:
            raise ImportError("OnnxDetector needs onnxruntime: pip install 'slidetile[onnx]'.")
        if not isinstance(self.model, str | os.PathLike):
            raise TypeError(f"model must be a path, but it is a {type(self.model).__name__}.")
        if not Path(self.model).is_file():
            raise FileNotFoundError(f"The model {os.fspath(self.model)} does not exist.")
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
                raise ValueError(
                    f"{name} must be one of {', '.join(choices)}, but it is {chosen!r}."
                )
        if not math.isfinite(self.threshold):
            raise ValueError(f"threshold must be a finite number, but it is {self.threshold}.")
        if len(self.mean) != 3 or len(self.std) != 3 or not all(self.std):
            raise ValueError(
                "mean and std must each have a number for red, green and blue, and no std may be "
                f"0, but they are {self.mean} and {self.std}."
            )

    @property
    def parameters(self) -> dict[str, Any]:
        """All that shapes the mask, JSON-serialisable: the options, and the model's SHA-256."""
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
            The network's input or output does not match the options, or its tiles are too small
            for a single overview pixel.
        """
        if overview.mpp is None or slide.mpp is None:
            raise MissingResolutionError(
                f"The network works at {self.mpp:g} µm per pixel, but this slide's mpp is unknown: "
                "give it (--slide-mpp, slide_mpp of a recipe, or mpp of open_slide)."
            )
        if not slide.is_plain or slide.bits != 8:
            raise UnfitChoiceError(
                f"The network takes 8-bit grey or colour, but {slide.name} has "
                f"{how_many(slide.channels, 'channels')} of {slide.bits} bits: use another "
                "detector, or a mask of your own."
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
            output = network.probabilities(read_frame(slide, tiles.frame(part)))
            mask[part.slices] = tiles.means(output, part) >= self.threshold
        return mask


def _check_range(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} must be from {least:g} to {most:g}, but it is {value}.")


class _Network(NamedTuple):
    """A loaded network, its options, and the names and types of its input and output."""

    session: "InferenceSession"
    options: OnnxDetector
    input_name: str
    input_type: Any
    output_name: str

    @classmethod
    def load(cls, options: OnnxDetector) -> "_Network":
        """Load the network, and check that it matches the options."""
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
            raise UnfitChoiceError(
                f"{options.model} is not a model that can be run: {error}"
            ) from error
        inputs = session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in _INPUT_TYPES:
            listed = ", ".join(f"{each.name}: {each.type}" for each in inputs)
            raise UnfitChoiceError(f"The network must take one image, but its inputs are {listed}.")
        outputs = [each.name for each in session.get_outputs()]
        output = outputs[0] if options.output is None else options.output
        if output not in outputs:
            raise UnfitChoiceError(
                f"The network's outputs are {', '.join(outputs)}, not {output!r}."
            )
        _check_input_shape(inputs[0].shape, options)
        return cls(session, options, inputs[0].name, _INPUT_TYPES[inputs[0].type], output)

    def probabilities(self, pixels: Pixels) -> Probabilities:
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
        raise UnfitChoiceError(
            f"With tile_px {side} and layout {options.layout} the network is given an input of the "
            f"shape {wanted}, but it takes {tuple(shape)}."
        )


def _planes(result: NDArray[Any], options: OnnxDetector) -> NDArray[np.float32]:
    """Return the output for one tile as [channel, row, column]."""
    if result.ndim == 4 and options.layout == "NHWC":
        result = result.transpose(0, 3, 1, 2)
    planes = result[:, np.newaxis] if result.ndim == 3 else result
    if planes.ndim != 4 or len(planes) != 1 or not planes.shape[1] > options.channel:
        raise UnfitChoiceError(
            f"The network's output must be one map per channel and have channel "
            f"{options.channel}, but its shape is {result.shape} ({options.layout})."
        )
    return np.asarray(planes[0], np.float32)

"""How a picture is cut for zooming: its levels, each a grid of tiles. Knows integers alone."""

from dataclasses import dataclass

from slidetile.raster.region import Region


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoomLevel:
    """One level of a picture that is zoomed into, and how it is cut.

    Raises
    ------
    ValueError
        A length is less than 1, or the downsample is not positive.
    """

    width: int
    """Columns, in pixels of this level."""

    height: int
    """Rows, in pixels of this level."""

    downsample: tuple[float, float]
    """Level-0 pixels per pixel of this level, as (x, y)."""

    tile_width: int
    """Width of a tile; those at the right edge may reach over the level."""

    tile_height: int
    """Height of a tile; those at the bottom may reach over the level."""

    def __post_init__(self) -> None:
        if min(self.width, self.height, self.tile_width, self.tile_height) < 1:
            raise ValueError(f"Every length of a level is at least 1, but this one is {self!r}.")
        if not all(step > 0 for step in self.downsample):
            raise ValueError(f"A downsample is positive, but this one is {self.downsample}.")

    @property
    def columns(self) -> int:
        """Tiles in a row."""
        return -(-self.width // self.tile_width)

    @property
    def rows(self) -> int:
        """Tiles in a column."""
        return -(-self.height // self.tile_height)

    @property
    def scale(self) -> float:
        """The one number by which levels are compared: the mean of both downsamples."""
        return (self.downsample[0] + self.downsample[1]) / 2

    @property
    def is_one_tile(self) -> bool:
        """Whether one tile holds all of it."""
        return self.columns == self.rows == 1

    @property
    def halved(self) -> "ZoomLevel":
        """The level of half its size, rounded up, in tiles of the same size."""
        return ZoomLevel(
            width=-(-self.width // 2),
            height=-(-self.height // 2),
            downsample=(2 * self.downsample[0], 2 * self.downsample[1]),
            tile_width=self.tile_width,
            tile_height=self.tile_height,
        )

    def region(self, column: int, row: int) -> Region:
        """Return the part of a tile inside the level, in its pixels.

        Raises
        ------
        IndexError
            The level has no such tile.
        """
        if not (0 <= column < self.columns and 0 <= row < self.rows):
            raise IndexError(
                f"The level has {self.columns}×{self.rows} tiles, so there is none at column "
                f"{column}, row {row}."
            )
        x, y = column * self.tile_width, row * self.tile_height
        right, bottom = min(x + self.tile_width, self.width), min(y + self.tile_height, self.height)
        return Region.from_edges(x, y, right, bottom)

    @property
    def facts(self) -> dict[str, object]:
        """The level as JSON."""
        return {
            "width": self.width,
            "height": self.height,
            "downsample": list(self.downsample),
            "tile": [self.tile_width, self.tile_height],
        }

"""What annotation files may be, in one clause for every message that refuses another kind."""

ACCEPTED = (
    "slidetile reads GeoJSON as QuPath exports it, the XML of ImageScope or HALO, and a mask in "
    "PNG, TIFF or npy: export it as one of these"
)

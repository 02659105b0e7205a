from .reading import read_slides as read_slides

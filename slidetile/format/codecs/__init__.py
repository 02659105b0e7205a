"""How the pixels of a chunk become bytes."""

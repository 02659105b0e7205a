"""What the tiles' pixels are like."""

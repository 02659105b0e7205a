"""JPEG streams of any slide: their segments, their colours, and how a tile of one stands alone."""

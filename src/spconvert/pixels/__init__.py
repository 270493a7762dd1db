"""How pixels are reached: each module is one kind of PixelSource."""

"""Raster images of cameras, screens and slide scanners: PNG, JPEG and their kin, one plugin each.

None of them states an anatomy, so none is invented. Headers are parsed and checked here before a
decoder sees the file. What a pixel means is what every viewer shows: palettes are expanded to
colours, samples of 1, 2 or 4 bits to 8, and an EXIF rotation is reported, not applied.
"""

"""Foreign files to SpatialImage and back, one plugin a format."""

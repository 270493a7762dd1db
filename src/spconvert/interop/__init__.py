"""In-memory images of other libraries to SpatialImage and back, one file a library."""

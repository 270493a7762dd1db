"""How a pyramid is planned, written and verified. Knows no format and no OME-Zarr."""

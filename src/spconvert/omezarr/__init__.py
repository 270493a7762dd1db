"""OME-Zarr metadata of every version, as pure functions, and the groups that carry it."""

"""Use cases: the only place where formats, omezarr and pipeline meet."""

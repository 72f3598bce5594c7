"""Many studies: each alone in its process, resumable, on this machine or on a Dask cluster."""

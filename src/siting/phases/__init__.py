"""A plan over several periods: when each site opens, and when its tier grows."""

"""A plan that is decided before it is known which of several futures comes."""

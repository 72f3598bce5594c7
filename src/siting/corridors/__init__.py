"""Trips between places: which of them the sites make possible, in one model with the city."""

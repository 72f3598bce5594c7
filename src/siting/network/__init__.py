"""Roads to travel times: the compact directed graph, snapping, many-to-many."""

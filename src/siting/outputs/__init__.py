"""What people see: site list, map, charts and the manifest."""

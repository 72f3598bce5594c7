"""siting decides where car brands jointly build EV charging stations, and who pays what."""

__version__ = "0.1.0"

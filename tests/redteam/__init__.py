"""The red team: candidates that cheat, each with the outcome it must get. Run them with `autoresearch selftest`."""

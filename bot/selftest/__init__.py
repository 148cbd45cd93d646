"""`autoresearch selftest`: real cheats and odd honest models, measured on this machine. The cases stand in tests/redteam and tests/zoo."""

"""Where the time of a training step goes: a candidate under torch's profiler, its trace added up, and what that says in words."""

"""The referee: owns the data and its order, the seed, the clock and the metric. Locked; candidates cannot touch it."""

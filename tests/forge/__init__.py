"""A GitHub of our own for the tests: the parts of its API and of its git service that the action uses, on loopback."""

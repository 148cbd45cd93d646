"""From the state folder to the repository on GitHub: the two branches, what a box that may only read hands over, the pull request."""

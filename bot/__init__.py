"""The loop: proposes, measures through the referee, decides, keeps in git, reports. Never imports torch."""

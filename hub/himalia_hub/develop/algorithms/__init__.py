"""Algorithms: what a job can start from with data and a spec alone."""

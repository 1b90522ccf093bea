"""Datasets: items valid from one revision to another, versions frozen without a copy."""

"""The Python client: typed objects for every kind of the API. Import from :mod:`himalia`."""

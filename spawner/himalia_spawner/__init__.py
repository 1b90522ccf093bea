"""JupyterHub spawners that start notebooks as workloads of the platform.

The spawners decide nothing: the platform admits, places, observes and explains. They translate
between the hub's ``start``, ``poll``, ``stop`` and the platform's internal API.
"""

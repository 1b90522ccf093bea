"""Workloads as pods of a cluster; see ``docs/design/kubernetes.md``."""

"""The gateway: which address leads to which replicas, written for Traefik and verified live."""

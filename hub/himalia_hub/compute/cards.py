"""What is known about accelerators here: the classes of the backend's options, beside the built-in ones."""

from __future__ import annotations

from himalia_hub.backends.kubernetes.accelerators import Catalogue
from himalia_hub.backends.kubernetes.options import KubernetesOptions
from himalia_hub.backends.local.options import LocalOptions

__all__ = ["Catalogue", "catalogue_of", "counts_of"]


def catalogue_of(backend: object) -> Catalogue:
    options = getattr(backend, "options", None)
    if isinstance(options, KubernetesOptions):
        return Catalogue(options.accelerators, options.card_memory_gib)
    if isinstance(options, LocalOptions):
        return Catalogue(gib=options.card_memory_gib)
    return Catalogue()


def counts_of(catalogue: Catalogue) -> dict[str, tuple[int, ...]]:
    """How many of a card one replica may have, where the topology does not allow any number. Pure."""
    return {name: card.counts for name, card in catalogue.classes.items() if card.counts}

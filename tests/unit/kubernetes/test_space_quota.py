"""An organisation's limits as its namespace enforces them (TEN-3)."""

from __future__ import annotations

from himalia_hub.backends.kubernetes import spaces
from himalia_hub.backends.kubernetes.options import KubernetesOptions
from himalia_hub.compute.spaces import space_quota


def hard(limits: dict[str, int], accelerators: tuple[str, ...] = ()) -> dict[str, str]:
    quota = space_quota(limits, accelerators)
    found: dict[str, str] = spaces.resource_quota("acme", quota, KubernetesOptions())["spec"]["hard"]
    return found


def test_what_nobody_set_is_nothing() -> None:
    made = hard({}, ("nvidia.com/gpu",))
    assert (made["limits.cpu"], made["limits.memory"], made["requests.nvidia.com/gpu"]) == ("0", "0", "0")


def test_limits_are_the_organisations() -> None:
    made = hard({"cpu_millis": 1500, "memory_bytes": 3 << 30, "nvidia.com/mig-1g.5gb": 7}, ("nvidia.com/gpu",))
    assert (made["limits.cpu"], made["limits.memory"]) == ("1500m", "3Gi")
    assert (made["requests.nvidia.com/mig-1g.5gb"], made["requests.nvidia.com/gpu"]) == ("7", "0")


def test_bytes_that_are_kept_are_not_what_a_claim_reserves() -> None:
    made = hard({"cpu_millis": 1, "storage_bytes": 1 << 30, "image_bytes": 1 << 30})
    assert not any("storage" in name for name in made)

"""Plans to objects: exact where it matters, right in schema always (NB-6, NB-7, TRN-2)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from himalia_hub.backends.kubernetes import naming, objects, pods, quantities, spaces
from himalia_hub.backends.kubernetes.accelerators import (
    DEFAULT_CLASSES,
    AcceleratorClass,
    Catalogue,
    Neutral,
    fragment,
    keep_to,
    resolve,
    stock,
)
from himalia_hub.backends.kubernetes.options import Gateway, KubernetesOptions
from himalia_hub.backends.protocol import (
    BackendError,
    FileMount,
    HomeMount,
    HttpProbe,
    NodeCapacity,
    NodeTerm,
    Placement,
    Port,
    Resources,
    RouteTarget,
    ScratchMount,
    ServiceRoute,
    WorkloadPlan,
)
from himalia_hub.serving.keycheck import SERVICE_HEADER
from tests.support.kube_schemas import problems

KEY_FILTER = {"group": "gateway.example.org", "kind": "KeyCheck", "name": "himalia"}
OPTIONS = KubernetesOptions(gateway=Gateway("gateway", "public", key_filter=KEY_FILTER))
GIB = 1 << 30


def plan(**changes: Any) -> WorkloadPlan:
    base = WorkloadPlan(
        workload="w12",
        attempt=3,
        kind="run",
        tenant="acme",
        owner="u5",
        image="registry/base:1",
        command=("python", "train.py"),
        resources=Resources(1500, 2 * GIB),
    )
    return replace(base, **changes)


def every_plan() -> Iterator[Any]:
    home = HomeMount("u5/n3", "/home/jovyan")
    port, probe = Port("http", 8888), HttpProbe("http", "/api", timeout_seconds=90)
    yield pytest.param(plan(), id="run")
    yield pytest.param(plan(replicas=4), id="gang")
    yield pytest.param(
        plan(kind="notebook", mounts=(home,), ports=(port,), probe=probe, secrets={"T": "x"}), id="notebook"
    )
    yield pytest.param(plan(kind="service_variant", replicas=2, ports=(port,), probe=probe), id="service")
    yield pytest.param(plan(mounts=(FileMount("/a/b", "text", 0o555), ScratchMount("/himalia/work"))), id="files")
    yield pytest.param(plan(resources=Resources(1, 1, 5 * GIB, {"nvidia.com/gpu": 2})), id="gpu")
    yield pytest.param(plan(resources=Resources(1, 1, 0, {"huawei.com/Ascend910": 8})), id="npu")
    yield pytest.param(plan(deadline_seconds=60, environment={"A": "1"}, grace_seconds=0), id="deadline")
    terms = (NodeTerm("disk", "In", ("ssd",)), NodeTerm("zone", "Exists", required=False, weight=7))
    yield pytest.param(plan(placement=Placement({"group": "a"}, terms, ("special",), "high")), id="placed")


def test_the_schema_check_can_fail() -> None:
    right = objects.job(plan(), OPTIONS)
    assert problems(right) == []
    for path, value in ((("spec", "completionz"), 1), (("spec", "completions"), "4"), (("metadata", "labels"), ["a"])):
        wrong = copy.deepcopy(right)
        wrong[path[0]][path[1]] = value
        assert len(problems(wrong)) == 1, path


@pytest.mark.parametrize("made", list(every_plan()))
def test_every_object_of_every_plan_is_right_in_schema(made: WorkloadPlan) -> None:
    for manifest in objects.attempt_objects(made, OPTIONS):
        assert problems(manifest) == [], manifest["kind"]


@pytest.mark.parametrize("made", list(every_plan()))
def test_every_pod_is_restricted(made: WorkloadPlan) -> None:
    """NB-6: the rules of the restricted level, one by one; the API server is asked in tests/cluster."""
    spec = pods.pod_spec(made, OPTIONS)
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert spec["securityContext"]["runAsNonRoot"] is True and spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "secret", "name"}
    assert all(set(volume) <= allowed for volume in spec["volumes"])
    for container in spec["containers"]:
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False and security["capabilities"] == {"drop": ["ALL"]}
        assert all("hostPort" not in port for port in container.get("ports", ()))


@pytest.mark.parametrize("made", list(every_plan()))
def test_the_same_plan_gives_the_same_objects_and_changes_nothing(made: WorkloadPlan) -> None:
    assert objects.attempt_objects(made, OPTIONS) == objects.attempt_objects(made, OPTIONS)


def test_an_indexed_job_tries_no_pod_twice_and_spares_the_others() -> None:
    made = objects.job(plan(replicas=4), OPTIONS)
    spec = made["spec"]
    assert made["metadata"]["name"] == "w12-3" and made["metadata"]["namespace"] == "himalia-acme"
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 4, 4)
    assert (spec["backoffLimitPerIndex"], spec["maxFailedIndexes"], spec["podReplacementPolicy"]) == (0, 4, "Failed")
    assert "backoffLimit" not in spec, "a limit for the whole would delete the other ranks and their logs"
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    variables = {item["name"]: item for item in spec["template"]["spec"]["containers"][0]["env"]}
    assert variables["HIMALIA_LEADER"]["value"] == "w12-3-0.w12-3"
    assert "job-completion-index" in variables["HIMALIA_REPLICA"]["valueFrom"]["fieldRef"]["fieldPath"]


def test_a_second_attempt_inherits_nothing() -> None:
    """BEY-2: after a failed GPU start, a CPU start asks for no GPU anywhere."""
    gpu = plan(resources=Resources(1000, GIB, 0, {"nvidia.com/gpu": 1}))
    cpu = replace(gpu, attempt=4, resources=Resources(1000, GIB))
    assert "nvidia.com/gpu" in str(objects.attempt_objects(gpu, OPTIONS))
    assert "nvidia.com/gpu" not in str(objects.attempt_objects(cpu, OPTIONS))
    assert {"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"} in pods.pod_spec(cpu, OPTIONS)["containers"][0]["env"]


def test_secrets_are_in_no_pod() -> None:
    made = plan(secrets={"TOKEN": "s3cret"}, environment={"TOKEN": "no", "A": "1"})
    runs, holds = objects.job(made, OPTIONS), objects.secret(made, OPTIONS)
    assert "s3cret" not in str(runs) and holds["stringData"] == {"TOKEN": "s3cret"}
    container = runs["spec"]["template"]["spec"]["containers"][0]
    assert container["envFrom"] == [{"secretRef": {"name": "w12-3"}}]
    assert "TOKEN" not in {item["name"] for item in container["env"]}, "a plain variable would win over the secret"


def test_dollars_reach_the_program_as_they_are() -> None:
    """Kubernetes would make ``$`` of ``$$`` and a variable of ``$(A)``."""
    made = plan(command=("sh", "-c", "kill $$; echo $(date)"), environment={"A": "$(B)"})
    container = pods.pod_spec(made, OPTIONS)["containers"][0]
    assert container["command"][2] == "kill $$$$; echo $$(date)"
    assert {"name": "A", "value": "$$(B)"} in container["env"]


def test_limits_are_the_plan_and_requests_follow() -> None:
    made = pods.resources(Resources(1500, 2 * GIB, 10 * GIB, {"nvidia.com/mig-1g.5gb": 1}), 0.5)
    limits = {"cpu": "1500m", "memory": "2Gi", "ephemeral-storage": "10Gi", "nvidia.com/mig-1g.5gb": "1"}
    assert made == {"limits": limits, "requests": limits | {"cpu": "750m"}}


def test_parents_are_mounted_before_children() -> None:
    made = plan(mounts=(FileMount("/himalia/home/run.sh", "x"), HomeMount("a", "/himalia/home")))
    paths = [mount["mountPath"] for mount in pods.pod_spec(made, OPTIONS)["containers"][0]["volumeMounts"]]
    assert paths.index("/himalia/home") < paths.index("/himalia/home/run.sh")


def test_node_terms_become_affinity() -> None:
    """TRN-2: required and preferred, with values or without."""
    terms = (
        NodeTerm("disk", "In", ("ssd", "nvme")),
        NodeTerm("memory", "Gt", ("64",)),
        NodeTerm("spot", "DoesNotExist", required=False, weight=30),
    )
    found = pods.pod_spec(plan(placement=Placement(terms=terms)), OPTIONS)["affinity"]["nodeAffinity"]
    assert found["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"][0]["matchExpressions"] == [
        {"key": "disk", "operator": "In", "values": ["ssd", "nvme"]},
        {"key": "memory", "operator": "Gt", "values": ["64"]},
    ]
    assert found["preferredDuringSchedulingIgnoredDuringExecution"] == [
        {"weight": 30, "preference": {"matchExpressions": [{"key": "spot", "operator": "DoesNotExist"}]}}
    ]


def test_nodes_that_hold_the_image_are_preferred() -> None:
    """BEY-25."""
    nodes = pods.nodes_with_image("a:1", {"n1": ["a:1"], "n2": ["b:1"], "n3": ["x", "a:1"]})
    made = pods.pod_spec(plan(), OPTIONS, prefer=pods.Preference(nodes))
    terms = made["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert [term["preference"]["matchFields"][0]["values"] for term in terms] == [["n1"], ["n3"]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"tenant": "Acme"}, "Acme", id="tenant"),
        pytest.param({"workload": "../w"}, "../w", id="workload"),
        pytest.param({"owner": ".."}, "..", id="owner"),
        pytest.param({"command": ()}, "command", id="command"),
        pytest.param({"replicas": 0}, "replicas", id="replicas"),
        pytest.param({"resources": Resources(0, 1)}, "cpu_millis", id="cpu"),
        pytest.param({"environment": {"A=B": "x"}}, "A=B", id="variable"),
        pytest.param({"probe": HttpProbe("http", "/")}, "http", id="probe"),
        pytest.param({"mounts": (HomeMount("../x", "/h"),)}, "../x", id="home"),
        pytest.param({"mounts": (FileMount("/usr/bin/x", ""),)}, "/usr/bin/x", id="system"),
        pytest.param({"mounts": (FileMount("/x", ""), FileMount("/x", ""))}, "two mounts", id="twice"),
        pytest.param({"placement": Placement(queue="fast")}, "Volcano", id="queue"),
        pytest.param({"placement": Placement(minimum_replicas=1), "replicas": 2}, "Volcano", id="elastic"),
    ],
)
def test_what_can_never_run_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(BackendError, match=said) as caught:
        objects.attempt_objects(plan(**change), OPTIONS)
    assert not caught.value.retryable


# --- accelerators ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param({"huawei.com/Ascend910": 3}, "one ring", id="three-of-a-ring"),
        pytest.param({"huawei.com/Ascend910-2c": 2}, "may have 1", id="two-vnpu"),
        pytest.param({"huawei.com/Ascend910-2c": 1, "huawei.com/Ascend310P-1c": 1}, "one static vNPU", id="mixed-vnpu"),
    ],
)
def test_topology_rules_refuse(asked: dict[str, int], said: str) -> None:
    """BEY-23."""
    with pytest.raises(BackendError, match=said):
        fragment(asked, DEFAULT_CLASSES)


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_rings_are_given_evenly(count: int) -> None:
    made = fragment({"huawei.com/Ascend910": count}, DEFAULT_CLASSES)
    assert [item.key for item in made.tolerations] == ["huawei.com/Ascend910"]


def test_any_extended_resource_needs_no_code() -> None:
    """NB-7: an administrator declares a card that nobody here has heard of."""
    declared = {
        "example.org/tpu": {
            "form": "other",
            "node_labels": {"tpu": "v9"},
            "runtime_class": "tpu",
            "environment": {"TPU": "1"},
            "tolerations": [{"key": "tpu", "effect": "NoExecute", "value": "yes"}],
        }
    }
    options = KubernetesOptions.from_mapping({"accelerators": declared})
    spec = pods.pod_spec(plan(resources=Resources(1, 1, 0, {"example.org/tpu": 2})), options)
    assert spec["runtimeClassName"] == "tpu" and spec["nodeSelector"] == {"tpu": "v9"}
    assert spec["tolerations"] == [{"key": "tpu", "effect": "NoExecute", "operator": "Equal", "value": "yes"}]
    assert {"name": "TPU", "value": "1"} in spec["containers"][0]["env"]


def test_a_host_folder_is_refused_until_excepted() -> None:
    card = AcceleratorClass("huawei.com/Old", "npu", host_paths=("/usr/local/Ascend/driver",))
    asked = plan(resources=Resources(1, 1, 0, {"huawei.com/Old": 1}))
    with pytest.raises(BackendError, match="/usr/local/Ascend/driver"):
        pods.pod_spec(asked, KubernetesOptions(accelerators={card.resource: card}))
    excepted = KubernetesOptions(accelerators={card.resource: card}, host_path_exceptions=card.host_paths)
    volumes = pods.pod_spec(asked, excepted)["volumes"]
    assert {"name": "driver-0", "hostPath": {"path": "/usr/local/Ascend/driver"}} in volumes


def test_a_neutral_wish_finds_the_least_that_suffices() -> None:
    """BEY-23: one accelerator with at least 24 GB, CUDA or CANN."""
    nodes = [
        NodeCapacity(
            "a", Resources(1, 1, 0, {"nvidia.com/gpu": 8}), Resources(0, 0), labels={"nvidia.com/gpu.product": "A100"}
        ),
        NodeCapacity(
            "b", Resources(1, 1, 0, {"nvidia.com/mig-3g.40gb": 2, "nvidia.com/mig-1g.5gb": 7}), Resources(0, 0)
        ),
        NodeCapacity("c", Resources(1, 1, 0, {"huawei.com/Ascend910": 8}), Resources(0, 0)),
    ]
    known = Catalogue(gib={"A100": 80})
    found = resolve(Neutral(24 * GIB, frameworks=("cuda", "cann")), known, nodes)
    assert [(choice.resource, choice.product) for choice in found] == [
        ("huawei.com/Ascend910", ""),
        ("nvidia.com/mig-3g.40gb", ""),
        ("nvidia.com/gpu", "A100"),
    ]
    assert resolve(Neutral(24 * GIB), known, nodes) == found, "no framework named is any"
    assert resolve(Neutral(24 * GIB, 3, ("cann",)), known, nodes) == [], "three are no ring"
    broken = [replace(node, ready=False) for node in nodes]
    assert resolve(Neutral(1), known, broken) == [], "a card of a node that is down is no card"


@pytest.mark.parametrize(
    ("labels", "gib"),
    [
        ({"nvidia.com/gpu.memory": "15360", "nvidia.com/gpu.product": "Tesla-T4"}, 16),
        ({"nvidia.com/gpu.memory": "23034"}, 24),
        ({"nvidia.com/gpu.memory": "81559"}, 80),
        ({"nvidia.com/gpu.memory": "40536"}, 40),
        ({"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"}, 80),
        ({"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB-SHARED", "nvidia.com/gpu.replicas": "4"}, 20),
        ({"nvidia.com/gpu.product": "NVIDIA-Unheard-Of"}, 0),
        ({}, 0),
    ],
)
def test_a_card_counts_with_the_size_its_maker_names(labels: dict[str, str], gib: int) -> None:
    """BEY-23: from what the node reports, else from the table of products."""
    assert Catalogue().memory_of("nvidia.com/gpu", labels) == gib * GIB


def test_a_card_without_labels_is_known_by_what_people_call_it() -> None:
    """Of several cards of one name the least is promised."""
    known = Catalogue()
    assert known.memory_of("nvidia.com/gpu", {}, "T4") == 16 * GIB
    assert known.memory_of("nvidia.com/gpu", {}, "A100") == 40 * GIB
    assert known.memory_of("nvidia.com/gpu", {}, "A100 80GB") == 80 * GIB
    assert known.memory_of("nvidia.com/gpu", {}, "A1") == 0
    assert KubernetesOptions.from_mapping({"card_memory_gib": {"X": 7}}).card_memory_gib["NVIDIA-L4"] == 24


def test_a_pod_is_kept_from_the_smaller_cards_of_the_same_name() -> None:
    """BEY-23: one resource name, two cards; only labels tell them apart."""
    nodes = [
        NodeCapacity(
            name, Resources(1, 1, 0, {"nvidia.com/gpu": 4}), Resources(0, 0), labels={"nvidia.com/gpu.product": product}
        )
        for name, product in (("a", "Tesla-T4"), ("b", "NVIDIA-L4"), ("c", "NVIDIA-A30"))
    ]
    known = Catalogue()
    small, *large = stock(known, nodes)
    assert small.product == "Tesla-T4"
    terms = keep_to(large, [small], known)
    assert terms == (NodeTerm("nvidia.com/gpu.product", "In", ("NVIDIA-A30", "NVIDIA-L4")),)
    required = pods.pod_spec(plan(placement=Placement(terms=terms)), OPTIONS)["affinity"]["nodeAffinity"]
    (selector,) = required["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    expression = {"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-A30", "NVIDIA-L4"]}
    assert expression in selector["matchExpressions"]
    assert keep_to([small, *large], [], known) == ()
    assert keep_to([replace(small, product="")], large, known) is None, "nothing tells them apart"


# --- spaces ---------------------------------------------------------------------------------------


def test_every_object_of_a_space_is_right_in_schema() -> None:
    quota = spaces.SpaceQuota(64_000, 256 * GIB, 100 * GIB, {"nvidia.com/gpu": 4})
    made = [spaces.namespace("acme", OPTIONS), spaces.platform_role_binding("acme", OPTIONS)]
    for manifest in [*made, *spaces.space_objects("acme", quota, OPTIONS)]:
        assert problems(manifest) == [], manifest["kind"]
    hard = spaces.resource_quota("acme", quota, OPTIONS)["spec"]["hard"]
    wanted = {"limits.cpu": "64", "limits.memory": "256Gi", "requests.nvidia.com/gpu": "4", "services.nodeports": "0"}
    assert wanted.items() <= hard.items()


def test_the_network_is_closed_before_it_is_opened() -> None:
    made = {item["metadata"]["name"]: item["spec"] for item in spaces.network_policies("acme", OPTIONS)}
    assert made["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    closed = made["outside"]["egress"][0]["to"][0]["ipBlock"]["except"]
    assert {"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8"} <= set(closed)
    others = [peer for spec in made.values() for rule in spec.get("ingress", ()) for peer in rule["from"]]
    assert all("namespaceSelector" in peer for peer in others), "no pod of a tenant is let in by default"


def test_a_namespace_is_restricted_unless_excepted() -> None:
    label = "pod-security.kubernetes.io/enforce"
    assert spaces.namespace("acme", OPTIONS)["metadata"]["labels"][label] == "restricted"
    excepted = replace(OPTIONS, host_path_exceptions=("/x",))
    assert spaces.namespace("acme", excepted)["metadata"]["labels"][label] == "privileged"


@pytest.mark.parametrize("value", ["Bad", "-x", "x-", "", "x" * 31])
def test_a_release_must_name_namespaces(value: str) -> None:
    with pytest.raises(BackendError, match="release"):
        KubernetesOptions(release=value)


def test_homes_never_share_a_claim() -> None:
    keys = ["u1/n1", "u1-n1", "u1.n1", "u1_n1", "U1/n1", "ux2dx1/n1", "x", "u/1n1"]
    assert len({naming.home_claim(key) for key in keys}) == len(keys)
    assert naming.home_claim("u12/n3") == "home-u12-n3"


# --- routes and Volcano (rendered only) -----------------------------------------------------------


def test_weights_of_a_route() -> None:
    targets = (
        RouteTarget("v1", ("10.0.0.1:8080", "10.0.0.2:8080"), 90, workload="w1", attempt=1),
        RouteTarget("v2", ("10.0.0.3:8080",), 10, ("10.0.0.3:9000",), workload="w2", attempt=4),
        RouteTarget("v3", (), 5, workload="w3", attempt=1),
    )
    route = ServiceRoute("acme", "digits", targets)
    made = objects.http_route(route, OPTIONS)
    (rule,) = made["spec"]["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/serving/acme/digits"}}]
    assert [(item["name"], item["weight"]) for item in rule["backendRefs"]] == [("w1-1", 90), ("w2-4", 10)]
    assert {item["port"] for item in rule["backendRefs"]} == {8080}
    grpc = objects.grpc_route(route, OPTIONS)
    assert [(item["name"], item["port"]) for item in grpc["spec"]["rules"][0]["backendRefs"]] == [("w2-4", 9000)]
    with pytest.raises(BackendError, match="no gateway"):
        objects.http_route(route, KubernetesOptions())


def test_no_route_without_the_key_check() -> None:
    """The check knows the service by what the route says, and the model never sees its caller's key (SRV-5)."""
    target = RouteTarget("v1", ("10.0.0.1:8080",), 1, ("10.0.0.1:9000",), workload="w1", attempt=1)
    route = ServiceRoute("acme", "digits", (target,))
    for made in (objects.http_route(route, OPTIONS), objects.grpc_route(route, OPTIONS)):
        (rule,) = made["spec"]["rules"]
        name, check, *_ = rule["filters"]
        assert name["requestHeaderModifier"] == {"set": [{"name": SERVICE_HEADER, "value": "acme/digits"}]}
        assert check == {"type": "ExtensionRef", "extensionRef": KEY_FILTER}
        (backend,) = rule["backendRefs"]
        assert backend["filters"][0]["requestHeaderModifier"] == {"remove": ["Authorization"]}
    assert objects.SERVICE_HEADER == SERVICE_HEADER
    with pytest.raises(BackendError, match="key_filter"):
        Gateway("gateway", "public")
    with pytest.raises(BackendError, match="key_filter"):
        KubernetesOptions.from_mapping({"gateway": {"namespace": "a", "name": "b", "key_filter": {"kind": "x"}}})


def test_the_gateway_reaches_pods_and_is_not_reached() -> None:
    (with_one,) = [one for one in spaces.network_policies("acme", OPTIONS) if one["metadata"]["name"] == "platform"]
    (without,) = [
        one for one in spaces.network_policies("acme", KubernetesOptions()) if one["metadata"]["name"] == "platform"
    ]
    opening = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gateway"}}}
    assert opening in with_one["spec"]["ingress"][0]["from"]
    assert opening not in without["spec"]["ingress"][0]["from"]
    assert with_one["spec"]["egress"] == without["spec"]["egress"]


def test_a_volcano_gang_starts_whole_or_not_at_all() -> None:
    options = KubernetesOptions(scheduler="volcano")
    made = objects.volcano_job(plan(replicas=4, placement=Placement(queue="fast", priority_class="high")), options)
    spec = made["spec"]
    assert (spec["minAvailable"], spec["queue"], spec["priorityClassName"]) == (4, "fast", "high")
    assert "priorityClassName" not in spec["tasks"][0]["template"]["spec"]
    elastic = objects.volcano_job(plan(replicas=4, placement=Placement(minimum_replicas=2)), options)
    assert elastic["spec"]["minAvailable"] == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("100m", "0.1"),
        ("2", "2"),
        ("1.5Gi", str(3 << 29)),
        ("12e3", "12000"),
        ("1k", "1000"),
        ("0", "0"),
        ("3E", "3e18"),
    ],
)
def test_quantities(text: str, value: str) -> None:
    assert quantities.parse(text) == quantities.parse(value)


def test_resources_survive_a_list_and_back() -> None:
    wanted = Resources(1234, 5 * GIB + 7, 3 * GIB, {"huawei.com/Ascend910": 8})
    assert quantities.from_list(quantities.to_list(wanted)) == wanted

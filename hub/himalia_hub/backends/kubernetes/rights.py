"""The rights of hub and platform on a cluster, and the policy that keeps both inside our namespaces. Pure.

``python -m himalia_hub.backends.kubernetes.rights --release NAME --namespace NAMESPACE | kubectl apply -f -``
installs them; with ``--chart`` it prints the chart's template, which is generated and never edited.

Two accounts, because the hub is what people talk to: it may look at pods and events everywhere, and
make pods only where the platform made it a Role. The platform may make namespaces and bind one
named ClusterRole; the policy refuses both outside namespaces labelled as this installation's, which
RBAC alone cannot say.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import yaml

from himalia_hub.backends.kubernetes import naming
from himalia_hub.backends.kubernetes.spaces import HUB_RULES

Manifest = dict[str, Any]
_RBAC = "rbac.authorization.k8s.io"
_LOOK = ["get", "list", "watch"]
_KEEP = [*_LOOK, "create", "patch", "delete"]
_WRITE = ["create", "patch", "delete"]


def _rule(group: str, resources: list[str], verbs: list[str], names: list[str] | None = None) -> Manifest:
    found: Manifest = {"apiGroups": [group], "resources": resources, "verbs": verbs}
    return found | ({"resourceNames": names} if names else {})


HUB_EVERYWHERE = [_rule("", ["pods", "events"], _LOOK)]
PLATFORM_EVERYWHERE = [
    _rule("", ["nodes"], _LOOK),
    _rule("", ["namespaces"], [*_LOOK, "create", "patch", "delete"]),
    _rule(_RBAC, ["rolebindings"], ["create"]),
]
PLATFORM_IN_SPACE = [
    _rule("", ["pods"], _KEEP),
    _rule("", ["pods/log"], ["get"]),
    _rule("", ["pods/exec"], ["get", "create"]),
    _rule("", ["events"], _LOOK),
    _rule("", ["secrets", "configmaps"], _WRITE),
    _rule("", ["persistentvolumeclaims", "services"], _KEEP),
    _rule("", ["resourcequotas", "limitranges", "serviceaccounts"], _KEEP),
    _rule("batch", ["jobs"], _KEEP),
    _rule("apps", ["deployments"], _KEEP),
    _rule("networking.k8s.io", ["networkpolicies"], _KEEP),
    _rule(_RBAC, ["roles", "rolebindings"], _KEEP),
    _rule("gateway.networking.k8s.io", ["httproutes", "grpcroutes"], _KEEP),
    _rule("batch.volcano.sh", ["jobs"], _KEEP),
]
PLATFORM_AT_HOME = [_rule("coordination.k8s.io", ["leases"], ["get", "create", "patch"])]
"""In its own namespace: the lease that says which process writes."""


def manifests(release: str, namespace: str) -> list[Manifest]:
    """Everything an administrator installs once, in the order in which it is applied."""
    labels = {"app.kubernetes.io/managed-by": naming.MANAGER, naming.RELEASE: release}

    def make(version: str, kind: str, name: str, *, inside: bool = False, **body: Any) -> Manifest:
        meta: Manifest = {"name": name, "labels": dict(labels)} | ({"namespace": namespace} if inside else {})
        return {"apiVersion": version, "kind": kind, "metadata": meta, **body}

    def role(name: str, rules: list[Manifest]) -> Manifest:
        return make(f"{_RBAC}/v1", "ClusterRole", name, rules=rules)

    def binding(part: str) -> Manifest:
        name = f"{release}-{part}"
        subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        reference = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": name}
        return make(f"{_RBAC}/v1", "ClusterRoleBinding", name, roleRef=reference, subjects=[subject])

    home = f"{release}-platform"
    at_home = {
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": home},
        "subjects": [{"kind": "ServiceAccount", "name": home, "namespace": namespace}],
    }
    space = f"{release}-space"
    bind = _rule(_RBAC, ["clusterroles"], ["bind"], [space])
    return [
        make("v1", "ServiceAccount", f"{release}-hub", inside=True),
        make("v1", "ServiceAccount", f"{release}-platform", inside=True),
        role(f"{release}-hub", HUB_EVERYWHERE),
        role(f"{release}-platform", [*PLATFORM_EVERYWHERE, bind]),
        role(space, PLATFORM_IN_SPACE),
        binding("hub"),
        binding("platform"),
        make(f"{_RBAC}/v1", "Role", home, inside=True, rules=PLATFORM_AT_HOME),
        make(f"{_RBAC}/v1", "RoleBinding", home, inside=True, **at_home),
        policy(release, namespace, labels),
        make(
            "admissionregistration.k8s.io/v1",
            "ValidatingAdmissionPolicyBinding",
            f"{release}-stays-inside",
            spec={"policyName": f"{release}-stays-inside", "validationActions": ["Deny"]},
        ),
    ]


def policy(release: str, namespace: str, labels: Manifest) -> Manifest:
    """Whatever hub or platform writes lies in a namespace labelled as ours, or is such a namespace."""
    accounts = [f"system:serviceaccount:{namespace}:{release}-{part}" for part in ("hub", "platform")]

    def ours(thing: str) -> str:
        label = f"'{naming.RELEASE}' in {thing}.metadata.labels"
        return (
            f"(has({thing}.metadata.labels) && {label} && {thing}.metadata.labels['{naming.RELEASE}'] == '{release}')"
        )

    is_space = "request.resource.group == '' && request.resource.resource == 'namespaces'"
    named = f"object.metadata.name.startsWith('{release}-')"
    space_rule = (
        f"request.operation == 'CREATE' ? ({named} && {ours('object')}) : "
        f"(request.operation == 'DELETE' ? {ours('oldObject')} : ({ours('oldObject')} && {ours('object')}))"
    )
    reviews = "request.resource.group in ['authentication.k8s.io', 'authorization.k8s.io']"
    inside = f"namespaceObject != null && ({ours('namespaceObject')} || request.namespace == '{namespace}')"
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": f"{release}-stays-inside", "labels": dict(labels)},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": ["*"],
                        "apiVersions": ["*"],
                        "operations": ["CREATE", "UPDATE", "DELETE", "CONNECT"],
                        "resources": ["*/*"],
                        "scope": "*",
                    }
                ]
            },
            "matchConditions": [
                {"name": "hub-or-platform", "expression": f"request.userInfo.username in {accounts!r}"}
            ],
            "validations": [
                {
                    "expression": f"({is_space}) ? ({space_rule}) : (({inside}) || {reviews})",
                    "message": f"Himalia may write only in namespaces labelled {naming.RELEASE}={release}.",
                    "reason": "Forbidden",
                }
            ],
        },
    }


HUB_IN_SPACE = list(HUB_RULES)
_RELEASE, _NAMESPACE = "RELEASE-OF-THE-CHART", "NAMESPACE-OF-THE-CHART"


def chart_template() -> str:
    """The chart's template: the same manifests with Helm's names in place of ours."""
    text = yaml.safe_dump_all(manifests(_RELEASE, _NAMESPACE), sort_keys=False, width=4096)
    text = text.replace(_RELEASE, "{{ .Release.Name }}").replace(_NAMESPACE, "{{ .Release.Namespace }}")
    return f"# Generated by python -m himalia_hub.backends.kubernetes.rights --chart; a test keeps it fresh.\n{text}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Print the rights of hub and platform as manifests.")
    parser.add_argument("--release", default="himalia")
    parser.add_argument("--namespace", default="himalia")
    parser.add_argument("--chart", action="store_true", help="print the chart's template")
    options = parser.parse_args()
    if options.chart:
        sys.stdout.write(chart_template())
    else:
        sys.stdout.write(yaml.safe_dump_all(manifests(options.release, options.namespace), sort_keys=False))


if __name__ == "__main__":
    main()

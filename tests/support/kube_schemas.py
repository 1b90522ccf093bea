"""Checks a manifest against the field names and types of the Kubernetes client's own models.

Needs no cluster: the client is generated from the API's OpenAPI, so a misspelt field, a number
where a text belongs or a missing required field is found here. Kinds that the client does not know
(Volcano, Gateway API) are checked by the cluster tests where their definitions are installed.
"""

from __future__ import annotations

import re
from typing import Any

from kubernetes.client import models

_KINDS = {
    "Pod": "V1Pod",
    "Job": "V1Job",
    "Deployment": "V1Deployment",
    "Service": "V1Service",
    "Secret": "V1Secret",
    "ConfigMap": "V1ConfigMap",
    "PersistentVolumeClaim": "V1PersistentVolumeClaim",
    "Namespace": "V1Namespace",
    "ResourceQuota": "V1ResourceQuota",
    "LimitRange": "V1LimitRange",
    "NetworkPolicy": "V1NetworkPolicy",
    "ServiceAccount": "V1ServiceAccount",
    "Role": "V1Role",
    "RoleBinding": "V1RoleBinding",
    "ClusterRole": "V1ClusterRole",
    "ClusterRoleBinding": "V1ClusterRoleBinding",
    "ValidatingAdmissionPolicy": "V1ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding": "V1ValidatingAdmissionPolicyBinding",
}
_NAMES = {"V1Subject": "RbacV1Subject"}
_PLAIN: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "float": (float, int),
    "object": (object,),
    "datetime": (str,),
    "bytearray": (str,),
}


def problems(manifest: dict[str, Any]) -> list[str]:
    """Everything wrong with a manifest of a kind that the client knows; empty when it is right."""
    kind = manifest.get("kind", "")
    if kind not in _KINDS:
        return [f"kind {kind!r} is not known here"]
    return list(_check(manifest, _KINDS[kind], kind))


def _check(value: Any, type_name: str, where: str) -> list[str]:
    listed = re.fullmatch(r"[Ll]ist\[(.+)\]", type_name)
    mapped = re.fullmatch(r"[Dd]ict(?:\[|\()str, (.+)[\])]", type_name)
    if listed:
        if not isinstance(value, list):
            return [f"{where}: a list belongs here, not {value!r}"]
        return [line for i, item in enumerate(value) for line in _check(item, listed[1], f"{where}[{i}]")]
    if mapped:
        if not isinstance(value, dict):
            return [f"{where}: a map belongs here, not {value!r}"]
        return [line for key, item in value.items() for line in _check(item, mapped[1], f"{where}.{key}")]
    if type_name in _PLAIN:
        right = isinstance(value, _PLAIN[type_name]) and not (type_name == "int" and isinstance(value, bool))
        return [] if right else [f"{where}: {type_name} belongs here, not {value!r}"]
    if type_name == "IntOrString":
        return [] if isinstance(value, (int, str)) else [f"{where}: a number or text belongs here, not {value!r}"]
    return _check_model(value, getattr(models, _NAMES.get(type_name, type_name)), where)


def _check_model(value: Any, model: Any, where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: {model.__name__} belongs here, not {value!r}"]
    known = {json_name: model.openapi_types[name] for name, json_name in model.attribute_map.items()}
    found = [f"{where}: {name!r} is not a field of {model.__name__}" for name in value if name not in known]
    for name, item in value.items():
        if name in known:
            found += _check(item, known[name], f"{where}.{name}")
    return found

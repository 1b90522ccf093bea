"""Who you are, health, API tokens, language of errors."""

from __future__ import annotations

from tests.support.service import LiveService, World


def test_health_needs_no_token(service: LiveService) -> None:
    answer = service.client().get("/health")
    assert answer.status_code == 200
    assert answer.json()["database"] == "ok"


def test_me_names_the_caller_and_clips_a_notebook_to_own(world: World) -> None:
    """TEN-17: a notebook's token has reach own, whatever roles its owner has."""
    admin = world.alpha.tenant_admin
    plain = admin.client().get("/me").json()
    assert plain["user"]["name"] == admin.name
    assert plain["tenant"] == {"code": "alpha", "name": "Alpha"}
    assert set(plain["permissions"].values()) == {"own"}
    assert plain["with_step_up"]["data.dataset.read"] == "organisation"
    stepped = admin.client(step_up=True).get("/me").json()
    assert stepped["permissions"]["data.dataset.read"] == "organisation"
    assert stepped["step_up"]["until"]


def test_errors_speak_the_language_asked_for(world: World) -> None:
    """GEN-9."""
    client = world.alpha.member.client()
    english = client.get("/tasks/99").json()
    chinese = client.get("/tasks/99", headers={"Accept-Language": "zh-CN"}).json()
    assert english["code"] == chinese["code"] == "not_found"
    assert english["detail"] != chinese["detail"]


def test_an_api_token_is_shown_once_clipped_and_revocable(world: World) -> None:
    """TEN-18."""
    client = world.alpha.member.client()
    made = client.post("/api-tokens", json={"name": "ci", "permissions": ["account.self.read"]})
    assert made.status_code == 200 or made.status_code == 201
    secret = made.json()["token"]
    assert secret not in client.get("/api-tokens").text
    other = world.live.client(secret)
    assert other.get("/me").json()["permissions"] == {"account.self.read": "own"}
    assert other.get("/tasks").status_code == 403
    assert client.delete(f"/api-tokens/{made.json()['id']}").status_code == 204
    assert other.get("/me").status_code == 401


def test_a_key_used_for_another_body_is_refused(world: World) -> None:
    """GEN-6, on a route that keeps answers."""
    client = world.alpha.member.client()
    answer = client.post("/tasks/1/cancel", headers={"Idempotency-Key": "x" * 129})
    assert answer.status_code == 422
    assert answer.json()["field"] == "Idempotency-Key"

"""Every rule of passwords, a value on each side of its limit (TEN-13), and the codes of RFC 6238 (TEN-16)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from himalia_hub.core.security_policy import SecurityPolicy
from himalia_hub.identity import factors, lockout, messages, rules

POLICY = SecurityPolicy()


def broken(
    password: str, *, name: str = "annabell", old: str | None = None, policy: SecurityPolicy = POLICY
) -> list[str]:
    return [rule.code for rule in rules.broken(policy, password, name, old=old)]


@pytest.mark.parametrize(
    ("password", "codes"),
    [
        pytest.param("Tea 42x", ["length"], id="7 characters"),
        pytest.param("Tea 42xy", [], id="8 characters"),
        pytest.param("Tea 42" + "x" * 26, [], id="32 characters"),
        pytest.param("Tea 42" + "x" * 27, ["length"], id="33 characters"),
        pytest.param("Teatime42", ["special"], id="no special character"),
        pytest.param("Tea_time42", [], id="a special character"),
        pytest.param("Tea time42", [], id="a space"),
        pytest.param("tea time now", ["kinds"], id="lower case only"),
        pytest.param("TEA TIME NOW", ["kinds"], id="upper case only"),
        pytest.param("4711 0815!", ["kinds"], id="digits only"),
        pytest.param("tea time 42", [], id="lower case and digits"),
        pytest.param("茶 Tea time 4", [], id="Chinese beside two kinds"),
    ],
)
def test_form(password: str, codes: list[str]) -> None:
    assert broken(password) == codes


@pytest.mark.parametrize("password", ["anna-bell7", "ANNA-bell7", "7lleb-anna"])
def test_not_the_user_name_forwards_or_backwards(password: str) -> None:
    assert broken(password, name="anna-bell7") == ["not_name"]
    assert broken(password + "!", name="anna-bell7") == []


@pytest.mark.parametrize(
    "password",
    ["P@ssw0rd", "Password!", "Passw0rd 1", "Qwerty 123", "iLoveYou!!", "Admin 2026!", "1q2w3e4r!", "Woaini1314!"],
)
def test_a_decorated_common_word_is_weak(password: str) -> None:
    assert "weak" in broken(password)


@pytest.mark.parametrize("password", ["Tea time 42", "passwords are odd 7", "Harbour 2026!", "q7 Werty up"])
def test_what_only_contains_one_is_not(password: str) -> None:
    assert "weak" not in broken(password)


def test_the_policys_own_words_are_weak_too() -> None:
    policy = SecurityPolicy(weak_words=["Harbour"])
    assert broken("Harbour 2026!", policy=policy) == ["weak"]


@pytest.mark.parametrize(
    ("new", "codes"),
    [
        ("Tea time 43", ["differs"]),
        ("Tea time 53", []),
        ("Tea time 42!", ["differs"]),
        ("Tea time 42!!", []),
        ("Tea time 42", ["differs"]),
    ],
)
def test_differs_from_the_old_in_two_positions(new: str, codes: list[str]) -> None:
    assert broken(new, old="Tea time 42") == codes


def test_each_rule_can_be_switched_off() -> None:
    policy = SecurityPolicy(
        password_minimum=6, password_needs_special=False, password_kinds=0, password_not_user_name=False,
        password_differs_in=0, password_history=0,
    )  # fmt: skip
    assert broken("zebras", name="zebras", old="zebras", policy=policy) == []
    assert [rule.code for rule in rules.password_rules(policy, changing=True)] == ["length", "weak"]


def test_a_refusal_names_the_rules_and_never_the_password() -> None:
    error = rules.refuse(rules.broken(POLICY, "hunter2", "annabell"))
    assert "hunter2" not in str(vars(error)) + str(error)
    assert error.details["broken"] == ["length", "special"]


def test_the_end_of_a_password_is_told_seven_days_before() -> None:
    policy = SecurityPolicy(password_expires_days=90)
    changed = datetime(2026, 1, 1, tzinfo=UTC)
    assert rules.expires_at(policy, changed) == changed + timedelta(days=90)
    assert not rules.warns(policy, changed, changed + timedelta(days=82, hours=23))
    assert rules.warns(policy, changed, changed + timedelta(days=83))
    assert rules.expires_at(POLICY, changed) is None


@pytest.mark.parametrize(
    ("moment", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(moment: int, code: str) -> None:
    """Appendix B, SHA-1."""
    assert factors.totp_at(b"12345678901234567890", moment, digits=8) == code


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("", ""),
        ("nonsense", "nonsense"),
    ],
)
def test_the_address_that_limits_count_by(address: str, place: str) -> None:
    assert lockout.place_of(address) == place


@pytest.mark.parametrize(("address", "shown"), [("lee@example.org", "l•••@example.org"), ("+8613800001234", "•••1234")])
def test_addresses_are_shown_to_recognise_not_to_learn(address: str, shown: str) -> None:
    assert messages.masked(address) == shown

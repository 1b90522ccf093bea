"""``/hub/himalia/account`` and the calls its script makes: about the person who is signed in (UI-4)."""

from __future__ import annotations

import time
from typing import Any

from tornado import web

from himalia_hub.auth.authenticator import auth_model, end_sessions
from himalia_hub.config.language import COOKIE, LANGUAGES
from himalia_hub.config.pages import HimaliaPage
from himalia_hub.config.platform_client import Refused, Unreachable
from himalia_hub.config.texts import account_texts, text

CALLS: dict[str, tuple[str, tuple[str, ...]]] = {
    "factor-begin": ("account/factors/begin", ("method", "password", "proof_method", "proof_code")),
    "factor-confirm": ("account/factors/confirm", ("method", "code")),
    "factor-remove": ("account/factors/remove", ("method", "password", "proof_method", "proof_code")),
    "recovery-codes": ("account/recovery-codes", ("password", "proof_method", "proof_code")),
    "contact": ("account/contact", ("channel", "to", "password", "proof_method", "proof_code")),
    "contact-confirm": ("account/contact/confirm", ("channel", "code")),
    "token": (
        "account/tokens",
        ("name", "permissions", "reach", "expires_at", "password", "proof_method", "proof_code"),
    ),
    "token-revoke": ("account/tokens/revoke", ("token",)),
}
"""The page's calls, the platform's routes, and the fields that pass: everything else stays behind."""
WITHOUT_ADDRESS = ("token-revoke",)


class AccountPage(HimaliaPage):
    """Everything about one's own account on one page."""

    @web.authenticated
    async def get(self) -> None:
        user = self.current_user
        try:
            page = await self.platform.get("account", user=user.name, language=self.language)
        except (Refused, Unreachable) as error:
            self.set_status(503)
            sentence = error.problem.sentence if isinstance(error, Refused) else ""
            await self.show(
                "message.html",
                title=text("error.503", self.language),
                sentence=sentence or text("platform.restarting", self.language),
            )
            return
        await self.show(
            "account.html",
            identity=page["identity"],
            account=page,
            data={"page": page, "texts": account_texts(self.language), "language": self.language},
        )


class AccountData(HimaliaPage):
    """The page's data again, after a change."""

    async def get(self) -> None:
        user = self.signed_in()
        try:
            self.answer(await self.platform.get("account", user=user.name, language=self.language))
        except (Refused, Unreachable) as error:
            self.refuse(error)


class AccountCall(HimaliaPage):
    """One change; the platform decides."""

    async def post(self, call: str) -> None:
        user = self.signed_in()
        path, fields = CALLS[call]
        given = self.body()
        body = {name: given[name] for name in fields if name in given} | {"hub_user": user.name}
        if call not in WITHOUT_ADDRESS:
            body["address"] = self.request.remote_ip
        try:
            self.answer(await self.platform.post(path, body, language=self.language) or {})
        except (Refused, Unreachable) as error:
            self.refuse(error)


class PasswordCall(HimaliaPage):
    """A new password. All sessions end with it but this one, which was just proven."""

    async def post(self) -> None:
        user = self.signed_in()
        given = self.body()
        body = {
            "hub_user": user.name,
            "old_password": given.get("old_password"),
            "password": str(given.get("password") or ""),
            "address": self.request.remote_ip,
        }
        try:
            await self.platform.post("password", body, language=self.language)
            answer = await self.platform.post("sign-in/refresh", {"hub_user": user.name, "session_epoch": 0})
        except (Refused, Unreachable) as error:
            self.refuse(error)
            return
        if answer.get("identity"):
            await self.keep_this_session(user, answer["identity"])
        self.answer({})

    async def keep_this_session(self, user: Any, identity: dict[str, Any]) -> None:
        """End the other browsers' cookies and give this one new ones (a session is not carried over)."""
        end_sessions(user)
        user._auth_refreshed = time.monotonic()
        await user.save_auth_state(auth_model(identity)["auth_state"])
        self.set_login_cookie(user)


class LanguageCall(HimaliaPage):
    """Remember the language with the account and in this browser."""

    async def post(self) -> None:
        user = self.signed_in()
        language = self.body().get("language")
        if language not in LANGUAGES:
            raise web.HTTPError(400)
        try:
            await self.platform.post("account/language", {"hub_user": user.name, "language": language})
        except (Refused, Unreachable) as error:
            self.refuse(error)
            return
        self.set_cookie(COOKIE, str(language), expires_days=365, path="/hub/", httponly=True, samesite="Lax")
        self.answer({})


def handlers() -> list[Any]:
    """Addresses below ``/hub``."""
    return [
        (r"/himalia/account", AccountPage),
        (r"/himalia/api/account", AccountData),
        (r"/himalia/api/account/password", PasswordCall),
        (r"/himalia/api/account/language", LanguageCall),
        (rf"/himalia/api/account/({'|'.join(CALLS)})", AccountCall),
    ]

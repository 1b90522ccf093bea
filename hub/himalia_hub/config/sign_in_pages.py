"""The pages of a local sign-in beyond its form: further steps, a forgotten password, the privacy statement.

A step's page holds the challenge's secret in a hidden field and nothing else; what is owed next is
the platform's answer each time.
"""

from __future__ import annotations

from typing import Any

from himalia_hub.config.pages import HimaliaPage
from himalia_hub.config.platform_client import Refused, Unreachable
from himalia_hub.config.texts import text


class StepPage(HimaliaPage):
    """``/hub/himalia/sign-in``: the second factor, a new password, the privacy statement."""

    def get(self) -> None:
        self.redirect("/hub/login")

    async def post(self) -> None:
        token = self.get_body_argument("token", "")
        if self.get_body_argument("send", ""):
            await self._send(token, self.get_body_argument("send"))
            return
        if self.get_body_argument("choose", ""):
            await self._again(token, "")
            return
        request: dict[str, Any] = {"token": token, "address": self.request.remote_ip}
        problem = self._read(request)
        if problem is None:
            try:
                answer = await self.platform.post("sign-in/continue", request, language=self.language)
                await self.finish_sign_in(answer)
                return
            except Refused as error:
                if error.problem.code == "challenge_over":
                    self.redirect("/hub/login?over=1")
                    return
                problem = error.problem.sentence
            except Unreachable:
                problem = text("platform.restarting", self.language)
        await self._again(token, problem)

    def _read(self, request: dict[str, Any]) -> str | None:
        """Adds what this step's form brought; answers what is wrong with it."""
        code = self.get_body_argument("code", "").strip()
        if code:
            request.update(code=code, method=self.get_body_argument("method", "totp"))
        password = self.get_body_argument("password", "", strip=False)
        if password:
            if password != self.get_body_argument("repeat", "", strip=False):
                return text("link.differ", self.language)
            request["password"] = password
            request["old_password"] = self.get_body_argument("old_password", None, strip=False)
        request["accept_privacy"] = bool(self.get_body_argument("accept_privacy", ""))
        return None

    async def _send(self, token: str, method: str) -> None:
        body = {"token": token, "method": method, "address": self.request.remote_ip}
        try:
            sent = await self.platform.post("sign-in/send-code", body, language=self.language)
        except Refused as error:
            if error.problem.code == "challenge_over":
                self.redirect("/hub/login?over=1")
                return
            await self._again(token, error.problem.sentence, method=method)
            return
        except Unreachable:
            await self._again(token, text("platform.restarting", self.language), method=method)
            return
        await self._again(token, "", method=method, note=text("step.sent", self.language, to=sent["sent_to"]))

    async def _again(self, token: str, problem: str, *, method: str = "", note: str = "") -> None:
        """The same step once more. Looking is a step with nothing in it."""
        try:
            answer = await self.platform.post("sign-in/look", {"token": token}, language=self.language)
        except (Refused, Unreachable):
            self.redirect("/hub/login?over=1")
            return
        if problem:
            self.set_status(422)
        await self.show_step(
            answer["pending"], problem=problem, note=note, method=method or self.get_body_argument("method", "")
        )


class ForgottenPage(HimaliaPage):
    """A forgotten password: the name, and one and the same answer for every name."""

    async def get(self) -> None:
        await self._form()

    async def post(self) -> None:
        name = self.get_body_argument("username", "").strip()
        body: dict[str, Any] = {"name": name, "address": self.request.remote_ip, "captcha": self.captcha_answer()}
        if not name:
            await self._form(text("sign_in.name_needed", self.language))
            return
        try:
            await self.platform.post("sign-in/forgotten", body, language=self.language)
        except Refused as error:
            await self._form(error.problem.sentence, name)
            return
        except Unreachable:
            await self._form(text("platform.restarting", self.language), name)
            return
        await self.show(
            "message.html",
            title=text("forgotten.sent_title", self.language),
            sentence=text("forgotten.sent", self.language),
        )

    async def _form(self, problem: str = "", name: str = "") -> None:
        if problem:
            self.set_status(422)
        captcha = await self.new_captcha(name, force=True)
        await self.show("forgotten.html", problem=problem, typed_name=name, captcha=captcha)


class PrivacyPage(HimaliaPage):
    """The privacy statement, for everybody."""

    async def get(self) -> None:
        await self.show("privacy.html")


def handlers() -> list[Any]:
    """Addresses below ``/hub``."""
    return [
        (r"/himalia/sign-in", StepPage),
        (r"/himalia/forgotten", ForgottenPage),
        (r"/himalia/privacy", PrivacyPage),
    ]

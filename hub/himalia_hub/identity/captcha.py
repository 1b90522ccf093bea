"""A picture with five letters, drawn by us, good for one answer within seconds (TEN-15).

It slows a guessing program down; what stops it are the locks. Who cannot read the picture asks for
another one, or waits until the failure is forgotten: then none is asked.
"""

from __future__ import annotations

import base64
import io
import math
import random
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from PIL import Image, ImageDraw, ImageFont
from sqlalchemy.orm import Session

from himalia_hub.core import clock
from himalia_hub.core.errors import HimaliaError
from himalia_hub.core.security_policy import SecurityPolicy
from himalia_hub.identity.tables import Captcha

LETTERS = "ABCDEFHJKLMNPRTUVWXY34679"
"""Without those that look like others (0 O Q, 1 I, 2 Z, 5 S, 8 B-like, G)."""
LENGTH = 5
WIDTH, HEIGHT = 200, 64


class CaptchaNeeded(HimaliaError):
    """A right captcha has to come with the next try; the password was not looked at."""

    code = "captcha_needed"
    status = 403


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person read in the picture ``id``."""

    id: str
    letters: str


def new(session: Session, policy: SecurityPolicy) -> tuple[str, str]:
    """A new captcha; answers its id and letters (draw them with :func:`picture`, outside of the transaction)."""
    moment = clock.now()
    session.execute(sa.delete(Captcha).where(Captcha.expires_at < moment - timedelta(minutes=10)))
    made = Captcha(
        id=secrets.token_urlsafe(24),
        answer="".join(secrets.choice(LETTERS) for _ in range(LENGTH)),
        created_at=moment,
        expires_at=moment + timedelta(seconds=policy.captcha_seconds),
    )
    session.add(made)
    session.flush()
    return made.id, made.answer


def use(session: Session, answer: Answer | None) -> None:
    """Use a captcha up, right or wrong.

    Raises:
        CaptchaNeeded: none was sent, or it was wrong, too old or used before.
    """
    if answer is None or not answer.id:
        raise CaptchaNeeded(
            "Type the letters of the picture as well.", zh="请同时输入图片中的字符。", field="captcha", rule="required"
        )
    moment = clock.now()
    row = session.execute(
        sa.update(Captcha)
        .where(Captcha.id == answer.id, Captcha.used_at.is_(None))
        .values(used_at=moment)
        .returning(Captcha.answer, Captcha.expires_at)
    ).first()
    if row is None or row.expires_at <= moment:
        raise CaptchaNeeded(
            "The picture was too old. Here is a new one.",
            zh="图片已过期，请按新图片输入。",
            field="captcha",
            rule="fresh",
            used=True,
        )
    if answer.letters.strip().upper().replace(" ", "") != row.answer:
        raise CaptchaNeeded(
            "Those were not the letters of the picture. Here is a new one.",
            zh="字符与图片不符，请按新图片输入。",
            field="captcha",
            rule="as in the picture",
            used=True,
        )


def picture(letters: str) -> bytes:
    """A PNG of the letters: each turned, shifted and sized by chance, the whole bent and struck through."""
    chance = random.SystemRandom()
    image = Image.new("L", (WIDTH, HEIGHT), 255)
    for index, letter in enumerate(letters):
        image.paste(0, (14 + index * 35 + chance.randint(-3, 3), chance.randint(2, 12)), _turned(letter, chance))
    image = _bent(image, chance)
    draw = ImageDraw.Draw(image)
    for _ in range(3):
        ends = [
            (chance.randint(0, 40), chance.randint(8, HEIGHT - 8)),
            (chance.randint(160, WIDTH), chance.randint(8, 56)),
        ]
        draw.line(ends, fill=chance.randint(0, 90), width=2)
    for _ in range(160):
        draw.point((chance.randrange(WIDTH), chance.randrange(HEIGHT)), fill=chance.randint(0, 160))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def to_wire(number: str, letters: str, policy: SecurityPolicy) -> dict[str, Any]:
    data = base64.b64encode(picture(letters)).decode()
    return {"id": number, "picture": f"data:image/png;base64,{data}", "seconds": policy.captcha_seconds}


def _turned(letter: str, chance: random.Random) -> Image.Image:
    mask = Image.new("L", (48, 52), 0)
    font = ImageFont.load_default(size=chance.randint(34, 40))
    ImageDraw.Draw(mask).text((10, 2), letter, font=font, fill=255)
    return mask.rotate(chance.uniform(-24, 24), resample=Image.Resampling.BICUBIC)


def _bent(image: Image.Image, chance: random.Random) -> Image.Image:
    """Columns shifted along a wave."""
    phase, period, height = chance.uniform(0, 6.3), chance.uniform(45, 80), chance.uniform(3, 5)
    bent = Image.new("L", image.size, 255)
    for x in range(image.width):
        shift = round(height * math.sin(phase + x / period * 2 * math.pi))
        bent.paste(image.crop((x, 0, x + 1, image.height)), (x, shift))
    return bent

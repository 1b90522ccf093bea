"""Label groups that everybody can copy from the start."""

from __future__ import annotations

from typing import Any

from himalia_hub.data.label_groups.rules import PALETTE

_COCO = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,"
    "parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,"
    "tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,"
    "tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,"
    "hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,"
    "keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,"
    "hair drier,toothbrush"
)


def _labels(names: list[str], keys: str = "") -> list[dict[str, Any]]:
    return [
        {"name": name, "colour": PALETTE[n % len(PALETTE)], "key": keys[n] if n < len(keys) else None}
        for n, name in enumerate(names)
    ]


PRESETS: dict[str, dict[str, Any]] = {
    "coco-80": {
        "name": "COCO-80",
        "type": "vision",
        "description": "The 80 classes of the COCO pictures",
        "labels": _labels(_COCO.split(",")),
    },
    "digits": {
        "name": "digits",
        "type": "vision",
        "description": "0 to 9, on the number keys",
        "labels": _labels(list("0123456789"), "0123456789"),
    },
    "good-defect": {
        "name": "good-defect",
        "type": "vision",
        "description": "Inspection: good or defect",
        "labels": _labels(["good", "defect"], "12"),
    },
    "sentiment": {
        "name": "sentiment",
        "type": "text",
        "description": "Negative, neutral, positive",
        "labels": _labels(["negative", "neutral", "positive"], "123"),
    },
    "speech": {
        "name": "speech",
        "type": "audio",
        "description": "Speech, music, noise, silence",
        "labels": _labels(["speech", "music", "noise", "silence"], "1234"),
    },
}

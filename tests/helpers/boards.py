"""A board with an object of every type, as people leave one behind after a workshop."""

from __future__ import annotations

from typing import Any

from crdt_docs.projection import (
    AnnotationState,
    ObjectState,
    project_annotation,
    project_object,
)

TINY_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAQAAAAECAIAAAAmkwkpAAAAIElEQVR42mN47mMDRB+P8AMRAwpH70whEJnMuA1EKBwA"
    "js4ZFbIeTHIAAAAASUVORK5CYII="
)
"""Four pixels wide and high, base64."""

OBJECTS: dict[str, dict[str, Any]] = {
    "frame": {
        "object_type": "frame",
        "position": {"x": 0, "y": 40},
        "size": {"width": 900, "height": 430},
        "properties": {"title": "Sprint 12: what we learned"},
        "layer": 0,
    },
    "heading": {
        "object_type": "text",
        "position": {"x": 40, "y": 64},
        "size": {"width": 560, "height": 60},
        "properties": {
            "text": {
                "delta": [
                    {"insert": "From "},
                    {"insert": "idea", "attributes": {"bold": True, "color": "#1d4ed8"}},
                    {"insert": " to "},
                    {"insert": "release", "attributes": {"italic": True, "underline": True}},
                    {"insert": ", in\u00a0"},
                    {"insert": "three", "attributes": {"strike": True}},
                    {"insert": " two weeks"},
                ]
            },
            "font_size": 26,
        },
        "layer": 1,
    },
    "note": {
        "object_type": "sticky",
        "position": {"x": 40, "y": 150},
        "size": {"width": 180, "height": 180},
        "rotation": -4,
        "properties": {
            "text": "Deployments on Fridays went well: nobody had to stay late.\n\nKeep!",
            "color": "#fde68a",
        },
        "layer": 2,
    },
    "other note": {
        "object_type": "sticky",
        "position": {"x": 60, "y": 350},
        "size": {"width": 150, "height": 90},
        "properties": {"text": "Trop de réunions <b>le lundi</b> & mardi", "color": "#f9a8d4"},
        "layer": 2,
    },
    "start": {
        "object_type": "shape",
        "position": {"x": 290, "y": 160},
        "size": {"width": 160, "height": 80},
        "properties": {"text": "Collect ideas", "color": "#93c5fd", "kind": "ellipse"},
        "layer": 3,
    },
    "choice": {
        "object_type": "shape",
        "position": {"x": 530, "y": 140},
        "size": {"width": 150, "height": 120},
        "properties": {
            "text": "Worth it?",
            "kind": "diamond",
            "fill": "rgb(255 237 213)",
            "stroke": "#c2410c",
            "stroke_width": 2.5,
        },
        "layer": 3,
    },
    "build": {
        "object_type": "shape",
        "position": {"x": 520, "y": 340},
        "size": {"width": 170, "height": 80},
        "properties": {
            "text": "Build it together",
            "kind": "rounded",
            "fill": "darkslateblue",
            "font_size": 17,
            "bold": True,
        },
        "layer": 3,
    },
    "wedge": {
        "object_type": "shape",
        "position": {"x": 290, "y": 330},
        "size": {"width": 130, "height": 110},
        "rotation": 15,
        "properties": {"kind": "triangle", "color": "#86efac", "text": "Risk"},
        "layer": 3,
    },
    "rising": {
        "object_type": "shape",
        "position": {"x": 730, "y": 330},
        "size": {"width": 130, "height": 90},
        "properties": {
            "kind": "arrow",
            "flip_y": True,
            "stroke": "#be123c",
            "stroke_width": 4,
            "stroke_style": "dashed",
        },
        "layer": 3,
    },
    "picture": {
        "object_type": "image",
        "position": {"x": 940, "y": 80},
        "size": {"width": 240, "height": 170},
        "properties": {
            "src": "https://images.example/plans/third-floor-with-a-long-name.png?width=1200",
            "alt": "Plan of the third floor",
        },
        "layer": 3,
    },
    "pixels": {
        "object_type": "image",
        "position": {"x": 940, "y": 280},
        "size": {"width": 100, "height": 100},
        "properties": {"src": f"data:image/jpeg;base64,{TINY_PNG}", "alt": "Four colours"},
        "layer": 3,
    },
    "scribble": {
        "object_type": "drawing",
        "position": {"x": 720, "y": 80},
        "size": {"width": 150, "height": 60},
        "properties": {
            "strokes": [
                {
                    "points": [[0, 30], [15, 5], [30, 50], [45, 8], [60, 52], [75, 10], [100, 40]],
                    "color": "#7c3aed",
                    "stroke_width": 4,
                },
                {"path": "M0 58 C 30 66, 70 50, 100 60", "color": "#7c3aed", "width": 2},
            ]
        },
        "layer": 4,
    },
    "first arrow": {
        "object_type": "connector",
        "properties": {"start": "start", "end": {"object_id": "choice"}},
        "layer": 5,
    },
    "second arrow": {
        "object_type": "connector",
        "properties": {
            "from": {"object_id": "choice", "anchor": "bottom"},
            "to": "build",
            "label": "yes",
            "stroke": "#15803d",
        },
        "layer": 5,
    },
    "third arrow": {
        "object_type": "connector",
        "properties": {
            "from": "choice",
            "to": "wedge",
            "routing": "curved",
            "stroke_style": "dotted",
            "arrow_start": "circle",
            "label": "not yet",
        },
        "layer": 5,
    },
    "unknown": {
        "object_type": "poll",
        "position": {"x": 1070, "y": 290},
        "size": {"width": 120, "height": 80},
        "properties": {},
        "layer": 5,
    },
}

ANNOTATIONS: dict[str, dict[str, Any]] = {
    "a": {
        "annotation_type": "comment",
        "content": "Who takes this up?",
        "object_id": "note",
    },
    "b": {
        "annotation_type": "comment",
        "content": "Agreed on Monday",
        "position": {"x": 690, "y": 340},
        "resolved": True,
    },
}


def objects() -> dict[str, ObjectState]:
    """The objects of the board as rows have them."""
    return {identifier: project_object(value) for identifier, value in OBJECTS.items()}


def remarks() -> dict[str, AnnotationState]:
    """The annotations of the board as rows have them."""
    return {identifier: project_annotation(value) for identifier, value in ANNOTATIONS.items()}

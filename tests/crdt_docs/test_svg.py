"""Boards as SVG: what is drawn, and that nothing else can get into the file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt_docs.projection import AnnotationState, ObjectState, project_annotation, project_object
from crdt_docs.svg.images import MOST_IMAGE_BYTES
from crdt_docs.svg.page import render
from crdt_docs.svg.text_layout import LONGEST_TEXT
from tests.helpers.boards import OBJECTS, TINY_PNG, objects, remarks

NAMESPACE = "{http://www.w3.org/2000/svg}"
XML_SPACE = "{http://www.w3.org/XML/1998/namespace}space"

ELEMENTS = {
    *("svg", "g", "title", "rect", "ellipse", "path", "polygon", "line", "text", "tspan", "image"),
}
ATTRIBUTES = {
    *("viewBox", "x", "y", "width", "height", "rx", "ry", "cx", "cy", "x1", "y1", "x2", "y2"),
    *("d", "points", "transform", "opacity", "fill", "fill-opacity", "stroke", "stroke-opacity"),
    *("stroke-width", "stroke-linecap", "stroke-linejoin", "stroke-dasharray", "font-family"),
    *("font-size", "font-weight", "font-style", "text-decoration", "text-anchor", XML_SPACE),
    *("href", "preserveAspectRatio", "data-object-id", "data-object-type", "data-annotation-id"),
}
FREE = {"data-object-id", "data-object-type", "data-annotation-id", "href"}
VALUE = re.compile(r"[\w.,#%' ()-]*", re.ASCII)

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=30)
WORDS = """
</svg><script>alert(1)</script> "onload="alert(1) url(#x) javascript:alert(1) ]]> <!-- &#0;
red;background:url(//x) data:image/png;base64,AAAA data:image/svg+xml;base64,PHN2Zy8+
M0,0L1e999,5 M0,0C #12345 rgb(1..2,3,4) ellipse arrow dashed curved elbow one two top center
"""
NASTY = st.sampled_from(["\x00", *WORDS.split()])
NUMBERS = st.floats() | st.integers() | st.sampled_from([2**53, -(10**400), 1e308, -1e308, 1e-300])
KEYS = st.sampled_from(
    [
        *("text", "color", "fill", "stroke", "stroke_width", "stroke_style", "kind", "opacity"),
        *("font_size", "font_family", "align", "vertical_align", "points", "strokes", "path"),
        *("src", "alt", "start", "end", "from", "to", "routing", "label", "arrow_end", "title"),
        *("arrow_start", "waypoints", "x", "y", "width", "height", "object_id", "anchor", "delta"),
        *("insert", "attributes", "bold", "corner_radius", "font_weight", "smoothing", "fit"),
    ]
)
ANY_VALUE = st.recursive(
    st.none() | st.booleans() | NUMBERS | ANY_TEXT | NASTY,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(KEYS | ANY_TEXT, inner, max_size=6),
    max_leaves=30,
)
TYPES = st.sampled_from(
    ["shape", "text", "image", "drawing", "sticky", "connector", "frame", "poll", "<poll>", ""]
)
POINT = st.fixed_dictionaries({"x": NUMBERS, "y": NUMBERS})
SIZE = st.fixed_dictionaries({"width": NUMBERS, "height": NUMBERS})
ANY_OBJECT = st.fixed_dictionaries(
    {
        "object_type": TYPES,
        "position": POINT | ANY_VALUE,
        "size": SIZE | ANY_VALUE,
        "rotation": NUMBERS | ANY_VALUE,
        "layer": NUMBERS | ANY_VALUE,
        "properties": st.dictionaries(KEYS, ANY_VALUE, max_size=8) | ANY_VALUE,
    }
)
ANY_ANNOTATION = st.fixed_dictionaries(
    {
        "annotation_type": ANY_TEXT,
        "content": ANY_TEXT | NASTY | ANY_VALUE,
        "object_id": ANY_TEXT | st.sampled_from(["one", "two"]),
        "position": st.none() | POINT | ANY_VALUE,
        "resolved": st.booleans(),
    }
)
IDS = st.sampled_from(["one", "two", "three", "<four>", '"five'])


def parsed(svg: str) -> ET.Element:
    """The file as a strict parser sees it, made sure to hold nothing but what may be in it."""
    root = ET.fromstring(svg)
    for node in root.iter():
        assert node.tag.removeprefix(NAMESPACE) in ELEMENTS
        assert set(node.attrib) <= ATTRIBUTES
        for name, value in node.attrib.items():
            if name == "href":
                assert re.fullmatch(r"data:image/(png|jpeg|gif|webp);base64,[\w+/=]+", value)
            elif name not in FREE:
                assert VALUE.fullmatch(value), (name, value)
                for number in re.findall(r"-?\d+\.?\d*", re.sub(r"#\w+", "", value)):
                    assert abs(float(number)) < 1e8
    return root


def drawn(value: Mapping[str, Any], **others: Mapping[str, Any]) -> ET.Element:
    """The group of an object, alone on a board or with others."""
    states = {"it": project_object(value)}
    states |= {name: project_object(other) for name, other in others.items()}
    root = parsed(render(states, {}))
    found = root.find(f"{NAMESPACE}g[@data-object-id='it']")
    assert found is not None
    return found


def of(object_type: str, /, *, x: float = 0, y: float = 0, **properties: Any) -> dict[str, Any]:
    """An object of a type, 100 wide and 50 high."""
    return {
        "object_type": object_type,
        "position": {"x": x, "y": y},
        "size": {"width": 100, "height": 50},
        "properties": properties,
    }


def first(node: ET.Element, name: str) -> ET.Element:
    found = node.find(f".//{NAMESPACE}{name}")
    assert found is not None, ET.tostring(node)
    return found


def words(node: ET.Element) -> str:
    """All that is written, a line a row."""
    lines = node.findall(f".//{NAMESPACE}text/{NAMESPACE}tspan")
    return "\n".join("".join(line.itertext()) for line in lines)


def ends(node: ET.Element) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where the first path of an object begins and ends."""
    numbers = [float(each) for each in re.findall(r"-?[\d.]+", first(node, "path").attrib["d"])]
    return (numbers[0], numbers[1]), (numbers[-2], numbers[-1])


# Nothing else gets in


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(IDS, ANY_OBJECT | ANY_VALUE, max_size=4),
    st.dictionaries(IDS, ANY_ANNOTATION | ANY_VALUE, max_size=3),
    ANY_TEXT,
)
def test_svg_1_svg_2_svg_3_any_content_gives_a_file_with_nothing_in_it_but_drawings(
    on_board: dict[str, Any], remarks: dict[str, Any], title: str
) -> None:
    states = {identifier: project_object(value) for identifier, value in on_board.items()}
    notes = {identifier: project_annotation(value) for identifier, value in remarks.items()}
    parsed(render(states, notes, title))


@given(ANY_OBJECT)
def test_svg_1_states_that_were_never_projected_do_no_harm(value: dict[str, Any]) -> None:
    state = ObjectState(**{**value, "object_type": str(value["object_type"])})
    parsed(render({"\ud800": state}, {"\x00": AnnotationState(content="\ud800\x01")}))


def test_svg_1_what_xml_cannot_hold_is_replaced() -> None:
    note = drawn(of("text", text='a\x0bb\x1b\ufffe<&>"'))
    assert words(note) == 'a\nb\ufffd\ufffd<&>"'


@pytest.mark.parametrize(
    "source",
    [
        "https://example.org/a.png",
        "//example.org/a.png",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "data:image/svg+xml;base64,PHN2Zy8+",
        "data:image/png;base64,PHN2Zy8+",
        "data:image/png;base64,%00",
        f"data:text/html;base64,{TINY_PNG}",
        f"data:image/png;base64,{TINY_PNG}\u00e9",
        "data:image/png;base64," + "A" * MOST_IMAGE_BYTES,
    ],
)
def test_svg_2_only_images_that_are_in_the_document_and_are_images_are_shown(source: str) -> None:
    shown = drawn(of("image", src=source, alt="A plan"))
    assert shown.find(f".//{NAMESPACE}image") is None
    assert "A plan" in words(shown)


def test_svg_2_an_embedded_image_is_shown_as_what_its_bytes_are() -> None:
    shown = first(drawn(of("image", src=f"data:image/jpeg;base64,{TINY_PNG}")), "image")
    assert shown.attrib["href"] == f"data:image/png;base64,{TINY_PNG}"


@pytest.mark.parametrize(
    "color", ["url(#a)", "red;fill:blue", "expression(1)", "#ff", "var(--x)", "currentcolor", 7]
)
def test_svg_3_what_is_no_colour_is_not_written(color: object) -> None:
    usual = first(drawn(of("shape")), "rect").attrib
    assert first(drawn(of("shape", fill=color, stroke=color)), "rect").attrib == usual


@pytest.mark.parametrize(
    ("color", "shown"),
    [
        ("#0F0", "#00ff00"),
        ("#00ff0080", "#00ff00"),
        ("Tomato", "#ff6347"),
        ("rgb(1, 2, 3)", "#010203"),
        ("rgba(100% 0% 0% / 50%)", "#ff0000"),
        ("hsl(120, 100%, 25%)", "#008000"),
        ("transparent", "none"),
        ("none", "none"),
    ],
)
def test_svg_3_colours_are_written_in_one_way(color: str, shown: str) -> None:
    assert first(drawn(of("shape", fill=color)), "rect").attrib["fill"] == shown


def test_svg_4_numbers_are_bounded_and_what_is_missing_has_a_default() -> None:
    far = of("shape") | {"position": {"x": 1e300, "y": -(10**400)}, "size": {"width": 1e9}}
    shape = first(drawn(far), "rect").attrib
    assert (shape["x"], shape["y"]) == ("0", "0")  # no position at all: one is no number
    far["position"] = {"x": 1e300, "y": -5e200}
    shape = first(drawn(far), "rect").attrib
    assert (shape["x"], shape["y"], shape["height"]) == ("1000000", "-1000000", "130")


def test_svg_4_unknown_types_have_their_place_and_what_has_no_type_has_none() -> None:
    assert words(drawn(of("poll"))) == "poll"
    assert words(drawn(of("poll", text="Pizza?"))) == "Pizza?"
    root = parsed(render({"it": project_object(of(""))}, {}))
    assert root.find(f"{NAMESPACE}g") is None


def test_svg_4_a_size_may_be_negative() -> None:
    back = of("shape") | {"position": {"x": 10, "y": 10}, "size": {"width": -10, "height": -4}}
    shape = first(drawn(back), "rect").attrib
    assert [shape[name] for name in ("x", "y", "width", "height")] == ["0", "6", "10", "4"]


# What is drawn


def test_an_empty_board_is_an_empty_page() -> None:
    root = parsed(render({}, {}, "Nothing <yet>"))
    assert first(root, "title").text == "Nothing <yet>"
    assert [child.tag for child in root] == [f"{NAMESPACE}title", f"{NAMESPACE}rect"]
    assert root.attrib["viewBox"] == "0 0 640 360"


def test_svg_5_the_page_is_as_large_as_what_is_on_it() -> None:
    turned = of("shape", stroke_width=0) | {"rotation": 90}
    root = parsed(render({"it": project_object(turned)}, {}))
    x, y, width, height = map(float, root.attrib["viewBox"].split())
    assert (x, y, width, height) == pytest.approx((25 - 24, -25 - 24, 50 + 48, 100 + 48))


def test_svg_5_the_higher_layer_lies_above_and_then_the_greater_id() -> None:
    board = {
        "b": of("shape") | {"layer": 1},
        "a": of("shape") | {"layer": 1},
        "z": of("shape") | {"layer": -2.5},
        "c": of("shape") | {"layer": "high"},
    }
    root = parsed(render({name: project_object(value) for name, value in board.items()}, {}))
    assert [group.attrib["data-object-id"] for group in root.findall(f"{NAMESPACE}g")] == [
        *("z", "c", "a", "b")
    ]


def test_svg_5_objects_are_turned_about_their_middle() -> None:
    turned = drawn(of("sticky", x=10, y=20) | {"rotation": -15})
    assert turned.attrib["transform"] == "rotate(345 60 45)"


SHAPES = {
    "rect": ("rectangle", "rounded", "whatever"),
    "ellipse": ("ellipse", "circle"),
    "polygon": ("triangle", "diamond", "star", "hexagon"),
    "path": ("line", "arrow"),
}


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for name, kinds in SHAPES.items() for kind in kinds]
)
def test_shapes_have_their_outline_and_their_words(kind: str, name: str) -> None:
    shape = drawn(of("shape", kind=kind, text="Yes"))
    first(shape, name)
    assert words(shape) == "Yes"


def test_a_shape_of_the_page_has_the_colours_of_the_page() -> None:
    shape = first(drawn(of("shape", color="#93c5fd")), "rect").attrib
    assert (shape["fill"], shape["stroke"], shape["stroke-width"]) == ("#abd2fd", "#678ab2", "2")


def test_dark_areas_have_light_words() -> None:
    assert first(drawn(of("shape", fill="navy", text="x")), "text").attrib["fill"] == "#ffffff"
    assert first(drawn(of("shape", fill="ivory", text="x")), "text").attrib["fill"] == "#22252b"


def test_words_are_wrapped_and_what_does_not_fit_is_cut() -> None:
    note = of("sticky", text="one two three four five six seven eight nine ten")
    assert words(drawn(note)) == "one two…"
    note["size"] = {"width": 100, "height": 400}
    assert words(drawn(note)).split() == note["properties"]["text"].split()


def test_a_word_that_is_wider_than_its_box_is_broken() -> None:
    note = of("sticky", text="W" * 40) | {"size": {"width": 120, "height": 400}}
    lines = words(drawn(note)).split("\n")
    assert len(lines) > 3
    assert "".join(lines) == "W" * 40


def test_joined_characters_stay_together() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    note = of("sticky", text=family * 8) | {"size": {"width": 120, "height": 400}}
    assert all(line.replace(family, "") == "" for line in words(drawn(note)).split("\n"))


def test_a_text_is_shown_whole_below_its_box() -> None:
    text = of("text", text="\n".join("abcdefgh"))
    assert words(drawn(text)).split() == list("abcdefgh")


def test_formats_are_shown() -> None:
    delta = [
        {"insert": "plain "},
        {"insert": "loud", "attributes": {"bold": True, "color": "#ff0000"}},
        {"insert": {"image": "x"}},
        {"insert": " under", "attributes": {"underline": True, "italic": True, "onclick": "x"}},
    ]
    text = first(drawn(of("text", text={"delta": delta}) | {"size": {"width": 900}}), "text")
    assert "".join(text.itertext()) == "plain loud under"
    loud, under = text[0]
    assert loud.attrib == {"font-weight": "bold", "fill": "#ff0000"}
    assert under.attrib == {"font-style": "italic", "text-decoration": "underline"}


def test_strokes_are_laid_into_their_box() -> None:
    drawing = drawn(of("drawing", x=10, y=20, points=[[500, 500], [600, 550], [700, 600]]))
    assert ends(drawing) == ((10, 20), (110, 70))


@pytest.mark.parametrize(
    "stroke",
    [
        [{"x": 0, "y": 0}, {"x": 4, "y": 2}],
        [[0, 0], [4, 2, 0.5]],
        [0, 0, 4, 2],
        "M0 0L4 2",
        "m0,0 l2 1 h2 v1",
        {"points": [0, 0, 4, 2]},
        {"path": "M0,0C1 0 4 1 4 2"},
    ],
)
def test_strokes_may_be_written_in_several_ways(stroke: object) -> None:
    assert ends(drawn(of("drawing", strokes=[stroke]))) == ((0, 0), (100, 50))


def test_a_drawing_without_a_size_is_where_its_points_are() -> None:
    drawing = of("drawing", x=10, y=10, path="M5 5 L25 25")
    del drawing["size"]
    assert ends(drawn(drawing)) == ((15, 15), (35, 35))


def test_svg_5_connectors_end_at_edges() -> None:
    line = of("connector", start="a", end={"object_id": "b"}, arrow_end=False)
    for name in ("position", "size"):
        del line[name]
    left, right = of("shape", x=0, y=0), of("shape", x=300, y=0, kind="ellipse")
    start, end = ends(drawn(line, a=left, b=right))
    assert start == pytest.approx((103, 25))
    assert end == pytest.approx((297, 25))


def test_svg_5_a_connector_ends_at_the_edge_of_what_is_turned() -> None:
    line = of("connector", start="a", end={"x": 50, "y": 500}, arrow_end=False)
    turned = of("shape") | {"rotation": 90}
    start, end = ends(drawn(line, a=turned))
    assert start == pytest.approx((50, 25 + 50 + 3), abs=0.02)
    assert end == (50, 500)


def test_a_connector_may_name_the_side_it_ends_at() -> None:
    line = of("connector", start={"object_id": "a", "anchor": "top"}, end="b", arrow_end="none")
    start, _ = ends(drawn(line, a=of("shape", x=0, y=0), b=of("shape", x=300, y=0)))
    assert start == (50, 0)


@pytest.mark.parametrize("routing", ["straight", "elbow", "curved"])
def test_connectors_have_arrows_and_words(routing: str) -> None:
    line = of("connector", source="a", target=[400, 300], routing=routing, label="then")
    shown = drawn(line, a=of("shape"))
    assert len(shown.findall(f".//{NAMESPACE}path")) == 2
    assert words(shown) == "then"


def test_a_connector_without_ends_is_not_drawn() -> None:
    lost = project_object({"object_type": "connector", "properties": {"start": "gone"}})
    assert parsed(render({"it": lost}, {})).find(f"{NAMESPACE}g") is None


def test_annotations_are_numbered_from_above() -> None:
    remarks = {
        "low": project_annotation(
            {"annotation_type": "c", "content": "Low <b>", "position": {"x": 0, "y": 90}}
        ),
        "high": project_annotation({"annotation_type": "c", "content": "High", "object_id": "it"}),
        "lost": project_annotation({"annotation_type": "c", "content": "?", "object_id": "gone"}),
    }
    root = parsed(render({"it": project_object(of("shape"))}, remarks))
    marks = [each for each in root.findall(f"{NAMESPACE}g") if "data-annotation-id" in each.attrib]
    assert [first(mark, "title").text for mark in marks] == ["1. High", "2. Low <b>"]
    assert first(marks[0], "ellipse").attrib["cx"] == "100"


# How large it may be


def test_svg_6_what_there_is_no_room_for_is_counted_in_the_title() -> None:
    board = {f"{number:03}": project_object(of("shape")) for number in range(100)}
    svg = render(board, {}, "Big", most_bytes=5_000)
    assert len(svg) < 6_000
    shown = len(parsed(svg).findall(f"{NAMESPACE}g"))
    assert 0 < shown < 100
    assert first(parsed(svg), "title").text == (
        f"Big (without {100 - shown} objects: the file would be too large)"
    )


def test_svg_6_long_texts_and_drawings_are_cut() -> None:
    text = words(drawn(of("text", text="word " * 20_000)))
    assert LONGEST_TEXT * 0.95 < len(text) <= LONGEST_TEXT + 1
    wave = [[number, math.sin(number)] for number in range(100_000)]
    drawing = drawn(of("drawing", points=wave))
    assert len(ET.tostring(drawing)) < 2_000_000
    assert first(drawing, "title").text == "Only the first 20000 points are drawn."


def test_the_sample_board_is_drawn_whole() -> None:
    root = parsed(render(objects(), remarks()))
    shown = {group.attrib.get("data-object-id") for group in root.findall(f"{NAMESPACE}g")}
    assert shown - {None} == set(OBJECTS)

"""Colours that clients wrote, read and written anew: nothing else of them gets into the file."""

from __future__ import annotations

import colorsys
import re
from typing import Final, NamedTuple

_HEX: Final = re.compile(r"#([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})", re.ASCII)
_FUNCTION: Final = re.compile(
    r"(rgb|hsl)a?\(\s*([\d.]{1,8})(?:deg)?(%?)[\s,]+([\d.]{1,8})(%?)[\s,]+([\d.]{1,8})(%?)"
    r"(?:[\s,/]+([\d.]{1,8})(%?))?\s*\)",
    re.ASCII,
)
_LONGEST: Final = 64


class Color(NamedTuple):
    """Red, green and blue from 0 to 255, and how opaque, from 0 to 1."""

    red: int
    green: int
    blue: int
    alpha: float = 1.0

    @property
    def hex(self) -> str:
        """Without the opacity."""
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"

    @property
    def opacity(self) -> float | None:
        """What an attribute says; None where it need not be said."""
        return None if self.alpha >= 1 else self.alpha

    @property
    def is_dark(self) -> bool:
        """Whether words on it should be light."""
        brightness = 0.299 * self.red + 0.587 * self.green + 0.114 * self.blue
        return brightness < 128 and self.alpha > 0.5

    def mixed(self, other: Color, share: float) -> Color:
        """So much of this one, the rest of the other; as opaque as this one."""

        def channel(mine: int, theirs: int) -> int:
            return round(mine * share + theirs * (1 - share))

        return Color(
            channel(self.red, other.red),
            channel(self.green, other.green),
            channel(self.blue, other.blue),
            self.alpha,
        )


def parse_color(value: object) -> Color | None:
    """A colour as CSS spells it: `#…`, `rgb()`, `hsl()`, or a name. None for anything else."""
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    text = value.strip().lower()
    if text == "transparent":
        return Color(0, 0, 0, 0.0)
    digits = _HEX.fullmatch(text) or _HEX.fullmatch(f"#{_NAMED.get(text, '')}")
    if digits is not None:
        return _from_hex(digits[1])
    function = _FUNCTION.fullmatch(text)
    try:
        return None if function is None else _from_function(function)
    except ValueError:  # a number with two points
        return None


def _from_hex(digits: str) -> Color:
    if len(digits) < 6:
        digits = "".join(digit * 2 for digit in digits)
    red, green, blue, alpha = bytes.fromhex(digits.ljust(8, "f"))
    return Color(red, green, blue, alpha / 255)


def _from_function(match: re.Match[str]) -> Color:
    kind, *pairs = match.groups()
    first, second, third, alpha = zip(pairs[::2], pairs[1::2], strict=True)
    opacity = 1.0 if alpha[0] is None else _part(alpha, 1.0)
    if kind == "hsl":
        hue = float(first[0]) % 360 / 360
        rgb = colorsys.hls_to_rgb(hue, _part((third[0], "%"), 1.0), _part((second[0], "%"), 1.0))
    else:
        rgb = (_part(first, 255.0), _part(second, 255.0), _part(third, 255.0))
    red, green, blue = (round(channel * 255) for channel in rgb)
    return Color(red, green, blue, opacity)


def _part(written: tuple[str, str], whole: float) -> float:
    number, unit = written
    return min(1.0, float(number) / (100.0 if unit == "%" else whole))


_NAMES: Final = (
    "aliceblue:f0f8ff antiquewhite:faebd7 aqua:00ffff aquamarine:7fffd4 azure:f0ffff "
    "beige:f5f5dc bisque:ffe4c4 black:000000 blanchedalmond:ffebcd blue:0000ff "
    "blueviolet:8a2be2 brown:a52a2a burlywood:deb887 cadetblue:5f9ea0 chartreuse:7fff00 "
    "chocolate:d2691e coral:ff7f50 cornflowerblue:6495ed cornsilk:fff8dc crimson:dc143c "
    "cyan:00ffff darkblue:00008b darkcyan:008b8b darkgoldenrod:b8860b darkgray:a9a9a9 "
    "darkgreen:006400 darkgrey:a9a9a9 darkkhaki:bdb76b darkmagenta:8b008b "
    "darkolivegreen:556b2f darkorange:ff8c00 darkorchid:9932cc darkred:8b0000 "
    "darksalmon:e9967a darkseagreen:8fbc8f darkslateblue:483d8b darkslategray:2f4f4f "
    "darkslategrey:2f4f4f darkturquoise:00ced1 darkviolet:9400d3 deeppink:ff1493 "
    "deepskyblue:00bfff dimgray:696969 dimgrey:696969 dodgerblue:1e90ff firebrick:b22222 "
    "floralwhite:fffaf0 forestgreen:228b22 fuchsia:ff00ff gainsboro:dcdcdc ghostwhite:f8f8ff "
    "gold:ffd700 goldenrod:daa520 gray:808080 green:008000 greenyellow:adff2f grey:808080 "
    "honeydew:f0fff0 hotpink:ff69b4 indianred:cd5c5c indigo:4b0082 ivory:fffff0 khaki:f0e68c "
    "lavender:e6e6fa lavenderblush:fff0f5 lawngreen:7cfc00 lemonchiffon:fffacd "
    "lightblue:add8e6 lightcoral:f08080 lightcyan:e0ffff lightgoldenrodyellow:fafad2 "
    "lightgray:d3d3d3 lightgreen:90ee90 lightgrey:d3d3d3 lightpink:ffb6c1 lightsalmon:ffa07a "
    "lightseagreen:20b2aa lightskyblue:87cefa lightslategray:778899 lightslategrey:778899 "
    "lightsteelblue:b0c4de lightyellow:ffffe0 lime:00ff00 limegreen:32cd32 linen:faf0e6 "
    "magenta:ff00ff maroon:800000 mediumaquamarine:66cdaa mediumblue:0000cd "
    "mediumorchid:ba55d3 mediumpurple:9370db mediumseagreen:3cb371 mediumslateblue:7b68ee "
    "mediumspringgreen:00fa9a mediumturquoise:48d1cc mediumvioletred:c71585 "
    "midnightblue:191970 mintcream:f5fffa mistyrose:ffe4e1 moccasin:ffe4b5 "
    "navajowhite:ffdead navy:000080 oldlace:fdf5e6 olive:808000 olivedrab:6b8e23 "
    "orange:ffa500 orangered:ff4500 orchid:da70d6 palegoldenrod:eee8aa palegreen:98fb98 "
    "paleturquoise:afeeee palevioletred:db7093 papayawhip:ffefd5 peachpuff:ffdab9 "
    "peru:cd853f pink:ffc0cb plum:dda0dd powderblue:b0e0e6 purple:800080 "
    "rebeccapurple:663399 red:ff0000 rosybrown:bc8f8f royalblue:4169e1 saddlebrown:8b4513 "
    "salmon:fa8072 sandybrown:f4a460 seagreen:2e8b57 seashell:fff5ee sienna:a0522d "
    "silver:c0c0c0 skyblue:87ceeb slateblue:6a5acd slategray:708090 slategrey:708090 "
    "snow:fffafa springgreen:00ff7f steelblue:4682b4 tan:d2b48c teal:008080 thistle:d8bfd8 "
    "tomato:ff6347 turquoise:40e0d0 violet:ee82ee wheat:f5deb3 white:ffffff "
    "whitesmoke:f5f5f5 yellow:ffff00 yellowgreen:9acd32"
)
"""The names of CSS Color Module Level 4, section 6.1."""

_NAMED: Final = dict(pair.split(":") for pair in _NAMES.split())

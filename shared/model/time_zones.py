"""Time zones of guests: IANA names, and the numbers that Windows setup knows some of them by."""

from __future__ import annotations

import re

UTC = "Etc/UTC"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")

# Microsoft's "time zone index values"; the cities are those it names, or that Unicode's CLDR maps to them.
_WINDOWS = {
    2: "Pacific/Honolulu",
    3: "America/Anchorage",
    4: "America/Los_Angeles America/Tijuana America/Vancouver",
    10: "America/Denver America/Edmonton",
    13: "America/Chihuahua America/Mazatlan",
    15: "America/Phoenix",
    20: "America/Chicago America/Winnipeg",
    25: "America/Regina",
    30: "America/Mexico_City America/Monterrey",
    33: "America/Guatemala America/Costa_Rica America/El_Salvador",
    35: "America/New_York America/Detroit America/Toronto",
    40: "America/Indiana/Indianapolis",
    45: "America/Bogota America/Lima America/Panama",
    50: "America/Halifax",
    55: "America/La_Paz America/Puerto_Rico",
    56: "America/Santiago",
    60: "America/St_Johns",
    65: "America/Sao_Paulo",
    70: "America/Cayenne America/Guyana",
    80: "Atlantic/Azores",
    83: "Atlantic/Cape_Verde",
    85: "Europe/London Europe/Dublin Europe/Lisbon",
    90: "Etc/UTC UTC Etc/GMT GMT Africa/Abidjan Africa/Monrovia Atlantic/Reykjavik",
    95: "Europe/Belgrade Europe/Bratislava Europe/Budapest Europe/Ljubljana Europe/Prague",
    100: "Europe/Sarajevo Europe/Skopje Europe/Warsaw Europe/Zagreb",
    105: "Europe/Brussels Europe/Copenhagen Europe/Madrid Europe/Paris",
    110: "Europe/Amsterdam Europe/Berlin Europe/Luxembourg Europe/Oslo Europe/Rome Europe/Stockholm "
    "Europe/Vienna Europe/Zurich",
    113: "Africa/Lagos Africa/Algiers Africa/Luanda",
    115: "Europe/Bucharest",
    120: "Africa/Cairo",
    125: "Europe/Helsinki Europe/Kiev Europe/Kyiv Europe/Riga Europe/Sofia Europe/Tallinn Europe/Vilnius",
    130: "Europe/Athens",
    135: "Asia/Jerusalem",
    140: "Africa/Johannesburg Africa/Harare Africa/Maputo",
    145: "Europe/Moscow",
    150: "Asia/Riyadh Asia/Kuwait Asia/Qatar",
    155: "Africa/Nairobi Africa/Addis_Ababa",
    158: "Asia/Baghdad",
    160: "Asia/Tehran",
    165: "Asia/Dubai Asia/Muscat",
    170: "Asia/Yerevan Asia/Tbilisi Asia/Baku",
    175: "Asia/Kabul",
    180: "Asia/Yekaterinburg",
    185: "Asia/Karachi Asia/Tashkent",
    190: "Asia/Kolkata Asia/Calcutta",
    193: "Asia/Kathmandu Asia/Katmandu",
    195: "Asia/Dhaka",
    200: "Asia/Colombo",
    201: "Asia/Novosibirsk",
    203: "Asia/Yangon Asia/Rangoon",
    205: "Asia/Bangkok Asia/Jakarta Asia/Ho_Chi_Minh Asia/Saigon",
    207: "Asia/Krasnoyarsk",
    210: "Asia/Shanghai Asia/Hong_Kong",
    215: "Asia/Singapore Asia/Kuala_Lumpur Asia/Manila",
    220: "Asia/Taipei",
    225: "Australia/Perth",
    227: "Asia/Irkutsk",
    230: "Asia/Seoul",
    235: "Asia/Tokyo",
    240: "Asia/Yakutsk",
    245: "Australia/Darwin",
    250: "Australia/Adelaide",
    255: "Australia/Sydney Australia/Melbourne",
    260: "Australia/Brisbane",
    265: "Australia/Hobart",
    270: "Asia/Vladivostok",
    275: "Pacific/Guam Pacific/Port_Moresby",
    280: "Asia/Magadan Pacific/Guadalcanal Pacific/Noumea",
    285: "Pacific/Fiji",
    290: "Pacific/Auckland",
    300: "Pacific/Tongatapu",
}
WINDOWS_INDEX = {name: index for index, names in _WINDOWS.items() for name in names.split()}
"""Index of Microsoft's table by IANA name."""


def zone_name(text: str) -> str:
    """`text` when it has the form of an IANA name. Raises ValueError."""
    if _NAME.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no time zone; write it like Europe/Berlin or {UTC}")
    return text


def windows_index(name: str) -> int:
    """What Windows setup calls the zone. Raises ValueError where its table has none."""
    found = WINDOWS_INDEX.get(name)
    if found is None:
        raise ValueError(f"Windows setup has no number for time zone {name!r}; the nearest city may have")
    return found

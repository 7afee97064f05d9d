#!/usr/bin/env python3
"""Makes table.rs: the possible time zones of a telephone number, by its leading digits.

    python3 -m venv venv && venv/bin/pip install phonenumbers
    venv/bin/python src/domain/zones/generate.py > src/domain/zones/table.rs

The facts are libphonenumber's (Apache-2.0), which knows zones by exchange. An exchange is where a
landline is; a mobile number of the same area code may be anywhere in it. So only the part of a number
that says something of a mobile is kept, with the union of all zones below it: the area code in the
countries whose mobile numbers have one (North America, Brazil, Mexico), else the country alone.
"""

import phonenumbers
from phonenumbers.tzdata import TIMEZONE_DATA

# Digits of the country code and the area code.
AREA_DIGITS = {"1": 4, "52": 5, "55": 4}

# Area codes that cover the area of older ones. New ones have few exchanges or none, so the data knows
# fewer zones for them than their area has.
OVERLAYS = {
    "236": "250", "257": "250", "367": "418", "448": "850", "458": "541", "474": "306", "581": "418",
    "639": "306", "672": "250", "729": "423", "778": "250", "879": "709", "930": "812", "986": "208",
    "364": "270", "357": "559", "436": "440", "457": "318", "471": "662", "483": "334", "621": "713",
    "624": "716", "679": "313", "837": "530", "861": "309", "924": "507",
}


def country_of(prefix):
    """The calling code; Kazakhstan is apart from Russia, with which it shares its own."""
    if prefix.startswith("77"):
        return "77"
    codes = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    return next(prefix[:length] for length in (1, 2, 3) if int(prefix[:length]) in codes)


def zones_by_prefix():
    zones = {}
    for prefix, names in TIMEZONE_DATA.items():
        country = country_of(prefix)
        digits = AREA_DIGITS.get(country, len(country))
        # A prefix shorter than an area code holds where no longer one does.
        zones.setdefault(prefix[:digits], set()).update(names)
    # All zones of all of North America say nothing.
    del zones["1"]
    for new, base in OVERLAYS.items():
        zones.setdefault("1" + new, set()).update(zones["1" + base])
    return zones


def flow(items, indent="    ", width=108):
    lines, line = [], indent
    for item in items:
        if len(line) + len(item) + 2 > width:
            lines.append(line.rstrip())
            line = indent
        line += item + ", "
    return "\n".join([*lines, line.rstrip()])


def main():
    zones = {prefix: tuple(sorted(names)) for prefix, names in zones_by_prefix().items()}
    # What a shorter prefix says already needs no row; Brazil and Mexico have such.
    def said_before(prefix):
        shorter = next((prefix[:n] for n in range(len(prefix) - 1, 0, -1) if prefix[:n] in zones), None)
        return shorter is not None and zones[shorter] == zones[prefix]
    rows = {prefix: names for prefix, names in zones.items() if not said_before(prefix)}
    sets = sorted(set(rows.values()))
    print("//! Which zones a number may be in. Made by `generate.py`: do not edit.")
    print("//!")
    print(f"//! From the time-zone data of libphonenumber {phonenumbers.__version__}, which is under the")
    print("//! Apache License 2.0.")
    print("\n/// The distinct sets of IANA zones.\n#[rustfmt::skip]")
    print("pub(super) const SETS: &[&[&str]] = &[")
    print(flow("&[" + ", ".join(f'"{name}"' for name in names) + "]" for names in sets))
    print("];\n\n/// Leading digits of a number, in order, and the place of their set.\n#[rustfmt::skip]")
    print("pub(super) const PREFIXES: &[(u64, usize)] = &[")
    print(flow(f"({prefix}, {sets.index(rows[prefix])})" for prefix in sorted(rows, key=int)))
    print("];")


main()

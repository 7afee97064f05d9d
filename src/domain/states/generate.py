#!/usr/bin/env python3
"""Makes table.rs: the states in which an American telephone number may be, by its area code.

    python3 -m venv venv && venv/bin/pip install phonenumbers
    venv/bin/python src/domain/states/generate.py > src/domain/states/table.rs

The facts are libphonenumber's (Apache-2.0), which knows places by exchange. As with the zones
(../zones/generate.py), an exchange says nothing of a mobile: an area code has the union of all states
below it, and a new one those of the one that it covers.
"""

import contextlib
import importlib.util
import io
import pathlib
import re

import phonenumbers
from phonenumbers.geodata import GEOCODE_DATA

NAMES = {
    "Alabama": "AL", "Alaska": "AK", "Arizona": "AZ", "Arkansas": "AR", "California": "CA", "Colorado": "CO",
    "Connecticut": "CT", "Delaware": "DE", "Florida": "FL", "Georgia": "GA", "Hawaii": "HI", "Idaho": "ID",
    "Illinois": "IL", "Indiana": "IN", "Iowa": "IA", "Kansas": "KS", "Kentucky": "KY", "Louisiana": "LA",
    "Maine": "ME", "Maryland": "MD", "Massachusetts": "MA", "Michigan": "MI", "Minnesota": "MN",
    "Mississippi": "MS", "Missouri": "MO", "Montana": "MT", "Nebraska": "NE", "Nevada": "NV",
    "New Hampshire": "NH", "New Jersey": "NJ", "New Mexico": "NM", "New York": "NY", "North Carolina": "NC",
    "North Dakota": "ND", "Ohio": "OH", "Oklahoma": "OK", "Oregon": "OR", "Pennsylvania": "PA",
    "Rhode Island": "RI", "South Carolina": "SC", "South Dakota": "SD", "Tennessee": "TN", "Texas": "TX",
    "Utah": "UT", "Vermont": "VT", "Virginia": "VA", "Washington State": "WA", "Washington D.C.": "DC",
    "West Virginia": "WV", "Wisconsin": "WI", "Wyoming": "WY",
}
# Regions of their own in the numbering plan that belong to the United States.
TERRITORIES = ["AS", "GU", "MP", "PR", "VI"]


def overlays():
    path = pathlib.Path(__file__).parent.parent / "zones" / "generate.py"
    spec = importlib.util.spec_from_file_location("zones", path)
    zones = importlib.util.module_from_spec(spec)
    # It prints its own table.
    with contextlib.redirect_stdout(io.StringIO()):
        spec.loader.exec_module(zones)
    return zones.OVERLAYS


def region_of(area):
    number = phonenumbers.PhoneNumber(country_code=1, national_number=int(f"{area}2345678"))
    return phonenumbers.region_code_for_number(number)


def states_by_area():
    states = {}
    for prefix, names in GEOCODE_DATA.items():
        if prefix.startswith("1") and len(prefix) >= 4:
            name = names.get("en", "")
            city = re.search(r", ([A-Z]{2})$", name)
            state = city.group(1) if city else NAMES.get(name)
            if state in NAMES.values():
                states.setdefault(prefix[1:4], set()).add(state)
    for new, base in overlays().items():
        if base in states:
            states.setdefault(new, set()).update(states[base])
    return states


def flow(items, indent="    ", width=108):
    lines, line = [], indent
    for item in items:
        if len(line) + len(item) + 2 > width:
            lines.append(line.rstrip())
            line = indent
        line += item + ", "
    return "\n".join([*lines, line.rstrip()])


def main():
    states, inside, outside = states_by_area(), [], []
    for area in map(str, range(200, 1000)):
        region = region_of(area)
        if region in ("US", None) and area in states:
            inside.append((area, sorted(states[area])))
        elif region in TERRITORIES:
            inside.append((area, [region]))
        elif region not in ("US", None):
            outside.append(area)
    print("//! Which states a number may be in. Made by `generate.py`: do not edit.")
    print(f"//!\n//! From the places of libphonenumber {phonenumbers.__version__}, which are under the")
    print("//! Apache License 2.0.\n\n/// Area codes with the states in which they may be.\n#[rustfmt::skip]")
    print("pub(super) const STATES: &[(u16, &[&str])] = &[")
    quoted = lambda names: ", ".join(f'"{name}"' for name in names)
    print(flow([f"({area}, &[{quoted(names)}])" for area, names in inside]))
    print("];\n\n/// Area codes of the other countries of the numbering plan.\n#[rustfmt::skip]")
    print("pub(super) const ELSEWHERE: &[u16] = &[")
    print(flow(outside))
    print("];")


if __name__ == "__main__":
    main()

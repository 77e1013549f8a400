#!/usr/bin/env python3
"""Builds territories.ndjson from four CLDR JSON packages, version 48.2.0.

    npm pack cldr-core@48.2.0 cldr-localenames-full@48.2.0 \
             cldr-numbers-full@48.2.0 cldr-dates-full@48.2.0
    python3 prepare.py DIRECTORY_WITH_THE_FOUR_TGZ_FILES > territories.ndjson

Every value comes from CLDR: this script only selects, joins, renames, and
turns decimal strings into JSON numbers. A value CLDR lacks is left out.
"""
import json
import sys
import tarfile
from pathlib import Path

VERSION = "48.2.0"
LOCALES = "am ar chr el en he hi hy ja ka ko my ru ta th vi zh-Hans zh-Hant".split()


def load(package, member):
    with tarfile.open(Path(sys.argv[1]) / f"{package}-{VERSION}.tgz") as archive:
        return json.load(archive.extractfile(f"package/{member}"))


def load_locales(package, name):
    """{locale: contents of main/LOCALE/NAME.json}, in one pass over the archive."""
    out = {}
    with tarfile.open(Path(sys.argv[1]) / f"{package}-{VERSION}.tgz") as archive:
        for member in archive:
            parts = member.name.split("/")
            if parts[-1] == f"{name}.json" and parts[-2] in LOCALES:
                out[parts[-2]] = json.load(archive.extractfile(member))["main"][parts[-2]]
    return out


def number(text):
    """A decimal string as a JSON number: an integer unless it has a fraction."""
    return float(text) if "." in text or "E" in text.upper() else int(text)


def present(**fields):
    """The fields that have a value."""
    return {key: value for key, value in fields.items() if value not in (None, {}, [])}


def translated(table, code):
    """A name, or None where CLDR has none and repeats the code instead."""
    name = table.get(code)
    return None if name == code else name


supplemental = lambda name: load("cldr-core", f"supplemental/{name}.json")["supplemental"]
info = supplemental("territoryInfo")["territoryInfo"]
codes = supplemental("codeMappings")["codeMappings"]
currency_use = supplemental("currencyData")["currencyData"]["region"]
containment = supplemental("territoryContainment")["territoryContainment"]
first_day = supplemental("weekData")["weekData"]["firstDay"]
windows_zones = supplemental("windowsZones")["windowsZones"]["mapTimezones"]

territory_names = load_locales("cldr-localenames-full", "territories")
language_names = load_locales("cldr-localenames-full", "languages")
currency_names = load_locales("cldr-numbers-full", "currencies")
zone_names = load_locales("cldr-dates-full", "timeZoneNames")

# Territory -> the smallest UN M.49 region that holds it (a numeric code).
region_of = {}
for region, entry in containment.items():
    if region.isdigit() and region != "001":
        for member in entry["_contains"]:
            if not member.isdigit():
                region_of.setdefault(member, region)

# Territory -> its IANA time zones.
zones_of = {}
for row in windows_zones:
    zone = row["mapZone"]
    if zone["_territory"] not in ("001", "ZZ"):
        zones_of.setdefault(zone["_territory"], set()).update(zone["_type"].split())


def current_currencies(locale, territory):
    """The legal tender still in use, the oldest first."""
    uses = sorted((use.get("_from", ""), code)
                  for row in currency_use.get(territory, [])
                  for code, use in row.items()
                  if "_to" not in use and use.get("_tender") != "false")
    out = []
    for since, code in uses:
        names = currency_names[locale]["numbers"]["currencies"].get(code, {})
        symbol = names.get("symbol-alt-narrow") or names.get("symbol")
        out.append(present(code=code, since=since or None,
                           name=translated(names, "displayName"),
                           symbol=symbol if symbol != code else None))
    return out


def exemplar_city(locale, zone):
    node = zone_names[locale]["dates"]["timeZoneNames"]["zone"]
    for part in zone.split("/"):
        node = node.get(part, {})
    return node.get("exemplarCity")


def document(locale, territory):
    facts = info[territory]
    names = territory_names[locale]["localeDisplayNames"]["territories"]
    languages = language_names[locale]["localeDisplayNames"]["languages"]
    region = region_of.get(territory)
    return {
        "_id": f"{territory}/{locale}",
        "locale": locale,
        "territory": present(
            code=territory,
            alpha3=codes.get(territory, {}).get("_alpha3"),
            numeric=codes.get(territory, {}).get("_numeric"),
            name=translated(names, territory),
            short_name=names.get(f"{territory}-alt-short"),
            variant_name=names.get(f"{territory}-alt-variant"),
            region=present(code=region, name=translated(names, region))),
        "facts": present(
            gdp=number(facts["_gdp"]),
            population=number(facts["_population"]),
            literacy_percent=number(facts["_literacyPercent"])
            if "_literacyPercent" in facts else None),
        **present(
            official_languages={
                code: present(
                    name=translated(languages, code.replace("_", "-")),
                    status=use["_officialStatus"],
                    population_percent=number(use["_populationPercent"]),
                    literacy_percent=number(use["_literacyPercent"])
                    if "_literacyPercent" in use else None)
                for code, use in facts.get("languagePopulation", {}).items()
                if "_officialStatus" in use},
            currencies=current_currencies(locale, territory),
            week_starts=first_day.get(territory),
            time_zones=[present(zone=zone, city=exemplar_city(locale, zone))
                        for zone in sorted(zones_of.get(territory, ()))]),
    }


documents = [document(locale, territory) for locale in LOCALES for territory in info]
sys.stdout.reconfigure(encoding="utf-8", newline="\n")
for doc in sorted(documents, key=lambda doc: doc["_id"]):
    print(json.dumps(doc, ensure_ascii=False, separators=(",", ":")))

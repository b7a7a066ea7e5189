"""An invented catalogue with sequels, remakes and alternative titles."""

import pytest

from fedrec.data.catalog import Catalog
from fedrec.dualrec.titles import TitleIndex

TITLES = (
    "Glass Orchard, The (1999)",  # 1
    "Glass Orchard 2 (2001)",  # 2
    "Glass Orchard III (2004)",  # 3
    "Harrow Lane (1960)",  # 4, and its remake
    "Harrow Lane (1998)",  # 5
    "3017: A Tidal Oddity (1968)",  # 6
    "14 Patient Bakers (1957)",  # 7
    "Lantern, La (The Night Lamp) (1994)",  # 8
    "Night Lamp, The (1997)",  # 9
    "Road Menders 2 (a.k.a. The Gravel King) (1981)",  # 10
    "Qu\u00e9ribus (1988)",  # 11
    "Kettle (1979)",  # 12
    "Kettles (1986)",  # 13
    "Kettle: Rekindled (1997)",  # 14
    "Wanderers of the Northern Shore (1983)",  # 15
    "Orchard (1991)",  # 16
    "Good, the Sad and the Tired, The (1966)",  # 17
    "1984 (1984)",  # 18
)


def catalog_of(titles, genres=()):
    number = len(titles)
    return Catalog(
        [f"id{place}" for place in range(number)],
        list(titles),
        list(genres) or [("Comedy", "Film-Noir")] * number,
        [None] * number,
        [""] * number,
    )


@pytest.fixture(scope="session")
def catalog():
    return catalog_of(TITLES)


@pytest.fixture(scope="session")
def index(catalog):
    return TitleIndex(catalog)

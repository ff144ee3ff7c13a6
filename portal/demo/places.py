"""Where the demo's garages stand: made up, since the data say nothing of it."""

from typing import NamedTuple


class Garage(NamedTuple):
    """An address, and the coordinates of its first charge point."""

    address: str
    latitude: float
    longitude: float


STEP = 0.00012  # degrees of longitude from one charge point to the next, about 9 m
GARAGES = {
    "AdA1": Garage("Bahnhofplatz 3, 3011 Bern", 46.94870, 7.43880),
    "AdA6": Garage("Rue de la Gare 12, 2502 Biel/Bienne", 47.13300, 7.24300),
    "AdO1": Garage("Pilatusstrasse 20, 6003 Luzern", 47.04950, 8.30700),
    "AdO3": Garage("Centralbahnstrasse 9, 4051 Basel", 47.54780, 7.58960),
    "AsO10": Garage("Place de la Gare 4, 1003 Lausanne", 46.51740, 6.62960),
    "AsO2": Garage("Rue de Lausanne 16, 1201 Genève", 46.21020, 6.14290),
    "AsO4": Garage("Avenue de la Gare 2, 1950 Sion", 46.22790, 7.35900),
    "AsO6": Garage("Bahnhofstrasse 1, 3900 Brig", 46.31900, 7.98800),
    "AsO8": Garage("Bahnhofstrasse 8, 7000 Chur", 46.85350, 9.52950),
    "Bl2": Garage("Via Nassa 5, 6900 Lugano", 46.00270, 8.95020),
    "Bl7": Garage("Viale Stazione 10, 6500 Bellinzona", 46.19540, 9.02930),
    "MS1": Garage("Seestrasse 21, 8002 Zürich", 47.36250, 8.53300),
    "MS11": Garage("Via Torino 2, 20123 Milano", 45.46200, 9.18700),
    "MS22": Garage("Bahnhofplatz 7, 8400 Winterthur", 47.50000, 8.72400),
    "NR1": Garage("Poststrasse 11, 9000 St. Gallen", 47.42340, 9.37000),
    "Ris": Garage("Bundesplatz 4, 6300 Zug", 47.17250, 8.51550),
    "SR14": Garage("Bahnhofstrasse 30, 5000 Aarau", 47.39130, 8.05130),
    "SR2": Garage("Hauptgasse 14, 4500 Solothurn", 47.20830, 7.53700),
    "SR4": Garage("Avenue de la Gare 9, 2800 Delémont", 47.36200, 7.35000),
    "UT1": Garage("Place de la Gare 1, 2000 Neuchâtel", 46.99670, 6.93600),
    "UT15": Garage("Boulevard de Pérolles 6, 1700 Fribourg", 46.80300, 7.15200),
    "UT7": Garage("Vordergasse 18, 8200 Schaffhausen", 47.69590, 8.63500),
    "UT9": Garage("Via Maistra 2, 7500 St. Moritz", 46.49830, 9.83900),
}  # UT2 has none yet, as it is with stations that somebody has only just entered

"""The colours of figures and pages: on white paper and on a dark screen.

A figure is drawn once, for paper. A page recolours it for a dark screen by its style sheet, which
finds shapes by the colour that they were drawn in: so every colour here is unlike all others.
"""

# Okabe and Ito, "Color Universal Design" (2008).
BLUE, VERMILION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
PURPLE, SKY = "#CC79A7", "#56B4E9"
# Tol, "Colour schemes" (2021), muted, and a brown: further runs beside a run.
TEAL, OLIVE, INDIGO, BROWN = "#44AA99", "#999933", "#332288", "#8C564B"
INK, MUTED, FAINT, EDGE, PAPER = "#1F2933", "#5F6B7A", "#E4E8EE", "#9AA5B1", "#FFFFFF"
ON_BARS = "#111111"  # text on a light bar, which is light on a dark screen, too
VIEW_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION)

DARK = {
    BLUE: "#5CB3EC",
    VERMILION: "#FF8F45",
    GREEN: "#3FCF9F",
    ORANGE: "#F2B53A",
    PURPLE: "#E59AC3",
    SKY: "#9AD3F5",
    TEAL: "#6FD0C0",
    OLIVE: "#C8C85A",
    INDIGO: "#9D8FF0",
    BROWN: "#C49C94",
    INK: "#E6E9ED",
    MUTED: "#9AA5B2",
    FAINT: "#2E3640",
    EDGE: "#5F6B7B",
    PAPER: "#1B2128",
}

OWN = BLUE  # the run that a page is about, where other runs stand beside it
BASELINES = {"popularity": MUTED, "local-only": ORANGE, "centralised": PURPLE, "oracle": GREEN}
OTHERS = (VERMILION, SKY, TEAL, BROWN, OLIVE, INDIGO)


def dark_rules() -> str:
    """Style rules that recolour figures, for a dark screen."""
    return "".join(
        f'  .drawn [{what}="{colour.lower()}"] {{ {what}: {dark.lower()}; }}\n'
        for colour, dark in DARK.items()
        for what in ("fill", "stroke")
    )

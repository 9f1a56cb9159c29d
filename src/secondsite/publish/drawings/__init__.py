"""Charts and diagrams as SVG, from plain numbers, the same bytes each time."""

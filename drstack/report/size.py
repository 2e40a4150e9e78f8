"""How large the picture is, told to the page without bringing matplotlib in."""

DPI = 100
WIDTH_PX, HEIGHT_PX = 1600, 900

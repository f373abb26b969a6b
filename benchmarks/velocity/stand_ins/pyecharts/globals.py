"""Stand-in: no chart is drawn."""


class ThemeType:
    pass

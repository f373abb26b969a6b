"""Stand-in: no chart is drawn."""


class Sankey:
    pass

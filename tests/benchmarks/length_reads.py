"""x"""


def read_figures(path):
    pass

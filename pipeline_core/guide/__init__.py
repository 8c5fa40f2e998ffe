"""Names that DarknessPipeline's user guide promises, thin on top of today's API.

The guide's code blocks run with nothing but the import line changed.
"""
